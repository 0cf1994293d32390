"""A controller with an external memory: rows that are written where least used and read by their content.

    h       <- GRU([x, what was read], h)
    key_i   = tanh(linear([h, x])) for each head i
    read    weight_i = softmax(strength_i cosine(key_i, rows)), what is read: weight_i @ rows
    where   = write (gate * (mean weights of the last step) + (1 - gate) * (least used row))
    rows    <- rows, the least used one cleared by write (1 - gate), + where * key_1
    usage   <- decay * usage + (sum of weights) + where

Memory-augmented network with least-recently-used access, Santoro et al. 2016, arXiv:1605.06065, section 3. As there, what is
written is a key: so what looks alike is found again before anything has been learned. Here a step reads before it writes, keys
see the input as well as the controller, and a write may be left out (`write_gate`): in a trial of reinforcement learning most
steps hold nothing worth keeping. What is stored and retrieved is trained by the reward, end to end.

Finite by construction: lengths of keys and rows are floored before they divide, strengths and gates are bounded, keys lie in
[-1, 1], so that a step changes no row by more than 1.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from pliant.maths import functional
from pliant.policies.parts import layers, memory
from pliant.policies.parts.layers import Linear
from pliant.policies.parts.memory import MemoryPolicy, MemorySettings, recurrent_
from pliant.streams import Stream
from pliant.types import Inputs, Spec

State = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
"""h [M, B, H], rows [M, B, N, W], usage [M, B, N], and of the last step: what was read [M, B, R*W], mean weights [M, B, N]."""
STRONGEST = 30.0
"""Largest strength of a key: enough for one row among thousands, far from overflow."""
STRONG = 4.0
"""What strengths begin with, before the softplus: one row that fits outweighs dozens that are empty."""
FLOOR = 1e-6
"""Added to squared lengths: rows and keys of zeros are similar to nothing."""


@dataclass(frozen=True)
class Settings(MemorySettings):
    """Size of the controller and of its memory."""

    rows: Annotated[int, Ge(1)] = 32
    """Rows of the memory."""
    width: Annotated[int, Ge(1)] = 32
    """Numbers in a row."""
    heads: Annotated[int, Ge(1)] = 2
    """Rows read at a time, each by a key of its own."""
    decay: Annotated[float, Ge(0), Le(1)] = 0.95
    """How usage fades, per step."""
    write_gate: bool = True
    """Let the controller leave a step unwritten; without, every step is."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.heads > self.rows:
            raise ValueError(f"heads is {self.heads}: expected at most one for each of the {self.rows} rows")


class External(nn.Module):
    """The controller and what it asks of its memory."""

    def __init__(self, size_in: int, settings: Settings, generator: torch.Generator) -> None:
        super().__init__()
        H, W, R = settings.size, settings.width, settings.heads
        self.settings, self.size_out = settings, H + R * W
        self.into = Linear(size_in, 3 * H, 1.0, generator)
        self.recall = Linear(R * W, 3 * H, 1.0, generator)
        self.back = recurrent_(Linear(H, 3 * H, 1.0, generator), H, generator)
        self.initial = nn.Parameter(torch.zeros(H))
        self.ask = Linear(H + size_in, R * W + R, 1.0, generator)  # keys, strengths
        with torch.no_grad():
            self.ask.bias[R * W :] = STRONG
        self.tell = Linear(H, 2, 1.0, generator)  # where, whether

    def start(self, tasks: int, lanes: int) -> State:
        N, W, R = self.settings.rows, self.settings.width, self.settings.heads
        h = layers.over_lanes(self.initial, 1, tasks, lanes)
        none = [h.new_zeros(tasks, lanes, *size) for size in ((N, W), (N,), (R * W,), (N,))]
        return h, none[0], none[1], none[2], none[3]

    def forward(self, x: Tensor, inputs: Inputs, state: State) -> tuple[Tensor, State]:
        B = x.shape[1]
        into = self.into(x.flatten(1, 2)).unflatten(1, (B, -1))  # [M, B, T, 3H]
        h, rows, usage, recalled, last = state
        seen = []
        for now, given in zip(into.unbind(2), x.unbind(2), strict=True):
            h = memory.gru_step(now + self.recall(recalled), self.back(h), h)
            asked = self.ask(torch.cat([h, given], dim=-1))  # [M, B, R*W + R]
            recalled, weight = self._read(asked, rows)
            rows, usage = self._write(h, asked, rows, usage, last, weight)
            last = weight.mean(2)
            seen.append(torch.cat([h, recalled], dim=-1))
        return torch.stack(seen, dim=2), (h, rows, usage, recalled, last)

    def _read(self, asked: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(what the heads read [M, B, R*W], their weights [M, B, R, N])."""
        R, W = self.settings.heads, self.settings.width
        key = _unit(asked[..., : R * W].tanh().unflatten(-1, (R, W)))  # [M, B, R, W]
        strength = 1 + functional.within(nn.functional.softplus(asked[..., R * W :]), high=STRONGEST - 1)  # [M, B, R]
        similar = key @ _unit(rows).mT  # [M, B, R, N]
        weight = (strength.unsqueeze(-1) * similar).softmax(-1)
        return (weight @ rows).flatten(-2), weight

    def _write(
        self, h: Tensor, asked: Tensor, rows: Tensor, usage: Tensor, last: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(rows, usage) after the step."""
        told = self.tell(h)  # [M, B, 2]
        gate = told[..., :1].sigmoid()
        whether = told[..., 1:].sigmoid() if self.settings.write_gate else torch.ones_like(gate)
        least = nn.functional.one_hot(usage.argmin(-1), usage.shape[-1]).to(rows.dtype)  # [M, B, N]
        where = whether * (gate * last + (1 - gate) * least)
        kept = rows * (1 - whether * (1 - gate) * least).unsqueeze(-1)
        rows = kept + where.unsqueeze(-1) * asked[..., : self.settings.width].tanh().unsqueeze(-2)
        return rows, self.settings.decay * usage + weight.sum(2) + where


def _unit(x: Tensor) -> Tensor:
    """Vectors at unit length; a vector of zeros stays one."""
    return x * (x.square().sum(-1, keepdim=True) + FLOOR).rsqrt()


def make(spec: Spec, settings: Settings, stream: Stream) -> MemoryPolicy:
    """A freshly initialised policy."""
    return MemoryPolicy(spec, settings, lambda size_in, generator: External(size_in, settings, generator), stream)
