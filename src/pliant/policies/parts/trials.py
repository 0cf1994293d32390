"""The steps of a controller with an external memory for whole trials, with the gradient written out.

What a step does is defined in `policies.parts.rows`. Autograd keeps about four copies of the rows a step, and multiplies once
per step for every gradient of a weight; by hand it is one copy, and one product for each weight. docs/design/decisions.md has
what that saves. A gradient that is itself to be differentiated is left to autograd.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from pliant.policies.parts import rows
from pliant.policies.parts.rows import FLOOR, STRONGEST, How, State, Weights


def trials(given: Tensor, state: State, weights: Weights, how: How) -> tuple[Tensor, State]:
    """(features [M, B, T, H + R*W], the state after), from what is given [M, B, T, K] and weights that all lanes share."""
    M, B, H = *given.shape[:2], weights.back.shape[-1]
    by_lane = given.flatten(0, 1).transpose(0, 1), *weights, *(x.flatten(0, 1) for x in state)
    lanes: tuple[Tensor, ...] = _Lanes.apply(how, *by_lane)  # type: ignore[no-untyped-call]
    seen, after, usage, last = (x.unflatten(0, (M, B)) for x in (lanes[0].transpose(0, 1), *lanes[1:]))
    return seen, (seen[:, :, -1, :H], after, usage, seen[:, :, -1, H:], last)


class _Trial(NamedTuple):
    """What the steps of L lanes leave behind, all that a gradient needs: of T steps [T, L, *], or of one of them [L, *]."""

    before: Tensor
    """h and what was read, before the step, [L, H + R*W]."""
    after: Tensor
    gates: Tensor
    """Reset and update, new as it comes in and as it comes back, [L, 4H]."""
    new: Tensor
    """[L, H]."""
    told: Tensor
    """Keys, strengths before they are bounded, where to write, whether to, [L, R*W + R + 2]."""
    strength: Tensor
    """[L, R, 1]."""
    per_key: Tensor
    """One over the lengths of keys, [L, R, 1]."""
    per_row: Tensor
    """One over the lengths of rows, [L, 1, N]."""
    scale: Tensor
    """Strength over both lengths, [L, R, N]."""
    logits: Tensor
    """[L, R, N]."""
    found: Tensor
    """Weights of the read, [L, R, N]."""
    rows: Tensor
    """Before the step, [L, N, W]."""
    rows_after: Tensor
    marks: Tensor
    """Weights of the write; the least used row, one-hot; mean weights of the read a step ago; [L, 3, N]."""
    marks_after: Tensor
    keep: Tensor
    """What the write leaves of each row, [L, N, 1]."""

    @classmethod
    def of(cls, memory: Tensor, stored: Tensor, marks: Tensor, *others: Tensor) -> "_Trial":
        """Of what is known before each step and after the last, [T + 1, L, *], and of the rest, in the order of `room`."""
        gates, new, told, strength, per_key, per_row, scale, logits, found, keep = others
        read = strength, per_key, per_row, scale, logits, found
        return cls(memory[:-1], memory[1:], gates, new, told, *read, stored[:-1], stored[1:], marks[:-1], marks[1:], keep)

    @staticmethod
    def room(given: Tensor, state: State, heads: int) -> list[Tensor]:
        """For what T steps leave behind, with the state before them and what is given of them."""
        h, opens, _, recalled, last = state
        T, (L, N, W), H, R = len(given), opens.shape, h.shape[-1], heads
        memory, all_rows = given.new_empty(T + 1, L, H + R * W), given.new_empty(T + 1, L, N, W)
        marks = given.new_zeros(T + 1, L, 3, N)
        memory[0], all_rows[0], marks[0, :, 2] = torch.cat([h, recalled], dim=-1), opens, last
        gates, told = (each.clone() for each in given.split([4 * H, given.shape[-1] - 4 * H], dim=-1))
        sizes = (R, 1), (R, 1), (1, N), (R, N), (R, N), (R, N), (N, 1)
        new, *others = (given.new_empty(T, L, *size) for size in ((H,), *sizes))
        return [memory, all_rows, marks, gates, new, told, *others]

    def by_step(self) -> Iterator["_Trial"]:
        return map(_Trial._make, zip(*(each.unbind(0) for each in self), strict=True))

    def keys(self) -> Tensor:
        """[L, R, W], a view."""
        R, H = self.strength.shape[-2], self.new.shape[-1]
        keys: Tensor = self.told[..., : self.before.shape[-1] - H].unflatten(-1, (R, -1))
        return keys

    def control(self, transposed: Weights) -> None:
        """The controller's step, and what it says."""
        H, gates, h = self.new.shape[-1], self.gates, self.before[:, : self.new.shape[-1]]
        gates[:, : 3 * H].addmm_(self.before[:, H:], transposed.read)
        reset, update = gates[:, : 2 * H].addmm_(h, transposed.back[:, : 2 * H]).sigmoid_().chunk(2, dim=-1)
        back = gates[:, 3 * H :].addmm_(h, transposed.back[:, 2 * H :])
        torch.addcmul(gates[:, 2 * H : 3 * H], reset, back, out=self.new).tanh_()
        self.told.addmm_(torch.lerp(self.new, h, update, out=self.after[:, :H]), transposed.told)

    def read(self) -> Tensor:
        """What the heads find; their weights, summed [L, N]."""
        R, keys, stored = len(self.strength[0]), self.keys().tanh_(), self.rows
        torch.clamp(nn.functional.softplus(self.told[:, -2 - R : -2, None]), max=STRONGEST - 1, out=self.strength).add_(1)
        torch.linalg.vector_norm(keys, dim=-1, keepdim=True, out=self.per_key).square_().add_(FLOOR).rsqrt_()
        torch.linalg.vector_norm(stored, dim=-1, out=self.per_row[:, 0]).square_().add_(FLOOR).rsqrt_()
        torch.mul(self.strength * self.per_key, self.per_row, out=self.scale)
        torch.mul(torch.bmm(keys, stored.mT), self.scale, out=self.logits)
        torch.softmax(self.logits, -1, out=self.found)
        self.after[:, self.new.shape[-1] :] = torch.bmm(self.found, stored).flatten(1)
        used = self.found.sum(1)
        torch.mul(used, 1 / R, out=self.marks_after[:, 2])
        return used

    def write(self, used: Tensor, usage: Tensor, how: How) -> None:
        """What becomes of the rows and, in place, of `usage`."""
        (where, least, last), W = self.marks.unbind(1), self.rows.shape[-1]
        gate, whether = self.told[:, -2:-1].sigmoid_(), self.told[:, -1:]
        whether = whether.sigmoid_() if how.write_gate else whether.fill_(1)
        least.scatter_(1, usage.argmin(-1, keepdim=True), 1.0)
        torch.lerp(least, last, gate, out=where).mul_(whether)
        torch.mul(least, whether * (gate - 1), out=self.keep[..., 0]).add_(1)
        torch.mul(self.rows, self.keep, out=self.rows_after).baddbmm_(where.unsqueeze(2), self.told[:, None, :W])
        usage.mul_(how.decay).add_(used).add_(where)


class _Slopes(NamedTuple):
    """Of T steps or one: gradients by what a step is made of, and what can be said of them for all steps at once."""

    before: Tensor
    """By h and what was read, before the step, [L, H + R*W]."""
    after: Tensor
    gates: Tensor
    """By what is given of the gates, [L, 4, H]."""
    told: Tensor
    """By what is given of what is told, [L, R*W + R + 2]."""
    of_gates: Tensor
    """From the gradient by h to those by the gates, [L, 4, H]."""
    of_keys: Tensor
    """From keys to what the tanh is taken of, [L, R, W]."""
    of_strength: Tensor
    """From logits, times these, to strengths before they are bounded, [L, R, 1]."""
    of_where: Tensor
    """[L, 1]."""
    of_whether: Tensor
    """[L, 1]."""
    to_last: Tensor
    """From the weights of the write to those of the read a step ago, [L, 1]."""
    to_keys: Tensor
    """From logits, times these, to keys along themselves, [L, R, 1]."""
    to_rows: Tensor
    """Likewise to rows, [L, N, 1]."""
    cleared: Tensor
    """The least used row before the step, [L, W, 1]."""

    @classmethod
    def of(cls, trial: _Trial, d_memory: Tensor, d_given: Tensor) -> "_Slopes":
        """Where gradients of T steps go: by what is known before each and after the last, [T + 1, L, *], and what is given."""
        aten, (H, R) = torch.ops.aten, (trial.new.shape[-1], trial.strength.shape[2])
        reset, update, _, back = trial.gates.chunk(4, dim=-1)
        where, whether = trial.told[..., -2:-1], trial.told[..., -1:]
        to_new = aten.tanh_backward(1 - update, trial.new)
        to_update = aten.sigmoid_backward(trial.before[..., :H] - trial.new, update)
        gates = torch.stack([aten.sigmoid_backward(to_new * back, reset), to_update, to_new, to_new * reset], dim=2)
        strength = trial.told[..., -2 - R : -2, None].sigmoid() / trial.strength
        tell = aten.sigmoid_backward(whether, where), whether * (1 - whether), whether * where
        lengths = -trial.per_key.square(), -trial.per_row.square().mT
        cleared = trial.rows.mT @ trial.marks[:, :, 1, :, None]
        d_gates, d_told = d_given[..., : 4 * H].unflatten(-1, (4, H)), d_given[..., 4 * H :]
        return cls(
            d_memory[:-1], d_memory[1:], d_gates, d_told, gates, 1 - trial.keys().square(), strength, *tell, *lengths, cleared
        )

    def backwards(self) -> Iterator["_Slopes"]:
        return map(_Slopes._make, zip(*(each.unbind(0)[::-1] for each in self), strict=True))

    def write(self, now: _Trial, d_rows: Tensor) -> tuple[Tensor, Tensor]:
        """Back through a write: gradients by the first key [L, W] and by the weights of the read a step ago [L, N]."""
        key = now.told[:, : d_rows.shape[-1], None]
        d_where = torch.bmm(d_rows, key)  # [L, N, 1]
        d_key, d_cleared = torch.bmm(now.marks[:, :2], d_rows).split(1, dim=1)
        d_rows *= now.keep
        to_least, to_last = torch.bmm(now.marks[:, 1:], d_where).unbind(1)  # [L, 1]
        to_least = to_least - torch.bmm(d_cleared, self.cleared)[:, 0]
        apart = to_last - to_least
        torch.mul(apart, self.of_where, out=self.told[:, -2:-1])
        torch.mul(torch.addcmul(to_least, apart, now.told[:, -2:-1]), self.of_whether, out=self.told[:, -1:])
        return d_key[:, 0], d_where[..., 0] * self.to_last

    def read(self, now: _Trial, d_rows: Tensor, d_last: Tensor, d_key: Tensor) -> None:
        """Back through a read; `d_key` is what the write asks of the first key."""
        (R, W), keys, H = self.of_keys.shape[1:], now.keys(), now.new.shape[-1]
        d_read = self.after[:, H:].unflatten(-1, (R, W))
        d_found = torch.bmm(d_read, now.rows.mT).add_(d_last.unsqueeze(1), alpha=1 / R)
        d_logits = torch.ops.aten._softmax_backward_data(d_found, now.found, -1, d_found.dtype)
        d_product, slope = d_logits * now.scale, d_logits * now.logits
        d_rows.baddbmm_(torch.cat([now.found, d_product], dim=1).mT, torch.cat([d_read, keys], dim=1))
        d_rows.addcmul_(now.rows, slope.sum(1).unsqueeze(2) * self.to_rows)
        by_key = slope.sum(-1, keepdim=True)
        d_keys = torch.bmm(d_product, now.rows).addcmul_(keys, by_key * self.to_keys)
        d_keys[:, 0] += d_key
        torch.mul(d_keys, self.of_keys, out=self.told[:, : R * W].unflatten(-1, (R, W)))
        torch.mul(by_key, self.of_strength, out=self.told[:, R * W : -2, None])

    def control(self, now: _Trial, weights: Weights) -> None:
        """Back through the controller."""
        H, gates = now.new.shape[-1], self.gates.flatten(1)
        d_h = self.after[:, :H].addmm_(self.told, weights.told)
        torch.mul(d_h.unsqueeze(1), self.of_gates, out=self.gates)
        self.before[:, H:].addmm_(gates[:, : 3 * H], weights.read)
        before = self.before[:, :H].addcmul_(d_h, now.gates[:, H : 2 * H])
        before.addmm_(gates[:, : 2 * H], weights.back[: 2 * H]).addmm_(gates[:, 3 * H :], weights.back[2 * H :])


class _Lanes(torch.autograd.Function):
    """(features [T, L, H + R*W], rows, usage, mean weights after the last step) of L lanes."""

    @staticmethod
    def forward(
        ctx: Any, how: How, given: Tensor, read: Tensor, back: Tensor, told: Tensor, *state: Tensor
    ) -> tuple[Tensor, ...]:
        kept, usage = _Trial.room(given, state, how.heads), state[2].clone()  # type: ignore[arg-type]
        transposed = Weights(*(each.mT.contiguous() for each in (read, back, told)))
        for now in _Trial.of(*kept).by_step():
            now.control(transposed)
            now.write(now.read(), usage, how)
        ctx.how = how
        ctx.save_for_backward(given, read, back, told, *state, *kept)
        ctx.mark_non_differentiable(usage)
        memory, stored, marks = kept[:3]
        return memory[1:], stored[-1].clone(), usage, marks[-1, :, 2].clone()

    @staticmethod
    def backward(ctx: Any, d_seen: Tensor, d_rows: Tensor, _: Tensor, d_last: Tensor) -> tuple[Tensor | None, ...]:
        saved: tuple[Tensor, ...] = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _again(saved[:9], ctx.how, d_seen, d_rows, d_last)
        weights, memory, trial = Weights(*saved[1:4]), saved[9], _Trial.of(*saved[9:])
        d_memory, d_rows = torch.cat([torch.zeros_like(d_seen[:1]), d_seen]), d_rows.clone()
        d_given, steps = torch.empty_like(saved[0]), list(trial.by_step())[::-1]
        for now, slopes in zip(steps, _Slopes.of(trial, d_memory, d_given).backwards(), strict=True):
            d_key, before = slopes.write(now, d_rows)
            slopes.read(now, d_rows, d_last, d_key)
            slopes.control(now, weights)
            d_last = before
        H = weights.back.shape[-1]
        flat, known, h = d_given.flatten(0, 1), memory[:-1].flatten(0, 1), memory[1:, :, :H].flatten(0, 1)
        d_read, d_gates = flat[:, : 3 * H].mT @ known[:, H:], flat[:, : 4 * H].mT @ known[:, :H]
        d_back = torch.cat([d_gates[: 2 * H], d_gates[3 * H :]])
        d_state = d_memory[0, :, :H], d_rows, None, d_memory[0, :, H:], d_last
        return None, d_given, d_read, d_back, flat[:, 4 * H :].mT @ h, *d_state


def _again(inputs: tuple[Tensor, ...], how: How, *d: Tensor) -> tuple[Tensor | None, ...]:
    """The gradient of `_Lanes` as a graph of its own: of aliases, for what inputs owe to each other is not its business."""
    given, read, back, told, *state = aliases = [each.view_as(each) for each in inputs]
    features, after = rows.steps(given.unbind(0), tuple(state), Weights(read, back, told), how)  # type: ignore[arg-type]
    wanted = [each for each in aliases if each.requires_grad]
    outcomes = torch.stack(features), after[1], after[4]
    found = iter(torch.autograd.grad(outcomes, wanted, d, create_graph=True, allow_unused=True))
    return None, *(next(found) if each.requires_grad else None for each in aliases)
