"""Grid navigation: find a hidden goal, then go straight to it in every later episode.

Zintgraf et al. 2020, arXiv:1910.08348, section 5.1 and appendix, by the rules of the authors' code. The agent starts in the
bottom left corner of a 5x5 grid; the goal is in one of the 21 cells that are not within one step, diagonals included, of the
start. A step costs 0.1, unless it leads to the goal or stays there, which pays 1. An episode has 15 steps and never ends
early; a trial has 4 episodes of the same goal. Who knows the goal earns 44.286 of a trial on average. The actions are stay,
up, right, down, left. The observation is the agent's cell, one-hot (in the authors' code its coordinates).

Training and test share the 21 goals: a fifth of so few would be another task.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Le, Unit
from numpy.typing import NDArray
from torch import Tensor

from pliant.simulators import grid
from pliant.tasks import checks
from pliant.tasks.base import BatchEnv, Family, Parameter, Tasks, Told
from pliant.types import Spec

EPISODES = 4
GOAL_REWARD = 1.0
STEP_REWARD = -0.1


@dataclass(frozen=True)
class Settings:
    """Size of the grid and length of an episode."""

    size: Annotated[int, Ge(3), Le(7), Unit("cells per side")] = 5
    """Cells per side."""
    horizon: Annotated[int, Ge(1)] = 15
    """Steps of an episode."""

    def __post_init__(self) -> None:
        checks.settings(self)


class GridNavi(BatchEnv):
    """All cells as one tensor [M, B] int64."""

    def __init__(self, family: Family, tasks: Tasks, lanes: int, episodes: int) -> None:
        super().__init__(family, tasks, lanes, episodes)
        size = family.settings.size
        self.goal = tasks.tensor("goal").long()[:, None]  # [M, 1]
        self.destination = grid.destinations(size)  # [cells, actions]
        self.seen = torch.eye(size * size, dtype=torch.float64)
        self.reward = torch.tensor([STEP_REWARD, GOAL_REWARD], dtype=torch.float64)
        self.cell = torch.zeros(self.shape, dtype=torch.int64)

    def begin(self, chosen: Tensor, noise: Tensor) -> None:
        self.cell = torch.where(chosen, 0, self.cell)

    def observe(self) -> Tensor:
        return grid.one_hot(self.cell, self.seen)  # [M, B, cells]

    def advance(self, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        self.cell = self.destination[self.cell, action]
        found = self.cell == self.goal
        return self.reward[found.long()], torch.zeros_like(found), found


def near(size: int) -> tuple[int, ...]:
    """The cells within one step of the start, diagonals included, where training puts no goal."""
    return 1, size, size + 1


def goals(size: int) -> tuple[int, ...]:
    """The cells where training puts the goal."""
    return tuple(cell for cell in range(1, size * size) if cell not in near(size))


def family(settings: Settings | None = None) -> Family:
    """The family of hidden goals."""
    settings = settings or Settings()
    cells = settings.size**2

    def place(tasks: Tasks) -> NDArray[np.float64]:
        return np.eye(cells)[tasks.arrays["goal"].astype(np.int64)]  # [M, cells]

    goal = Parameter(
        "goal",
        choices=tuple(map(float, goals(settings.size))),
        ood=tuple(map(float, near(settings.size))),
        meaning=f"cell of the goal, {settings.size} y + x from the bottom left",
    )
    return Family(
        name="gridnavi",
        summary="find a hidden goal in a small grid, then return to it",
        parameters=(goal,),
        spec=Spec(obs_size=cells, action_size=len(grid.MOVES), discrete=True),
        horizon=settings.horizon,
        environment=GridNavi,
        shift="goals next to the start, where training never puts one",
        episodes=EPISODES,
        success="the agent is on the goal",
        settings=settings,
        told=Told(cells, place),
    )
