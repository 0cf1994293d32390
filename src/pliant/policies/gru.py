"""A gated recurrent unit over the whole trial: the memory of RL^2.

Cho et al. 2014, arXiv:1406.1078, with the reset gate after the matrix product as in cuDNN and PyTorch:

    r = sigmoid(W_r x + U_r h)    z = sigmoid(W_z x + U_z h)    n = tanh(W_n x + r * (U_n h))    h <- (1 - z) * n + z * h

The memory where a trial opens is learned.
"""

import torch
from torch import Tensor, nn

from pliant.policies import _layers, _memory
from pliant.policies._layers import Linear
from pliant.policies._memory import MemoryPolicy, recurrent_
from pliant.policies._memory import MemorySettings as Settings
from pliant.streams import Stream
from pliant.types import Inputs, Spec


class Gru(nn.Module):
    """State: h [M, B, H]."""

    def __init__(self, size_in: int, size: int, generator: torch.Generator) -> None:
        super().__init__()
        self.size_out = size
        self.into = Linear(size_in, 3 * size, 1.0, generator)
        self.back = recurrent_(Linear(size, 3 * size, 1.0, generator), size, generator)
        self.initial = nn.Parameter(torch.zeros(size))

    def start(self, tasks: int, lanes: int) -> Tensor:
        return _layers.over_lanes(self.initial, 1, tasks, lanes)

    def forward(self, x: Tensor, inputs: Inputs, state: Tensor) -> tuple[Tensor, Tensor]:
        B = x.shape[1]
        into = self.into(x.flatten(1, 2)).unflatten(1, (B, -1))  # [M, B, T, 3H]
        h, seen = state, []
        for now in into.unbind(2):
            h = _memory.gru_step(now, self.back(h), h)
            seen.append(h)
        return torch.stack(seen, dim=2), h


def make(spec: Spec, settings: Settings, stream: Stream) -> MemoryPolicy:
    """A freshly initialised policy."""
    return MemoryPolicy(spec, settings, lambda size_in, generator: Gru(size_in, settings.size, generator), stream)
