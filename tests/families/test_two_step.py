"""The two-step task by hand."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from pliant.families import two_step
from pliant.streams import Stream
from pliant.tasks.base import BatchEnv, Tasks


def start(better: list[float], swap: float = 0.0, lanes: int = 1, episodes: int = 1, **settings: float) -> BatchEnv:
    family = two_step.family(two_step.Settings(**settings))
    tasks = Tasks("two-step", {"better": np.array(better), "swap": np.full(len(better), swap)})
    batch = family.batch(tasks, lanes, episodes)
    batch.reset(Stream(0))
    return batch


def noise(*u: float) -> Tensor:
    return torch.tensor(u, dtype=torch.float64)[None, :, None]


def actions(*values: int) -> Tensor:
    return torch.tensor([values])


def test_each_first_action_leads_commonly_to_its_own_second_stage() -> None:
    batch = start([0.0], lanes=4)
    assert batch.observe().tolist() == [[[1.0, 0.0, 0.0]] * 4]
    reward, ended, _ = batch.advance(actions(0, 0, 1, 1), noise(0.74, 0.75, 0.74, 0.75))
    assert batch.observe().argmax(-1).tolist() == [[1, 2, 2, 1]]
    assert not bool(reward.any()) and not bool(ended.any())


@pytest.mark.parametrize("better", [0, 1])
def test_the_better_second_stage_pays_whatever_the_second_action(better: int) -> None:
    batch = start([float(better)], lanes=8)
    batch.advance(actions(0, 0, 0, 0, 1, 1, 1, 1), noise(*[0.0] * 8))  # lanes 0 to 3 in second stage 0, the others in 1
    u = (0.05, 0.15, 0.89, 0.91)
    reward, ended, _ = batch.advance(actions(0, 1, 0, 1, 0, 1, 0, 1), noise(*u, *u))
    good, bad = [1.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]
    assert reward[0].tolist() == (good + bad if better == 0 else bad + good)
    assert bool(ended.all())


def test_an_episode_ends_after_two_steps_and_the_next_one_opens_in_the_first_stage() -> None:
    batch = start([0.0, 1.0], lanes=3, episodes=2)
    for episode in range(2):
        step = batch.step(torch.zeros(2, 3, dtype=torch.int64))
        assert not bool(step.terminated.any() | step.truncated.any() | step.reward.any())
        step = batch.step(torch.zeros(2, 3, dtype=torch.int64))
        assert bool(step.terminated.all()) and not bool(step.truncated.any())
        assert bool(step.first.all()) == (episode == 0)
        assert bool((step.next_obs.argmax(-1) > 0).all())
        assert episode == 1 or bool((step.obs.argmax(-1) == 0).all())
    assert not bool(batch.active.any())


def better_of_each_episode(batch: BatchEnv, episodes: int) -> Tensor:
    """[M, B, episodes]"""
    seen = []
    for _ in range(episodes):
        seen.append(batch.better)
        for _ in range(2):
            batch.step(torch.zeros(batch.shape, dtype=torch.int64))
    return torch.stack(seen, dim=-1)


def test_the_better_second_stage_stays_through_a_trial() -> None:
    better = better_of_each_episode(start([0.0, 1.0], lanes=5, episodes=6), 6)
    assert torch.equal(better, torch.tensor([0, 1])[:, None, None].expand(2, 5, 6))


def test_swaps_begin_with_the_second_episode_and_outlive_episodes() -> None:
    batch = start([0.0, 1.0], swap=1.0, lanes=2, episodes=5)
    expected = torch.tensor([[0, 1, 0, 1, 0], [1, 0, 1, 0, 1]])[:, None].expand(2, 2, 5)
    assert torch.equal(better_of_each_episode(batch, 5), expected)
    batch.reset(Stream(1))
    assert torch.equal(better_of_each_episode(batch, 5), expected), "a new trial opens with its task's own better stage"


def test_swaps_are_as_frequent_as_the_task_says() -> None:
    better = better_of_each_episode(start([0.0, 1.0], swap=0.025, lanes=500, episodes=41), 41)
    share = float((better[..., 1:] != better[..., :-1]).double().mean())
    assert abs(share - 0.025) < 5 * math.sqrt(0.025 * 0.975 / 40_000)


def test_common_transitions_and_rewards_are_as_frequent_as_the_settings_say() -> None:
    n = 20_000
    batch = start([1.0], lanes=n, common=0.8, reward=0.7)
    stage = batch.step(torch.ones(1, n, dtype=torch.int64)).next_obs.argmax(-1)
    reward = batch.step(torch.ones(1, n, dtype=torch.int64)).reward
    assert abs(float((stage == 2).double().mean()) - 0.8) < 5 * math.sqrt(0.16 / n)
    assert abs(float(reward[stage == 2].mean()) - 0.7) < 5 * math.sqrt(0.21 / n / 0.8)
    assert abs(float(reward[stage == 1].mean()) - 0.3) < 5 * math.sqrt(0.21 / n / 0.2)


def test_the_right_action_brings_what_the_settings_say() -> None:
    settings = two_step.Settings()
    assert math.isclose(settings.best, 0.75 * 0.9 + 0.25 * 0.1)
    assert math.isclose(settings.cost, settings.best - (0.25 * 0.9 + 0.75 * 0.1))


def test_train_and_test_share_two_tasks_and_shifted_ones_swap() -> None:
    family = two_step.family()
    for split in ("train", "test"):
        tasks = family.sample(100, split, Stream(0).rng())
        assert tasks.arrays["better"].sum() == 50 and not tasks.arrays["swap"].any()
    ood = family.sample(500, "ood", Stream(0).rng()).arrays["swap"]
    assert 0.025 <= ood.min() < 0.03 and 0.095 < ood.max() <= 0.1
    faster = two_step.family(two_step.Settings(swap=0.025)).sample(500, "ood", Stream(0).rng()).arrays["swap"]
    assert 0.05 <= faster.min() and faster.max() <= 0.1
    assert (family.episodes, family.horizon, family.spec.obs_size, family.spec.action_size) == (100, 2, 3, 2)


@pytest.mark.parametrize(
    "wrong",
    [{"common": 0.5}, {"common": 1.1}, {"reward": 0.5}, {"reward": 1.0}, {"swap": -0.1}, {"swap": 0.3}, {"episodes": 0}],
)
def test_settings_out_of_range_are_refused(wrong) -> None:
    (name, value), *_ = wrong.items()
    with pytest.raises(ValueError, match=f"{name} is {value}: expected"):
        two_step.Settings(**wrong)
