"""2-D point navigation: move from the origin to a hidden goal.

Finn et al. 2017, arXiv:1703.03400, section 5.3. Goals are uniform in [-0.5, 0.5]^2, the observation is the position, actions
are velocities of at most 0.1 per coordinate and step, an episode ends within 0.01 of the goal in both coordinates or
after 100 steps. The paper says that the reward is minus the squared distance; the authors' code, and the published
return before adaptation (-40.4), use the plain distance, which is the default here.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge, Gt, Unit
from torch import Tensor

from pliant.tasks import checks
from pliant.tasks.base import Axis, BatchEnv, Family, Parameter, Tasks
from pliant.types import Spec


@dataclass(frozen=True)
class Settings:
    """Reward, reach and length of an episode."""

    distance: Literal["plain", "squared"] = "plain"
    """Distance that is the cost of a step."""
    speed: Annotated[float, Gt(0)] = 0.1
    """Largest displacement per coordinate and step; an action of 1 is this far."""
    radius: Annotated[float, Ge(0)] = 0.01
    """The goal is reached within this distance in both coordinates."""
    horizon: Annotated[int, Ge(1), Unit("step")] = 100
    """Steps after which an episode is truncated."""

    def __post_init__(self) -> None:
        checks.settings(self)


class Point(BatchEnv):
    """All positions as one tensor [M, B, 2]."""

    def __init__(self, family: Family, tasks: Tasks, lanes: int, episodes: int) -> None:
        super().__init__(family, tasks, lanes, episodes)
        self.settings: Settings = family.settings
        self.goal = tasks.tensor("goal")[:, None]  # [M, 1, 2]
        self.position = torch.zeros(*self.shape, 2, dtype=torch.float64)

    def begin(self, chosen: Tensor, noise: Tensor) -> None:
        self.position = torch.where(chosen[..., None], 0.0, self.position)

    def observe(self) -> Tensor:
        return self.position

    def advance(self, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        self.position = self.position + self.settings.speed * action
        offset = self.position - self.goal
        squared = offset.square().sum(-1)
        reached = (offset.abs() < self.settings.radius).all(-1)
        return -(squared.sqrt() if self.settings.distance == "plain" else squared), reached, reached


def _at_distance(tasks: Tasks, distance: float) -> Tasks:
    """The same directions, each with its goal `distance` away in its larger coordinate."""
    goal = tasks.arrays["goal"]
    return Tasks(tasks.family, {"goal": distance * goal / np.abs(goal).max(1, keepdims=True)})


def family(settings: Settings | None = None) -> Family:
    """The family of hidden goals."""
    settings = settings or Settings()
    goal = Parameter("goal", train=(-0.5, 0.5), ood=(-1.0, 1.0), size=2, meaning="target position x, y")
    return Family(
        name="point",
        summary="2-D navigation to a hidden goal",
        parameters=(goal,),
        spec=Spec(obs_size=2, action_size=2, discrete=False),
        horizon=settings.horizon,
        environment=Point,
        shift="goals beyond the training square, out to twice its size",
        success="the goal was reached",
        version="2",
        settings=settings,
        own_axes={"distance": Axis("larger coordinate of the goal, its direction kept", (0.0, 0.5), (0.0, 1.0), _at_distance)},
    )
