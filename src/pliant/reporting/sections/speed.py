"""Learning speed and sample efficiency."""

from collections.abc import Mapping
from typing import Any

from pliant.reporting import tables, words
from pliant.reporting.section import Comparison, Section

NEVER = "not reached"


def table(comparison: Comparison) -> list[tables.Table]:
    """Area under the adaptation curve, and what it takes to be as good as the target."""
    share = f"{comparison['fraction']:.0%}"
    head = ["agent", "area", f"steps to {share}", f"episodes to {share}", f"stages to {share}"]
    head += ["adaptation steps", "training steps", "training steps to target"]
    rows = [_row(agent) for agent in comparison["agents"]]
    target = comparison["agents"][0]["efficiency"]["target"] if comparison["agents"] else None
    reference = comparison["reference"]
    note = f"{share} of the way from random actions to {words.shown(reference['name'])} ({_plain(reference['value'])})"
    note += f" is a return of {_plain(target)}." if target is not None else ": not defined, nobody does better than at random."
    return [tables.Table("Experience that suffices", head, rows, note)]


def _row(agent: Mapping[str, Any]) -> list[tables.Cell]:
    few, speed, spent = words.is_few(agent["seeds"]), agent["speed"], agent["efficiency"]
    reached = [speed[f"{unit}_to_fraction"] for unit in ("steps", "episodes", "stages")]
    training = NEVER if spent["train_steps_to_target"] is None else words.count(spent["train_steps_to_target"])
    adapts = _adapts_in_training(agent)
    return [
        tables.name(agent),
        tables.summary(speed["area"], few),
        *(tables.Cell(NEVER if value is None else words.count(value), few=few) for value in reached),
        tables.Cell(words.count(tables.seen(agent)), few=few),
        tables.Cell(words.count(spent["train_env_steps"]), few=few),
        tables.Cell(training if adapts else words.NONE, few=few and adapts),
    ]


def brief(comparison: Comparison) -> list[tables.Table]:
    """The same with what it costs."""
    head = ["agent", "area", f"steps to {comparison['fraction']:.0%}", "steps seen", "training steps", "to target"]
    head += ["minutes", "act us", "MFLOP to adapt"]
    rows = []
    for agent in comparison["agents"]:
        speed, spent, cost = agent["speed"], agent["efficiency"], agent["cost"]
        said = [
            f"{speed['area']['mean']:.2f}" if speed["area"] else "",
            _number(speed["steps_to_fraction"], "never"),
            _number(tables.seen(agent)),
            _number(spent["train_env_steps"]),
            _number(spent["train_steps_to_target"], "never" if _adapts_in_training(agent) else ""),
            "" if cost["train_seconds"] is None else f"{cost['train_seconds'] / 60:.1f}",
            _number(cost["act_microseconds"]),
            "" if cost["adapt_flops"] is None else f"{cost['adapt_flops'] / 1e6:,.1f}",
        ]
        rows.append([tables.name(agent), *map(tables.Cell, said)])
    return [tables.Table("how fast, and for how much", head, rows)]


def _adapts_in_training(agent: Mapping[str, Any]) -> bool:
    return any(curve["after"] for curve in agent["training"])


def _plain(value: float) -> str:
    return words.fixed(value, words.decimals(None, value))


def _number(value: float | None, none: str = "") -> str:
    return none if value is None else f"{value:,.0f}"


SECTION = Section(
    name="speed",
    title="Learning speed and sample efficiency",
    lead="How little of a task is enough, and how much training that took.",
    order=30,
    tables=table,
    brief=brief,
)
