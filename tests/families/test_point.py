"""The point task by hand."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from pliant.families import point
from pliant.streams import Stream
from pliant.tasks.base import BatchEnv, Tasks, Transition


def start(goals: list[list[float]], lanes: int = 1, episodes: int = 1, **settings) -> BatchEnv:
    family = point.family(point.Settings(**settings))
    batch = family.batch(Tasks("point", {"goal": np.array(goals)}), lanes, episodes)
    batch.reset(Stream(0))
    return batch


def act(batch: BatchEnv, *action: float) -> Transition:
    move: Tensor = torch.tensor(action, dtype=torch.float64).expand(*batch.shape, 2)
    return batch.step(move)


def test_a_point_starts_at_the_origin_and_moves_a_tenth_of_its_action() -> None:
    batch = start([[0.3, -0.4]])
    assert batch.reset(Stream(0)).tolist() == [[[0.0, 0.0]]]
    step = act(batch, 1.0, -0.5)
    assert torch.allclose(step.next_obs, torch.tensor([[[0.1, -0.05]]], dtype=torch.float64), atol=1e-15)
    assert torch.equal(step.obs, step.next_obs)


def test_the_cost_is_the_distance_after_the_move() -> None:
    # From (0.1, 0) to the goal (0.3, -0.4): sqrt(0.04 + 0.16).
    assert math.isclose(float(act(start([[0.3, -0.4]]), 1.0, 0.0).reward), -math.sqrt(0.2))
    assert math.isclose(float(act(start([[0.3, -0.4]], distance="squared"), 1.0, 0.0).reward), -0.2)


def test_an_action_beyond_one_moves_as_far_as_one() -> None:
    step = act(start([[0.5, 0.5]]), 7.0, -7.0)
    assert torch.allclose(step.next_obs, torch.tensor([[[0.1, -0.1]]], dtype=torch.float64), atol=1e-15)


def test_an_episode_ends_within_a_hundredth_of_the_goal_in_both_coordinates() -> None:
    batch = start([[0.1, 0.1]])
    step = act(batch, 1.0, 0.85)  # 0.015 short in y
    assert not bool(step.terminated) and not bool(step.success)
    step = act(batch, 0.0, 0.06)  # 0.009 short
    assert bool(step.terminated) and bool(step.success) and not bool(step.truncated)
    assert math.isclose(float(step.reward), -0.009, abs_tol=1e-12)


def test_an_episode_is_truncated_after_a_hundred_steps() -> None:
    batch = start([[0.5, 0.5]])
    ends = [bool(act(batch, -1.0, 0.0).truncated) for _ in range(100)]
    assert ends == [False] * 99 + [True]


def test_reaching_the_goal_with_the_last_step_terminates() -> None:
    batch = start([[0.1, 0.1]], horizon=1)
    step = act(batch, 1.0, 1.0)
    assert bool(step.terminated) and not bool(step.truncated)


def test_the_next_episode_starts_at_the_origin_and_only_in_its_lane() -> None:
    batch = start([[0.1, 0.0], [0.5, 0.0]], episodes=2)
    step = act(batch, 1.0, 0.0)
    assert step.terminated.tolist() == [[True], [False]] and step.first.tolist() == [[True], [False]]
    expected = torch.tensor([[[0.1, 0.0]], [[0.1, 0.0]]], dtype=torch.float64)
    assert torch.allclose(step.next_obs, expected, atol=1e-15), "what an episode ended in is not what the next opens with"
    assert step.obs[0].tolist() == [[0.0, 0.0]] and torch.equal(step.obs[1], step.next_obs[1])
    assert batch.active.tolist() == [[True], [True]]
    step = act(batch, 1.0, 0.0)
    assert step.terminated.tolist() == [[True], [False]] and step.first.tolist() == [[False], [False]]
    assert batch.active.tolist() == [[False], [True]]


def test_goals_are_the_published_square_and_ood_lies_around_it() -> None:
    family = point.family()
    for split, inside in (("train", True), ("test", True), ("ood", False)):
        goal = family.sample(200, split, Stream(0).rng()).arrays["goal"]
        assert bool(((abs(goal) <= 0.5).all(1) == inside).all()) and abs(goal).max() <= 1.0


@pytest.mark.parametrize(
    "wrong", [{"distance": "manhattan"}, {"speed": 0.0}, {"speed": -1.0}, {"radius": -0.1}, {"horizon": 0}]
)
def test_settings_out_of_range_are_refused(wrong) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        point.Settings(**wrong)
