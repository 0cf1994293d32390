"""The steps of a controller with an external memory, one by one.

What a step does is said in `policies.external`. Of a step, `given` [*, 4H + R*W + R + 2] is what does not depend on the memory:
the input's share, biases included, of the controller's gates (reset, update, new, and new again, for what comes back from h),
and of what it says to its memory (keys, strengths, where to write, whether to). The rest are products with `Weights`.
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pliant.maths import functional
from pliant.policies.parts import memory

State = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
"""h [*, H], rows [*, N, W], usage [*, N], and of the last step: what was read [*, R*W], mean weights [*, N]."""
STRONGEST = 30.0
"""Largest strength of a key: enough for one row among thousands, far from overflow."""
FLOOR = 1e-6
"""Added to squared lengths: rows and keys of zeros are similar to nothing."""


class Weights(NamedTuple):
    """What the memory is multiplied by, shared, or stacked per task [M, *]."""

    read: Tensor
    """What was read to the gates: reset, update, new, [3H, R*W]."""
    back: Tensor
    """h to the gates, [3H, H]."""
    told: Tensor
    """The new h to what is told, [R*W + R + 2, H]."""


class How(NamedTuple):
    """What the steps need to know besides sizes that the tensors have."""

    heads: int
    decay: float
    """How usage fades, per step."""
    write_gate: bool


def steps(given: Iterable[Tensor], state: State, weights: Weights, how: How) -> tuple[list[Tensor], State]:
    """Features [*, H + R*W] of every step, and the state after the last, from what is given of each [*, K]."""
    seen = []
    for now in given:
        state = step(now, state, weights, how)
        seen.append(torch.cat([state[0], state[3]], dim=-1))
    return seen, state


def step(now: Tensor, state: State, weights: Weights, how: How) -> State:
    """The state after one step, from what is given of it [*, K]."""
    h, rows, usage, recalled, last = state
    H = h.shape[-1]
    came, back = now[..., : 3 * H] + recalled @ weights.read.mT, h @ weights.back.mT
    h = memory.gru_step(came, torch.cat([back[..., : 2 * H], back[..., 2 * H :] + now[..., 3 * H : 4 * H]], dim=-1), h)
    told = now[..., 4 * H :] + h @ weights.told.mT
    recalled, weight = read(told[..., :-2], rows, how.heads)
    gate = told[..., -2:-1].sigmoid()
    whether = told[..., -1:].sigmoid() if how.write_gate else torch.ones_like(gate)
    least = nn.functional.one_hot(usage.argmin(-1), usage.shape[-1]).to(rows.dtype)  # [*, N]
    where = whether * torch.lerp(least, last, gate)
    kept = rows * (1 - whether * (1 - gate) * least).unsqueeze(-1)
    rows = kept + where.unsqueeze(-1) * told[..., : rows.shape[-1]].tanh().unsqueeze(-2)
    return h, rows, how.decay * usage + weight.sum(-2) + where, recalled, weight.mean(-2)


def read(asked: Tensor, rows: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    """(what the heads read [*, R*W], their weights [*, R, N]) for keys and strengths [*, R*W + R], before they are bounded."""
    keys, strength = asked.split([asked.shape[-1] - heads, heads], dim=-1)
    keys = keys.tanh().unflatten(-1, (heads, -1))  # [*, R, W]
    strength = 1 + functional.within(nn.functional.softplus(strength), high=STRONGEST - 1)  # [*, R]
    scale = (strength * _inverse_length(keys)).unsqueeze(-1) * _inverse_length(rows).unsqueeze(-2)  # [*, R, N]
    weight = ((keys @ rows.mT) * scale).softmax(-1)
    return (weight @ rows).flatten(-2), weight


def _inverse_length(x: Tensor) -> Tensor:
    """One over the lengths of vectors; a vector of zeros has some length."""
    return (x.square().sum(-1) + FLOOR).rsqrt()
