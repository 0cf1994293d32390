"""Families of the user's own, whose `BatchEnv` has frame(task, lane) -> uint8 [H, W, 3]."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pliant import errors

PACE = 15.0


def prepare(batch: Any) -> None:
    """Nothing to see to."""


def pace(batch: Any) -> float:
    """A family may say otherwise by an attribute `pace`."""
    return float(getattr(batch, "pace", PACE))


def scene(batch: Any, task: int, lane: int, given: Tensor) -> NDArray[np.uint8]:
    """The picture itself."""
    image = np.array(batch.frame(task, lane))
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        got = f"{image.dtype} {list(image.shape)}"
        raise errors.UserError(f"frame of {type(batch).__name__} returned {got}: expected uint8 [H, W, 3]")
    return image


def pictures(
    batch: Any, task: int, scenes: Sequence[Any], times: Sequence[int], others: Sequence[Sequence[Any]]
) -> Iterator[NDArray[np.uint8]]:
    """The scenes are pictures."""
    return iter([scenes[t] for t in times])


def words(batch: Any, task: int, scenes: Sequence[Any], time: int) -> str:
    """Nothing is known."""
    return ""
