"""A family of your own: fill a tank to a level that nobody tells you, with a hole in it that nobody has measured.

    pliant check own_family.py
    pliant train maml own_family.py
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from pliant.tasks.base import BatchEnv, Family, Parameter, Tasks
from pliant.types import Spec


@dataclass(frozen=True)
class Settings:
    """Length of an episode."""

    horizon: int = 40
    """Steps after which an episode is truncated, each of them a second."""


class Tank(BatchEnv):
    """All levels as one tensor [M, B], in metres."""

    def __init__(self, family: Family, tasks: Tasks, lanes: int, episodes: int) -> None:
        super().__init__(family, tasks, lanes, episodes)
        self.wanted, self.hole = (tasks.tensor(name)[:, None] for name in ("wanted", "hole"))  # [M, 1] each
        self.level = torch.zeros(self.shape, dtype=torch.float64)

    def begin(self, chosen: Tensor, noise: Tensor) -> None:
        self.level = torch.where(chosen, 0.5, self.level)

    def observe(self) -> Tensor:
        return 4 * self.level[..., None] - 2  # [M, B, 1], from -2 (empty) to 2 (full)

    def advance(self, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        tap = 0.1 * (action[..., 0] + 1) / 2  # metres a second, fully open at an action of 1
        self.level = (self.level + tap - self.hole * self.level.sqrt()).clamp(0, 1)
        off = (self.level - self.wanted).abs()
        return -off, torch.zeros_like(off, dtype=torch.bool), off < 0.02


def family(settings: Settings | None = None) -> Family:
    """The family of leaking tanks."""
    wanted = Parameter("wanted", train=(0.2, 0.8), meaning="level to reach, in metres")
    hole = Parameter("hole", train=(0.02, 0.06), ood=(0.06, 0.09), meaning="loss in metres a second of a tank 1 m deep")
    return Family(
        name="tank",
        summary="fill a tank that leaks to a level that is not told",
        parameters=(wanted, hole),
        spec=Spec(obs_size=1, action_size=1, discrete=False),
        horizon=(settings or Settings()).horizon,
        environment=Tank,
        shift="bigger holes",
        success="within 2 cm of the level",
        settings=settings or Settings(),
    )
