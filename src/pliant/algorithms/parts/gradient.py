"""An algorithm whose agents adapt by gradient: what MAML, Reptile, pre-training and their baselines have in common.

for each iteration:
    adapt     a rollout on M tasks, an inner step of each task's parameters, a rollout, ...
    outer     change the shared parameters by what happened
on a new task:
    adapt     the same, without the outer step
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from torch import Tensor

from pliant.algorithms.base import Collect
from pliant.algorithms.parts.inner import Inner
from pliant.maths import functional
from pliant.system.crew import ALONE, Crew
from pliant.types import Carry, Params, Rollout


class Outer(Protocol):
    """What an iteration makes of its rollouts."""

    def __call__(self, inner: Inner, shards: Sequence[list[Rollout]], crew: Crew) -> tuple[Params, dict[str, float]]:
        """(the new meta-parameters, numbers for the record) from the rollout of each stage, [m, B, T, *], of own shards.

        Raises UserError, with nothing changed, when something is not finite.
        """

    def state(self) -> dict[str, Tensor]:
        """What it keeps from one iteration to the next, by name."""

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state()`, from a mapping that may hold more."""


class ByGradient:
    """Meta-parameters with their inner loop, and the outer step that learns them; without one nothing is learned.

    `train_steps` is how many inner steps an iteration takes, by default as many as the inner settings say. One that never
    `tunes` does not adapt at all: it plays on with the shared parameters.
    """

    stage: Literal["gradient step", "episode"] = "gradient step"

    def __init__(self, inner: Inner, outer: Outer | None, train_steps: int | None = None, tunes: bool = True) -> None:
        self.policy, self.inner, self.outer, self.tunes = inner.policy, inner, outer, tunes
        self.learns = outer is not None
        self.train_steps = inner.settings.steps if train_steps is None else train_steps

    def adapt(self, collect: Collect, steps: int | None = None) -> list[Rollout]:
        """Rollouts before adaptation and after each of `steps` inner steps, or as many without any; see `train_steps`."""
        steps = self.train_steps if steps is None else steps
        if self.tunes:
            return self.inner.adapt(collect, steps)
        return [collect(self.policy, self.inner.meta_policy(), stage) for stage in range(steps + 1)]

    def adapted(self, rollouts: list[Rollout]) -> tuple[Params, Carry | None]:
        """Parameters after one inner step per rollout, stacked per task (M = 1 without rollouts)."""
        return self.inner.constants_after(rollouts if self.tunes else []), None

    def learn(self, rollouts: list[Rollout]) -> dict[str, float]:
        """One outer step."""
        return self.learn_shared([rollouts], ALONE)

    def learn_shared(self, shards: Sequence[list[Rollout]], crew: Crew) -> dict[str, float]:
        """One outer step of all processes, from the rollouts of this one's shards."""
        if self.outer is None:
            return {}
        meta, metrics = self.outer(self.inner, shards, crew)
        self.inner.meta = functional.lifted(meta, self.inner.least)
        return metrics

    def state(self) -> dict[str, Tensor]:
        """The meta-parameters, and what the outer step keeps."""
        kept = self.outer.state() if self.outer is not None else {}
        return kept | self.inner.state()

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state()`."""
        self.inner.load(state)
        if self.outer is not None:
            self.outer.load(state)
