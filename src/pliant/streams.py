"""Random numbers with an address.

A stream is (seed, path): `Stream(0).at("acts", 17)`. What it draws depends on that address alone, so a run's result does
not depend on the order of its parts, on the number of workers, or on whether it was interrupted. Draws for M tasks come
from M addresses: task m's numbers do not change when other tasks join the batch. Numbers are drawn on the CPU, so every
device sees the same ones.
"""

import hashlib
import operator
from dataclasses import dataclass
from typing import Self, SupportsIndex

import numpy as np
import torch
from torch import Tensor

_WORDS = 24
"""Where the 624 words of its Mersenne Twister stand in the state of torch's CPU generator, bytes; each takes eight."""


@dataclass(frozen=True)
class Stream:
    """An address of random numbers. Drawing twice from the same address gives the same numbers.

    Integers are equal addresses whatever their type, NumPy's and torch's too. Raises TypeError for a seed or a name that is
    neither a word nor an integer; True and False are refused, for they would be 1 and 0.
    """

    seed: int
    path: tuple[str | int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", _integer(self.seed, "a seed"))
        object.__setattr__(self, "path", tuple(map(_name, self.path)))

    def at(self, *names: str | SupportsIndex) -> Self:
        """The stream further down the path, by purpose, iteration or task index."""
        return type(self)(self.seed, (*self.path, *map(_name, names)))

    @property
    def key(self) -> int:
        """64 bits that stand for this address."""
        return int.from_bytes(_digest(self.seed, self.path, 8), "little")

    def generator(self) -> torch.Generator:
        """A fresh torch generator at this address, on the CPU.

        All of its state is drawn from `rng`: of a seed torch would take 32 bits, at which two of 100,000 addresses are one.
        """
        generator = torch.Generator().manual_seed(self.key - 2**63)  # who asks for its initial seed gets one of this address
        state = generator.get_state()
        state.numpy()[_WORDS:].view(np.uint64)[:624] = self.rng().integers(2**32, size=624, dtype=np.uint32)
        return generator.set_state(state)

    def rng(self) -> np.random.Generator:
        """A fresh NumPy generator at this address."""
        return np.random.default_rng(self.key)

    def normal(self, tasks: int, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Standard normal numbers [tasks, *shape], float32 or float64, task by task."""
        return self._filled(torch.empty(tasks, *shape, dtype=dtype), normal=True)

    def uniform(self, tasks: int, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Uniform numbers in [0, 1), [tasks, *shape], float32 or float64, task by task."""
        return self._filled(torch.empty(tasks, *shape, dtype=dtype), normal=False)

    def _filled(self, numbers: Tensor, normal: bool) -> Tensor:
        """`numbers`, each row from an address of its own: 256 bits that are the state of a small generator as they are.

        SFC64 (Doty-Humphrey, PractRand) has no other state than these, so setting it costs nothing beside the hash.
        """
        bits = np.random.SFC64(0)
        rng, state = np.random.Generator(bits), bits.state
        fill = rng.standard_normal if normal else rng.random
        for m, row in enumerate(numbers.unsqueeze(-1).flatten(1).numpy()):
            state["state"]["state"] = np.frombuffer(_digest(self.seed, (*self.path, m), 32), "<u8")
            bits.state = state
            fill(out=row, dtype=row.dtype)
        return numbers


def _digest(seed: int, path: tuple[str | int, ...], size: int) -> bytes:
    """`size` bytes that stand for an address."""
    return hashlib.blake2b(repr((seed, path)).encode(), digest_size=size).digest()


def _name(name: str | SupportsIndex) -> str | int:
    """A part of an address as the plain string or integer that it is."""
    return str(name) if isinstance(name, str) else _integer(name, "a part of an address")


def _integer(value: SupportsIndex, what: str) -> int:
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{what} is {value}: expected an integer or a word, not a truth value")
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{what} is {value!r} ({type(value).__name__}): expected an integer or a word") from None
