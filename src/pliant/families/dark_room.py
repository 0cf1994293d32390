"""Dark key-to-door: find an invisible key in a dark room, then an invisible door, and remember both.

Laskin et al. 2022, arXiv:2210.14215, section 4 (Dark Key-to-Door). The agent sees nothing but its own cell in a 9x9 room.
The step that takes it to the key pays 1, once; after that the step that takes it to the door pays 1 and ends the episode, as
there is nothing left to earn; staying on a cell counts as stepping on it. An episode has at most 50 steps and opens in a
random cell; key and door stay the same throughout a trial. The actions are stay, up, right, down, left. The observation is
the agent's cell, one-hot: whether it holds the key must be remembered (in AMAGO's version, Grigsby et al. 2024,
arXiv:2310.09971, it is told, and starts every episode of a trial in the same cell).

A trial has 4 episodes, our choice: a systematic search has found key and door in the first three. They may share a cell, as
in the 81^2 tasks of the paper; of these cells the far corner, a ninth of the room, is kept for shifted tasks.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge, Unit
from numpy.typing import NDArray
from torch import Tensor

from pliant.simulators import grid
from pliant.tasks import checks
from pliant.tasks.base import BatchEnv, Family, Parameter, Tasks, Told
from pliant.types import Spec

EPISODES = 4


@dataclass(frozen=True)
class Settings:
    """Size of the room, start and length of an episode."""

    size: Annotated[int, Ge(3), Unit("cells per side")] = 9
    """Cells per side."""
    horizon: Annotated[int, Ge(1)] = 50
    """Steps after which an episode is truncated."""
    start: Literal["random", "centre"] = "random"
    """Where an episode opens: in any cell alike, or always in the middle, as most reimplementations have it."""

    def __post_init__(self) -> None:
        checks.settings(self)


class DarkRoom(BatchEnv):
    """All cells as one tensor [M, B] int64, and who holds the key."""

    reset_noise = 1

    def __init__(self, family: Family, tasks: Tasks, lanes: int, episodes: int) -> None:
        super().__init__(family, tasks, lanes, episodes)
        settings: Settings = family.settings
        self.key, self.door = (tasks.tensor(name).long()[:, None] for name in ("key", "door"))  # [M, 1]
        self.start = torch.tensor(starts(settings))
        self.destination = grid.destinations(settings.size)  # [cells, actions]
        self.seen = torch.eye(settings.size**2, dtype=torch.float64)
        self.cell = torch.zeros(self.shape, dtype=torch.int64)
        self.holds_key = torch.zeros(self.shape, dtype=torch.bool)

    def begin(self, chosen: Tensor, noise: Tensor) -> None:
        start = self.start[(noise[..., 0] * len(self.start)).long()]
        self.cell = torch.where(chosen, start, self.cell)
        self.holds_key = self.holds_key & ~chosen

    def observe(self) -> Tensor:
        return grid.one_hot(self.cell, self.seen)  # [M, B, cells]

    def advance(self, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        self.cell = self.destination[self.cell, action]
        opened = self.holds_key & (self.cell == self.door)
        picked_up = ~self.holds_key & (self.cell == self.key)
        self.holds_key = self.holds_key | picked_up
        return (opened | picked_up).double(), opened, opened


def starts(settings: Settings) -> list[int]:
    """The cells, all alike, in which an episode may open."""
    size = settings.size
    return list(range(size * size)) if settings.start == "random" else [size * (size // 2) + size // 2]


def far_corner(size: int) -> tuple[int, ...]:
    """The cells at the top right where training puts neither key nor door: a third of the room in both directions."""
    side = range(size - size // 3, size)
    return tuple(size * y + x for y in side for x in side)


def family(settings: Settings | None = None) -> Family:
    """The family of hidden keys and doors."""
    settings = settings or Settings()
    size = settings.size
    corner = far_corner(size)
    rest = tuple(cell for cell in range(size * size) if cell not in corner)

    def place(tasks: Tasks) -> NDArray[np.float64]:
        cell = np.stack([tasks.arrays["key"], tasks.arrays["door"]], axis=1)
        return 2 * np.concatenate([cell % size, cell // size], axis=1) / (size - 1) - 1  # [M, 4]

    def hidden(name: str) -> Parameter:
        meaning = f"cell of the {name}, {size} y + x from the bottom left"
        choices, shifted = tuple(map(float, rest)), tuple(map(float, corner))
        return Parameter(name, choices=choices, ood=shifted, split=True, meaning=meaning)

    return Family(
        name="dark-room",
        summary="find an invisible key, then an invisible door, and remember both",
        parameters=(hidden("key"), hidden("door")),
        spec=Spec(obs_size=size * size, action_size=len(grid.MOVES), discrete=True),
        horizon=settings.horizon,
        environment=DarkRoom,
        shift="key and door both in the far corner, where training puts neither",
        episodes=EPISODES,
        success="the door was opened",
        version="2",
        settings=settings,
        told=Told(4, place),
    )
