"""The tables of a comparison as cells of text, of which a page and Markdown are made: both say the same."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from pliant.reporting import verdicts
from pliant.reporting import words as wording
from pliant.reporting.words import NONE

SPLITS = {"train": "training tasks", "test": "test tasks", "ood": "shifted tasks (ood)"}


class Cell(NamedTuple):
    """One cell."""

    text: str
    small: str = ""
    """What goes below, such as an interval."""
    few: bool = False
    """It rests on fewer than three seeds."""
    kind: str = "number"
    """"number", "name", "words" or "code"."""


class Table(NamedTuple):
    """A table; its first column says what the rows are."""

    name: str
    """Of the section that it belongs to."""
    title: str
    head: list[str]
    rows: list[list[Cell]]
    note: str = ""


def tables(comparison: Mapping[str, Any]) -> list[Table]:
    """All of them, in the order in which one reads."""
    return [
        _headline(comparison),
        _pairs(comparison),
        _speed(comparison),
        _generalisation(comparison),
        *_sweeps(comparison),
        _cost(comparison),
        _differing(comparison),
    ]


def settings(config: Mapping[str, Any]) -> dict[str, str]:
    """Settings by dotted name, as text; without the seed, which is no part of an agent."""
    flat = {name: config[name] for name in ("algorithm", "policy") if name in config}
    for part, values in config.get("parts", {}).items():
        flat |= {f"{part}.{name}": value for name, value in values.items()}
    return {n: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for n, v in flat.items()}


def bounds(comparison: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Name, kind and return of classical players on the same tasks, and of what is known exactly."""
    players = comparison.get("players") or {}
    found = [(name, "classical player", each["return"]) for name, each in (players.get("each") or {}).items()]
    exact = [(words, players.get(name)) for name, words in (("optimum", "exact optimum"), ("ceiling", "who knows the task"))]
    return found + [(words, "exact", {"mean": value, "ci95": None}) for words, value in exact if value is not None]


# ---- one table each


def _headline(comparison: Mapping[str, Any]) -> Table:
    beside_it = {row["agent"]: row for row in verdicts.against(comparison)}
    head = ["agent", "seeds", "training steps", "steps seen of a task", "before", "after", "gain"]
    head += [f"minus {verdicts.BASELINE}", "verdict"]
    rows = []
    for agent in comparison["agents"]:
        few, row = wording.is_few(agent["seeds"]), beside_it.get(agent["name"])
        gain = agent["gain"]
        rows.append(
            [
                _name(agent),
                Cell(str(len(agent["seeds"])), few=few),
                Cell(wording.count(agent["efficiency"]["train_env_steps"]), few=few),
                Cell(wording.count(agent["efficiency"]["adapt_env_steps"]), few=few),
                _summary(agent["no_adaptation"], few),
                _summary(agent["final"], few),
                _summary(gain if len(agent["curve"]) > 1 else None, few, sign=True),
                _difference(row, bool(row and row["few"])),
                Cell(row["verdict"] if row else NONE, kind="words"),
            ]
        )
    for name, kind, summary in bounds(comparison):
        after = _summary(summary, False)
        rows.append([Cell(wording.shown(name), kind, kind="name"), *[Cell(NONE)] * 4, after, *[Cell(NONE)] * 2])
        rows[-1].append(Cell(NONE, kind="words"))
    kind = SPLITS.get(comparison["split"], wording.shown(comparison["split"]))
    note = f"Return of an episode on {comparison['tasks']} {kind}"
    note += ": mean over seeds and tasks, 95% interval below. Differences are paired by task."
    return Table("headline", "What every agent reaches", head, rows, note)


def _pairs(comparison: Mapping[str, Any]) -> Table:
    baselines = {a["name"] for a in comparison["agents"] if a["baseline"]}
    rows = []
    for found in comparison["against"]:
        if {found["agent"], found["other"]} <= baselines:
            continue
        pair = (found["agent"], found["other"])
        row = verdicts.beside(comparison, *(pair[::-1] if pair[0] in baselines else pair))
        assert row is not None
        rows.append(
            [
                Cell(wording.shown(row["agent"]), kind="name"),
                Cell(wording.shown(row["other"]), kind="name"),
                _difference(row, row["few"]),
                Cell(wording.share(row["probability_of_improvement"]), few=row["few"]),
                Cell(wording.probability(row["p_holm"]), few=row["few"]),
                Cell(row["verdict"], kind="words"),
            ]
        )
    head = ["agent", "beside", "difference", "P(improvement)", "p (Holm)", "verdict"]
    note = "After adaptation. A verdict follows the interval of its own pair; p is corrected for the number of pairs."
    return Table("pairs", "Every agent beside every other", head, rows, note)


def _speed(comparison: Mapping[str, Any]) -> Table:
    share = f"{comparison['fraction']:.0%}"
    head = ["agent", "area", f"steps to {share}", f"episodes to {share}", f"stages to {share}"]
    head += ["adaptation steps", "training steps", "training steps to target"]
    rows = []
    for agent in comparison["agents"]:
        few, speed, spent = wording.is_few(agent["seeds"]), agent["speed"], agent["efficiency"]
        reached = [speed[f"{unit}_to_fraction"] for unit in ("steps", "episodes", "stages")]
        training = "not reached" if spent["train_steps_to_target"] is None else wording.count(spent["train_steps_to_target"])
        adapts = any(curve["after"] for curve in agent["training"])
        rows.append(
            [
                _name(agent),
                _summary(speed["area"], few),
                *(Cell("not reached" if value is None else wording.count(value), few=few) for value in reached),
                Cell(wording.count(spent["adapt_env_steps"]), few=few),
                Cell(wording.count(spent["train_env_steps"]), few=few),
                Cell(training if adapts else NONE, few=few and adapts),
            ]
        )
    target = comparison["agents"][0]["efficiency"]["target"] if comparison["agents"] else None
    reference = comparison["reference"]
    note = f"{share} of the way from random actions to {wording.shown(reference['name'])} ({_plain(reference['value'])})"
    note += f" is a return of {_plain(target)}." if target is not None else ": not defined, nobody does better than at random."
    return Table("speed", "Experience that suffices", head, rows, note)


def _generalisation(comparison: Mapping[str, Any]) -> Table:
    agents = comparison["agents"]
    splits = [s for s in SPLITS if any(a["generalisation"].get(s) for a in agents)]
    gaps = [(f"{a}_minus_{b}", f"{a} − {b}") for a, b in (("test", "train"), ("ood", "test"))]
    gaps = [(key, words) for key, words in gaps if any(a["generalisation"].get(key) for a in agents)]
    rows = []
    for agent in agents:
        few, found = wording.is_few(agent["seeds"]), agent["generalisation"]
        sides = [_summary(found.get(split), few) for split in splits]
        rows.append([_name(agent), *sides, *(_summary(found.get(key), few, sign=True) for key, _ in gaps)])
    head = ["agent", *(SPLITS[s] for s in splits), *(words for _, words in gaps)]
    return Table("splits", "Splits side by side", head, rows, "Returns after adaptation and their differences.")


def _sweeps(comparison: Mapping[str, Any]) -> list[Table]:
    made = []
    for sweep in comparison.get("sweeps", []):
        agents = sweep["agents"]
        rows = []
        for place, value in enumerate(sweep["values"]):
            inside = any(low <= value <= high for low, high in sweep["trained"])
            cells = [_summary(a["after"][place], wording.is_few(a["seeds"])) for a in agents]
            rows.append([Cell(f"{value:g}".replace("-", "−")), Cell("yes" if inside else "no", kind="words"), *cells])
        head = [wording.shown(sweep["axis"]), "trained on", *(wording.shown(a["name"]) for a in agents)]
        meaning = wording.shown(sweep["meaning"]) if sweep.get("meaning") else ""
        title = f"Returns by {wording.shown(sweep['axis'])}"
        made.append(Table("sweeps", title, head, rows, f"Returns after adaptation. {meaning}".strip()))
    return made


def _cost(comparison: Mapping[str, Any]) -> Table:
    times = ("simulation", "acting", "inner", "outer", "evaluation")
    head = ["agent", "parameters", "training steps", "training", *times]
    head += ["adaptation", "adapt FLOP", "action", "act FLOP", "peak memory"]
    rows = []
    for agent in comparison["agents"]:
        cost, few = agent["cost"], wording.is_few(agent["seeds"])
        action, memory = cost.get("act_microseconds"), cost.get("peak_memory_mb")
        said = [
            wording.count(cost.get("parameters")),
            wording.count(cost.get("train_env_steps")),
            wording.seconds(cost.get("train_seconds")),
            *(wording.seconds(cost.get(f"{name}_seconds")) for name in times),
            wording.seconds(cost.get("adapt_seconds")),
            wording.count(cost.get("adapt_flops")),
            wording.seconds(None if action is None else action * 1e-6),
            wording.count(cost.get("act_flops")),
            NONE if memory is None else f"{memory:,.0f}\u00a0MB",
        ]
        rows.append([_name(agent), *(Cell(text, few=few and text != NONE) for text in said)])
    note = "Means over seeds. From simulation to evaluation: parts of the training time. FLOP: floating-point operations."
    return Table("cost", "Steps, times, operations, memory", head, rows, note)


def _differing(comparison: Mapping[str, Any]) -> Table:
    agents = comparison["agents"]
    each = [settings(a["config"]) for a in agents]
    names = dict.fromkeys(name for one in each for name in one)
    own = [name for name in names if len({one.get(name) for one in each}) > 1]
    rows = [[Cell(wording.shown(n), kind="code"), *(Cell(_setting(one.get(n)), kind="code") for one in each)] for n in own]
    note = f"What all agents share is left out; {NONE} is a setting that an agent does not have."
    return Table("settings", "Settings that differ", ["setting", *(wording.shown(a["name"]) for a in agents)], rows, note)


# ---- cells


def _name(agent: Mapping[str, Any]) -> Cell:
    return Cell(wording.shown(agent["name"]), small="baseline" if agent["baseline"] else "", kind="name")


def _summary(summary: Mapping[str, Any] | None, few: bool, sign: bool = False) -> Cell:
    if summary is None:
        return Cell(NONE)
    return Cell(wording.mean(summary, sign), wording.interval(summary["ci95"]), few)


def _difference(row: Mapping[str, Any] | None, few: bool) -> Cell:
    return _summary(None if row is None else {"mean": row["difference"], "ci95": row["ci95"]}, few, sign=True)


def _setting(value: str | None) -> str:
    return NONE if value is None else wording.shown(value)


def _plain(value: float) -> str:
    return wording.fixed(value, wording.decimals(None, value))
