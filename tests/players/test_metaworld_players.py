"""Players of ML1: the scripted controller takes every goal to be the usual one."""

from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("metaworld")

from pliant.families import metaworld_ml1
from pliant.players import metaworld_ml1 as players
from pliant.rollout import rollout
from pliant.running import curve as curves
from pliant.simulators.metaworld import benchmark
from pliant.simulators.metaworld import goals as metaworld
from pliant.streams import Stream
from pliant.types import Inputs


def test_targets_of_reach_are_the_goals_themselves() -> None:
    goals = [metaworld.vector(number)[-3:] for number in metaworld.numbers(("reach-v3",), "train")]
    assert np.array_equal(players.targets("reach-v3"), goals)
    assert np.abs(players.targets("reach-v3").std(0)).min() > 0.01, "they differ"


@pytest.mark.parametrize("name", benchmark.CLASSES)
def test_every_class_has_a_controller(name: str) -> None:
    assert hasattr(players.controller(name), "get_action")


@pytest.mark.filterwarnings("ignore:Constant")
def test_the_controller_takes_every_goal_to_be_in_the_middle() -> None:
    """A hand on the way to (0, 0.85, 0.175): Meta-World's controller moves it by 5 times the difference."""
    player = players.Scripted("reach-v3")
    assert np.abs(player.goal - [0.0, 0.85, 0.175]).max() < 0.05
    obs = torch.zeros(2, 1, 1, 39)
    obs[0, 0, 0, :3] = torch.from_numpy(player.goal) - torch.tensor([0.1, 0.0, -0.02])
    obs[:, :, :, 36:] = 7.0  # whatever the observation says
    nothing: Any = torch.zeros(2, 1, 1)
    output, _ = player(Inputs(obs, torch.zeros(2, 1, 1, 4), nothing, nothing > 0), ())
    action = output.dist[0, 0, 0, :4]
    assert torch.allclose(action[:3], torch.tensor([0.5, 0.0, -0.1]), atol=1e-4)


@pytest.mark.slow
@pytest.mark.whole
@pytest.mark.filterwarnings("ignore:Constant")
def test_it_goes_to_the_middle_where_few_goals_are() -> None:
    family = metaworld_ml1.family(metaworld_ml1.Settings(horizon=80, workers=1))
    tasks = family.sample(40, "test", Stream(0).rng())
    batch = family.batch(tasks, 1, 1)
    played = {name: rollout(batch, Stream(0), p, {}) for name, p in players.players(family, Stream(0)).items()}
    middle = players.targets("reach-v3").mean(0)
    assert np.abs(played["scripted"].next_obs[:, 0, -1, :3].numpy() - middle).max() < 0.003
    found = {name: curves.measure([r], batch, True, 0.0, True) for name, r in played.items()}
    success, returns = found["scripted"].success, {name: each.returns.mean() for name, each in found.items()}
    assert success is not None and 0 < success.mean() < 0.5
    assert returns["random"] < returns["scripted"] < players.ceiling(family, tasks, 1).mean()
