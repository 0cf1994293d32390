"""Which of the global random generators a piece of code draws from or seeds."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch


def touched(do: Callable[[], Any]) -> list[str]:
    """Which global generators `do` draws from or seeds; afterwards they are as they were."""
    kept = random.getstate(), np.random.get_state(), torch.random.get_rng_state()  # noqa: NPY002
    _ = random.random(), np.random.random(), torch.rand(1)  # noqa: NPY002  (so that no seed leads where they stand)
    before = _generators()
    try:
        do()
        return [name for name, state in _generators().items() if state != before[name]]
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002
        torch.random.set_rng_state(kept[2])


def _generators() -> dict[str, str]:
    numpy = str(np.random.get_state())  # noqa: NPY002  (it is looked at, not drawn from)
    return {"Python": str(random.getstate()), "NumPy": numpy, "torch": str(torch.random.get_rng_state().tolist())}
