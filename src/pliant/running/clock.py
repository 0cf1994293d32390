"""Where the seconds of an iteration go: simulating, acting, adapting, learning."""

import time
from collections.abc import Callable
from typing import Any

from torch import nn

from pliant.algorithms.base import Collect
from pliant.tasks.base import BatchEnv
from pliant.types import Params, Rollout

PARTS = ("simulation_seconds", "acting_seconds", "inner_seconds", "outer_seconds", "evaluation_seconds")
"""In the environment; in the rest of a rollout; in the rest of `adapt`; in `learn`; in evaluations while training."""


class Clock:
    """Stops the time of a batch's steps and of whole rollouts; what is left of `adapt` is the inner loop's."""

    def __init__(self) -> None:
        self.simulation = 0.0
        """Seconds in the environment so far."""
        self.rollouts = 0.0
        """Seconds in rollouts so far, those in the environment included."""

    def batch(self, batch: BatchEnv) -> BatchEnv:
        """The same batch, whose steps and resets are timed."""

        def timed(call: Callable[..., Any]) -> Callable[..., Any]:
            def run(*arguments: Any) -> Any:
                begin = time.perf_counter()
                result = call(*arguments)
                self.simulation += time.perf_counter() - begin
                return result

            return run

        batch.reset, batch.step = timed(batch.reset), timed(batch.step)  # type: ignore[method-assign]
        return batch

    def collect(self, collect: Collect) -> Collect:
        """The same `collect`, timed."""

        def run(policy: nn.Module, params: Params, stage: int) -> Rollout:
            begin = time.perf_counter()
            played = collect(policy, params, stage)
            self.rollouts += time.perf_counter() - begin
            return played

        return run

    def split(self, adapt: float, learn: float) -> dict[str, float]:
        """Seconds by part, of an iteration whose `adapt` and `learn` took so many."""
        return {
            "simulation_seconds": self.simulation,
            "acting_seconds": self.rollouts - self.simulation,
            "inner_seconds": adapt - self.rollouts,
            "outer_seconds": learn,
        }
