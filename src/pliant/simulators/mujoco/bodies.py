"""Robots whose tasks are other masses, inertias, dampings and frictions: their settings, tasks and reward.

The tasks follow rand_param_envs as used by ProMP (Rothfuss et al. 2019, arXiv:1810.06784) and PEARL (Rakelly et al. 2019,
arXiv:1903.08254): scales log-uniform in 1.5^-3 to 1.5^3, of damping in 1.3^-3 to 1.3^3. There every body, joint and geom has
scales of its own; here each of the four groups has one, so that a task is four named numbers that a person can read and set.
Quantities that follow from mass and inertia (the solver's inverse weights) are worked out again for each task.
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
    """Range of the scales of mass, inertia and friction in training, as multiples of the original."""
    damping: tuple[float, float] = (1.3**-3, 1.3**3)
    """The same for damping."""
    ood_scale: tuple[float, float] = (1.5**3, 1.5**4)
    """Range of those three in the shifted split; what lies inside the training range in all four scales is left out."""
    ood_damping: tuple[float, float] = (1.3**3, 1.3**4)
    """The same for damping."""

    def __post_init__(self) -> None:
        checks.settings(self)
        for name in ("scale", "damping", "ood_scale", "ood_damping"):
            checks.interval(name, getattr(self, name), above=0.0)
        checks.shifted("ood_scale", self.ood_scale, self.scale)


def family(name: str, summary: str, robot: robots.Robot, settings: Settings) -> Family:
    """The family `name` of a robot's other bodies."""
    (low, high), (slow, fast) = settings.ood_scale, settings.ood_damping
    return mujoco.made(
        name,
        summary,
        robot,
        parameters(settings),
        paid,
        settings,
        shift=f"masses, inertias and frictions {low:.3g} to {high:.3g}, dampings {slow:.3g} to {fast:.3g} times the original's",
        version="2",
        alter=scale,
    )


def parameters(settings: Settings) -> tuple[Parameter, ...]:
    """The four scales, each log-uniform in its range."""

    def scale(name: str, meaning: str) -> Parameter:
        train, ood = settings.scale, settings.ood_scale
        if name == "damping_scale":
            train, ood = settings.damping, settings.ood_damping
        return Parameter(name, train, ood, law="log", meaning=f"{meaning}, as a multiple of the original's")

    return tuple(scale(name, meaning) for name, meaning in MEANINGS.items())


def paid(settings: Settings, tasks: Tasks) -> batch.Reward:
    """For walking forwards: the reward of Gymnasium's Walker2d-v5 and Hopper-v5, the same in all tasks.

        reward = speed + healthy_reward * healthy - control_cost * sum(action^2)
    """

    def reward(motion: batch.Motion) -> tuple[Tensor, Tensor]:
        value = motion.speed(0) + settings.healthy_reward * motion.alive() - settings.control_cost * motion.effort
        return value, torch.zeros_like(motion.healthy)

    return reward


def scale(model: Any, task: dict[str, Any]) -> None:
    """Multiply what the four scales of a task name, in an MjModel, in place."""
    model.body_mass *= task["mass_scale"]
    model.body_inertia *= task["inertia_scale"]
    model.dof_damping *= task["damping_scale"]
    model.geom_friction *= task["friction_scale"]
