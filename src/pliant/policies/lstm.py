"""A long short-term memory over the whole trial.

Hochreiter & Schmidhuber 1997, with forget gates (Gers et al. 2000) that start open:

    i, f, o = sigmoid(W x + U h)    g = tanh(W_g x + U_g h)    c <- f * c + i * g    h <- o * tanh(c)

The memory where a trial opens is learned.
"""

import torch
from torch import Tensor, nn

from pliant.policies.parts import layers, memory
from pliant.policies.parts.layers import Linear
from pliant.policies.parts.memory import MemoryPolicy, recurrent_
from pliant.policies.parts.memory import MemorySettings as Settings
from pliant.streams import Stream
from pliant.types import Inputs, Spec


class Lstm(nn.Module):
    """State: (h, c), each [M, B, H]."""

    def __init__(self, size_in: int, size: int, generator: torch.Generator) -> None:
        super().__init__()
        self.size_out = size
        self.into = Linear(size_in, 4 * size, 1.0, generator)
        self.back = recurrent_(Linear(size, 4 * size, 1.0, generator), size, generator)
        self.initial = nn.Parameter(torch.zeros(2, size))
        with torch.no_grad():
            self.into.bias[size : 2 * size] = 1.0

    def start(self, tasks: int, lanes: int) -> tuple[Tensor, Tensor]:
        h, c = layers.over_lanes(self.initial, 2, tasks, lanes).unbind(-2)
        return h, c

    def forward(self, x: Tensor, inputs: Inputs, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        B = x.shape[1]
        into = self.into(x.flatten(1, 2)).unflatten(1, (B, -1))  # [M, B, T, 4H]: input, forget, output, new
        (h, c), seen = state, []
        for now in into.unbind(2):
            h, c = memory.lstm_step(now + self.back(h), c)
            seen.append(h)
        return torch.stack(seen, dim=2), (h, c)


def make(spec: Spec, settings: Settings, stream: Stream) -> MemoryPolicy:
    """A freshly initialised policy."""
    return MemoryPolicy(spec, settings, lambda size_in, generator: Lstm(size_in, settings.size, generator), stream)
