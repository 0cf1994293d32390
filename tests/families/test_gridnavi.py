"""Grid navigation by hand."""

import math

import numpy as np
import pytest
import torch

from pliant.families import gridnavi
from pliant.streams import Stream
from pliant.tasks.base import BatchEnv, Tasks, Transition

STAY, UP, RIGHT, DOWN, LEFT = range(5)


def start(goals: list[int], lanes: int = 1, episodes: int = 1, **settings) -> BatchEnv:
    family = gridnavi.family(gridnavi.Settings(**settings))
    batch = family.batch(Tasks("gridnavi", {"goal": np.array(goals, dtype=np.float64)}), lanes, episodes)
    batch.reset(Stream(0))
    return batch


def act(batch: BatchEnv, action: int) -> Transition:
    return batch.step(torch.full(batch.shape, action))


def test_a_trial_starts_in_the_bottom_left_and_shows_the_cell_one_hot() -> None:
    obs = start([12]).reset(Stream(0))
    assert obs.dtype == torch.float64 and obs.tolist() == [[[1.0] + [0.0] * 24]]


def test_moves_lead_to_the_neighbour_and_walls_stop() -> None:
    batch = start([12], horizon=20)
    walk = [(LEFT, 0), (DOWN, 0), (UP, 5), (RIGHT, 6), (DOWN, 1), (STAY, 1), (RIGHT, 2), (RIGHT, 3), (RIGHT, 4), (RIGHT, 4)]
    walk += [(UP, 9), (UP, 14), (UP, 19), (UP, 24), (UP, 24), (LEFT, 23)]
    cells = [int(act(batch, action).obs.argmax()) for action, _ in walk]
    assert cells == [cell for _, cell in walk]


def test_the_goal_pays_on_arrival_and_for_staying_and_every_other_step_costs() -> None:
    batch = start([10])  # two up
    steps = [act(batch, action) for action in (UP, UP, STAY, LEFT, RIGHT, LEFT)]
    assert [float(step.reward) for step in steps] == [-0.1, 1.0, 1.0, 1.0, -0.1, 1.0]
    assert [bool(step.success) for step in steps] == [False, True, True, True, False, True]


def test_an_episode_has_fifteen_steps_and_the_goal_does_not_end_it() -> None:
    batch = start([10])
    steps = [act(batch, UP) for _ in range(15)]
    assert not any(bool(step.terminated) for step in steps)
    assert [bool(step.truncated) for step in steps] == [False] * 14 + [True] and not bool(batch.active)


def test_the_next_episode_starts_in_the_corner_with_the_same_goal() -> None:
    batch = start([20, 3], episodes=2)
    for _ in range(15):
        step = act(batch, UP)
    assert step.next_obs.argmax(-1).tolist() == [[20], [20]] and step.obs.argmax(-1).tolist() == [[0], [0]]
    assert step.first.all()
    rewards = [act(batch, RIGHT).reward.flatten().tolist() for _ in range(3)]
    assert rewards == [[-0.1, -0.1], [-0.1, -0.1], [-0.1, 1.0]]


def test_the_observation_does_not_depend_on_the_goal() -> None:
    batch = start([2, 24], lanes=3, episodes=2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(30):
        step = batch.step(torch.randint(5, (1, 3), generator=generator).expand(2, 3))
        assert torch.equal(step.obs[0], step.obs[1]) and torch.equal(step.next_obs[0], step.next_obs[1])


def test_training_has_the_published_goals_and_the_shift_those_next_to_the_start() -> None:
    family = gridnavi.family()
    everywhere, beside = set(range(25)), {1, 5, 6}
    for split, goals in (("train", everywhere - beside - {0}), ("test", everywhere - beside - {0}), ("ood", beside)):
        assert set(family.sample(100, split, Stream(0).rng()).arrays["goal"]) == goals
    assert family.split_of(family.task({"goal": 6})).tolist() == ["ood"]
    with pytest.raises(ValueError, match="outside gridnavi"):
        family.task({"goal": 0})
    assert family.episodes == 4 and family.horizon == 15


def test_a_smaller_grid_has_fewer_goals() -> None:
    family = gridnavi.family(gridnavi.Settings(size=3, horizon=6))
    assert family.parameters[0].choices == (2, 5, 6, 7, 8) and family.parameters[0].ood == (1, 3, 4)
    assert family.spec.obs_size == 9 and family.horizon == 6


def test_a_critic_is_told_the_cell_of_the_goal() -> None:
    told = gridnavi.family().described(Tasks("gridnavi", {"goal": np.array([24.0, 2.0])}))
    assert told.shape == (2, 25) and told.nonzero().tolist() == [[0, 24], [1, 2]] and math.isclose(told.sum(), 2)


@pytest.mark.parametrize("wrong", [{"size": 2}, {"size": 8}, {"size": 5.0}, {"horizon": 0}, {"horizon": True}])
def test_settings_out_of_range_are_refused(wrong) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is .*: expected"):
        gridnavi.Settings(**wrong)
