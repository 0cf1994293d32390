"""Controllers of motors by hand, and that no neighbour of a searched constant is better."""

import math

import numpy as np
import pytest
import torch

from pliant.families import motor
from pliant.players import motor as players
from pliant.rollout import episode_returns, rollout
from pliant.streams import Stream
from pliant.tasks.base import Family, Tasks
from pliant.types import Inputs

DRIVES = [("pmsm", "current"), ("pmsm", "speed"), ("dc", "current"), ("dc", "speed")]
SEARCHED = [("pmsm", "current", "robust-pi"), ("pmsm", "current", "retuned"), ("pmsm", "speed", "pi")]
"""The default drive's constants, and those of the other kind of control; the others take too long to search again."""
FACTOR = 1.3


def family_of(machine: str = "pmsm", control: str = "current", **settings) -> Family:
    return motor.family(motor.Settings(machine=machine, control=control, **settings))


def mean_return(family: Family, tasks: Tasks, player: torch.nn.Module, lanes: int) -> float:
    return float(episode_returns(rollout(family.batch(tasks, lanes), Stream(11), player, {}), 1).mean())


def seen(obs: list[float], first: bool) -> Inputs:
    """An observation given in units of the limits."""
    x = torch.tensor(obs, dtype=torch.float64)[None, None, None] / motor.units_of(motor.Settings())
    return Inputs(x, torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 1), torch.tensor([[[first]]]))


def test_the_current_controller_by_hand() -> None:
    family = family_of()
    player = players.players(family, Stream(0))["pi"]
    limit, full = 4e3 * math.pi / 30, 150.0
    # Errors of 8 and -4 A at 100 rad/s (electrically 300), with currents of 4 and 12 A.
    obs = [12 / 400, 8 / 400, 4 / 400, 12 / 400, 100 / limit, 0.0, 0.0]
    output, state = player(seen(obs, True), ())
    d = 0.37e-3 / 3e-4 * 8 - 300 * 1.2e-3 * 12
    q = 1.2e-3 / 3e-4 * -4 + 300 * (0.37e-3 * 4 + 66e-3)
    assert output.dist[0, 0, 0, :2].tolist() == pytest.approx([d / full, q / full])
    # The second step adds what was integrated: gain * error * tau R / L, tau R / L = 0.018e-4 / L.
    again, _ = player(seen(obs, False), state)
    d, q = d + 0.018e-4 / 3e-4 * 8, q + 0.018e-4 / 3e-4 * -4
    assert again.dist[0, 0, 0, :2].tolist() == pytest.approx([d / full, q / full])
    reopened, _ = player(seen(obs, True), state)
    assert torch.equal(reopened.dist, output.dist), "an episode opens without what was integrated before"


def test_a_voltage_beyond_the_converters_keeps_its_direction_and_is_not_integrated() -> None:
    player = players.players(family_of(), Stream(0))["pi"]
    output, state = player(seen([0.15, -0.1, 0, 0, 0, 0, 0], True), ())
    d, q = 0.37 / 0.3 * 60, -1.2 / 0.3 * 40
    assert math.hypot(d, q) > 150
    assert output.dist[0, 0, 0, :2].tolist() == pytest.approx([d / math.hypot(d, q), q / math.hypot(d, q)])
    assert not bool(state.voltage.any())


def test_the_speed_controller_asks_for_the_torque_that_takes_its_share_of_the_error() -> None:
    family = family_of("dc", "speed")
    gains = players.Gains(current=0.5, speed=0.1, speed_time=0.05, headroom=0.9)
    plant = motor.plant_of(family.settings, players.nominal_task(family))[0]
    player = players.Pi(family.settings, plant, gains)
    state = players._Sums(torch.zeros(1, 1, 1).double(), torch.zeros(1, 1, 1).double())
    asked, state = player.cascade(torch.tensor([[[2.0]]]).double(), state)
    # 0.1 * 2 rad/s in 0.5 ms: 400 rad/s^2 * 0.0251 kg m^2 = 10.04 Nm, / 0.165 Nm/A.
    assert float(asked) == pytest.approx(10.04 / 0.165)
    assert float(state.current) == pytest.approx(10.04 / 0.165 * 5e-4 / 0.05)
    asked, later = player.cascade(torch.tensor([[[20.0]]]).double(), state)
    assert float(asked) == pytest.approx(0.9 * 210) and torch.equal(later.current, state.current), "at its bound"


@pytest.mark.slow
@pytest.mark.parametrize("machine, control", DRIVES)
def test_the_original_motor_follows_its_controller_to_the_set_point(machine: str, control: str) -> None:
    family = family_of(machine, control, hold=1e9, horizon=400)
    tasks = players.nominal_task(family)
    played = rollout(family.batch(tasks, 50), Stream(3), players.players(family, Stream(0))["pi"], {})
    assert not bool(played.terminated.any())
    assert float(played.reward[..., -1].min()) > -0.004 and float(played.reward[..., 0].mean()) < -0.01


@pytest.mark.slow
def test_a_motor_is_followed_closer_the_more_its_controller_knows_of_it() -> None:
    family = family_of()
    tasks = family.sample(60, "test", Stream(2).rng())
    made = {name: mean_return(family, tasks, player, 4) for name, player in players.players(family, Stream(0)).items()}
    best = float(players.ceiling(family, tasks, 1).mean())
    assert made["random"] < -50 < 10 * made["pi"] and made["pi"] < 1.5 * made["robust-pi"] < 3 * best < 0
    assert np.array_equal(players.ceiling(family, tasks, 1), players.ceiling(family, tasks, 1))


@pytest.mark.slow
@pytest.mark.parametrize(
    "machine, control, name", [SEARCHED[0], *(pytest.param(*each, marks=pytest.mark.whole) for each in SEARCHED[1:])]
)
def test_no_neighbour_of_a_searched_constant_is_better(machine: str, control: str, name: str) -> None:
    """By more than a hundredth, on the lanes of the search; `pi` on the original motor, the others on training motors."""
    family = family_of(machine, control)
    nominal = players.nominal_task(family)
    tasks = nominal if name == "pi" else family.sample(200, "train", Stream(9).rng())
    plant = motor.plant_of(family.settings, tasks if name == "retuned" else nominal)[0]
    gains = players.GAINS[machine, control][name]

    def score(changed: players.Gains) -> float:
        lanes = 300 if name == "pi" else 2
        return mean_return(family, tasks, players.Pi(family.settings, plant, changed), lanes)

    best = score(gains)
    constants = ["current", "current_time"] + (["speed", "speed_time"] if control == "speed" else [])
    for constant in constants:
        for factor in (FACTOR, 1 / FACTOR):
            changed = gains._replace(**{constant: factor * getattr(gains, constant)})
            assert score(changed) < best * 0.99, (constant, factor)
