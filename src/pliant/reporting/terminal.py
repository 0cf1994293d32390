"""Adaptation curves for people: a table for the terminal, a picture with intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import markup
from rich.table import Table

from pliant.reporting import curves, tables
from pliant.storage import shown


def curve_table(document: Mapping[str, Any]) -> Table:
    """The curve of a document `pliant.evaluation/1`, one row per stage."""
    has_success = document["curve"][0]["success"] is not None
    table = Table(title=curves.title(document))
    stage = "episode" if curves.by_episode(document) else "stage"
    for name in (stage, "steps seen", "return", "95% interval", *(["success"] if has_success else [])):
        table.add_column(name, justify="right")
    curve = document["curve"]
    for place in sorted({round(i * (len(curve) - 1) / (curves.MOST_ROWS - 1)) for i in range(curves.MOST_ROWS)}):
        point = curve[place]
        value = point["return"]
        low, high = value["ci95"]
        row = [str(point["stage"]), f"{point['steps_seen']:,.0f}", f"{value['mean']:.2f}", f"{low:.2f} to {high:.2f}"]
        table.add_row(*row, *([f"{point['success']['mean']:.0%}"] if has_success else []))
    return table


def headline(document: Mapping[str, Any]) -> str:
    """What the published protocol says, in one line."""
    found = document["headline"]
    number = "{:.1%}" if found["what"] == "success" else "{:.2f}"
    low, high = (number.format(x) for x in found["ci95"])
    stages = ", ".join(map(str, found["stages"]))
    where = f"{'episodes' if curves.by_episode(document) else 'after gradient steps'} {stages}"
    return f"{document['protocol']['published']}: {found['what']} {number.format(found['mean'])} ({low} to {high}), {where}"


def players_table(document: Mapping[str, Any]) -> Table:
    """Agent, classical players and exact bounds of a document, by the return of a trial."""
    others = document["players"]
    table = Table(title=f"trials of {others['episodes']} episodes on the same tasks")
    for name in ("player", "first episode", "last episode", "trial", "95% interval"):
        table.add_column(name, justify="left" if name == "player" else "right")
    rows = {name: (each["return"][0], each["return"][-1], each["trial_return"]) for name, each in others["each"].items()}
    if curves.by_episode(document):
        ends = [document["curve"][i]["return"]["mean"] for i in (0, -1)]
        rows[document["algorithm"]] = (ends[0], ends[1], document["trial_return"])
    for name, (first, last, trial) in sorted(rows.items(), key=lambda row: row[1][2]["mean"]):
        low, high = trial["ci95"]
        name = f"[bold]{name}[/bold]" if name == document["algorithm"] else name
        table.add_row(name, f"{first:.2f}", f"{last:.2f}", f"{trial['mean']:.2f}", f"{low:.2f} to {high:.2f}")
    for name, words in (("optimum", "exact optimum"), ("ceiling", "who knows the task")):
        if others[name] is not None:
            table.add_row(words, "", "", f"{others[name]:.2f}", "")
    return table


def comparison_tables(document: Mapping[str, Any]) -> list[Table]:
    """A document `pliant.comparison/1` for the terminal: what agents reach, how fast and for how much, and who beats whom."""
    return [_reach_table(document), _speed_table(document), _against_table(document)]


def comparison_notes(document: Mapping[str, Any]) -> list[str]:
    """What must be said beside the tables, a line each."""
    reference = document["reference"]
    undefined = document["random"] is None or reference["value"] <= document["random"]
    lines = ["area and steps: not defined, nobody is known to do better than at random"] if undefined else [
        f"area and steps to {document['fraction']:.0%}: from random actions ({document['random']:.2f}) to"
        f" {reference['name']} ({reference['value']:.2f})"
    ]
    lines += [f"note: {note}" for note in document["notes"]]
    return lines + [f"missing: {each['name']}; to train it: {each['command']}" for each in document["missing"]]


def sweep_table(document: Mapping[str, Any]) -> Table:
    """A document `pliant.sweep/1`, one row per value."""
    low, high = document["trained"]
    subject = f"{shown.name(document['algorithm'])} on {shown.family_of(document)}"
    table = Table(title=f"{subject}: {document['axis']}, trained on {low:g} to {high:g}")
    for name in (document["axis"], "", "before", "after", "95% interval"):
        table.add_column(name, justify="right")
    for point in document["curve"]:
        first, last = point["return"][0], point["return"][-1]
        where = "" if low <= point["value"] <= high else "outside"
        table.add_row(f"{point['value']:g}", where, f"{first['mean']:.2f}", f"{last['mean']:.2f}", _between(last["ci95"]))
    return table


def _reach_table(document: Mapping[str, Any]) -> Table:
    splits = [s for s in ("train", "test", "ood") if any(a["generalisation"].get(s) for a in document["agents"])]
    table = Table(title=f"{shown.family_of(document)}: {document['tasks']} {document['split']} tasks, return per episode")
    table.add_column("agent")
    for name in ("seeds", "before", "after", "95% interval", "gain", *(f"{split} after" for split in splits)):
        table.add_column(name, justify="right")
    for agent in document["agents"]:
        sides = [agent["generalisation"].get(split) for split in splits]
        table.add_row(
            _named(agent),
            _seeds(agent),
            f"{agent['no_adaptation']['mean']:.2f}",
            f"{agent['final']['mean']:.2f}",
            _between(agent["final"]["ci95"]),
            f"{agent['gain']['mean']:+.2f}",
            *(f"{side['mean']:.2f}" if side else "" for side in sides),
        )
    for name, _, summary in tables.bounds(document):
        ends = _between(summary["ci95"]) if summary["ci95"] else ""
        table.add_row(f"[dim]{markup.escape(name)}[/dim]", "", "", f"{summary['mean']:.2f}", ends)
    return table


def _named(agent: Mapping[str, Any]) -> str:
    name = markup.escape(agent["name"])
    return f"[dim]{name}[/dim]" if agent["baseline"] else name


def _speed_table(document: Mapping[str, Any]) -> Table:
    table = Table(title="how fast, and for how much")
    table.add_column("agent")
    share = f"steps to {document['fraction']:.0%}"
    for name in ("area", share, "steps seen", "training steps", "to target", "minutes", "act us", "MFLOP to adapt"):
        table.add_column(name, justify="right")
    for agent in document["agents"]:
        speed, spent, cost = agent["speed"], agent["efficiency"], agent["cost"]
        minutes = None if cost["train_seconds"] is None else cost["train_seconds"] / 60
        table.add_row(
            _named(agent),
            f"{speed['area']['mean']:.2f}" if speed["area"] else "",
            _number(speed["steps_to_fraction"], "never"),
            _number(spent["adapt_env_steps"]),
            _number(spent["train_env_steps"]),
            _number(spent["train_steps_to_target"], "never" if any(c["after"] for c in agent["training"]) else ""),
            "" if minutes is None else f"{minutes:.1f}",
            _number(cost["act_microseconds"]),
            "" if cost["adapt_flops"] is None else f"{cost['adapt_flops'] / 1e6:,.1f}",
        )
    return table


def _against_table(document: Mapping[str, Any]) -> Table:
    """Every agent that is no baseline against every other."""
    baselines = {agent["name"] for agent in document["agents"] if agent["baseline"]}
    table = Table(title="after adaptation, on the same tasks")
    for name in ("agent", "beside", "difference", "95% interval", "p (Holm)", "P(improvement)", "verdict"):
        table.add_column(name, justify="left" if name in ("agent", "beside", "verdict") else "right")
    for row in document["against"]:
        if row["agent"] not in baselines:
            table.add_row(
                markup.escape(row["agent"]),
                markup.escape(row["other"]),
                f"{row['difference']:+.2f}",
                _between(row["ci95"]),
                f"{row['p_holm']:.3f}",
                f"{row['probability_of_improvement']:.2f}",
                row["verdict"],
            )
    return table


def _seeds(agent: Mapping[str, Any]) -> str:
    number = len(agent["seeds"])
    return str(number) if number >= 3 else f"{number} (few)"


def _between(ends: Sequence[float]) -> str:
    return f"{ends[0]:.2f} to {ends[1]:.2f}"


def _number(value: float | None, none: str = "") -> str:
    return none if value is None else f"{value:,.0f}"
