"""What the families share whose tasks scale a robot's masses, inertias, dampings and frictions."""

from typing import Any

import torch
from torch import Tensor

from pliant.simulators.mujoco import batch, robots
from pliant.tasks.base import BatchEnv, Family, Parameter, Tasks

MEANINGS = {
    "mass_scale": "mass of every body",
    "inertia_scale": "rotational inertia of every body",
    "damping_scale": "damping of every joint",
    "friction_scale": "friction of every geom",
}
"""What the parameters of such a family multiply."""


def parameters(train: tuple[float, float], ood: tuple[float, float]) -> tuple[Parameter, ...]:
    """The four scales, each log-uniform in `train`, or in `ood` for the shifted split."""
    meanings = {name: f"{meaning}, as a multiple of the original's" for name, meaning in MEANINGS.items()}
    return tuple(Parameter(name, train, ood, law="log", meaning=meaning) for name, meaning in meanings.items())


def environment(family: Family, tasks: Tasks, lanes: int, episodes: int, robot: robots.Robot) -> BatchEnv:
    """The robot in the tasks' bodies, paid for walking forwards: the reward of Gymnasium's Walker2d-v5 and Hopper-v5.

        reward = speed + healthy_reward * healthy - control_cost * sum(action^2)
    """
    healthy_reward, control_cost = family.settings.healthy_reward, family.settings.control_cost

    def reward(motion: batch.Motion) -> tuple[Tensor, Tensor]:
        value = motion.speed(0) + healthy_reward * motion.alive() - control_cost * motion.effort
        return value, torch.zeros_like(motion.healthy)

    return batch.MujocoBatch(family, tasks, lanes, episodes, robot, reward, scale)


def scale(model: Any, task: dict[str, Any]) -> None:
    """Multiply what the four scales of a task name, in an MjModel, in place."""
    model.body_mass *= task["mass_scale"]
    model.body_inertia *= task["inertia_scale"]
    model.dof_damping *= task["damping_scale"]
    model.geom_friction *= task["friction_scale"]
