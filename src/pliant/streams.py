"""Random numbers with an address.

A stream is (seed, path): `Stream(0).at("acts", 17)`. What it draws depends on that address alone, so a run's result does
not depend on the order of its parts, on the number of workers, or on whether it was interrupted. Draws for M tasks come
from M addresses: task m's numbers do not change when other tasks join the batch. Numbers are drawn on the CPU, so every
device sees the same ones.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Stream:
    """An address of random numbers. Drawing twice from the same address gives the same numbers."""

    seed: int
    path: tuple[str | int, ...] = ()

    def at(self, *names: str | int) -> "Stream":
        """The stream further down the path, by purpose, iteration or task index."""
        return Stream(self.seed, self.path + names)

    @property
    def key(self) -> int:
        """64 bits that stand for this address (of which torch's generator takes 32)."""
        address = repr((self.seed, self.path)).encode()
        return int.from_bytes(hashlib.blake2b(address, digest_size=8).digest(), "little")

    def generator(self) -> torch.Generator:
        """A fresh CPU generator at this address."""
        return torch.Generator().manual_seed(self.key - 2**63)

    def rng(self) -> np.random.Generator:
        """A fresh NumPy generator at this address."""
        return np.random.default_rng(self.key)

    def normal(self, tasks: int, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Standard normal numbers [tasks, *shape], task by task."""
        return self._filled(torch.empty(tasks, *shape, dtype=dtype), Tensor.normal_)

    def uniform(self, tasks: int, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Uniform numbers in [0, 1), [tasks, *shape], task by task."""
        return self._filled(torch.empty(tasks, *shape, dtype=dtype), Tensor.uniform_)

    def _filled(self, numbers: Tensor, fill: Callable[..., Tensor]) -> Tensor:
        """`numbers`, each row by a generator at an address of its own; one generator is set to them in turn."""
        generator = torch.Generator()
        for m, row in enumerate(numbers.unbind() if numbers.numel() else ()):
            fill(row, generator=generator.manual_seed(self.at(m).key - 2**63))
        return numbers
