"""An algorithm under check, and the small families it adapts to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from pliant.algorithms.base import Algorithm, Collect
from pliant.config import config
from pliant.rollout import rollout
from pliant.running import learner as learners
from pliant.running.learner import Learner
from pliant.types import Params, Rollout

M, B = 2, 3
"""Tasks and lanes."""
ITERATIONS = 2
"""Meta-updates of a check; the whole run that is checked has one more."""
SMALL = {"train.iterations": ITERATIONS + 1, "train.meta_batch": M, "train.lanes": B, "train.episodes": 2}
FAMILIES: dict[str, dict[str, Any]] = {
    "point": {"family.horizon": 6},  # actions are numbers
    "gridnavi": {"family.horizon": 6, "family.size": 3},  # actions are choices
}
"""What it adapts to, with few steps."""


@dataclass
class Subject:
    """An algorithm under check; what one check finds, the later ones use."""

    name: str
    code: Any
    """Its module."""
    given: Mapping[str, Any]
    """Settings other than the defaults, by part: {"inner.steps": 2}."""
    seed: int
    learner: Learner | None = None
    """Freshly made, to be looked at; it never learns."""
    trained: Learner | None = None
    """The same after ITERATIONS meta-updates."""
    rollouts: list[Rollout] = field(default_factory=list)
    """What adapting gave to `learner`: that of each stage."""
    metrics: list[dict[str, float]] = field(default_factory=list)
    """What `learn` returned to `trained`."""

    def config(self, family: str = "point") -> config.Config:
        """The settings of a small run."""
        return config.load_config(self.name, family, SMALL | FAMILIES[family] | dict(self.given), "none", self.seed)

    def build(self, family: str = "point") -> Learner:
        """The algorithm anew with a policy of its choice, as training builds it."""
        return learners.build(self.config(family))

    @property
    def algorithm(self) -> Algorithm:
        """The one that is looked at."""
        assert self.learner is not None, "checks that look at it need `construction`"
        return self.learner.algorithm

    @property
    def learns(self) -> bool:
        """The algorithm does not say that it learns nothing."""
        return bool(getattr(self.algorithm, "learns", True))


def collector(learner: Learner, iteration: int) -> Collect:
    """Plays trials of the tasks of one iteration; the same call plays the same trials."""
    tasks = learner.family.sample(M, "train", learner.streams.at("tasks", iteration).rng())
    batch = learner.family.batch(tasks, B, learner.episodes)
    return partial(rollout, batch, learner.streams.at("acts", iteration))


def iterate(learner: Learner, start: int, stop: int) -> list[dict[str, float]]:
    """Adapt and learn, iterations `start` to `stop` - 1; what `learn` returned."""
    return [learner.algorithm.learn(learner.algorithm.adapt(collector(learner, i))) for i in range(start, stop)]


def tensors(algorithm: Algorithm) -> dict[str, Tensor]:
    """The state of an algorithm, in copies."""
    return {name: x.detach().clone() for name, x in algorithm.state().items()}


def unlike(one: Mapping[str, Tensor], two: Mapping[str, Tensor]) -> str:
    """The name of the first tensor in which two states are not the same to the bit; "" if there is none."""
    for name in sorted(set(one) | set(two)):
        if name not in one or name not in two:
            return name
        a, b = one[name], two[name]
        if a.shape != b.shape or a.dtype != b.dtype or not torch.equal(a.nan_to_num(), b.nan_to_num()):
            return name
        if a.is_floating_point() and not torch.equal(a.isnan(), b.isnan()):
            return name
    return ""


def broken(params: Params) -> str:
    """The name of the first parameter that holds what is not finite; "" if there is none."""
    return next((name for name, p in params.items() if not bool(torch.isfinite(p).all())), "")
