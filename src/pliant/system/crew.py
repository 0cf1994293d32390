"""Processes that share the work of a training: whose each shard is, and sums that do not depend on how many there are.

The tasks of an iteration are divided into shards. Each is simulated and learned from by itself, by one process, and what the
shards give is added up in their order. So the bits of a training depend on the number of shards, which is a setting, and not on
that of processes. What goes over the wire are tensors of known shape: nothing that is received is ever unpickled.
"""

import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

import torch
from torch import Tensor, distributed

from pliant import errors
from pliant.system import machine

PATIENCE = timedelta(minutes=10)
"""How long one waits for another before it is named as lost; PLIANT_PATIENCE, in seconds, says otherwise."""
LONGER = 12
"""Times as long while the one that leads reads a checkpoint."""


class Crew(NamedTuple):
    """How the shards of a training are shared out among processes."""

    shards: int = 1
    rank: int = 0
    """Which of the processes this is."""
    ranks: int = 1
    """How many there are."""

    @property
    def own(self) -> range:
        """The shards of this process."""
        return range(self.rank, self.shards, self.ranks)

    @property
    def leads(self) -> bool:
        """This process writes what is written."""
        return self.rank == 0

    def part(self, shard: int, tasks: int) -> slice:
        """Which of so many tasks belong to a shard: as many as to any other, or one fewer."""
        return slice(tasks * shard // self.shards, tasks * (shard + 1) // self.shards)

    def all(self, parts: Sequence[Tensor]) -> list[Tensor]:
        """One tensor of every shard, in their order, from those of this process; all are of one shape.

        They travel by way of the processor: gloo sends nothing from other devices.
        """
        if self.ranks == 1:
            return list(parts)
        most, home = len(range(0, self.shards, self.ranks)), parts[0].device
        mine = torch.stack([*parts, *[torch.zeros_like(parts[0])] * (most - len(parts))]).cpu()
        found = self._swapped(mine, _patience())
        return [found[shard % self.ranks][shard // self.ranks].to(home) for shard in range(self.shards)]

    def total(self, parts: Sequence[Tensor]) -> Tensor:
        """The sum over all shards, added in their order, from the tensors of this process."""
        first, *others = self.all(parts)
        for other in others:
            first = first + other
        return first

    def agree(self, value: int, patient: bool = False) -> int:
        """The largest of all processes' numbers; `patient`, while one may do for long what is its own business."""
        if self.ranks == 1:
            return value
        return max(map(int, self._swapped(torch.tensor(value), _patience() * (LONGER if patient else 1))))

    def _swapped(self, mine: Tensor, patience: timedelta) -> list[Tensor]:
        """What each process holds, in their order. Raises UserError that names one that is not heard in time.

        Pair after pair, the lower one first: both ways at once take ten times as long, and of an exchange of all with all one
        learns that somebody is lost, not who.
        """
        found = [mine if rank == self.rank else torch.empty_like(mine) for rank in range(self.ranks)]
        for rank in range(self.ranks):
            try:
                if rank < self.rank:
                    _received(found[rank], rank, patience)
                if rank != self.rank:
                    _sent(mine, rank, patience)
                if rank > self.rank:
                    _received(found[rank], rank, patience)
            except RuntimeError as error:
                why = f"{' '.join(str(error).split()):.200}"
                raise errors.UserError(f"process {rank} of the {self.ranks} that share this training is lost: {why}") from error
        return found

    def require_alike(self, what: str, *things: bytes) -> None:
        """Raise UserError unless all processes hold the same `things`."""
        if self.ranks == 1:
            return
        digest = hashlib.sha256()
        for thing in things:
            digest.update(thing)
        number = int.from_bytes(digest.digest()[:7], "big")
        if self.agree(number) != -self.agree(-number):
            raise errors.UserError(f"the {self.ranks} processes of this training differ in {what}: all must be the same")


ALONE = Crew()


def place() -> tuple[int, int]:
    """(which process this is, of how many that share its work): (0, 1) outside of a group."""
    return _number("RANK", 0), _number("WORLD_SIZE", 1)


def device(name: str) -> str:
    """The device of this process: of several on one machine that use "cuda", each has one of its own."""
    return f"cuda:{_number('LOCAL_RANK', 0)}" if name == "cuda" and place()[1] > 1 else name


@contextmanager
def joined() -> Iterator[tuple[int, int]]:
    """This process's `place` in the group that `torchrun` has begun, while it is one of it.

    Processes on one machine take a share of its cores each. They find each other as `torchrun` says, or by a file that all can
    reach, if PLIANT_MEET names one ("file:///shared/run1"). Raises UserError for a group that does not come together.
    """
    rank, ranks = place()
    if ranks == 1:
        yield 0, 1
        return
    neighbours, before = _number("LOCAL_WORLD_SIZE", 1), _settle(_number("LOCAL_RANK", 0), _number("LOCAL_WORLD_SIZE", 1))
    if neighbours == ranks and sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # nobody else is to hear them
    meet = os.environ.get("PLIANT_MEET", "env://")
    try:
        distributed.init_process_group("gloo", init_method=meet, rank=rank, world_size=ranks, timeout=_patience())
    except (RuntimeError, ValueError) as error:
        raise errors.UserError(f"process {rank} of {ranks} finds no others: {' '.join(str(error).split()):.200}") from error
    try:
        yield rank, ranks
    finally:
        distributed.destroy_process_group()
        if before:
            os.sched_setaffinity(0, before)


def _sent(tensor: Tensor, rank: int, patience: timedelta) -> None:
    work = distributed.isend(tensor, rank)
    assert work is not None  # as it would be outside of the group
    work.wait(patience)


def _received(tensor: Tensor, rank: int, patience: timedelta) -> None:
    work = distributed.irecv(tensor, rank)
    assert work is not None
    work.wait(patience)


def _settle(place: int, neighbours: int) -> set[int]:
    """Keep to a share of the cores that this process may use, if there are as many as neighbours; those before, if so."""
    if not hasattr(os, "sched_setaffinity") or not (cores := machine.cores()) >= neighbours > 1:
        return set()
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[place * cores // neighbours : (place + 1) * cores // neighbours])
    return before


def _patience() -> timedelta:
    seconds = _number("PLIANT_PATIENCE", round(PATIENCE.total_seconds()))
    return timedelta(seconds=max(1, seconds))


def _number(name: str, default: int) -> int:
    """A whole number of the environment. Raises UserError for anything else."""
    value = os.environ.get(name, str(default))
    if not value.isdecimal():
        raise errors.UserError(f"{name} is {errors.printable(value)!r} in the environment: expected a whole number")
    return int(value)
