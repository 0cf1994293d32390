"""A multi-layer perceptron policy whose layers take shared or per-task parameters, without vmap."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from pliant.streams import Stream
from pliant.types import Inputs, Output, Spec, State


@dataclass(frozen=True)
class Settings:
    """Size and exploration of the policy."""

    hidden: tuple[int, ...] = (64, 64)
    """Width of each hidden layer, units."""
    activation: Literal["relu", "tanh"] = "tanh"
    """Nonlinearity of the hidden layers."""
    symlog: bool = False
    """Compress observations to sign(x) log(1 + |x|) first, for simulators whose numbers span orders of magnitude."""
    init_std: float = 1.0
    """Standard deviation of a continuous policy before training, in units of the action range [-1, 1]."""
    min_std: float = 0.05
    """Standard deviation a continuous policy cannot fall below, same units."""

    def __post_init__(self) -> None:
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError(f"hidden is {self.hidden}: expected one or more widths of at least 1")
        if self.activation not in ("relu", "tanh"):
            raise ValueError(f"activation is {self.activation!r}: expected relu or tanh")
        if not 0 < self.min_std <= self.init_std:
            raise ValueError(f"min_std is {self.min_std} and init_std {self.init_std}: expected 0 < min_std <= init_std")


class Linear(nn.Module):
    """Affine map [M, N, in] -> [M, N, out] with weight [out, in] and bias [out], or both stacked per task."""

    def __init__(self, size_in: int, size_out: int, gain: float, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(size_out, size_in))
        self.bias = nn.Parameter(torch.zeros(size_out))
        nn.init.xavier_uniform_(self.weight, gain=gain, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        if self.weight.dim() == 2:
            return nn.functional.linear(x, self.weight, self.bias)
        return torch.baddbmm(self.bias.unsqueeze(-2), x, self.weight.mT)


class Mlp(nn.Module):
    """Observation in, distribution parameters out; no memory and no critic."""

    broadcasts = True

    def __init__(self, spec: Spec, settings: Settings, generator: torch.Generator) -> None:
        super().__init__()
        sizes = (spec.obs_size, *settings.hidden)
        self.hidden = nn.ModuleList([Linear(i, o, 1.0, generator) for i, o in pairwise(sizes)])
        self.head = Linear(sizes[-1], spec.action_size, 1.0, generator)
        self.activation = {"relu": torch.relu_, "tanh": torch.tanh_}[settings.activation]
        self.symlog = settings.symlog
        self.min_log_std = math.log(settings.min_std)
        if not spec.discrete:
            self.log_std = nn.Parameter(torch.full((spec.action_size,), math.log(settings.init_std)))

    def start(self, *lead: int) -> State:
        """The memory before the first step: none."""
        return ()

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        lead = inputs.obs.shape[:-1]
        x = inputs.obs.flatten(1, -2)  # [M, B*T, D]
        x = x.sign() * x.abs().log1p() if self.symlog else x
        for layer in self.hidden:
            x = self.activation(layer(x))
        x = self.head(x)  # [M, B*T, A]
        if hasattr(self, "log_std"):
            log_std = self.log_std.clamp(min=self.min_log_std).unsqueeze(-2)
            x = torch.cat([x, log_std.expand(x.shape)], dim=-1)  # [M, B*T, P]
        return Output(x.unflatten(1, lead[1:]), None), state


def make(spec: Spec, settings: Settings, stream: Stream) -> Mlp:
    """A freshly initialised policy."""
    return Mlp(spec, settings, stream.generator())
