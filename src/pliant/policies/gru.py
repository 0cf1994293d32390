"""A gated recurrent unit over the whole trial: the memory of RL^2.

Cho et al. 2014, arXiv:1406.1078, with the reset gate after the matrix product as in cuDNN and PyTorch:

    r = sigmoid(W_r x + U_r h)    z = sigmoid(W_z x + U_z h)    n = tanh(W_n x + r * (U_n h))    h <- (1 - z) * n + z * h

The memory where a trial opens is learned.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor, nn

from pliant.policies.base import Memory
from pliant.policies.parts import layers
from pliant.policies.parts.layers import Linear
from pliant.policies.parts.memory import MemoryPolicy, MemorySettings, gru_step, recurrent_
from pliant.streams import Stream
from pliant.types import Inputs, Spec


@dataclass(frozen=True)
class Settings(MemorySettings):
    """Size of the memory, what it sees of a step, and how long it keeps it at first."""

    span: int = 0
    """Steps that its units keep what they know before training, up to this: each bias of the update gate z is the logarithm
    of a uniform number from 1 to span - 1 (Tallec and Ollivier 2018, arXiv:1804.11188). 0: biases of 0, a step or two."""
    layers: Annotated[int, Ge(1)] = 1
    """Recurrent layers of `size` units, each of which reads the one below."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.span < 2 and self.span != 0:
            raise ValueError(f"span is {self.span}: expected at least 2 steps, or 0")


class Gru(nn.Module):
    """State: h [M, B, H]."""

    def __init__(self, size_in: int, size: int, span: int, generator: torch.Generator) -> None:
        super().__init__()
        self.size_out = size
        self.into = Linear(size_in, 3 * size, 1.0, generator)
        self.back = recurrent_(Linear(size, 3 * size, 1.0, generator), size, generator)
        self.initial = nn.Parameter(torch.zeros(size))
        if span:
            with torch.no_grad():
                self.into.bias[size : 2 * size] = torch.empty(size).uniform_(1, span - 1, generator=generator).log()

    def start(self, tasks: int, lanes: int) -> Tensor:
        return layers.over_lanes(self.initial, 1, tasks, lanes)

    def forward(self, x: Tensor, inputs: Inputs, state: Tensor) -> tuple[Tensor, Tensor]:
        M, B, T = x.shape[:3]
        if T > 1 and self.back.weight.dim() == 2:
            weights = self.into.weight, self.into.bias, self.back.weight, self.back.bias
            lanes = x.flatten(0, 1).transpose(0, 1), state.flatten(0, 1), *weights
            seen: Tensor = _Lanes.apply(*lanes).transpose(0, 1).unflatten(0, (M, B))  # type: ignore[no-untyped-call]
        else:
            into = self.into(x.flatten(1, 2)).unflatten(1, (B, T))  # [M, B, T, 3H]
            seen = torch.stack(_steps(into.unbind(2), self.back, state), dim=2)
        return seen, seen[:, :, -1]


class Stacked(nn.Module):
    """Several layers, each of which reads the one below; features are those of the last. State: an h of each."""

    def __init__(self, size_in: int, settings: Settings, generator: torch.Generator) -> None:
        super().__init__()
        sizes = [size_in, *[settings.size] * (settings.layers - 1)]
        self.layers = nn.ModuleList([Gru(each, settings.size, settings.span, generator) for each in sizes])
        self.size_out = settings.size

    def start(self, tasks: int, lanes: int) -> tuple[Tensor, ...]:
        return tuple(layer.start(tasks, lanes) for layer in self.layers)  # type: ignore[operator]

    def forward(self, x: Tensor, inputs: Inputs, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        after = []
        for layer, h in zip(self.layers, state, strict=True):
            x, h = layer(x, inputs, h)
            after.append(h)
        return x, tuple(after)


def _steps(into: Iterable[Tensor], back: Callable[[Tensor], Tensor], h: Tensor) -> list[Tensor]:
    """The h [*, H] after each step, from what comes in [*, 3H] at each step and the h before them."""
    seen = []
    for now in into:
        h = gru_step(now, back(h), h)
        seen.append(h)
    return seen


class _Lanes(torch.autograd.Function):
    """Every h [T, N, H], from x [T, N, E], the h before [N, H], and weights that all lanes share.

    The gradient by hand needs one matrix product for each weight instead of one per step; docs/design/decisions.md has what
    that saves. A gradient that is itself to be differentiated is left to autograd.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, h: Tensor, w_into: Tensor, b_into: Tensor, w_back: Tensor, b_back: Tensor) -> Tensor:
        T, N, H = *x.shape[:2], h.shape[-1]
        into = torch.addmm(b_into, x.flatten(0, 1), w_into.mT).unflatten(0, (T, N))
        into_new = into[..., 2 * H :].clone()
        into[..., : 2 * H] += b_back[: 2 * H]
        into[..., 2 * H :] = b_back[2 * H :]
        gates, back_new = into.split([2 * H, H], dim=-1)
        h_all, new, w_back_t = h.new_empty(T + 1, N, H), torch.empty_like(into_new), w_back.mT.contiguous()
        h_all[0] = h
        by_time = (h_all[:-1], into, gates, *gates.chunk(2, dim=-1), back_new, into_new, new, h_all[1:])
        for before, both, gate, reset, update, back, now, n, after in zip(*(each.unbind(0) for each in by_time), strict=True):
            both.addmm_(before, w_back_t)
            gate.sigmoid_()
            torch.addcmul(now, reset, back, out=n).tanh_()
            torch.lerp(n, before, update, out=after)
        ctx.save_for_backward(x, h, w_into, b_into, w_back, b_back, h_all, into, new)
        return h_all[1:]

    @staticmethod
    def backward(ctx: Any, d_seen: Tensor) -> tuple[Tensor | None, ...]:
        saved: tuple[Tensor, ...] = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _again(saved[:6], d_seen)
        x, _, w_into, _, w_back, _, h_all, gates_and_back, new = saved
        T, N, H = new.shape
        reset, update, back_new = gates_and_back.chunk(3, dim=-1)
        to_new = torch.ops.aten.tanh_backward(1 - update, new)  # from h to what the tanh is taken of
        to_back = new.new_empty(T, N, 3, H)  # from h to what comes back: reset, update, new
        torch.mul(to_new, torch.ops.aten.sigmoid_backward(back_new, reset), out=to_back[:, :, 0])
        to_back[:, :, 1] = torch.ops.aten.sigmoid_backward(h_all[:-1] - new, update)
        torch.mul(to_new, reset, out=to_back[:, :, 2])
        d_all, d_back = torch.cat([torch.zeros_like(d_seen[:1]), d_seen]), torch.empty_like(to_back)  # of every h in h_all
        by_time = (d_all[:-1], d_all[1:], d_all[1:].unsqueeze(2), update, to_back, d_back, d_back.flatten(2))
        for d_before, d, d_each, u, to, d_b, d_row in zip(*(each.unbind(0)[::-1] for each in by_time), strict=True):
            torch.mul(d_each, to, out=d_b)
            d_before.addcmul_(d, u).addmm_(d_row, w_back)
        rows, seen, came = d_back.flatten(0, 1).flatten(1), h_all[:-1].flatten(0, 1), x.flatten(0, 1)
        d_gates, d_new = rows[:, : 2 * H], (d_all[1:] * to_new).flatten(0, 1)
        d_w_into = torch.cat([came.mT @ d_gates, came.mT @ d_new], dim=1).mT
        d_b_back = rows.sum(0)
        d_b_into = torch.cat([d_b_back[: 2 * H], d_new.sum(0)])
        d_x = torch.addmm(d_new @ w_into[2 * H :], d_gates, w_into[: 2 * H]).view_as(x) if ctx.needs_input_grad[0] else None
        return d_x, d_all[0], d_w_into, d_b_into, rows.mT @ seen, d_b_back


def _again(inputs: tuple[Tensor, ...], d_seen: Tensor) -> tuple[Tensor | None, ...]:
    """The gradient of `_Lanes` as a graph of its own: of aliases, for what x and h owe to the weights is not its business."""
    x, h, w_into, b_into, w_back, b_back = aliases = [each.view_as(each) for each in inputs]
    linear = nn.functional.linear
    seen = torch.stack(_steps(linear(x, w_into, b_into).unbind(0), lambda h: linear(h, w_back, b_back), h))
    wanted = [each for each in aliases if each.requires_grad]
    found = iter(torch.autograd.grad(seen, wanted, d_seen, create_graph=True))
    return tuple(next(found) if each.requires_grad else None for each in aliases)


def make(spec: Spec, settings: Settings, stream: Stream) -> MemoryPolicy:
    """A freshly initialised policy."""

    def memory(size_in: int, generator: torch.Generator) -> Memory:
        if settings.layers > 1:
            return Stacked(size_in, settings, generator)
        return Gru(size_in, settings.size, settings.span, generator)

    return MemoryPolicy(spec, settings, memory, stream)
