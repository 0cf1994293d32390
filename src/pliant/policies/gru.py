"""A gated recurrent unit over the whole trial: the memory of RL^2.

Cho et al. 2014, arXiv:1406.1078, with the reset gate after the matrix product as in cuDNN and PyTorch:

    r = sigmoid(W_r x + U_r h)    z = sigmoid(W_z x + U_z h)    n = tanh(W_n x + r * (U_n h))    h <- (1 - z) * n + z * h

The memory where a trial opens is learned.
"""

from collections.abc import Callable
from typing import Any

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
        M, B, T = x.shape[:3]
        into = self.into(x.flatten(1, 2)).unflatten(1, (B, T))  # [M, B, T, 3H]
        if T > 1 and self.back.weight.dim() == 2:
            lanes = into.flatten(0, 1), self.back.weight, self.back.bias, state.flatten(0, 1)
            seen: Tensor = _Lanes.apply(*lanes).unflatten(0, (M, B))  # type: ignore[no-untyped-call]
        else:
            seen = _steps(into, self.back, state)
        return seen, seen[:, :, -1]


def _steps(into: Tensor, back: Callable[[Tensor], Tensor], h: Tensor) -> Tensor:
    """Every h of a trial, [M, B, T, H], from what comes in [M, B, T, 3H] and the h before [M, B, H]."""
    seen = []
    for now in into.unbind(2):
        h = _memory.gru_step(now, back(h), h)
        seen.append(h)
    return torch.stack(seen, dim=2)


class _Lanes(torch.autograd.Function):
    """Every h [N, T, H] from what comes in [N, T, 3H], shared weight and bias, and the h before [N, H].

    The gradient by hand needs one matrix product for the weight instead of one per step: with few lanes of many units it takes
    two thirds of autograd's time. A gradient that is itself to be differentiated is left to autograd.
    """

    @staticmethod
    def forward(ctx: Any, into: Tensor, weight: Tensor, bias: Tensor, h: Tensor) -> Tensor:
        N, T, H = *into.shape[:2], h.shape[-1]
        h_all, back = into.new_empty(T + 1, N, H), into.new_empty(T, N, 3 * H)
        gates, new = into.new_empty(T, N, 2 * H), into.new_empty(T, N, H)
        h_all[0] = h
        reset, update = gates.chunk(2, dim=-1)
        by_time = (h_all[:-1], *_split(into.transpose(0, 1)), back, *_split(back), gates, reset, update, new, h_all[1:])
        for before, i_g, i_n, b, b_g, b_n, g, r, u, n, after in zip(*(x.unbind(0) for x in by_time), strict=True):
            torch.addmm(bias, before, weight.mT, out=b)
            torch.add(i_g, b_g, out=g).sigmoid_()
            torch.addcmul(i_n, r, b_n, out=n).tanh_()
            torch.lerp(n, before, u, out=after)
        ctx.save_for_backward(into, weight, bias, h, h_all, back, gates, new)
        return h_all[1:].transpose(0, 1)

    @staticmethod
    def backward(ctx: Any, d_seen: Tensor) -> tuple[Tensor | None, ...]:
        saved: tuple[Tensor, ...] = ctx.saved_tensors
        into, weight, bias, h, h_all, back, gates, new = saved
        if torch.is_grad_enabled():  # by aliases: what `into` and `h` owe to the weight is not this step's business
            into, weight, bias, h = (x.view_as(x) for x in (into, weight, bias, h))
            seen = _steps(into[None], lambda h: nn.functional.linear(h, weight, bias), h[None])[0]
            wanted = [x for x in (into, weight, bias, h) if x.requires_grad]
            found = iter(torch.autograd.grad(seen, wanted, d_seen, create_graph=True))
            return tuple(next(found) if x.requires_grad else None for x in (into, weight, bias, h))
        reset, update = gates.chunk(2, dim=-1)
        to_new = (1 - update) * (1 - new.square())  # from h to what the tanh is taken of
        to_update = (h_all[:-1] - new) * update * (1 - update)
        to_reset = _split(back)[1] * reset * (1 - reset)  # from what the tanh is taken of
        d_back, d_new, d_h = torch.empty_like(back), torch.empty_like(new), torch.zeros_like(h)
        by_time = (d_seen.transpose(0, 1), to_new, to_update, to_reset, reset, update, d_new, d_back, *d_back.chunk(3, dim=-1))
        for d, a_n, a_u, a_r, r, u, d_n, d_b, d_b_r, d_b_u, d_b_n in zip(*(x.unbind(0)[::-1] for x in by_time), strict=True):
            d_h += d
            torch.mul(d_h, a_n, out=d_n)
            torch.mul(d_n, a_r, out=d_b_r)
            torch.mul(d_h, a_u, out=d_b_u)
            torch.mul(d_n, r, out=d_b_n)
            d_h.mul_(u).addmm_(d_b, weight)
        d_into: Tensor = torch.cat([_split(d_back)[0], d_new], dim=-1).transpose(0, 1)
        every = d_back.flatten(0, 1)
        d_weight: Tensor = every.mT @ h_all[:-1].flatten(0, 1)
        return d_into, d_weight, every.sum(0), d_h


def _split(x: Tensor) -> tuple[Tensor, ...]:
    """[*, 3H] as both gates [*, 2H] and the new [*, H]."""
    size = x.shape[-1] // 3
    gates, new = x.split([2 * size, size], dim=-1)
    return gates, new


def make(spec: Spec, settings: Settings, stream: Stream) -> MemoryPolicy:
    """A freshly initialised policy."""
    return MemoryPolicy(spec, settings, lambda size_in, generator: Gru(size_in, settings.size, generator), stream)
