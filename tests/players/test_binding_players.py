"""Players of binding: a perfect memory misses nothing, and one that remembers less earns what counting says."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pliant.families import binding
from pliant.players import binding as players
from pliant.rollout import episode_returns, rollout
from pliant.streams import Stream
from pliant.tasks.base import Family, Tasks
from pliant.types import Inputs, Output, State

CASES: list[dict[str, Any]] = [{}, {"pairs": 12, "delay": 0}, {"pairs": 5, "queries": 2, "labels": 3}, {"pairs": 1, "bits": 1}]


def family_of(**settings: Any) -> Family:
    return binding.family(binding.Settings(**settings))


def sample(family: Family, n: int = 50) -> Tasks:
    return family.sample(n, "test", Stream(0).at("tasks").rng())


def returns(family: Family, tasks: Tasks, player: nn.Module, lanes: int = 4, episodes: int = 1) -> Tensor:
    played = rollout(family.batch(tasks, lanes, episodes), Stream(0).at("play"), player, {})
    return episode_returns(played, episodes)


@pytest.mark.parametrize("settings", CASES)
@pytest.mark.parametrize("episodes", [1, 2])
def test_a_perfect_memory_answers_everything(settings: dict[str, Any], episodes: int) -> None:
    family = family_of(**settings)
    tasks = sample(family)
    total = returns(family, tasks, players.players(family, Stream(0))["perfect"], episodes=episodes).sum(-1)
    assert bool((total == players.optimum(family, episodes)).all())
    assert players.ceiling(family, tasks, episodes).tolist() == [players.optimum(family, episodes)] * 50


def test_the_optimum_is_that_of_brute_force_over_all_histories() -> None:
    # Two symbols, two labels, one distractor, one episode: the best answer to each history that an agent can see.
    pairs = [(0, 1), (1, 0)]  # orders
    wins: dict[tuple, dict[int, float]] = {}
    for label, shown, asked, distractor in itertools.product(itertools.product((0, 1), repeat=2), pairs, pairs, (0, 1)):
        seen = tuple((symbol, label[symbol]) for symbol in shown)
        for question in range(2):
            counts = wins.setdefault((seen, distractor, asked[: question + 1]), {0: 0.0, 1: 0.0})
            counts[label[asked[question]]] += 1 / (4 * 2 * 2 * 2)
    best = sum(max(counts.values()) for counts in wins.values())
    assert best == players.optimum(family_of(pairs=2, labels=2, bits=1, delay=1), 1) == 2.0


@pytest.mark.parametrize("settings", CASES)
def test_one_pair_in_memory_and_none_earn_what_counting_says(settings: dict[str, Any]) -> None:
    family = family_of(**settings)
    s: binding.Settings = family.settings
    tasks = sample(family, 2000)
    made = players.players(family, Stream(0))
    known = s.asked / s.pairs  # questions about the pair that was shown last
    for name, expected in (("last", known + (s.asked - known) / s.labels), ("random", s.asked / s.labels)):
        total = returns(family, tasks, made[name]).sum(-1).mean(1).numpy()
        assert abs(total.mean() - expected) <= 4 * total.std() / np.sqrt(len(total)), name


def test_a_player_is_certain_of_what_it_remembers_and_even_about_the_rest() -> None:
    family = family_of(pairs=2, bits=1, labels=3, delay=0)
    player = players.players(family, Stream(0))["last"]
    state: State = ()
    rows = [[1, 0, 1, 0, 0], [-1, 0, 0, 1, 0], [1, 0, 0, 0, 1], [-1, 0, 0, 0, 1]]  # shown 1: 1 and -1: 2, then asked
    dists = []
    for row in rows:
        obs = torch.tensor(row, dtype=torch.float32).expand(1, 1, 1, 5)
        inputs = Inputs(obs, torch.full((1, 1, 1), -1), torch.zeros(1, 1, 1), torch.ones(1, 1, 1, dtype=torch.bool))
        output, state = player(inputs, state)
        assert isinstance(output, Output) and output.dist.shape == (1, 1, 1, 3)
        dists.append(output.dist.flatten().tolist())
    assert dists[2] == [0, 0, 0] and dists[3] == [-1e4, -1e4, 0]


def test_lanes_do_not_mix() -> None:
    family = family_of(pairs=6)
    tasks = sample(family, 5)
    for player in players.players(family, Stream(0)).values():
        together = returns(family, tasks, player)
        assert torch.equal(together[:2], returns(family, tasks[:2], player))
