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

from pliant.policies.parts import layers, rows, trials
from pliant.policies.parts.layers import Linear
from pliant.policies.parts.memory import MemoryPolicy, MemorySettings, recurrent_
from pliant.policies.parts.rows import State
from pliant.streams import Stream
from pliant.types import Inputs, Spec

STRONG = 4.0
"""What strengths begin with, before the softplus: one row that fits outweighs dozens that are empty."""


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
        given = layers.affine(x.flatten(1, 2), *self._given()).unflatten(1, x.shape[1:3])
        told = torch.cat([self.ask.weight[..., : self.settings.size], self.tell.weight], dim=-2)
        weights = rows.Weights(self.recall.weight, self.back.weight, told)
        how = rows.How(self.settings.heads, self.settings.decay, self.settings.write_gate)
        if x.shape[2] > 1 and told.dim() == 2:
            return trials.trials(given, state, weights, how)
        features, state = rows.steps(given.unbind(2), state, weights, how)
        return torch.stack(features, dim=2), state

    def _given(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of what inputs give to a step: to the gates, to what comes back from h (none) and to what is told."""
        H, into, ask, back = self.settings.size, self.into.weight, self.ask.weight, self.back.bias
        not_back, not_tell = (into.new_zeros(*into.shape[:-2], n, into.shape[-1]) for n in (H, 2))
        came = self.into.bias + self.recall.bias
        gates = came[..., : 2 * H] + back[..., : 2 * H], came[..., 2 * H :], back[..., 2 * H :]
        bias = torch.cat([*gates, self.ask.bias, self.tell.bias], dim=-1)
        return torch.cat([into, not_back, ask[..., H:], not_tell], dim=-2), bias


def make(spec: Spec, settings: Settings, stream: Stream) -> MemoryPolicy:
    """A freshly initialised policy."""
    return MemoryPolicy(spec, settings, lambda size_in, generator: External(size_in, settings, generator), stream)
