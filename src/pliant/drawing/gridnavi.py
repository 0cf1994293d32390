"""The small grid: the way so far, and the goal that the agent cannot see."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor

from pliant.drawing import _cells, base
from pliant.drawing._canvas import GOAL
from pliant.types import Rollout


def prepare(batch: Any) -> None:
    """Nothing to see to."""


def pace(batch: Any) -> float:
    """An episode of 15 steps takes five seconds."""
    return 3.0


def scene(batch: Any, task: int, lane: int, given: Tensor) -> int:
    """The agent's cell."""
    return int(batch.cell[task, lane])


def pictures(
    batch: Any, task: int, scenes: Sequence[Any], times: Sequence[int], others: Sequence[Sequence[Any]]
) -> Iterator[base.Image]:
    """The way so far."""
    size = batch.family.settings.size
    for t in times:
        yield _cells.walked(_cells.board(size, [(int(batch.goal[task]), GOAL, "goal")]), scenes[: t + 1], size)


def words(batch: Any, task: int, scenes: Sequence[Any], time: int) -> str:
    """Steps spent on the goal."""
    goal = int(batch.goal[task])
    return f"{sum(cell == goal for cell in scenes[1 : time + 1])} steps on the goal"


def trajectories(axes: Any, batch: Any, task: int, rollout: Rollout, episode: int) -> None:
    """The ways of all lanes."""
    size = batch.family.settings.size
    _cells.mark(axes, int(batch.goal[task]), size, GOAL, "goal")
    _cells.paths(axes, rollout, task, episode, size)
