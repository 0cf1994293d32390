"""A ring of trials to learn from again: the newest so many steps, in the pieces in which they came.

A piece holds the trials of one iteration and never changes, so a ring is a value: whoever keeps an older one can go back to it,
and a checkpoint writes each piece once. Only what learning needs is kept, in float32: what followed a step is the
observation of the next one, and what the last step of a trial led to nobody asks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from pliant.errors import UserError
from pliant.types import KEPT, Rollout, Spec


class Piece(NamedTuple):
    """The trials of one iteration: n lanes of T steps, padding as in a `Rollout`."""

    obs: Tensor
    """[n, T, D]"""
    action: Tensor
    """[n, T, A], or [n, T] int64 when discrete."""
    reward: Tensor
    """[n, T]"""
    first: Tensor
    """[n, T] bool"""
    valid: Tensor
    """[n, T] bool"""
    task: Tensor
    """[n, K]"""

    def as_task(self) -> "Piece":
        """The same with a dim of one task before, [1, n, T, *]."""
        return Piece._make(x[None] for x in self)


def piece_of(rollout: Rollout) -> Piece:
    """The trials of a rollout, lane by lane."""
    lanes = rollout.reward.shape[1]
    task = rollout.task.repeat_interleave(lanes, dim=0)  # [M*B, K]
    return Piece._make([*(getattr(rollout, name).flatten(0, 1) for name in Piece._fields[:-1]), task])


class Kept(NamedTuple):
    """A piece, and the number of the iteration that made it."""

    number: int
    piece: Piece
    steps: int
    """Environment steps, padding not counted."""
    bytes: int


@dataclass(frozen=True)
class Ring:
    """Pieces, oldest first."""

    pieces: tuple[Kept, ...] = ()

    @cached_property
    def steps(self) -> int:
        """Environment steps in it."""
        return sum(kept.steps for kept in self.pieces)

    @cached_property
    def bytes(self) -> int:
        """Of all its numbers."""
        return sum(kept.bytes for kept in self.pieces)

    @cached_property
    def ends(self) -> Tensor:
        """How many trials there are up to the end of each piece, [pieces]."""
        return torch.tensor([len(kept.piece.reward) for kept in self.pieces], dtype=torch.int64).cumsum(0)

    @cached_property
    def longest(self) -> int:
        """Steps of the longest trial."""
        return max(kept.piece.reward.shape[1] for kept in self.pieces)

    def with_(self, number: int, piece: Piece, most_steps: int, most_bytes: int) -> "Ring":
        """A ring with one more piece, without the oldest that are too much for it; the newest stays however large it is."""
        pieces = (*self.pieces, kept_of(number, piece))
        steps, size, gone = self.steps + pieces[-1].steps, self.bytes + pieces[-1].bytes, 0
        while gone < len(pieces) - 1 and (steps > most_steps or size > most_bytes):
            steps, size, gone = steps - pieces[gone].steps, size - pieces[gone].bytes, gone + 1
        return Ring(pieces[gone:])

    def sample(self, most: int, generator: torch.Generator) -> Piece:
        """Trials drawn evenly, none twice: `most`, or all if there are fewer; padded to the steps of the longest piece."""
        chosen = torch.randperm(int(self.ends[-1]), generator=generator)[:most]
        owners = torch.searchsorted(self.ends, chosen, right=True)
        first = torch.cat([torch.zeros(1, dtype=torch.int64), self.ends[:-1]])[owners]
        rows = [(self.pieces[k].piece, n) for k, n in zip(owners.tolist(), (chosen - first).tolist(), strict=True)]
        fields = [torch.stack([_row(piece[i], n, self.longest) for piece, n in rows]) for i in range(len(Piece._fields) - 1)]
        return Piece._make([*fields, torch.stack([piece.task[n] for piece, n in rows])])

    def state(self) -> dict[str, Tensor]:
        """Every piece, by names that begin with KEPT and its number: no copies."""
        return {
            f"{KEPT}{kept.number:08d}/{name}": x
            for kept in self.pieces
            for name, x in zip(Piece._fields, kept.piece, strict=True)
        }


def kept_of(number: int, piece: Piece) -> Kept:
    """A piece with its size."""
    return Kept(number, piece, int(piece.valid.sum()), sum(x.numel() * x.element_size() for x in piece))


def ring_of(state: Mapping[str, Tensor], spec: Spec) -> Ring:
    """The ring in a checkpoint's tensors. Raises UserError for one that is not of this family."""
    numbers = sorted({name.split("/")[1] for name in state if name.startswith(KEPT)})
    return Ring(tuple(kept_of(int(number), _piece(state, number, spec)) for number in numbers if number.isdecimal()))


def _piece(state: Mapping[str, Tensor], number: str, spec: Spec) -> Piece:
    found = {name: state.get(f"{KEPT}{number}/{name}") for name in Piece._fields}
    reward = found["reward"]
    n, T = reward.shape if reward is not None and reward.dim() == 2 else (-1, -1)
    action = ([n, T], torch.int64) if spec.discrete else ([n, T, spec.action_size], torch.float32)
    expected = {
        "reward": ([n, T], torch.float32),
        "obs": ([n, T, spec.obs_size], torch.float32),
        "action": action,
        "first": ([n, T], torch.bool),
        "valid": ([n, T], torch.bool),
        "task": ([n, spec.task_size], torch.float32),
    }
    for name, (shape, kind) in expected.items():
        tensor = found[name]
        if tensor is None or list(tensor.shape) != shape or tensor.dtype != kind:
            got = "absent" if tensor is None else f"{list(tensor.shape)} of {tensor.dtype}".replace("torch.", "")
            want = f"{shape} of {kind}".replace("torch.", "")
            where = f"the kept trials of iteration {int(number)} are not of this family"
            raise UserError(f"{where}: {name} is {got}, expected {want}")
    return Piece(**{name: tensor for name, tensor in found.items() if tensor is not None})


def _row(field: Tensor, n: int, steps: int) -> Tensor:
    """One lane [steps, *] of a piece's field, padded with zeros."""
    row = field[n]
    return row if len(row) == steps else torch.cat([row, row.new_zeros(steps - len(row), *row.shape[1:])])
