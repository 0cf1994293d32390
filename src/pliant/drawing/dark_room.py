"""The dark room: the way so far, key and door, none of which the agent can see."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor

from pliant.drawing import _cells, base
from pliant.drawing._canvas import GOAL
from pliant.types import Rollout

KEY = "#B8860B"


def prepare(batch: Any) -> None:
    """Nothing to see to."""


def pace(batch: Any) -> float:
    """An episode of 50 steps takes eight seconds."""
    return 6.0


def scene(batch: Any, task: int, lane: int, given: Tensor) -> tuple[int, bool]:
    """The agent's cell, and whether it holds the key."""
    return int(batch.cell[task, lane]), bool(batch.holds_key[task, lane])


def pictures(
    batch: Any, task: int, scenes: Sequence[Any], times: Sequence[int], others: Sequence[Sequence[Any]]
) -> Iterator[base.Image]:
    """The way so far; the key is gone once it is held."""
    size, key, door = batch.family.settings.size, int(batch.key[task]), int(batch.door[task])
    for t in times:
        held = scenes[t][1]
        marked = [(door, GOAL, "door")] + ([] if held else [(key, KEY, "key")])
        yield _cells.walked(_cells.board(size, marked), [cell for cell, _ in scenes[: t + 1]], size, KEY if held else None)


def words(batch: Any, task: int, scenes: Sequence[Any], time: int) -> str:
    """What it holds."""
    cell, held = scenes[time]
    return "opened the door" if held and cell == int(batch.door[task]) else "holds the key" if held else "without the key"


def trajectories(axes: Any, batch: Any, task: int, rollout: Rollout, episode: int) -> None:
    """The ways of all lanes."""
    size = batch.family.settings.size
    _cells.mark(axes, int(batch.key[task]), size, KEY, "key")
    _cells.mark(axes, int(batch.door[task]), size, GOAL, "door")
    _cells.paths(axes, rollout, task, episode, size)
