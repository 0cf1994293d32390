"""Players of the rooms of MiniGrid against brute force."""

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from pliant.families import minigrid
from pliant.players import minigrid as players
from pliant.rollout import episode_returns, rollout
from pliant.simulators.minigrid import rooms
from pliant.simulators.minigrid import world as grid_world
from pliant.streams import Stream
from pliant.tasks.base import Family, Tasks

FORWARD = 2


def family_of(game: str, **settings: Any) -> Family:
    return minigrid.family(minigrid.Settings(game=game, **settings))  # type: ignore[arg-type]


def best_from_every_start(family: Family, tasks: Tasks) -> list[float]:
    """The mean over all starts of the best return of an episode: every state that can be reached, by the rules themselves."""
    settings, grid = family.settings, minigrid.grid_of(family.settings)
    cells, begins = rooms.cells(settings.game, grid, tasks.arrays["layout"])
    means = []
    for m in range(len(tasks)):
        directions = range(rooms.directions(settings.game))
        bests = []
        for position, direction in product(begins[m].nonzero().flatten().tolist(), directions):
            one = torch.tensor([[1]])
            world = grid_world.World(cells[m][None, None], position * one, direction * one, 0 * one)
            bests.append(best_return(settings, grid, world, family.horizon))
        means.append(float(np.mean(bests)))
    return means


def best_return(settings: Any, grid: Any, world: Any, horizon: int) -> float:
    """Breadth-first: all worlds after 1, 2, 3 ... steps, until one is at the goal; earlier is better, and a subgoal once."""
    earned, seen, layer = 0.0, set(), world
    best_key, best_door = None, None
    for t in range(1, horizon + 1):
        nexts = []
        for action in settings.actions:
            after, entered = grid_world.act(grid, layer, torch.full(layer.position.shape, action))
            if bool((entered // 18 == grid_world.GOAL).any()):
                return 1 - 0.9 * t / horizon + (2 * settings.subgoals if settings.game == "key-door" else 0)
            alive = (entered // 18 != grid_world.LAVA)[0]
            nexts.append(after._make(field[:, alive] for field in after))
        layer = nexts[0]._make(torch.cat(fields, dim=1) for fields in zip(*nexts, strict=True))
        fresh = []
        for b in range(layer.position.shape[1]):
            state = (layer.cells[0, b].numpy().tobytes(), *(int(field[0, b]) for field in layer[1:]))
            if state not in seen:
                seen.add(state)
                fresh.append(b)
        layer = layer._make(field[:, fresh] for field in layer)
        best_key = best_key or bool((layer.carried > 0).any())
        door = (layer.cells == grid_world.code(grid_world.DOOR, grid_world.YELLOW, grid_world.OPEN)).any(-1)
        best_door = best_door or bool(door.any())
        earned = settings.subgoals * (bool(best_key) + bool(best_door))
    return earned


@pytest.mark.parametrize(
    "game, settings, layouts",
    [
        ("key-door", {"size": 5, "horizon": 11, "subgoals": 0.25}, [21113, 22123, 22111]),
        ("key-door", {"size": 6, "horizon": 13}, [21144, 32124]),
        ("empty", {"size": 5, "horizon": 4}, [33, 12]),
        ("crossing", {"size": 7, "horizon": 12}, [121, 145, 223]),
        ("lava", {"size": 7, "horizon": 12}, [125, 241]),
    ],
)
@pytest.mark.slow
def test_the_ceiling_is_the_best_return_of_the_known_room(game: str, settings: dict[str, Any], layouts: list[int]) -> None:
    family = family_of(game, **settings)
    tasks = Tasks("minigrid", {"layout": np.array(layouts, dtype=np.float64)})
    assert np.allclose(players.ceiling(family, tasks, 3) / 3, best_from_every_start(family, tasks), atol=1e-12)
    assert players.optimum(family, 3) is None


def test_the_way_to_the_right_one_by_hand() -> None:
    # From (1, 1), looking right, to pick up what lies in (3, 2): forward, forward, turn right, pick up.
    grid = grid_world.Grid(5, 5)
    cells = grid.walled()[None]
    thing = grid_world.code(grid_world.KEY)
    cells[0, 5 * 2 + 3] = thing
    beside = (cells == thing)[:, grid.ahead.view(-1, 4)]
    needed = players.steps_needed(grid, cells == grid_world.EMPTY, torch.where(beside, 1, players.FAR))
    assert needed[0, 5 * 1 + 1].tolist() == [4, 4, 5, 5], "looking right, down, left, up"


def test_the_ceiling_of_colours_is_the_mean_over_rooms_and_the_same_for_all_tasks() -> None:
    family = family_of("colours", horizon=12)
    ceiling = players.ceiling(family, family.sample(4, "train", Stream(0).rng()), 3)
    assert len(set(ceiling.tolist())) == 1 and 3 * 0.5 < ceiling[0] < 3 * 0.9
    short = players.ceiling(family_of("colours", horizon=1), family.sample(1, "train", Stream(0).rng()), 1)
    # With one step it must lie in the one cell of fifteen before the agent, which looks at a wall one time in four.
    assert short[0] == pytest.approx(0.005, abs=4 * 0.1 * np.sqrt(0.05 / players.DRAWN))


def test_random_returns_what_its_markov_chain_says() -> None:
    family = family_of("empty", size=5, horizon=6)
    task = family.task({"layout": 33})
    grid = minigrid.grid_of(family.settings)
    chances = np.zeros((100, 100))
    for cell, direction, action in product(range(25), range(4), range(3)):
        x, y = cell % 5, cell // 5
        if not (0 < x < 4 and 0 < y < 4):
            continue
        ahead = int(grid.ahead[4 * cell + direction])
        free = 0 < ahead % 5 < 4 and 0 < ahead // 5 < 4
        turned = (direction + (3, 1, 0)[action]) % 4
        chances[4 * cell + direction, 4 * (ahead if action == FORWARD and free else cell) + turned] += 1 / 3
    goal = 4 * 18
    starts = [4 * cell + d for cell, d in product([6, 7, 8, 11, 12, 13, 16, 17], range(4))]
    here = np.bincount(starts, minlength=100) / len(starts)
    expected = 0.0
    for t in range(1, 7):
        here = here @ chances
        expected += here[goal : goal + 4].sum() * (1 - 0.9 * t / 6)
        here[goal : goal + 4] = 0
    player = players.players(family, Stream(0))["random"]
    returns = episode_returns(rollout(family.batch(task, 8_000, 1), Stream(0).at("play"), player, {}), 1)
    assert abs(float(returns.mean()) - expected) < 4.5 * float(returns.std()) / math.sqrt(8_000)
