"""Bandits by hand and by counting."""

import numpy as np
import pytest
import torch

from pliant.families import bandit
from pliant.streams import Stream
from pliant.tasks.base import BatchEnv, Family, Tasks


def family_of(**settings) -> Family:
    return bandit.family(bandit.Settings(**settings))


def tasks_of(p) -> Tasks:
    return Tasks("bandit", {"p": np.array(p, dtype=np.float64)})


def start(family: Family, tasks: Tasks, lanes: int, pulls: int = 1, seed: int = 0) -> BatchEnv:
    batch = family.batch(tasks, lanes, pulls)
    batch.reset(Stream(seed))
    return batch


def pull(batch: BatchEnv, arm: int):
    return batch.step(torch.full(batch.shape, arm))


def frequencies(family: Family, tasks: Tasks, arm: int, lanes: int = 400, pulls: int = 100) -> np.ndarray:
    """How often an arm paid, for each task."""
    batch = start(family, tasks, lanes, pulls)
    return torch.stack([pull(batch, arm).reward for _ in range(pulls)]).mean((0, 2)).numpy()


# ---- the rules


def test_a_critic_is_told_the_arms_and_the_best_of_them() -> None:
    told = family_of(arms=3).described(tasks_of([[0.0, 0.75, 0.5]]))
    assert told.tolist() == [[-1.0, 0.5, 0.0, 0.5]] and family_of(arms=3).spec.task_size == 4
    assert np.allclose(family_of(arms=2, prior="dependent").described(tasks_of([0.25])).numpy(), [[-0.5, 0.5, 0.5]])


def test_a_sure_arm_always_pays_and_a_dead_one_never() -> None:
    batch = start(family_of(arms=3), tasks_of([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]]), lanes=50, pulls=6)
    for arm in (0, 1, 2, 2, 1, 0):
        step = pull(batch, arm)
        assert step.reward.dtype == torch.float64
        assert step.reward.tolist() == [[float(arm == 1)] * 50, [float(arm != 1)] * 50]


def test_arms_pay_as_often_as_their_probability_says() -> None:
    p = [[0.1, 0.5, 0.9], [0.3, 0.03, 0.6]]
    for arm in range(3):
        expected = np.array(p)[:, arm]
        error = np.sqrt(expected * (1 - expected) / 40_000)
        assert (np.abs(frequencies(family_of(arms=3), tasks_of(p), arm) - expected) < 4 * error).all()


@pytest.mark.parametrize("prior, p", [("easy", 0.9), ("medium", 0.25), ("hard", 0.6), ("dependent", 0.37)])
def test_the_second_of_two_dependent_arms_pays_the_rest(prior: str, p: float) -> None:
    family, tasks = family_of(arms=2, prior=prior), tasks_of([p])
    assert np.allclose(bandit.probabilities(tasks), [[p, 1 - p]])
    for arm, expected in ((0, p), (1, 1 - p)):
        assert abs(frequencies(family, tasks, arm)[0] - expected) < 4 * np.sqrt(p * (1 - p) / 40_000)


def test_pulls_of_lanes_and_of_times_are_independent() -> None:
    batch = start(family_of(), tasks_of([[0.5] * 5]), lanes=2, pulls=4000)
    paid = torch.stack([pull(batch, 0).reward[0] for _ in range(4000)]).numpy()  # [4000, 2]
    limit = 4 / np.sqrt(4000)
    assert abs(np.corrcoef(paid[:, 0], paid[:, 1])[0, 1]) < limit
    assert abs(np.corrcoef(paid[1:, 0], paid[:-1, 0])[0, 1]) < limit


def test_a_pull_is_an_episode_that_terminates_and_tells_nothing_but_its_reward() -> None:
    family = family_of(pulls=3)
    assert family.horizon == 1 and family.episodes == 3 and family.spec[:3] == (1, 5, True)
    batch = family.batch(family.sample(2, "train", Stream(0).rng()), 4, family.episodes)
    assert not bool(batch.reset(Stream(0)).any())
    for t in range(3):
        assert bool(batch.active.all())
        step = pull(batch, t)
        assert bool(step.terminated.all()) and not bool(step.truncated.any()) and not bool(step.success.any())
        assert not bool(step.obs.any()) and not bool(step.next_obs.any())
        assert step.first.tolist() == [[t < 2] * 4] * 2
    assert not bool(batch.active.any())


def test_the_same_stream_pays_the_same_and_another_does_not() -> None:
    family = family_of()
    tasks = family.sample(3, "train", Stream(0).rng())
    paid = [pull(start(family, tasks, 50, seed=seed), 0).reward for seed in (0, 0, 1)]
    assert torch.equal(paid[0], paid[1]) and not torch.equal(paid[0], paid[2])


# ---- tasks


def test_shifted_arms_lie_close_together_and_belong_to_no_other_split() -> None:
    family = family_of(arms=3)
    drawn = {split: family.sample(4000, split, Stream(0).at(split).rng()) for split in ("train", "test", "ood")}
    for split, tasks in drawn.items():
        assert set(family.split_of(tasks)) == {split}
        low, high = (0.4, 0.6) if split == "ood" else (0.0, 1.0)
        p = tasks.arrays["p"]
        assert p.shape == (4000, 3) and low <= p.min() < low + 0.01 and high - 0.01 < p.max() <= high
    for split in ("train", "test"):  # what is held out does not change how arms are spread
        p = drawn[split].arrays["p"]
        assert np.abs(p.mean(0) - 0.5).max() < 4 / np.sqrt(12 * 4000) and np.abs(p.var(0) - 1 / 12).max() < 0.005


@pytest.mark.parametrize(
    "prior, pair, shifted",
    [("easy", (0.1, 0.9), {0.25, 0.75}), ("medium", (0.25, 0.75), {0.4, 0.6}), ("hard", (0.4, 0.6), {0.45, 0.55})],
)
def test_pairs_are_balanced_and_their_shift_is_the_next_harder_pair(prior, pair, shifted) -> None:
    family = family_of(arms=2, prior=prior)
    for split in ("train", "test"):
        p = family.sample(40, split, Stream(0).rng()).arrays["p"]
        assert p.shape == (40,) and sorted(p) == [pair[0]] * 20 + [pair[1]] * 20
    assert set(family.sample(40, "ood", Stream(0).rng()).arrays["p"]) == shifted
    assert family.split_of(tasks_of([pair[0], 0.5])).tolist() == ["train", ""]


def test_dependent_arms_have_one_number_that_is_uniform() -> None:
    family = family_of(arms=2, prior="dependent")
    p = family.sample(20_000, "train", Stream(0).rng()).arrays["p"]
    assert p.shape == (20_000,) and abs(p.mean() - 0.5) < 0.02 and abs(p.var() - 1 / 12) < 0.005
    shifted = family.sample(500, "ood", Stream(0).rng()).arrays["p"]
    assert 0.4 <= shifted.min() and shifted.max() <= 0.6


def test_a_task_is_named_by_its_arms() -> None:
    assert family_of(arms=2).task({"p": [0.2, 0.7]}).rows() == [{"p": [0.2, 0.7]}]
    assert family_of(arms=2, prior="medium").task({"p": 0.25}).rows() == [{"p": 0.25}]
    with pytest.raises(ValueError, match="expected 2 numbers"):
        family_of(arms=2).task({"p": [0.2, 0.7, 0.1]})
    with pytest.raises(ValueError, match="outside bandit"):
        family_of(arms=2, prior="easy").task({"p": 0.5})


# ---- settings


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"arms": 1}, "arms is 1: expected at least 2"),
        ({"pulls": 0}, "pulls is 0: expected at least 1"),
        ({"prior": "simple"}, "prior is 'simple': expected independent, easy, medium, hard or dependent"),
        ({"prior": "easy"}, "arms is 5: expected 2 for the prior easy, whose two arms add up to 1"),
        ({"arms": 3, "prior": "dependent"}, "arms is 3: expected 2 for the prior dependent"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bandit.Settings(**settings)


def test_arms_beyond_the_axis_never_pay() -> None:
    family = family_of(arms=4)
    axis = family.axes["arms"]
    tasks = tasks_of([[0.9, 0.8, 0.7, 0.6]])
    assert axis.place(tasks, 2).arrays["p"].tolist() == [[0.9, 0.8, 0.0, 0.0]]
    for arms in (1, 5):
        with pytest.raises(ValueError, match=f"arms is {arms}: expected 2 to 4"):
            axis.place(tasks, arms)
