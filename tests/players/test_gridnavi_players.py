"""Players of grid navigation against brute force: dynamic programming over what an agent can believe."""

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch

from pliant.families import gridnavi
from pliant.players import gridnavi as players
from pliant.players.parts import tour as touring
from pliant.rollout import episode_returns, rollout
from pliant.streams import Stream
from pliant.tasks.base import Family, Tasks
from pliant.types import Rollout

MOVES = [(0, 0), (0, 1), (1, 0), (0, -1), (-1, 0)]
NAMES = ["bayes", "posterior-sampling", "random"]


def family_of(size: int = 5, horizon: int = 15) -> Family:
    return gridnavi.family(gridnavi.Settings(size=size, horizon=horizon))


def tasks_of(goals) -> Tasks:
    return Tasks("gridnavi", {"goal": np.array(goals, dtype=np.float64)})


def play(name: str, goals, lanes: int, family: Family, episodes: int = 4) -> Rollout:
    player = players.players(family, Stream(0).at("players"))[name]
    return rollout(family.batch(tasks_of(goals), lanes, episodes), Stream(0).at("play"), player, {})


def step(size: int, cell: int, move: tuple[int, int]) -> int:
    y, x = divmod(cell, size)
    return size * min(max(y + move[1], 0), size - 1) + min(max(x + move[0], 0), size - 1)


def by_force(size: int, horizon: int, episodes: int) -> tuple[Callable[[int], float], Callable[[], float]]:
    """(value of a trial whose goal is known, value of the best agent that does not know it), by recursion over every step."""

    @cache
    def known(t: int, cell: int, goal: int) -> float:
        if t == episodes * horizon:
            return 0.0
        cell = 0 if t % horizon == 0 else cell
        there = {step(size, cell, move) for move in MOVES}
        return max((1.0 if new == goal else -0.1) + known(t + 1, new, goal) for new in there)

    @cache
    def believed(t: int, cell: int, possible: frozenset[int]) -> float:
        if t == episodes * horizon:
            return 0.0
        cell = 0 if t % horizon == 0 else cell
        best = -math.inf
        for new in {step(size, cell, move) for move in MOVES}:
            chance = (new in possible) / len(possible)
            value = chance * (1.0 + known(t + 1, new, new)) if chance else 0.0
            if chance < 1:
                value += (1 - chance) * (-0.1 + believed(t + 1, new, possible - {new}))
            best = max(best, value)
        return best

    return lambda goal: known(0, 0, goal), lambda: believed(0, 0, frozenset(gridnavi.goals(size)))


def test_the_published_rules_make_the_known_goal_worth_44_286() -> None:
    ceiling = players.ceiling(family_of(), tasks_of(gridnavi.goals(5)), 4)
    assert len(ceiling) == 21 and math.isclose(ceiling.mean(), 310 / 7)
    assert f"{ceiling.mean():.3f}" == "44.286"


@pytest.mark.parametrize("size, horizon, episodes", [(5, 15, 4), (5, 6, 2), (3, 4, 3), (3, 1, 2)])
def test_the_ceiling_is_the_value_of_the_known_task(size: int, horizon: int, episodes: int) -> None:
    known, _ = by_force(size, horizon, episodes)
    goals = range(1, size * size)  # beside the start too
    ceiling = players.ceiling(family_of(size, horizon), tasks_of(goals), episodes)
    assert np.allclose(ceiling, [known(goal) for goal in goals], atol=1e-12)


@pytest.mark.parametrize("horizon", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize("episodes", [1, 2, 3])
def test_the_optimum_is_the_bayes_adaptive_value_of_a_tiny_grid(horizon: int, episodes: int) -> None:
    _, believed = by_force(3, horizon, episodes)
    optimum = players.optimum(family_of(3, horizon), episodes)
    assert optimum is not None and math.isclose(optimum, believed(), abs_tol=1e-12)


def test_an_optimum_that_is_not_proven_is_none_and_a_wider_search_proves_it() -> None:
    family = family_of(4, 6)
    assert players.optimum(family, 2) is None
    _, believed = by_force(4, 6, 2)
    tour = touring.search(4, gridnavi.goals(4), 6, 2, width=1_000_000)
    known = players.ceiling(family, tasks_of(gridnavi.goals(4)), 2).mean()
    assert tour.proven and math.isclose(known - 1.1 * tour.late / 12, believed(), abs_tol=1e-12)


def test_the_best_search_of_the_published_grid_is_late_by_135_steps_and_none_is_less() -> None:
    # No path searches faster: a goal in each of the steps 2 to 15, the other 7 in a later episode, which costs 16 or more each
    # in k + e (16 - d). All goals together are 96 moves away.
    assert sum(range(2, 16)) + 7 * 16 - 96 == 135 and sum(sum(divmod(goal, 5)) for goal in gridnavi.goals(5)) == 96
    tour = touring.search(5, gridnavi.goals(5), 15, 4)
    late = {}
    for e, episode in enumerate(tour.cells.tolist()):
        for k, (before, cell) in enumerate(zip([0, *episode], episode, strict=False), start=1):
            assert cell in [step(5, before, move) for move in MOVES]
            if cell in gridnavi.goals(5) and cell not in late:
                far = sum(divmod(cell, 5))
                late[cell] = k - far + e * (16 - far)
    assert len(late) == 21 and sum(late.values()) == tour.late == 135 and tour.proven


def test_the_optimum_of_the_published_grid_is_exact() -> None:
    for episodes in (1, 2, 4):
        optimum = players.optimum(family_of(), episodes)
        assert optimum is not None and math.isclose(optimum, episodes * 310 / 28 - 1.1 * 135 / 21)
    assert f"{optimum:.3f}" == "37.214"


def test_bayes_earns_the_optimum_and_knows_the_goal_from_the_second_episode_on() -> None:
    goals = gridnavi.goals(5)
    returns = episode_returns(play("bayes", goals, 1, family_of()), 4)[:, 0].numpy()
    assert math.isclose(returns.sum(1).mean(), 521 / 14, abs_tol=1e-5)
    ceiling = players.ceiling(family_of(), tasks_of(goals), 1)
    assert np.allclose(returns[:, 2:], ceiling[:, None], atol=1e-5) and (returns[:, 1] <= ceiling + 1e-5).all()


@pytest.mark.parametrize("size, horizon", [(3, 4), (3, 15), (4, 10)])
def test_bayes_earns_the_optimum_of_other_grids(size: int, horizon: int) -> None:
    family = family_of(size, horizon)
    returns = episode_returns(play("bayes", gridnavi.goals(size), 1, family), 4).sum(-1)
    assert math.isclose(float(returns.mean()), players.optimum(family, 4) or 0.0, abs_tol=1e-5)


def test_bayes_takes_a_goal_that_training_does_not_have_and_is_indifferent_when_nothing_is_left_to_search() -> None:
    on_the_way = int(touring.search(5, gridnavi.goals(5), 15, 4).cells[0, 0])
    assert torch.allclose(episode_returns(play("bayes", [on_the_way], 1, family_of()), 4), torch.tensor(15.0).double())
    played = play("bayes", [6], 50, family_of())
    assert played.log_prob[:, :, :30].abs().max() < 1e-6
    assert torch.allclose(played.log_prob[:, :, 30], torch.tensor(-math.log(5)))


def occupied(size: int, chances, horizon: int) -> np.ndarray:
    """[horizon, cells] where an agent is after each step, by the chances [cells, cells] of its next cell."""
    here, found = np.eye(size * size)[0], []
    for _ in range(horizon):
        here = here @ chances
        found.append(here)
    return np.array(found)


def test_random_returns_what_its_markov_chain_says() -> None:
    chances = np.zeros((25, 25))
    for cell in range(25):
        for move in MOVES:
            chances[cell, step(5, cell, move)] += 0.2
    goals = list(gridnavi.goals(5))
    expected = 1.1 * occupied(5, chances, 15).sum(0)[goals] - 0.1 * 15
    returns = episode_returns(play("random", goals, 2000, family_of(), 1), 1)[..., 0]  # [goals, lanes]
    error = returns.std(1) / math.sqrt(2000)
    assert bool(((returns.mean(1) - torch.from_numpy(expected)).abs() < 4.5 * error + 1e-5).all())


def test_the_first_episode_of_posterior_sampling_goes_to_a_random_goal_by_a_random_shortest_way() -> None:
    goals = list(gridnavi.goals(5))
    time_on = np.zeros((21, 25))
    for i, target in enumerate(goals):
        chances = np.zeros((25, 25))
        for cell in range(25):
            there = [step(5, cell, move) for move in MOVES]
            far = [abs(new % 5 - target % 5) + abs(new // 5 - target // 5) for new in there]
            best = [new for new, distance in zip(there, far, strict=True) if distance == min(far)]
            for new in best:
                chances[cell, new] += 1 / len(best)
        time_on[i] = occupied(5, chances, 15).sum(0)
    expected = 1.1 * time_on.mean(0)[goals] - 0.1 * 15
    returns = episode_returns(play("posterior-sampling", goals, 1000, family_of(), 1), 1)[..., 0]
    error = returns.std(1) / math.sqrt(1000)
    assert bool(((returns.mean(1) - torch.from_numpy(expected)).abs() < 4.5 * error).all())


def test_posterior_sampling_draws_what_is_still_possible_and_keeps_it_for_an_episode() -> None:
    goals, lanes = [24, 12, 2], 100
    played = play("posterior-sampling", goals, lanes, family_of())
    cells = played.next_obs.argmax(-1).unflatten(2, (4, 15))  # [M, B, episodes, steps]
    paid = (played.reward > 0).unflatten(2, (4, 15)).any(-1)
    known = 0
    for m, goal in enumerate(goals):
        far = sum(divmod(goal, 5))
        for b in range(lanes):
            searched: set[int] = set()
            for e in range(4):
                target = int(cells[m, b, e, -1])
                distance = [abs(c % 5 - target % 5) + abs(c // 5 - target // 5) for c in cells[m, b, e].tolist()]
                assert distance == [max(sum(divmod(target, 5)) - k, 0) for k in range(1, 16)], "straight there, and stays"
                if e and bool(paid[m, b, :e].any()):
                    known += 1
                    assert target == goal and distance.index(0) == far - 1
                else:
                    assert target in gridnavi.goals(5) and target not in searched
                searched |= set(cells[m, b, e].tolist())
    assert 100 < known < 900


@pytest.mark.parametrize("name", NAMES)
def test_no_player_beats_the_ceiling_and_the_same_seed_gives_the_same_bits(name: str) -> None:
    goals = gridnavi.goals(5)
    one, two = (play(name, goals, 3, family_of()) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    returns = episode_returns(one, 4).sum(-1)
    assert bool((returns <= torch.from_numpy(players.ceiling(family_of(), tasks_of(goals), 4))[:, None] + 1e-4).all())
