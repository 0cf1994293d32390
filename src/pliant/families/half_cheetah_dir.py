"""HalfCheetah that must run forwards or backwards, and is not told which.

    reward = direction * speed - control_cost * sum(action^2)

The robot, its observation and its reset are Gymnasium's HalfCheetah-v5; the task is that of Finn et al. 2017
(arXiv:1703.03400). With two directions there is no unseen training task, so the shifted split changes the body: the
same directions with a heavier torso.
"""

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
    control_cost: Annotated[float, Ge(0)] = 0.05
    """Reward lost per unit of squared action, per step."""
    ood_mass_scale: tuple[float, float] = (1.5, 2.0)
    """Range of the torso's mass and inertia in the shifted split, as multiples of the original's."""

    def __post_init__(self) -> None:
        checks.settings(self)
        checks.interval("ood_mass_scale", self.ood_mass_scale, above=0.0)
        checks.shifted("ood_mass_scale", self.ood_mass_scale, (1.0, 1.0))


def family(settings: Settings | None = None) -> Family:
    """The family "half-cheetah-dir"."""
    settings = settings or Settings()
    low, high = settings.ood_mass_scale
    direction = Parameter("direction", choices=(-1.0, 1.0), meaning="+1 forwards, -1 backwards")
    mass = Parameter("mass_scale", (1.0, 1.0), (low, high), meaning="torso mass as a multiple of the original's")
    return mujoco.made(
        "half-cheetah-dir",
        "a half-cheetah runs forwards or backwards, which it must find out from its reward",
        robots.HALF_CHEETAH,
        (direction, mass),
        paid=_paid,
        shift=f"a torso {low:g} to {high:g} times as heavy",
        settings=settings,
        alter=_heavier_torso,
    )


def _paid(settings: Settings, tasks: Tasks) -> batch.Reward:
    direction = tasks.tensor("direction").unsqueeze(-1)  # [M, 1]

    def reward(motion: batch.Motion) -> tuple[Tensor, Tensor]:
        value = direction * motion.speed(0) - settings.control_cost * motion.effort
        return value, torch.zeros_like(motion.healthy)

    return reward


def _heavier_torso(model: Any, task: dict[str, Any]) -> None:
    batch.scale_body(model, "torso", task["mass_scale"])
