"""A policy of your own, a structured control net: what a linear controller says, and what a small network adds.

    mean(obs) = linear obs + head tanh(hidden obs + bias)        Srouji et al. 2018, arXiv:1802.08311

    pliant check --policy own_policy.py
    pliant train maml point --policy own_policy.py --policy.units 64
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pliant.maths import functional
from pliant.streams import Stream
from pliant.types import Inputs, Output, Spec, State


@dataclass(frozen=True)
class Settings:
    """Size and exploration."""

    units: int = 32
    """Units of the hidden layer."""
    init_log_std: float = 0.0
    """Logarithm of the standard deviation before training, of continuous actions in [-1, 1]."""


class ControlNet(nn.Module):
    """No memory. Its parameters are shared, [*s], or a set for each task, [M, *s]: `mT` and `unsqueeze(-2)` serve both."""

    broadcasts = True  # without it pliant calls the policy under vmap: the same numbers, slower

    def __init__(self, spec: Spec, settings: Settings, generator: torch.Generator) -> None:
        super().__init__()

        def weight(rows: int, columns: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(rows, columns, generator=generator) / columns**0.5)

        self.linear = nn.Parameter(torch.zeros(spec.action_size, spec.obs_size))
        self.hidden, self.bias = weight(settings.units, spec.obs_size), nn.Parameter(torch.zeros(settings.units))
        self.head, self.head_bias = weight(spec.action_size, settings.units), nn.Parameter(torch.zeros(spec.action_size))
        std = torch.full((spec.action_size,), settings.init_log_std)
        self.log_std = None if spec.discrete else nn.Parameter(std)

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        obs = inputs.obs.flatten(1, 2)  # [M, B*T, D]
        hidden = (obs @ self.hidden.mT + self.bias.unsqueeze(-2)).tanh()
        dist: Tensor = obs @ self.linear.mT + hidden @ self.head.mT + self.head_bias.unsqueeze(-2)  # [M, B*T, A]
        if self.log_std is not None:  # Gaussian: mean and logarithm of the standard deviation; else logits
            log_std = functional.within(self.log_std, low=-3.0)  # a plain clamp would leave it without a gradient below
            dist = torch.cat([dist, log_std.unsqueeze(-2).expand(dist.shape)], dim=-1)
        return Output(dist.unflatten(1, inputs.obs.shape[1:3])), state


def make(spec: Spec, settings: Settings, stream: Stream) -> ControlNet:
    """A freshly initialised policy."""
    return ControlNet(spec, settings, stream.generator())
