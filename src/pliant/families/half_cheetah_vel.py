"""HalfCheetah that must run at a speed it is not told.

    reward = -|speed - velocity| - control_cost * sum(action^2)

The robot, its observation and its reset are Gymnasium's HalfCheetah-v5; task and reward are those of Finn et al. 2017
(arXiv:1703.03400), whose goal velocities in 0 to 2 m/s are the training range here.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from pliant.simulators.mujoco import batch, robots
from pliant.simulators.mujoco import family as mujoco
from pliant.tasks import checks
from pliant.tasks.base import Family, Parameter, Tasks


@dataclass(frozen=True)
class Settings:
    """What is fixed for all tasks."""

    horizon: Annotated[int, Ge(1)] = 200
    """Length of an episode in steps of 0.05 s."""
    control_cost: Annotated[float, Ge(0)] = 0.05
    """Reward lost per unit of squared action, per step."""
    velocity: tuple[float, float] = (0.0, 2.0)
    """Range of the goal velocity in training, m/s."""
    ood_velocity: tuple[float, float] = (2.0, 3.0)
    """Range of the goal velocity in the shifted split, m/s; what lies inside the training range is left out."""

    def __post_init__(self) -> None:
        checks.settings(self)
        checks.interval("velocity", self.velocity)
        checks.shifted("ood_velocity", self.ood_velocity, self.velocity)


def family(settings: Settings | None = None) -> Family:
    """The family "half-cheetah-vel"."""
    settings = settings or Settings()
    goal = Parameter("velocity", settings.velocity, settings.ood_velocity, meaning="goal velocity, m/s")
    return mujoco.made(
        "half-cheetah-vel",
        "a half-cheetah runs at a velocity that it must find out from its reward",
        robots.HALF_CHEETAH,
        (goal,),
        paid=_paid,
        shift=f"faster goals: {settings.ood_velocity[0]:g} to {settings.ood_velocity[1]:g} m/s",
        version="2",
        settings=settings,
    )


def _paid(settings: Settings, tasks: Tasks) -> batch.Reward:
    goal = tasks.tensor("velocity").unsqueeze(-1)  # [M, 1]

    def reward(motion: batch.Motion) -> tuple[Tensor, Tensor]:
        value = -(motion.speed(0) - goal).abs() - settings.control_cost * motion.effort
        return value, torch.zeros_like(motion.healthy)

    return reward
