"""Causal attention over the trial, with a cache of keys and values for acting: RL^2 in context.

    x <- x + attend(norm(x))     each step looks at itself and at the `context` - 1 steps before it
    x <- x + mlp(norm(x))        for each layer

Vaswani et al. 2017, arXiv:1706.03762, with the norms first. Position enters as a learned bias of the attention for each
distance in time, so a trial may be of any length; what is further back than `context` steps is forgotten. The state is the
cache of the last `context` - 1 steps, and acting with it equals going through the sequence at once.
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
"""Keys and values [M, B, layers, C, 2 H] of the C = context - 1 steps before, and which of them exist [M, B, C] bool."""


@dataclass(frozen=True)
class Settings(MemorySettings):
    """Size of the memory: `size` is the width of a layer."""

    layers: Annotated[int, Ge(1)] = 2
    """Layers of attention."""
    heads: Annotated[int, Ge(1)] = 4
    """Heads of attention, each `size` / `heads` wide."""
    context: Annotated[int, Ge(2)] = 128
    """Steps that attention looks back over, the running one included."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size % self.heads:
            raise ValueError(f"heads is {self.heads}: expected a divisor of the size {self.size}")


class Layer(nn.Module):
    """One layer of attention."""

    def __init__(self, settings: Settings, generator: torch.Generator) -> None:
        super().__init__()
        H = settings.size
        self.heads, self.context = settings.heads, settings.context
        self.into = Linear(H, 3 * H, 1.0, generator)  # query, key, value
        self.out = Linear(H, H, settings.layers**-0.5, generator)
        self.up = Linear(H, 4 * H, 1.0, generator)
        self.down = Linear(4 * H, H, settings.layers**-0.5, generator)
        self.distance = nn.Parameter(torch.zeros(settings.heads, settings.context))

    def forward(self, x: Tensor, cache: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """x [M, B, T, H], cache [M, B, C, 2H], hidden [M, B, T, C + T] bool -> x, keys and values [M, B, C + T, 2H]."""
        B, H = x.shape[1], x.shape[-1]
        query, key_value = self.into(_norm(x).flatten(1, 2)).unflatten(1, (B, -1)).split([H, 2 * H], dim=-1)
        key_value = torch.cat([cache, key_value], dim=2)  # [M, B, C + T, 2H]
        key, value = (each.unflatten(-1, (self.heads, -1)).transpose(2, 3) for each in key_value.chunk(2, dim=-1))
        query = query.unflatten(-1, (self.heads, -1)).transpose(2, 3)  # [M, B, heads, T, H / heads]
        score = query @ key.mT * query.shape[-1] ** -0.5 + self._bias(x.shape[2], cache.shape[2])
        weight = score.masked_fill(hidden.unsqueeze(2), -torch.inf).softmax(-1)  # [M, B, heads, T, C + T]
        attended = (weight @ value).transpose(2, 3).flatten(-2)  # [M, B, T, H]
        x = x + self.out(attended.flatten(1, 2)).unflatten(1, (B, -1))
        return x + self.down(nn.functional.gelu(self.up(_norm(x).flatten(1, 2)))).unflatten(1, (B, -1)), key_value

    def _bias(self, steps: int, cached: int) -> Tensor:
        """The bias of each pair of steps, [1 or M, 1, heads, T, C + T]."""
        here = torch.arange(cached, cached + steps, device=self.distance.device)[:, None]
        back = (here - torch.arange(cached + steps, device=self.distance.device)).clamp(0, self.context - 1)  # [T, C + T]
        bias = self.distance[..., back]
        return bias[None, None] if bias.dim() == 3 else bias.unsqueeze(1)


class Transformer(nn.Module):
    """Layers of attention over the trial."""

    def __init__(self, size_in: int, settings: Settings, generator: torch.Generator) -> None:
        super().__init__()
        self.settings, self.size_out = settings, settings.size
        self.into = Linear(size_in, settings.size, 1.0, generator)
        self.layers = nn.ModuleList([Layer(settings, generator) for _ in range(settings.layers)])

    def start(self, tasks: int, lanes: int) -> State:
        like, C = self.into.bias, self.settings.context - 1
        cache = like.new_zeros(tasks, lanes, self.settings.layers, C, 2 * self.settings.size)
        return cache, torch.zeros(tasks, lanes, C, dtype=torch.bool, device=like.device)

    def forward(self, x: Tensor, inputs: Inputs, state: State) -> tuple[Tensor, State]:
        cache, exists = state
        (B, T), most = x.shape[1:3], self.settings.context - 1
        C = int(exists.sum(-1).max())  # nobody looks at what no lane has lived through
        cache, exists = cache[:, :, :, most - C :], exists[:, :, most - C :]
        exists = torch.cat([exists, torch.ones_like(inputs.first)], dim=2)  # [M, B, C + T]
        back = torch.arange(C, C + T, device=x.device)[:, None] - torch.arange(C + T, device=x.device)  # [T, C + T]
        hidden = (back < 0) | (back > most) | ~exists.unsqueeze(2)  # [M, B, T, C + T]
        x = self.into(x.flatten(1, 2)).unflatten(1, (B, T))
        kept = []
        for number, layer in enumerate(self.layers):
            x, key_value = layer(x, cache[:, :, number], hidden)
            kept.append(key_value[:, :, -most:])
        missing = max(0, most - C - T)
        cache = nn.functional.pad(torch.stack(kept, dim=2), (0, 0, missing, 0))
        return _norm(x), (cache, nn.functional.pad(exists[:, :, -most:], (missing, 0)))


def _norm(x: Tensor) -> Tensor:
    return nn.functional.layer_norm(x, x.shape[-1:])


def make(spec: Spec, settings: Settings, stream: Stream) -> MemoryPolicy:
    """A freshly initialised policy."""
    return MemoryPolicy(spec, settings, lambda size_in, generator: Transformer(size_in, settings, generator), stream)
