"""Every algorithm learns and is evaluated on every family, without a line of code for the pair; baselines on one of a kind."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from pliant.comparing import contenders
from pliant.config import config, registry
from pliant.running import curve as curves
from pliant.running import learner as learners
from pliant.running import loop

TINY = {"train.meta_batch": 2, "train.lanes": 2, "train.episodes": 2, "policy.size": 8, "policy.hidden": "8"}
EASY = {
    "dark-room": {"family.size": 3, "family.horizon": 30},
    "minigrid": {"family.game": "empty", "family.horizon": 30},
    "atari": {"family.game": "space_invaders", "family.skip": 20, "family.horizon": 30},
}
"""Rewards are found by chance; without any there is nothing to learn from."""

KINDS = ("point", "bandit", "half-cheetah-dir", "minigrid", "metaworld-ml1")
"""A family of each kind: written in torch, discrete, robots, grids, and simulators in other processes."""


def pairs() -> Iterator[Any]:
    """Every algorithm with its families. The short suite has each algorithm on `point`, and each family with one, in turn."""
    for baseline in (False, True):
        algorithms = [a for a in registry.names("algorithm") if (a in contenders.BASELINES) is baseline]
        for number, algorithm in enumerate(algorithms):
            for place, family in enumerate(KINDS if baseline else registry.names("family")):
                short = family == "point" or place % len(algorithms) == number
                yield pytest.param(algorithm, family, marks=[] if short else pytest.mark.whole)


@pytest.mark.parametrize("algorithm, family", [*pairs()])
def test_an_algorithm_learns_and_is_evaluated_on_a_family(algorithm: str, family: str) -> None:
    if registry.source("family", family).read_text().find("simulators.mujoco") >= 0:
        pytest.importorskip("mujoco")
    policy = registry.load("algorithm", algorithm).POLICY
    known = {f"policy.{f.name}" for f in dataclasses.fields(registry.load("policy", policy).Settings)}
    known |= {f"family.{f.name}" for f in dataclasses.fields(registry.load("family", family).Settings)}
    wanted = TINY | {"family.horizon": 6} | EASY.get(family, {})
    settings = {name: value for name, value in wanted.items() if name.startswith("train") or name in known}
    learner = learners.build(config.load_config(algorithm, family, settings, "none"))
    before = {name: value.clone() for name, value in learner.algorithm.adapted([])[0].items()}
    done = list(loop.iterate(learner, 0, 2))
    assert all(math.isfinite(value) for one in done for value in one.metrics.values())
    after = learner.algorithm.adapted([])[0]
    moved = any(not torch.equal(after[name], value) for name, value in before.items())
    assert moved is getattr(learner.algorithm, "learns", True), "no parameter has moved, or one has"
    curve = curves.curve(learner, "test", 2, learner.schedule(None, 2, steps=1), seed=1)
    stages = learner.episodes if learner.by_episode else 2
    assert curve.returns.shape == (2, stages) and bool(torch.as_tensor(curve.returns).isfinite().all())
