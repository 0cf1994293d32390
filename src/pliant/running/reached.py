"""What a training has reached: the state of its algorithm and its counters, which change together or not at all.

An iteration may be broken off anywhere: by Ctrl-C between two parameters of an optimiser's step, by a lack of memory, by an
environment. What held before it is kept until the whole of it is done, and comes back otherwise. No algorithm has to do
anything for that beside its contract: `load` restores what `state` returned.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pliant.algorithms.base import Algorithm


class Before(NamedTuple):
    """What held before an iteration."""

    state: dict[str, Tensor]
    """Of the algorithm."""
    counters: dict[str, Any]
    threads: int
    """Of torch, which a rollout sets: other numbers of threads may round differently."""


class Reached:
    """What holds, and while it changes, what held before."""

    def __init__(self, algorithm: Algorithm, counters: Mapping[str, Any]) -> None:
        self._algorithm, self._counters = algorithm, dict(counters)
        self._before: Before | None = None

    @property
    def counters(self) -> dict[str, Any]:
        """Iterations, environment steps and seconds so far."""
        self.settle()
        return self._counters

    @contextmanager
    def update(self) -> Iterator[dict[str, Any]]:
        """Change the algorithm and the counters that this gives; after any exception within, both are as they were.

        A second exception while they are put back, such as another Ctrl-C, leaves that to the next `settle`.
        """
        self.settle()
        self._before = Before(self._algorithm.state(), dict(self._counters), torch.get_num_threads())
        try:
            with gradients():
                yield self._counters
            self._before = None  # one assignment: before it the old holds, after it the new
        except BaseException:
            self.settle()
            raise

    def settle(self) -> None:
        """Go back to what held before an update that was broken off, if one was."""
        if self._before is not None:
            torch.set_num_threads(self._before.threads)
            self._algorithm.load(self._before.state)
            self._counters = dict(self._before.counters)
            self._before = None


@contextmanager
def gradients() -> Iterator[None]:
    """Gradients are recorded, also within the caller's `torch.no_grad()` or `torch.inference_mode()`."""
    with torch.inference_mode(False), torch.enable_grad():
        yield
