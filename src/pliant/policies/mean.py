"""The running mean and maximum of what each transition was like: a memory to which the order of experience does not matter.

    pair_t = [x_{t-1}, x_t]                          a transition: what was seen, and what it led to; from the second step on
    e_t    = tanh layers of pair_t                   its embedding, in (-1, 1)
    mean_t = (e_2 + ... + e_t) / n                   n = t - 1 transitions so far
    peak_t = max(e_2, ..., e_t)
    seen_t = tanh(W [mean_t, peak_t, log(1 + n), x_t])

What tells tasks apart is a set of transitions, and a posterior over tasks is the same in whatever order they came. All steps
are done at once by a cumulative sum and a cumulative maximum, so that learning costs what a network without memory costs, and
the gradient reaches a step of long ago undiminished. Permutation-invariant aggregation as in Beck et al. 2024, arXiv:2403.03020
(SplAgger), and Beck et al. 2020, ICLR (AMRL).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import torch
from annotated_types import Ge, Len
from torch import Tensor, nn

from pliant.policies.parts.layers import Linear
from pliant.policies.parts.memory import MemoryPolicy, MemorySettings
from pliant.streams import Stream
from pliant.types import Inputs, Spec

State = tuple[Tensor, Tensor, Tensor, Tensor]
"""Sum and maximum of the embeddings so far [M, B, W], the number of steps so far [M, B, 1], the last input [M, B, E]."""
LEAST = -1.0
"""Below every embedding: the maximum of none."""


@dataclass(frozen=True)
class Settings(MemorySettings):
    """Size of the memory: `size` is the number of features."""

    transition: Annotated[tuple[Annotated[int, Ge(1)], ...], Len(1)] = (64, 64)
    """Width of each tanh layer of a transition's embedding; the last is the width of the embedding."""


class Mean(nn.Module):
    """An embedding of transitions, and a layer on its mean and maximum."""

    def __init__(self, size_in: int, settings: Settings, generator: torch.Generator) -> None:
        super().__init__()
        sizes = (2 * size_in, *settings.transition)
        self.size_in, self.width, self.size_out = size_in, sizes[-1], settings.size
        self.layers = nn.ModuleList([Linear(i, o, 1.0, generator) for i, o in pairwise(sizes)])
        self.out = Linear(2 * self.width + 1 + size_in, settings.size, 1.0, generator)

    def start(self, tasks: int, lanes: int) -> State:
        none = self.out.bias.new_zeros(tasks, lanes, self.width)
        return none, torch.full_like(none, LEAST), none.new_zeros(tasks, lanes, 1), none.new_zeros(tasks, lanes, self.size_in)

    def forward(self, x: Tensor, inputs: Inputs, state: State) -> tuple[Tensor, State]:
        total, peak, steps, last = (part.unsqueeze(2) for part in state)  # [M, B, 1, *]
        embedded = self.embed(torch.cat([torch.cat([last, x[:, :, :-1]], dim=2), x], dim=-1))  # [M, B, T, W]
        steps = steps + torch.arange(1, x.shape[2] + 1, device=x.device, dtype=x.dtype).unsqueeze(-1)  # [M, B, T, 1]
        seen = steps - 1  # transitions: a trial's first step led from nowhere
        total = total + torch.where(seen > 0, embedded, 0.0).cumsum(2)
        peak = torch.maximum(peak, torch.where(seen > 0, embedded, LEAST).cummax(2).values)
        known = torch.cat([total / seen.clamp(min=1), peak, seen.log1p(), x], dim=-1)
        features = self.out(known.flatten(1, 2)).tanh().unflatten(1, x.shape[1:3])
        return features, (total[:, :, -1], peak[:, :, -1], steps[:, :, -1], x[:, :, -1])

    def embed(self, pair: Tensor) -> Tensor:
        """The embeddings [M, B, T, W] of transitions [M, B, T, 2E]."""
        for layer in self.layers:
            pair = layer(pair.flatten(1, 2)).tanh().unflatten(1, pair.shape[1:3])
        return pair


def make(spec: Spec, settings: Settings, stream: Stream) -> MemoryPolicy:
    """A freshly initialised policy."""
    return MemoryPolicy(spec, settings, lambda size_in, generator: Mean(size_in, settings, generator), stream)
