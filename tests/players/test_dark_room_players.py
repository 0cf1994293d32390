"""Players of the dark room against brute force."""

import math
from itertools import product

import numpy as np
import pytest
import torch

from pliant.families import dark_room
from pliant.players import dark_room as players
from pliant.rollout import episode_returns, rollout
from pliant.streams import Stream
from pliant.tasks.base import Family, Tasks
from pliant.types import Rollout

MOVES = [(0, 0), (0, 1), (1, 0), (0, -1), (-1, 0)]


def family_of(**settings) -> Family:
    return dark_room.family(dark_room.Settings(**settings))


def tasks_of(pairs) -> Tasks:
    key, door = np.array(pairs, dtype=np.float64).T
    return Tasks("dark-room", {"key": key, "door": door})


def play(name: str, tasks: Tasks, lanes: int, family: Family, episodes: int) -> Rollout:
    player = players.players(family, Stream(0).at("players"))[name]
    return rollout(family.batch(tasks, lanes, episodes), Stream(0).at("play"), player, {})


def step(size: int, cell: int, move: tuple[int, int]) -> int:
    y, x = divmod(cell, size)
    return size * min(max(y + move[1], 0), size - 1) + min(max(x + move[0], 0), size - 1)


def best_return(size: int, cell: int, key: int, door: int, steps: int, holds: bool = False) -> int:
    """The most that can be earned in the steps that are left, by trying everything."""
    best = 0
    for new in {step(size, cell, move) for move in MOVES} if steps else ():
        if holds and new == door:
            return 1
        found = not holds and new == key
        best = max(best, found + best_return(size, new, key, door, steps - 1, holds or found))
    return best


@pytest.mark.parametrize("start, horizon", [("random", 1), ("random", 3), ("random", 4), ("centre", 2), ("centre", 4)])
def test_the_ceiling_is_the_best_return_of_the_known_task(start: str, horizon: int) -> None:
    pairs = list(product(range(9), range(9)))
    ceiling = players.ceiling(family_of(size=3, horizon=horizon, start=start), tasks_of(pairs), 3)
    cells = range(9) if start == "random" else [4]
    expected = [3 * np.mean([best_return(3, cell, key, door, horizon) for cell in cells]) for key, door in pairs]
    assert np.allclose(ceiling, expected, atol=1e-12)


def test_in_the_published_room_key_and_door_are_always_within_reach() -> None:
    family = family_of()
    assert (players.ceiling(family, family.sample(500, "train", Stream(0).rng()), 4) == 8).all()
    assert players.optimum(family, 4) is None


def test_random_returns_what_its_markov_chain_says() -> None:
    family, key, door = family_of(size=3, horizon=6), 1, 6
    chances = np.zeros((19, 19))  # without the key, with it, and through the door
    for holds, cell, move in product((0, 1), range(9), MOVES):
        new = step(3, cell, move)
        to = 18 if holds and new == door else 9 + new if holds or new == key else new
        chances[9 * holds + cell, to] += 0.2
    chances[18, 18] = 1
    here = np.r_[np.full(9, 1 / 9), np.zeros(10)] @ np.linalg.matrix_power(chances, 6)
    expected = here[9:].sum() + here[18]
    returns = episode_returns(play("random", tasks_of([(key, door)]), 20_000, family, 1), 1)
    assert abs(float(returns.mean()) - expected) < 4.5 * float(returns.std()) / math.sqrt(20_000)


def test_sweep_remembers_key_and_door_and_goes_straight_to_them() -> None:
    family = family_of()
    tasks = family.sample(40, "train", Stream(0).rng())
    played = play("sweep", tasks, 3, family, 8)
    assert bool((episode_returns(played, 8)[..., -3:] == 2).all())
    key, door = (tasks.arrays[name].astype(int) for name in ("key", "door"))
    for m, b in product(range(40), range(3)):
        opening = int(played.first[m, b].nonzero()[-1])
        start = int(played.obs[m, b, opening].argmax())
        away = max(1, sum(abs(a - c) for a, c in zip(divmod(start, 9), divmod(key[m], 9), strict=True)))
        away += max(1, sum(abs(a - c) for a, c in zip(divmod(key[m], 9), divmod(door[m], 9), strict=True)))
        assert int(played.valid[m, b, opening:].sum()) == away


def test_sweep_steps_on_no_cell_twice_without_need() -> None:
    # From the middle of a 3x3 room a path can step on the 8 other cells in 8 steps; then only the middle is left.
    pairs = [(key, door) for key in range(9) for door in range(9)]
    played = play("sweep", tasks_of(pairs), 1, family_of(size=3, start="centre"), 1)
    found = (played.reward[:, 0] > 0).double().argmax(-1).reshape(9, 9)  # [key, door]
    assert bool((found == found[:, :1]).all()), "the door does not matter until the key is found"
    assert sorted(found[:, 0].tolist()) == list(range(9)), "one new cell a step"


def test_sweep_searches_anew_for_the_door_where_it_has_looked_without_the_key() -> None:
    played = play("sweep", tasks_of([(8, 0), (0, 8), (4, 4)]), 1, family_of(size=3, start="centre"), 1)
    assert episode_returns(played, 1).flatten().tolist() == [2, 2, 2]


@pytest.mark.parametrize("split", ["train", "test", "ood"])
def test_sweep_has_found_nearly_everything_after_three_episodes_of_the_published_room(split: str) -> None:
    family = family_of()
    tasks = family.sample(200, split, Stream(0).rng())
    returns = episode_returns(play("sweep", tasks, 1, family, 4), 4).mean((0, 1))
    chance = episode_returns(play("random", tasks, 1, family, 4), 4).mean((0, 1))
    assert returns[3] > 1.95 and bool((returns[1:] >= returns[:-1]).all()) and bool((chance < 0.5).all())


@pytest.mark.parametrize("name", ["sweep", "random"])
def test_the_same_seed_gives_the_same_bits(name: str) -> None:
    family = family_of()
    tasks = family.sample(5, "train", Stream(0).rng())
    one, two = (play(name, tasks, 2, family, 4) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
