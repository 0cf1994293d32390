"""Tables as cells of text, of which the page, Markdown and the terminal are made: all say the same."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pliant.reporting import words

SPLITS = {"train": "training tasks", "test": "test tasks", "ood": "shifted tasks (ood)"}
UNADAPTED = ("random", "conditioned")
"""Agents whose actions nothing changes that they see of a task."""
BOUNDS = {"optimum": "exact optimum", "ceiling": "an agent that knows the task"}
"""What is known exactly of the tasks of a document."""


class Cell(NamedTuple):
    """One cell."""

    text: str
    small: str = ""
    """What goes below, such as an interval."""
    few: bool = False
    """It rests on fewer than three seeds."""
    kind: str = "number"
    """"number", "name", "words" or "code"."""
    over: tuple[str, ...] = ()
    """Splits whose tasks it is a mean over; "" is that of the whole comparison."""
    few_tasks: bool = False
    """It rests on fewer than five distinct tasks."""

    @property
    def marks(self) -> str:
        """What stands beside it."""
        return (words.FEW if self.few else "") + (words.FEW_TASKS if self.few_tasks else "")


class Table(NamedTuple):
    """A table; its first column says what the rows are."""

    title: str
    head: list[str]
    rows: list[list[Cell]]
    note: str = ""


def bounds(comparison: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Name, kind and return of reference agents on the same tasks, and of what is known exactly."""
    players = comparison.get("players") or {}
    found = [(name, "reference agent", each["return"]) for name, each in (players.get("each") or {}).items()]
    exact = [(title, players.get(name)) for name, title in BOUNDS.items()]
    return found + [(title, "exact", {"mean": value, "ci95": None}) for title, value in exact if value is not None]


def first(agent: Mapping[str, Any]) -> Mapping[str, Any]:
    """The return at its first stage: without adaptation, or of the first episode of a memory."""
    summary: Mapping[str, Any] = agent.get("first") or agent["no_adaptation"]
    return summary


def adapts(agent: Mapping[str, Any]) -> bool:
    """What it sees of a task changes how it acts."""
    return bool(agent["by_episode"]) or agent["algorithm"] not in UNADAPTED


def seen(agent: Mapping[str, Any]) -> float:
    """Steps of a task that it has seen when it counts as adapted; none for one that does not adapt, in older documents too."""
    steps: float = agent["efficiency"]["adapt_env_steps"]
    return steps if adapts(agent) else 0.0


# ---- cells


def name(agent: Mapping[str, Any]) -> Cell:
    """What an agent is called, and whether it is a baseline."""
    return Cell(words.shown(agent["name"]), small="baseline" if agent["baseline"] else "", kind="name")


def summary(of: Mapping[str, Any] | None, few: bool, sign: bool = False, over: tuple[str, ...] = ("",)) -> Cell:
    """The mean of a summary over its interval, if there is one."""
    if of is None:
        return Cell(words.NONE)
    return Cell(words.mean(of, sign), words.interval(of["ci95"]), few, over=over)


def difference(row: Mapping[str, Any] | None, few: bool) -> Cell:
    """The difference of a pair over its interval."""
    return summary(None if row is None else {"mean": row["difference"], "ci95": row["ci95"]}, few, sign=True)


def between(ends: Sequence[float] | None) -> str:
    """An interval as the terminal shows it: `-2.81 to -2.02`."""
    return words.NONE if ends is None else f"{ends[0]:.2f} to {ends[1]:.2f}"
