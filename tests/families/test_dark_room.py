"""The dark room by hand."""

import numpy as np
import pytest
import torch

from pliant.families import dark_room
from pliant.streams import Stream
from pliant.tasks.base import BatchEnv, Tasks, Transition

STAY, UP, RIGHT, DOWN, LEFT = range(5)


def start(key: list[int], door: list[int], lanes: int = 1, episodes: int = 1, **settings) -> BatchEnv:
    """A small room that opens in the middle: cells 0 to 8, the start is 4."""
    family = dark_room.family(dark_room.Settings(**{"size": 3, "start": "centre", **settings}))
    batch = family.batch(Tasks("dark-room", {"key": np.array(key, float), "door": np.array(door, float)}), lanes, episodes)
    batch.reset(Stream(0))
    return batch


def act(batch: BatchEnv, *actions: int) -> list[Transition]:
    return [batch.step(torch.full(batch.shape, action)) for action in actions]


def test_the_key_pays_once_and_only_then_the_door_which_ends_the_episode() -> None:
    steps = act(start([5], [3]), LEFT, RIGHT, RIGHT, LEFT, RIGHT, LEFT, LEFT)  # 3 4 5 4 5 4 3
    assert [float(step.reward) for step in steps] == [0, 0, 1, 0, 0, 0, 1]
    assert [bool(step.terminated) for step in steps] == [False] * 6 + [True]
    assert [bool(step.success) for step in steps] == [False] * 6 + [True]


def test_the_key_must_be_found_again_in_the_next_episode_and_only_in_that_lane() -> None:
    batch = start([5, 5], [4, 3], episodes=2)
    *_, step = act(batch, RIGHT, LEFT)  # the door of the first task
    assert step.terminated.tolist() == [[True], [False]] and step.first.tolist() == [[True], [False]]
    assert step.obs.argmax(-1).tolist() == [[4], [4]]
    stay, left = act(batch, STAY, LEFT)
    assert stay.reward.tolist() == [[0], [0]] and left.reward.tolist() == [[0], [1]], "only the second holds the key"


def test_staying_counts_as_stepping_on_a_cell() -> None:
    steps = act(start([4], [4]), STAY, STAY)
    assert [float(step.reward) for step in steps] == [1, 1] and bool(steps[1].success)
    steps = act(start([3], [3]), LEFT, LEFT)  # into the wall
    assert [float(step.reward) for step in steps] == [1, 1] and bool(steps[1].success)


def test_an_episode_is_truncated_after_fifty_steps() -> None:
    batch = start([0], [0])
    steps = act(batch, *[STAY] * 50)
    assert [bool(step.truncated) for step in steps] == [False] * 49 + [True] and not bool(batch.active)


def test_opening_the_door_with_the_last_step_terminates() -> None:
    step = act(start([5], [4], horizon=2), RIGHT, LEFT)[-1]
    assert bool(step.terminated) and not bool(step.truncated)


def test_an_episode_opens_in_any_cell_alike_unless_it_opens_in_the_middle() -> None:
    batch = start([0], [0], lanes=9000, episodes=3, horizon=1, start="random")
    opened = [batch.reset(Stream(1)), *(act(batch, STAY)[0].obs for _ in range(2))]
    for obs in opened:
        count = obs.sum((0, 1))
        assert obs.shape == (1, 9000, 9) and bool(((count - 1000).abs() < 5 * np.sqrt(9000 * 8 / 81)).all())
    assert not torch.equal(opened[0], opened[1]), "every episode draws anew"
    batch = start([0], [0], lanes=2, size=9)
    assert batch.reset(Stream(1)).argmax(-1).tolist() == [[40, 40]]


def test_the_observation_depends_neither_on_the_task_nor_on_holding_the_key() -> None:
    batch = start([1, 8], [0, 8], lanes=3, horizon=30)
    generator = torch.Generator().manual_seed(0)
    for _ in range(30):
        step = batch.step(torch.randint(5, (1, 3), generator=generator).expand(2, 3))
        assert torch.equal(step.next_obs[0], step.next_obs[1]) and step.next_obs.shape == (2, 3, 9)


def test_a_fifth_of_the_combinations_is_held_out_and_the_far_corner_is_the_shift() -> None:
    family = dark_room.family()
    corner = {60, 61, 62, 69, 70, 71, 78, 79, 80}
    pairs = {}
    for split in ("train", "test", "ood"):
        arrays = family.sample(2000, split, Stream(0).rng()).arrays
        pairs[split] = set(zip(arrays["key"].astype(int), arrays["door"].astype(int), strict=True))
        inside = [{key, door} <= corner if split == "ood" else not {key, door} & corner for key, door in pairs[split]]
        assert all(inside)
    assert pairs["train"].isdisjoint(pairs["test"]) and len(pairs["ood"]) == 81
    everything = np.array([(key, door) for key in range(81) for door in range(81)], dtype=np.float64)
    split = family.split_of(Tasks("dark-room", {"key": everything[:, 0], "door": everything[:, 1]}))
    assert (split != "").all() and (split == "ood").sum() == 81**2 - 72**2
    assert abs((split == "test").sum() / 72**2 - 0.2) < 0.001


def test_a_critic_is_told_where_key_and_door_are() -> None:
    told = dark_room.family().described(Tasks("dark-room", {"key": np.array([8.0]), "door": np.array([40.0])}))
    assert told.tolist() == [[1, 0, -1, 0]]  # x of both, y of both


@pytest.mark.parametrize("wrong", [{"size": 2}, {"size": 9.0}, {"horizon": 0}, {"start": "corner"}])
def test_settings_out_of_range_are_refused(wrong) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is .*: expected"):
        dark_room.Settings(**wrong)
