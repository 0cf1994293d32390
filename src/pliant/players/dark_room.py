"""Reference agents for the dark room: a systematic search that forgets nothing, random moves, and what the task is worth.

The best agent without that knowledge is not known: what it should search first depends on what it has searched with and without
the key, and on where the next episode opens.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pliant.families import dark_room
from pliant.players.parts.grid import Map, Random
from pliant.simulators import grid
from pliant.streams import Stream
from pliant.tasks.base import Family, Tasks
from pliant.types import Inputs, Output, State


def players(family: Family, stream: Stream) -> dict[str, nn.Module]:
    """The agents by name."""
    return {"sweep": Sweep(family), "random": Random(family)}


def ceiling(family: Family, tasks: Tasks, episodes: int) -> NDArray[np.float64]:
    """Return of a trial when key and door are known and the shortest way is taken, [M]; exact, the mean over all starts."""
    distance = grid.distances(family.settings.size).clamp(min=1).numpy()  # a cell one stands on takes a step too
    key, door = (tasks.arrays[name].astype(np.int64) for name in ("key", "door"))
    to_key = distance[dark_room.starts(family.settings)][:, key]  # [starts, M]
    to_door = to_key + distance[key, door]
    paid = (to_key <= family.horizon).astype(np.float64) + (to_door <= family.horizon)
    return np.asarray(episodes * paid.mean(0))


def optimum(family: Family, episodes: int) -> float | None:
    """None: the Bayes-optimal return is not known."""
    return None


class _Notes(NamedTuple):
    """What `Sweep` remembers."""

    here: Tensor
    """[M, B]"""
    holds: Tensor
    """[M, B] bool, the key was picked up in this episode."""
    key: Tensor
    """[M, B, cells] bool, where the key may be: one cell once it is found."""
    door: Tensor
    """[M, B, cells] bool, the same for the door."""


class Sweep(nn.Module):
    """Steps on the nearest cell where the key may be, then on the nearest where the door may be; both are remembered.

    Of several it takes the one nearest to the walls, so that it leaves no holes behind.
    """

    broadcasts = True

    def __init__(self, family: Family) -> None:
        super().__init__()
        size = family.settings.size
        self.map = Map(size)
        self.cell = torch.arange(size * size)
        x, y = self.cell % size, self.cell // size
        inland = torch.stack([x, y, size - 1 - x, size - 1 - y]).amin(0)  # [cells] moves to the nearest wall
        order = inland * size * size + self.cell
        self.effort = self.map.distance * size**3 + order  # [cells, cells] nearest first, then in order

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        here = self.map.here(inputs)
        if state == ():
            anywhere = torch.ones(*here.shape, len(self.cell), dtype=torch.bool)
            state = _Notes(here, torch.zeros_like(here, dtype=torch.bool), anywhere, anywhere)
        else:
            state = self._learned(here, inputs, state)
        may_be = torch.where(state.holds[..., None], state.door, state.key)  # [M, B, cells]
        target = self.effort[here].masked_fill(~may_be, self.effort.max() + 1).argmin(-1)
        return Output(self.map.towards(here, target)), state

    def _learned(self, here: Tensor, inputs: Inputs, state: _Notes) -> _Notes:
        """What the last step adds to the notes."""
        paid = inputs.prev_reward > 0  # [M, B, 1]
        landed = self.map.landed(state.here, inputs)[..., None] == self.cell  # [M, B, cells]
        holds = state.holds[..., None]  # [M, B, 1]
        key = torch.where(holds, state.key, torch.where(paid, landed, state.key & ~landed))
        door = torch.where(holds, torch.where(paid, landed, state.door & ~landed), state.door)
        return _Notes(here, (holds | paid)[..., 0] & ~inputs.first[:, :, 0], key, door)
