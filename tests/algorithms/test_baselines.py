"""Baselines are what they say: nothing learned, nothing meta-learned, or the task told."""

from functools import partial

import numpy as np
import pytest
import torch

from pliant.config import config
from pliant.rollout import rollout
from pliant.running import learner as learners
from pliant.running import loop
from pliant.running.learner import Learner
from pliant.streams import Stream
from pliant.types import Rollout

SMALL = {"train.meta_batch": 3, "train.lanes": 4, "family.horizon": 15, "policy.hidden": "8"}


def learner_of(algorithm: str, family: str = "point", seed: int = 0) -> Learner:
    wanted = {name: value for name, value in SMALL.items() if algorithm != "random" or not name.startswith("policy")}
    return learners.build(config.load_config(algorithm, family, wanted, "none", seed=seed))


def played(learner: Learner, steps: int, split: str = "test") -> list[Rollout]:
    tasks = learner.family.sample(3, split, np.random.default_rng(0))
    return learner.algorithm.adapt(partial(rollout, learner.family.batch(tasks, 4), Stream(1)), steps)


def test_conditioned_sees_the_task_behind_the_observation_and_nobody_else_does() -> None:
    told, plain = learner_of("conditioned"), learner_of("maml")
    tasks = told.family.sample(3, "test", np.random.default_rng(0))
    seen = told.family.batch(tasks, 4).reset(Stream(1))
    own = plain.family.batch(tasks, 4).reset(Stream(1))
    assert torch.equal(seen[..., : own.shape[-1]], own)
    assert torch.allclose(seen[..., own.shape[-1] :], plain.family.described(tasks)[:, None].expand(3, 4, 2).to(seen))
    assert torch.allclose(plain.family.described(tasks).double(), 2 * tasks.tensor("goal")), "the training range is [-1, 1]"
    for name in ("maml", "pretrain", "scratch", "random", "rl2"):
        wanted = {n: v for n, v in SMALL.items() if not n.startswith("policy")}
        family = learners.build(config.load_config(name, "point", wanted, "none")).family
        assert family.spec.obs_size == own.shape[-1], name


def test_conditioned_does_not_change_on_a_new_task() -> None:
    learner = learner_of("conditioned")
    before, after = (learner.algorithm.adapted(rollouts)[0] for rollouts in ([], played(learner, 2)[:-1]))
    assert all(torch.equal(after[name], before[name].expand_as(after[name])) for name in before)


@pytest.mark.parametrize("name", ["pretrain", "scratch"])
def test_fine_tuning_is_the_inner_loop_of_maml(name: str) -> None:
    """From the same parameters and rollouts the same adapted parameters."""
    maml, other = learner_of("maml"), learner_of(name)
    mine, its = (each.algorithm.adapted([])[0] for each in (maml, other))
    assert all(torch.equal(mine[n], its[n]) for n in mine), "the same seed begins with the same parameters"
    rollouts = played(maml, 2)
    mine, its = (each.algorithm.adapted(rollouts[:2])[0] for each in (maml, other))
    assert all(torch.allclose(mine[n], its[n], atol=1e-6) for n in mine)
    assert any(not torch.allclose(mine[n][0], maml.algorithm.adapted([])[0][n][0], atol=1e-4) for n in mine)


def test_pretraining_takes_no_inner_step() -> None:
    learner = learner_of("pretrain")
    (done,) = loop.iterate(learner, 0, 1)
    assert len(done.rollouts) == 1


@pytest.mark.parametrize("name", ["random", "scratch"])
def test_who_learns_nothing_is_the_same_after_training(name: str) -> None:
    learner = learner_of(name)
    before = {n: value.clone() for n, value in learner.algorithm.state().items()}
    list(loop.iterate(learner, 0, 2))
    assert all(torch.equal(value, before[n]) for n, value in learner.algorithm.state().items())


def test_random_actions_depend_on_nothing() -> None:
    action = torch.cat([r.action.flatten(0, -2) for r in played(learner_of("random"), 3)])
    assert len(action) == 4 * 3 * 4 * 15
    assert torch.allclose(action.mean(0), torch.zeros(2), atol=0.1)
    assert torch.allclose(action.var(0), torch.full((2,), 1 / 3), atol=0.08)  # before the environment clips them
    choices = torch.cat([r.action.flatten() for r in played(learner_of("random", "cartpole"), 0)])
    assert 0.3 < choices.float().mean() < 0.7


@pytest.mark.parametrize("name", ["binding", "two-step"])
def test_an_agent_that_is_told_its_task_learns_where_the_environment_reads_its_own_sizes(name: str) -> None:
    wanted = {"train.meta_batch": 2, "train.lanes": 2}
    learner = learners.build(config.load_config("conditioned", name, wanted, "none"))
    family = learner.family
    known = torch.as_tensor(family.known.of(family.sample(3, "test", np.random.default_rng(0)))) if family.known else None
    seen = played(learner, 0)[0]
    told = seen.task if known is None else known.to(seen.obs)  # [M, K]
    assert seen.obs.shape[-1] == family.spec.obs_size
    assert torch.equal(seen.obs[:, 0, 0, -told.shape[-1] :], told)
    assert all(np.isfinite(each.metrics["loss"]) for each in loop.iterate(learner, 0, 2))
