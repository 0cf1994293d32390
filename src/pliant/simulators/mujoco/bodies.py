"""Robots whose tasks are other masses, inertias, dampings and frictions: settings, family and batch of all of them."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor

from pliant.simulators.mujoco import batch, robots
from pliant.tasks import checks
from pliant.tasks.base import BatchEnv, Family, Parameter, Tasks

MEANINGS = {
    "mass_scale": "mass of every body",
    "inertia_scale": "rotational inertia of every body",
    "damping_scale": "damping of every joint",
    "friction_scale": "friction of every geom",
}
"""What the parameters of such a family multiply."""


@dataclass(frozen=True)
class Settings:
    """What is fixed for all tasks."""

    horizon: Annotated[int, Ge(1)] = 200
    """Length of an episode in steps of 0.008 s."""
    control_cost: Annotated[float, Ge(0)] = 0.001
    """Reward lost per unit of squared action, per step."""
    healthy_reward: Annotated[float, Ge(0)] = 1.0
    """Reward for every step that ends healthy."""
    scale: tuple[float, float] = (1.5**-3, 1.5**3)
    """Range of the four scales in training, as multiples of the original."""
    ood_scale: tuple[float, float] = (1.5**3, 1.5**4)
    """Range of the four scales in the shifted split; what lies inside the training range in all four is left out."""

    def __post_init__(self) -> None:
        checks.settings(self)
        checks.interval("scale", self.scale, above=0.0)
        checks.interval("ood_scale", self.ood_scale, above=0.0)
        checks.shifted("ood_scale", self.ood_scale, self.scale)


def family(name: str, summary: str, robot: robots.Robot, settings: Settings) -> Family:
    """The family `name` of a robot's other bodies."""
    low, high = settings.ood_scale
    return Family(
        name=name,
        summary=summary,
        parameters=parameters(settings.scale, settings.ood_scale),
        spec=robot.spec,
        horizon=settings.horizon,
        environment=partial(environment, robot=robot),
        shift=f"masses, inertias, dampings and frictions {low:.3g} to {high:.3g} times the original's",
        settings=settings,
    )


def parameters(train: tuple[float, float], ood: tuple[float, float]) -> tuple[Parameter, ...]:
    """The four scales, each log-uniform in `train`, or in `ood` for the shifted split."""
    meanings = {name: f"{meaning}, as a multiple of the original's" for name, meaning in MEANINGS.items()}
    return tuple(Parameter(name, train, ood, law="log", meaning=meaning) for name, meaning in meanings.items())


def environment(family: Family, tasks: Tasks, lanes: int, episodes: int, robot: robots.Robot) -> BatchEnv:
    """The robot in the tasks' bodies, paid for walking forwards: the reward of Gymnasium's Walker2d-v5 and Hopper-v5.

        reward = speed + healthy_reward * healthy - control_cost * sum(action^2)
    """
    settings: Settings = family.settings

    def reward(motion: batch.Motion) -> tuple[Tensor, Tensor]:
        value = motion.speed(0) + settings.healthy_reward * motion.alive() - settings.control_cost * motion.effort
        return value, torch.zeros_like(motion.healthy)

    return batch.MujocoBatch(family, tasks, lanes, episodes, robot, reward, scale)


def scale(model: Any, task: dict[str, Any]) -> None:
    """Multiply what the four scales of a task name, in an MjModel, in place."""
    model.body_mass *= task["mass_scale"]
    model.body_inertia *= task["inertia_scale"]
    model.dof_damping *= task["damping_scale"]
    model.geom_friction *= task["friction_scale"]
