"""Ant that must walk in a direction it is not told, anywhere on the circle.

    reward = speed along the direction + healthy_reward * healthy - control_cost * sum(action^2)

The robot, its observation (without contact forces), its reset and the height of 0.2 to 1 m outside which an episode
terminates are Gymnasium's Ant-v5, as are the default weights; the task is that of Finn et al. 2017 (arXiv:1703.03400),
with an angle in place of two directions. Speed is the displacement of the torso over the step. Ant-v5 itself reads the
torso where MuJoCo's last Runge-Kutta stage put it, not where the step ended, and differs by
5 cm/s at worst in 2,000 steps of random actions.

Every angle occurs in training, so the shifted split changes the body: weaker motors.
"""

import math
from dataclasses import dataclass
from typing import Annotated, Any

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
    control_cost: Annotated[float, Ge(0)] = 0.5
    """Reward lost per unit of squared action, per step."""
    healthy_reward: Annotated[float, Ge(0)] = 1.0
    """Reward for every step that ends healthy."""
    ood_motor_scale: tuple[float, float] = (0.5, 0.8)
    """Range of the motors' strength in the shifted split, as a multiple of the original's."""

    def __post_init__(self) -> None:
        checks.settings(self)
        checks.interval("ood_motor_scale", self.ood_motor_scale, above=0.0)
        checks.shifted("ood_motor_scale", self.ood_motor_scale, (1.0, 1.0))


def family(settings: Settings | None = None) -> Family:
    """The family "ant-dir"."""
    settings = settings or Settings()
    low, high = settings.ood_motor_scale
    angle = Parameter("angle", (0.0, 2 * math.pi), meaning="direction to walk in, radians from the x axis")
    motor = Parameter("motor_scale", (1.0, 1.0), (low, high), meaning="motor strength as a multiple of the original's")
    return mujoco.made(
        "ant-dir",
        "an ant walks in a direction that it must find out from its reward",
        robots.ANT,
        (angle, motor),
        paid=_paid,
        shift=f"motors with {low:g} to {high:g} of their strength",
        version="2",
        settings=settings,
        alter=_weaker_motors,
    )


def _paid(settings: Settings, tasks: Tasks) -> batch.Reward:
    angles = tasks.arrays["angle"].tolist()
    # Angle by angle: the vectorised cosine of a task may differ in its last bit with the size of the batch.
    cosine = torch.tensor([[math.cos(angle)] for angle in angles], dtype=torch.float64)  # [M, 1]
    sine = torch.tensor([[math.sin(angle)] for angle in angles], dtype=torch.float64)  # [M, 1]

    def reward(motion: batch.Motion) -> tuple[Tensor, Tensor]:
        along = cosine * motion.speed(0) + sine * motion.speed(1)
        value = along + settings.healthy_reward * motion.alive() - settings.control_cost * motion.effort
        return value, torch.zeros_like(motion.healthy)

    return reward


def _weaker_motors(model: Any, task: dict[str, Any]) -> None:
    model.actuator_gear *= task["motor_scale"]
