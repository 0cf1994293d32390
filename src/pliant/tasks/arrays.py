"""Tasks as arrays, and the axes along which they can be shifted."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pliant.tasks.parameters import Parameter


@dataclass(frozen=True)
class Tasks:
    """M tasks of one family: a named array with leading dim M for each parameter."""

    family: str
    arrays: Mapping[str, NDArray[np.float64]]

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def __getitem__(self, index: Any) -> "Tasks":
        """The tasks at a slice or index array (an integer gives one task, M = 1)."""
        index = slice(index, index + 1 or None) if isinstance(index, (int, np.integer)) else index
        return Tasks(self.family, {name: array[index] for name, array in self.arrays.items()})

    def rows(self) -> list[dict[str, Any]]:
        """One JSON-able dict per task."""
        return [{name: array[m].tolist() for name, array in self.arrays.items()} for m in range(len(self))]

    def tensor(self, name: str) -> Tensor:
        """A parameter as a float64 tensor [M, *]."""
        return torch.as_tensor(np.ascontiguousarray(self.arrays[name]), dtype=torch.float64)

    @property
    def digest(self) -> str:
        """SHA-256 of family and arrays: equal digests, equal tasks."""
        return hashlib.sha256(json.dumps([self.family, self.rows()], sort_keys=True).encode()).hexdigest()


class Axis(NamedTuple):
    """A quantity along which tasks can be shifted, within what is trained and beyond."""

    meaning: str
    """What it is, with its unit."""
    trained: tuple[float, float]
    """Where training tasks lie on it."""
    shifted: tuple[float, float]
    """The whole of what it reaches in any split."""
    place: Callable[[Tasks, float], Tasks]
    """The same tasks at a value of it. Raises ValueError for one that makes no sense."""
    whole: bool = False
    """Its values are integers."""


def along(parameter: Parameter) -> Axis:
    """The axis of a scalar parameter: the others stay as they are."""

    def place(tasks: Tasks, value: float) -> Tasks:
        return Tasks(tasks.family, {**tasks.arrays, parameter.name: np.full(len(tasks), value)})

    low, high = zip(parameter.train, parameter.ood or parameter.train, strict=True)
    return Axis(parameter.meaning, parameter.train, (min(low), max(high)), place)
