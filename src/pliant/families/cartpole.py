"""CartPole with other physics: balance a pole whose length, masses, gravity and push strength differ and are not told.

Its two pushes may be exchanged, so that no single policy can solve every task. A batched twin of Gymnasium's CartPole-v1
(Barto, Sutton, Anderson 1983): same state update, reward 1 per step, same endings, in float64. With reversed pushes, action 0
pushes right.
"""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Unit
from torch import Tensor

from pliant.tasks import checks
from pliant.tasks.base import BatchEnv, Family, Parameter, Tasks
from pliant.types import Spec

SECONDS_PER_STEP = 0.02
POSITION_LIMIT = 2.4
ANGLE_LIMIT = 12 * 2 * math.pi / 360


@dataclass(frozen=True)
class Settings:
    """Length of an episode."""

    horizon: Annotated[int, Ge(1), Unit("step")] = 500
    """Steps after which an episode is truncated."""

    def __post_init__(self) -> None:
        checks.settings(self)


class CartPole(BatchEnv):
    """All states as one tensor [M, B, 4]: position (m), velocity (m/s), angle (rad), angular velocity (rad/s)."""

    reset_noise = 4

    def __init__(self, family: Family, tasks: Tasks, lanes: int, episodes: int) -> None:
        super().__init__(family, tasks, lanes, episodes)
        value = {name: tasks.tensor(name)[:, None] for name in tasks.arrays}  # [M, 1]
        self.gravity, self.length = value["gravity"], value["length"]
        self.pole_mass = value["pole_mass"]
        self.total_mass = value["pole_mass"] + value["cart_mass"]
        self.push = value["push"] * torch.where(value["reversed"] > 0, -1.0, 1.0)
        self.state = torch.zeros(*self.shape, 4, dtype=torch.float64)

    def begin(self, chosen: Tensor, noise: Tensor) -> None:
        self.state = torch.where(chosen[..., None], 0.1 * noise - 0.05, self.state)

    def observe(self) -> Tensor:
        return self.state

    def advance(self, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, x_dot, theta, theta_dot = self.state.unbind(-1)
        force = torch.where(action == 1, self.push, -self.push)
        cos, sin = theta.cos(), theta.sin()
        lever = self.pole_mass * self.length
        thrust = (force + lever * theta_dot.square() * sin) / self.total_mass
        swing = self.length * (4.0 / 3.0 - self.pole_mass * cos.square() / self.total_mass)
        theta_acc = (self.gravity * sin - cos * thrust) / swing
        x_acc = thrust - lever * theta_acc * cos / self.total_mass
        rates = torch.stack([x_dot, x_acc, theta_dot, theta_acc], dim=-1)  # [M, B, 4]
        self.state = self.state + SECONDS_PER_STEP * rates
        x, theta = self.state[..., 0], self.state[..., 2]
        fallen = (x.abs() > POSITION_LIMIT) | (theta.abs() > ANGLE_LIMIT)
        return torch.ones_like(x), fallen, torch.zeros_like(fallen)


def family(settings: Settings | None = None) -> Family:
    """The family of cart-poles."""
    settings = settings or Settings()
    parameters = (
        Parameter("reversed", choices=(0.0, 1.0), meaning="1: the two pushes are exchanged"),
        Parameter("length", train=(0.3, 1.0), ood=(0.3, 1.5), meaning="half the pole's length, m"),
        Parameter("pole_mass", train=(0.05, 0.3), ood=(0.05, 0.5), meaning="kg"),
        Parameter("cart_mass", train=(0.5, 1.5), ood=(0.5, 2.5), meaning="kg"),
        Parameter("gravity", train=(8.0, 12.0), ood=(8.0, 16.0), meaning="m/s^2"),
        Parameter("push", train=(8.0, 15.0), ood=(6.0, 20.0), meaning="force of a push, N"),
    )
    return Family(
        name="cartpole",
        summary="balance a pole of unknown physics whose pushes may be reversed",
        parameters=parameters,
        spec=Spec(obs_size=4, action_size=2, discrete=True),
        horizon=settings.horizon,
        environment=CartPole,
        shift="at least one physical quantity beyond its training range",
        version="2",
        settings=settings,
    )
