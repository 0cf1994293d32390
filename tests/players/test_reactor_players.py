"""Players of the reactor: the controller by hand, and its constants against their neighbours."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from pliant.families import reactor
from pliant.players import reactor as players
from pliant.rollout import rollout
from pliant.streams import Stream
from pliant.tasks.base import Tasks
from pliant.types import Inputs, Rollout

FAMILY = reactor.family()


def play(name: str, tasks: Tasks, lanes: int, episodes: int = 1) -> Rollout:
    player = players.players(FAMILY, Stream(0).at("players"))[name]
    return rollout(FAMILY.batch(tasks, lanes, episodes), Stream(0).at("play"), player, {})


def error(rollout: Rollout) -> torch.Tensor:
    """Mean absolute error per step, K, [M, B]."""
    return -reactor.WORST_ERROR * rollout.reward.mean(2)


def test_the_controller_is_the_textbooks() -> None:
    """Gain 2, reset time 0.5 min, 0.1 min a step: each K of error adds 0.2 K to the integral."""
    controller = players.ProportionalIntegral(FAMILY, players.Tuning(2.0, 0.5))
    state: Any = ()
    # (temperature, set-point, opens an episode) -> coolant above 300 K
    script = [
        (350.0, 353.0, True, 2 * (3 + 0.6)),
        (352.0, 353.0, False, 2 * (1 + 0.8)),
        (354.0, 353.0, False, 2 * (-1 + 0.6)),
        (310.0, 353.0, False, 60.0),  # 2 * (43 + 9.2) is out of reach: the integral stays at 0.6
        (354.0, 353.0, False, 2 * (-1 + 0.4)),
        (349.0, 353.0, True, 2 * (4 + 0.8)),
    ]
    for temperature, wanted, first, coolant in script:
        obs = torch.tensor([(temperature - 350) / 10, (wanted - 350) / 10, 0.0], dtype=torch.float64).view(1, 1, 1, 3)
        none = torch.zeros(1, 1, 1, dtype=torch.float64)
        output, state = controller(Inputs(obs, none[..., None], none, torch.full((1, 1, 1), first)), state)
        assert float(60 * output.dist[..., 0]) == pytest.approx(coolant)
        assert float(output.dist[..., 1]) < -10, "nothing is left to chance"


def test_the_integral_winds_down_again_while_the_coolant_is_at_its_limit() -> None:
    controller = players.ProportionalIntegral(FAMILY, players.Tuning(2.0, 0.05))
    state: Any = ()
    seen = []
    for below in (20.0, 20.0, 20.0, -1.0):
        obs = torch.tensor([-below / 10, 0.0, 0.0], dtype=torch.float64).view(1, 1, 1, 3)
        none = torch.zeros(1, 1, 1, dtype=torch.float64)
        output, state = controller(Inputs(obs, none[..., None], none, torch.zeros(1, 1, 1, dtype=torch.bool)), state)
        seen.append(float(output.dist[..., 0]))
    assert seen[:3] == [1.0, 1.0, 1.0] and seen[3] == pytest.approx(2 * (-1 - 2) / 60), "nothing was added while it was cold"


def test_on_its_own_plant_the_controller_tracks_and_never_trips() -> None:
    played = play("pi", players.nominal(), 300)
    assert float(error(played).mean()) < 0.5 and float(played.success[..., -1].double().mean()) > 0.95
    assert float(played.obs[..., 0].max()) < 5.0


def test_tuned_on_the_nominal_plant_it_does_poorly_on_others_and_chance_does_worse() -> None:
    tasks = FAMILY.sample(100, "test", Stream(3).rng())
    own = float(error(play("pi", players.nominal(), 100)).mean())
    nominal, robust, chance = (error(play(name, tasks, 1)).mean(1) for name in ("pi", "pi-robust", "random"))
    assert float(nominal.mean()) > 5 * own and float((nominal > 2 * own).double().mean()) > 0.3
    assert float(robust.mean()) < float(nominal.mean()) < 0.6 * float(chance.mean())


@pytest.mark.slow
@pytest.mark.parametrize("plants", ["nominal", pytest.param("train", marks=pytest.mark.whole)])
def test_no_neighbour_of_the_constants_is_better_by_more_than_noise(plants: str, length: Callable[[int, int], int]) -> None:
    """A tenth more or less of gain, a third of reset time, against the scatter of the episodes; plants of training are new."""
    tuning = players.NOMINAL if plants == "nominal" else players.ROBUST
    lanes = length(200, 600) if plants == "nominal" else 1
    tasks = players.nominal() if plants == "nominal" else FAMILY.sample(600, "train", Stream(4).rng())
    best = players.returns(FAMILY, tasks, lanes, tuning).flatten()
    for gain, reset in ((0.9, 1.0), (1.1, 1.0), (1.0, 0.67), (1.0, 1.5)):
        other = players.returns(FAMILY, tasks, lanes, players.Tuning(gain * tuning.gain, reset * tuning.reset)).flatten()
        gained = other - best
        assert float(gained.mean()) < 3 * float(gained.std()) / len(gained) ** 0.5, (gain, reset)


@pytest.mark.slow
def test_far_neighbours_are_worse() -> None:
    best = players.returns(FAMILY, players.nominal(), 100, players.NOMINAL)
    for gain, reset in ((0.5, 1.0), (2.0, 1.0), (1.0, 0.2), (1.0, 10.0)):
        tuning = players.Tuning(gain * players.NOMINAL.gain, reset * players.NOMINAL.reset)
        gained = players.returns(FAMILY, players.nominal(), 100, tuning) - best
        assert float((gained < 0).double().mean()) > 0.9, (gain, reset)  # of the episodes; a trip more or less decides a mean


@pytest.mark.slow
@pytest.mark.whole
def test_tuning_finds_a_better_controller_than_it_began_with() -> None:
    family = reactor.family(reactor.Settings(horizon=15))
    found = players.tune(family, players.nominal(), lanes=20)
    before, after = (players.returns(family, players.nominal(), 20, t).mean() for t in (players.START, found))
    assert float(after) > float(before)


def test_chance_uses_the_whole_range() -> None:
    action = play("random", FAMILY.sample(20, "train", Stream(0).rng()), 5).action
    assert -1 <= float(action.min()) < -0.99 and 0.99 < float(action.max()) <= 1
    assert abs(float(action.mean())) < 0.03 and float(action.std()) == pytest.approx(3**-0.5, abs=0.02)


def test_a_perfect_trial_returns_nothing() -> None:
    assert players.ceiling(FAMILY, players.nominal(), 4).tolist() == [0.0] and players.optimum(FAMILY, 4) is None
