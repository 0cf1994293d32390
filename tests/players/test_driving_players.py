"""Players of driving, by hand and against each other."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from pliant.families import driving
from pliant.players import driving as players
from pliant.rollout import rollout
from pliant.streams import Stream
from pliant.tasks.base import Tasks
from pliant.types import Inputs

LEFT, IDLE, RIGHT, FASTER, SLOWER = range(5)


def choice(*others: tuple[float, float, float], y: float = 1 / 3, speed: float = 25.0) -> int:
    """What the careful driver does on a road of three lanes: others are (m ahead, lanes to the right, m/s faster)."""
    rows = [[1.0, 0.2, y, speed / 80, 0.0]] + [[1.0, x / 200, lanes / 3, v / 80, 0.0] for x, lanes, v in others]
    obs = torch.tensor(rows + [[0.0] * 5] * (5 - len(rows))).view(1, 1, 1, 25)
    inputs = Inputs(obs, torch.full((1, 1, 1), -1), torch.zeros(1, 1, 1), torch.ones(1, 1, 1, dtype=torch.bool))
    return int(players.Careful()(inputs, ())[0].dist.argmax())


def test_the_careful_driver_by_hand() -> None:
    """At 25 m/s behind somebody as fast it wants 10 + 37.5 m, and 5 m/s faster 10 + 37.5 + 25 * 5 / (2 sqrt(15)) = 63.6 m."""
    assert math.isclose(47.5 + 125 / (2 * math.sqrt(15)), 63.637, abs_tol=1e-3)
    assert choice() == FASTER and choice((96, 0, 0)) == FASTER and choice((94, 0, 0)) == IDLE and choice((48, 0, 0)) == IDLE
    assert choice((47, 0, 0)) == LEFT and choice((63, 0, -5)) == LEFT and choice((64, 0, -5)) == IDLE
    assert choice((47, 0, 0), (20, -1, 0)) == RIGHT and choice((47, 0, 0), y=0.0) == RIGHT
    assert choice((47, 0, 0), (20, -1, 0), (-9, 1, 0)) == SLOWER and choice((20, 0, 0)) == SLOWER


def tasks_of(n: int, **fixed: float) -> Tasks:
    arrays = dict(driving.family().sample(n, "test", Stream(0).rng()).arrays)
    return Tasks("driving", arrays | {name: np.full(n, value) for name, value in fixed.items()})


def crashes(name: str, family: Any, **fixed: float) -> float:
    player = players.players(family, Stream(0))[name]
    played = rollout(family.batch(tasks_of(60, **fixed), 2), Stream(1), player, {})
    return 1 - float(played.success.any(-1).double().mean())


@pytest.mark.slow
def test_the_careful_driver_is_careful_where_the_controls_are_as_usual() -> None:
    family = driving.family()
    usual = {name: crashes(name, family, reversed_pedals=0.0, reversed_steering=0.0) for name in ("idm", "idle", "random")}
    assert usual["idm"] < 0.5 * usual["idle"] and usual["idm"] < 0.5 * usual["random"]
    assert crashes("idm", family, reversed_pedals=1.0) > 2 * usual["idm"], "and helpless where they are not"


def test_ceilings() -> None:
    tasks = tasks_of(3, lanes=2.0)
    assert players.ceiling(driving.family(), tasks, 3).tolist() == [90, 90, 90] and players.optimum(driving.family(), 3) is None
    merge = driving.family(driving.Settings(scene="merge"))
    assert np.allclose(players.ceiling(merge, tasks, 1), 30 * 2.15 / 1.8)
