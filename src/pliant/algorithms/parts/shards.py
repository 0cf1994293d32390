"""The outer objective when its tasks are shared out in shards, and the outer step that lowers it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from pliant.algorithms.parts.inner import Inner
from pliant.algorithms.parts.outer import ClippedStep, Extra, Local, Objective, OuterSettings, Problem, trpo
from pliant.maths import trust_region
from pliant.system.crew import Crew
from pliant.types import Params, Rollout


def problems_of(
    inner: Inner, shards: Sequence[list[Rollout]], second_order: bool, settings: OuterSettings, crew: Crew
) -> list[Problem]:
    """The problem of each shard of this process, whose means are over the tasks of all."""
    return [Problem(inner, inner.experience(each), second_order, settings, shards=crew.shards) for each in shards]


def together(problems: Sequence[Problem], crew: Crew) -> Objective:
    """The objective that the problems of all shards add up to."""
    return problems[0] if crew.shards == 1 else Shards(problems, crew)


class Shards:
    """The problems of this process's shards, and through its crew those of all others: an `outer.Objective`."""

    def __init__(self, problems: Sequence[Problem], crew: Crew) -> None:
        self.problems, self.crew = problems, crew

    @property
    def settings(self) -> OuterSettings:
        """Those of every shard."""
        return self.problems[0].settings

    def gradient(self, meta: Params, clip: float | None = None) -> Local:
        """The objective and its gradient at `meta`."""
        found = [problem.gradient(meta, clip) for problem in self.problems]
        gradient, loss = (self.crew.total(parts) for parts in ([each.gradient for each in found], _numbers(found, "loss")))
        return Local(gradient, float(loss), [each.dists for each in found], [each.path for each in found])

    def evaluate(self, meta: Params, old: Sequence[Any]) -> tuple[float, float]:
        """(mean loss, mean KL from the old adapted policies) at `meta`, `old` being `Local.dists`."""
        found = [problem.evaluate(meta, each) for problem, each in zip(self.problems, old, strict=True)]
        loss, kl = self.crew.total([torch.tensor(each, dtype=torch.float64) for each in found]).tolist()
        return loss, kl

    def fisher(self, meta: Params, exact: Sequence[Any]) -> trust_region.Product:
        """Fisher products, each a sum over the shards."""
        products = [problem.fisher(meta, each) for problem, each in zip(self.problems, exact, strict=True)]
        return lambda v: self.crew.total([product(v) for product in products])


class OuterStep:
    """One step of the meta-parameters by the rollouts of an iteration: a trust-region step or epochs of Adam.

    With `second_order` it differentiates through the inner gradients. `steps` is how many inner steps it looks at, None for
    all that the rollouts hold. `extra`, if given, makes of the problems of own shards what is added to their losses.
    """

    extra: Callable[[Sequence[Problem], Crew], list[Extra]] | None = None

    def __init__(self, meta: Params, settings: OuterSettings, second_order: bool, steps: int | None = None) -> None:
        self.settings, self.second_order, self.steps = settings, second_order, steps
        self.clipped = ClippedStep(meta, settings)

    def __call__(self, inner: Inner, shards: Sequence[list[Rollout]], crew: Crew) -> tuple[Params, dict[str, float]]:
        """(the new meta-parameters, numbers for the record)."""
        chosen = [rollouts if self.steps is None else rollouts[: self.steps + 1] for rollouts in shards]
        problems = problems_of(inner, chosen, self.second_order, self.settings, crew)
        if self.extra is not None:
            extras = self.extra(problems, crew)
            problems = [replace(problem, extra=extra) for problem, extra in zip(problems, extras, strict=True)]
        step = trpo if self.settings.method == "trpo" else self.clipped
        return step(together(problems, crew), inner.meta)

    def state(self) -> dict[str, Tensor]:
        """What Adam keeps."""
        return self.clipped.state()

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state()`."""
        self.clipped.load(state)


def _numbers(found: Sequence[Local], name: str) -> list[Tensor]:
    return [torch.tensor(getattr(each, name), dtype=torch.float64) for each in found]
