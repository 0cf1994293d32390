"""Random: actions that depend on nothing. What a task pays to whoever does anything at all.

    every action   uniform among choices; in [-1, 1], as near to uniform as a normal comes: mean 0, variance 1/3, clipped

Trained for no iterations, and it does not adapt.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from pliant.algorithms.base import Collect
from pliant.maths import functional
from pliant.streams import Stream
from pliant.types import Carry, Inputs, Output, Params, Rollout, Spec, State

POLICY = "mlp"
PARTS: dict[str, type] = {}


class Uniform(nn.Module):
    """The same distribution whatever is seen; its one parameter array is never trained."""

    broadcasts = True

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        choices, log_std = torch.zeros(spec.action_size), torch.full((spec.action_size,), -0.5 * math.log(3))
        self.dist = nn.Parameter(choices if spec.discrete else torch.cat([choices, log_std]))  # [P]

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        dist = self.dist if self.dist.dim() == 1 else self.dist[:, None, None]
        return Output(dist.expand(*inputs.obs.shape[:-1], self.dist.shape[-1])), state


class Random:
    """A policy that is what it is."""

    stage: Literal["gradient step", "episode"] = "gradient step"
    learns = False
    tunes = False
    by_chance = True

    def __init__(self, policy: nn.Module) -> None:
        self.policy = policy
        self.params: Params = functional.parameters(policy)

    def adapt(self, collect: Collect, steps: int | None = None) -> list[Rollout]:
        """As many rollouts as an agent that takes `steps` steps has."""
        return [collect(self.policy, self.params, stage) for stage in range((steps or 0) + 1)]

    def adapted(self, rollouts: list[Rollout]) -> tuple[Params, Carry | None]:
        """The parameters, stacked per task (M = 1 without rollouts)."""
        return functional.stack(self.params, len(rollouts[0].reward) if rollouts else 1), None

    def learn(self, rollouts: list[Rollout]) -> dict[str, float]:
        """Nothing."""
        return {}

    def state(self) -> dict[str, Tensor]:
        """The parameters."""
        return {name: p.clone() for name, p in self.params.items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state()`."""
        self.params = {name: state[name].clone() for name in self.params}


def make(policy: nn.Module, spec: Spec, parts: dict[str, Any], stream: Stream) -> Random:
    """The random agent; the policy's settings have no meaning for it."""
    return Random(Uniform(spec).to(next(policy.parameters()).device))
