"""A memory of your own, minGRU (Feng et al. 2024, arXiv:2410.01201): a recurrent unit whose gate sees the input alone.

    z = sigmoid(gate x)        h <- (1 - z) * h + z * (new x)

    pliant check --policy own_memory.py
    pliant train rl2 bandit --policy own_memory.py --policy.size 32
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pliant.policies.parts import layers
from pliant.policies.parts.layers import Linear
from pliant.policies.parts.memory import MemoryPolicy, MemorySettings
from pliant.streams import Stream
from pliant.types import Inputs, Spec


@dataclass(frozen=True)
class Settings(MemorySettings):
    """Size of the memory and what it sees of a step (all of `MemorySettings`), and how long it keeps at first."""

    keep: float = 2.0
    """What the gate begins with, before the sigmoid, negated: 2 keeps what is known for about 8 steps."""


class MinGru(nn.Module):
    """The memory itself: `size_out`, `start` and `forward` are all that it must have."""

    def __init__(self, size_in: int, settings: Settings, generator: torch.Generator) -> None:
        super().__init__()
        self.size_out = settings.size  # F, the number of features that it gives
        self.gate = Linear(size_in, settings.size, 1.0, generator)  # serves weights [*s] and [M, *s], a set for each task
        self.new = Linear(size_in, settings.size, 1.0, generator)
        self.initial = nn.Parameter(torch.zeros(settings.size))
        nn.init.constant_(self.gate.bias, -settings.keep)

    def start(self, tasks: int, lanes: int) -> Tensor:
        return layers.over_lanes(self.initial, 1, tasks, lanes)  # [M, B, H], where a trial opens

    def forward(self, x: Tensor, inputs: Inputs, state: Tensor) -> tuple[Tensor, Tensor]:
        B, flat = x.shape[1], x.flatten(1, 2)  # [M, B*T, E], the encoded inputs
        z = self.gate(flat).sigmoid().unflatten(1, (B, -1))  # [M, B, T, H]
        new = self.new(flat).unflatten(1, (B, -1))
        seen = []
        for share, value in zip(z.unbind(2), new.unbind(2), strict=True):
            state = torch.lerp(state, value, share)  # a new tensor: nothing is changed in place
            seen.append(state)
        return torch.stack(seen, dim=2), state  # features [M, B, T, F], what is carried on [M, B, *]


def make(spec: Spec, settings: Settings, stream: Stream) -> MemoryPolicy:
    """The memory between pliant's encoder of inputs and its head of actions."""
    return MemoryPolicy(spec, settings, lambda size_in, generator: MinGru(size_in, settings, generator), stream)
