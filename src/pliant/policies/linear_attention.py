"""Linear attention over the whole trial: an associative memory of fixed size, without forgetting.

    pair_t  = [x_t, x_{t-1}]                                       what came in, now and a step ago
    key_t   = sqrt(S) sigmoid(gate pair_t) softmax(K pair_t)       where a step is written among S slots, for each head
    sums_t  = sums_{t-1} + key_t [V pair_t, 1]^T                   what was written there, and how much
    query_t = sqrt(S) softmax(Q pair_t)
    count_t = query_t . counts in sums_t
    read_t  = (query_t . values in sums_t) / (1 + count_t)
    seen_t  = tanh(W [read_t, log(1 + count_t), pair_t])

A head keeps for each of its slots the sum and the number of what was written, and reads averages: a memory for how good each
action was in each situation. Attention without a softmax over time, Katharopoulos et al. 2020, arXiv:2006.16236, equation 12,
also known as fast weights (Schlag et al. 2021, arXiv:2102.11174); queries are softmaxes over slots as in Shen et al. 2021,
arXiv:1812.01243, and so are keys, where theirs go over positions. That a step sees the one before lets it write what an action
has brought under the situation in which it was taken. A sequence is gone through a block at a time, all its steps at once.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from pliant.policies.parts.layers import Linear
from pliant.policies.parts.memory import MemoryPolicy, MemorySettings
from pliant.streams import Stream
from pliant.types import Inputs, Spec

State = tuple[Tensor, Tensor]
"""Sums of values and their number [M, B, heads, slots, width + 1], and the last input [M, B, E]."""
SHARPNESS = 10.0
"""What keys and queries are multiplied by before the softmax: slots are told apart after a few steps of learning."""
GAIN = 3.0
"""Of keys and queries at first, sharpness included: wide enough that no two slots are the same."""
BLOCK = 64
"""Steps that are gone through at once: what they need is quadratic in their number."""


@dataclass(frozen=True)
class Settings(MemorySettings):
    """Size of the memory: `size` is the number of features."""

    heads: Annotated[int, Ge(1)] = 4
    """Averages that are read at a time, each with its own memory."""
    slots: Annotated[int, Ge(1)] = 32
    """Slots of each head."""
    width: Annotated[int, Ge(1)] = 4
    """Numbers in a slot."""


class LinearAttention(nn.Module):
    """Heads that write and read, and a layer on what they read."""

    def __init__(self, size_in: int, settings: Settings, generator: torch.Generator) -> None:
        super().__init__()
        R, K, V = settings.heads, settings.slots, settings.width
        self.settings, self.size_in, self.size_out = settings, size_in, settings.size
        self.key = Linear(2 * size_in, R * K, GAIN / SHARPNESS, generator)
        self.query = Linear(2 * size_in, R * K, GAIN / SHARPNESS, generator)
        self.value = Linear(2 * size_in, R * V, 1.0, generator)
        self.gate = Linear(2 * size_in, R, 1.0, generator)
        self.out = Linear(R * (V + 1) + 2 * size_in, settings.size, 1.0, generator)

    def start(self, tasks: int, lanes: int) -> State:
        s, like = self.settings, self.out.bias
        return like.new_zeros(tasks, lanes, s.heads, s.slots, s.width + 1), like.new_zeros(tasks, lanes, self.size_in)

    def forward(self, x: Tensor, inputs: Inputs, state: State) -> tuple[Tensor, State]:
        seen = []
        for block in x.split(BLOCK, dim=2):
            features, state = self._block(block, *state)
            seen.append(features)
        return torch.cat(seen, dim=2), state

    def _block(self, x: Tensor, sums: Tensor, last: Tensor) -> tuple[Tensor, State]:
        """(features [M, B, T, H], the state after) of a few steps."""
        pair = torch.cat([x, torch.cat([last.unsqueeze(2), x[:, :, :-1]], dim=2)], dim=-1)  # [M, B, T, 2E]
        scale = self.settings.slots**0.5  # a key and a query spread over all slots have the product 1
        key = scale * self._heads(self.gate, pair).sigmoid() * (SHARPNESS * self._heads(self.key, pair)).softmax(-1)
        query = scale * (SHARPNESS * self._heads(self.query, pair)).softmax(-1)  # [M, B, heads, T, slots]
        value = nn.functional.pad(self._heads(self.value, pair), (0, 1), value=1.0)  # [M, B, heads, T, width + 1]
        found = (query @ key.mT).tril() @ value + query @ sums
        count = found[..., -1:]
        read = torch.cat([found[..., :-1] / (1 + count), count.log1p()], dim=-1).transpose(2, 3).flatten(-2)
        features = self.out(torch.cat([read, pair], dim=-1).flatten(1, 2)).tanh().unflatten(1, x.shape[1:3])
        return features, (sums + key.mT @ value, x[:, :, -1])

    def _heads(self, layer: Linear, pair: Tensor) -> Tensor:
        """What a layer makes of each step, head by head: [M, B, heads, T, *]."""
        made = layer(pair.flatten(1, 2)).unflatten(1, pair.shape[1:3])  # [M, B, T, heads * n]
        by_head: Tensor = made.unflatten(-1, (self.settings.heads, -1)).transpose(2, 3)
        return by_head


def make(spec: Spec, settings: Settings, stream: Stream) -> MemoryPolicy:
    """A freshly initialised policy."""
    return MemoryPolicy(spec, settings, lambda size_in, generator: LinearAttention(size_in, settings, generator), stream)
