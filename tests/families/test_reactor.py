"""The reactor beside SciPy's solvers, and its balances by hand."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from pliant.families import reactor
from pliant.simulators import rosenbrock
from pliant.streams import Stream
from pliant.tasks.base import BatchEnv, Tasks, Transition

NOMINAL = {
    "rate": 1.0,
    "activation": 8750.0,
    "feed_concentration": 1.0,
    "feed_temperature": 350.0,
    "flow": 100.0,
    "cooling": 1.0,
}


def start(plant: dict[str, float] | None = None, lanes: int = 1, episodes: int = 1, **settings: Any) -> BatchEnv:
    family = reactor.family(reactor.Settings(**settings))
    batch = family.batch(family.task(NOMINAL | (plant or {})), lanes, episodes)
    batch.reset(Stream(0))
    return batch


def put(batch: Any, concentration: Any, temperature: Any) -> None:
    """Every lane in a given state."""
    as_lanes = torch.zeros(batch.shape, dtype=torch.float64)
    batch.concentration = as_lanes + torch.as_tensor(concentration, dtype=torch.float64)
    batch.temperature = as_lanes + torch.as_tensor(temperature, dtype=torch.float64)


def act(batch: BatchEnv, coolant: float, times: int = 1) -> list[Transition]:
    """Hold the coolant at a temperature, K."""
    action = (coolant - 300.0) / batch.family.settings.reach
    return [batch.step(torch.full((*batch.shape, 1), action, dtype=torch.float64)) for _ in range(times)]


def derivative(row: dict[str, float], coolant: float):
    """The balances as the books write them, in their units: mol/min and J/min, then divided by what they warm."""
    V, rho, cp, heat, factor, UA = 100.0, 1000.0, 0.239, 5e4, 7.2e10, 5e4 * row["cooling"]
    q, cf, Tf, E = row["flow"], row["feed_concentration"], row["feed_temperature"], row["activation"]
    # k0 such that k(350 K) is `rate` times the nominal one
    k0 = row["rate"] * factor * math.exp(-8750.0 / 350.0) / math.exp(-E / 350.0)

    def f(t, y):
        c, T = y
        r = k0 * math.exp(-E / T) * c
        return [(q * (cf - c) - V * r) / V, (rho * cp * q * (Tf - T) + heat * V * r + UA * (coolant - T)) / (V * rho * cp)]

    return f


# ---- the integration


def test_the_nominal_plant_balances_where_the_books_say() -> None:
    """k = 7.2e10 exp(-8750 / 350) = 0.99994 / min: half reacts; 209.2 K of heat a mol/L go through a jacket of 2.092 / min."""
    root = brentq(lambda T: derivative(NOMINAL, 300.0)(0, [1 / (1 + 7.2e10 * math.exp(-8750 / T)), T])[1], 345, 355)
    assert root == pytest.approx(350.0, abs=0.01)
    batch: Any = start()
    concentration = batch.plant.balance(np.array([[root]])).item()
    assert concentration == pytest.approx(0.5, abs=5e-4)
    slope = reactor.Balances(batch.plant, np.array([[300.0]])).slope(np.array([[[concentration]], [[root]]]))
    assert np.abs(slope).max() < 1e-8


def test_the_nominal_balance_is_unstable_and_a_disturbance_grows_as_its_eigenvalue_says() -> None:
    """Trace 2.378 and determinant -1.286, worked from the linearised balances: eigenvalues 2.83 and -0.45 / min."""
    k, c, T = 1.0, 0.5, 350.0
    steeper = k * 8750 / T**2 * c  # 0.0357 mol/(L min K)
    rise, exchange = 5e4 / 239, 5e4 / (100 * 239)
    by_hand = np.array([[-1 - k, -steeper], [rise * k, rise * steeper - 1 - exchange]])
    batch: Any = start()
    _, jacobian = reactor.Balances(batch.plant, np.array([[300.0]])).tangent(np.array([[[c]], [[T]]]))
    assert np.allclose(jacobian[..., 0, 0], by_hand, rtol=2e-4)
    eigenvalues = np.linalg.eigvals(by_hand)
    assert max(eigenvalues) == pytest.approx(2.83, abs=0.01) and min(eigenvalues) == pytest.approx(-0.454, abs=0.01)
    for sign in (1, -1):
        put(batch, 0.5, 350.0)
        act(batch, 300.0 + sign * 0.05, 10)  # sets it off
        first = float(batch.temperature) - 350.0
        act(batch, 300.0, 3)
        assert sign * first > 0
        assert (float(batch.temperature) - 350.0) / first == pytest.approx(math.exp(0.3 * 2.83), rel=0.2)


def test_the_nominal_reactor_left_alone_runs_away_or_goes_out() -> None:
    batch: Any = start(lanes=2)
    put(batch, 0.5, [[351.0, 349.0]])
    act(batch, 300.0, 60)
    assert batch.tripped.tolist() == [[True, False]] and float(batch.temperature[0, 1]) < 330


def random_transitions(n: int) -> tuple[Any, torch.Tensor, np.ndarray]:
    """A batch of n plants of all splits in random states with random coolants; state [2, n] before."""
    rng = np.random.default_rng(0)
    family = reactor.family()
    parts = [family.sample(n // 2, "train", Stream(1).rng()), family.sample(n - n // 2, "ood", Stream(2).rng())]
    tasks = Tasks("reactor", {name: np.concatenate([p.arrays[name] for p in parts]) for name in parts[0].arrays})
    batch: Any = family.batch(tasks, 1)
    batch.reset(Stream(0))
    state = np.stack([rng.uniform(0.05, 1.0, n), rng.uniform(300, 398, n)])
    put(batch, state[0][:, None], state[1][:, None])
    return batch, torch.as_tensor(rng.uniform(-1, 1, (n, 1, 1))), state


@pytest.mark.slow
def test_transitions_are_those_of_scipy_to_a_hundredth_of_a_kelvin_ignition_included(
    length: Callable[[int, int], int],
) -> None:
    """150 or 600 plants, states and coolants at random, beside LSODA (rtol 1e-10), a sixth of them also beside Radau.

    An inner step may err by 0.001 K, a control step has one to thirty of them, and an error made before the reaction takes off
    grows with it. Half of the transitions err by less than 0.0001 K, 95% by less than 0.001 K; near ignition it is 0.007 K.
    """
    n = length(150, 600)
    batch, action, state = random_transitions(n)
    batch.step(action)
    trips = ignitions = 0
    errors = []
    for i, row in enumerate(batch.tasks.rows()):
        coolant = 300.0 + 60.0 * float(action[i])

        def hot(t, y):
            return y[1] - 400.0

        hot.terminal = True
        f = derivative(row, coolant)
        methods = ("LSODA", "Radau") if i % 6 == 0 else ("LSODA",)
        for method in methods:
            solved = solve_ivp(f, (0, 0.1), state[:, i], method=method, rtol=1e-10, atol=1e-12, events=hot)
            assert solved.success
            if abs(solved.y[1].max() - 400.0) < 0.01 and solved.status == 0:
                continue  # too close to tell
            assert bool(batch.tripped[i]) == (solved.status == 1)
            if solved.status == 0:
                found = np.array([float(batch.concentration[i]), float(batch.temperature[i])])
                errors.append(np.abs(found - solved.y[:, -1]))
                ignitions += solved.y[1, -1] - state[1, i] > 10
            trips += solved.status == 1
    assert trips > n / 6 and ignitions > n / 30
    concentration, temperature = np.array(errors).T
    assert concentration.max() < 1e-4 and temperature.max() < 0.01
    assert np.median(temperature) < 1e-4 and np.percentile(temperature, 95) < 1e-3


def test_a_smaller_tolerance_leaves_a_smaller_error(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for factor in (1e-3, 1e-2, 1.0):
        monkeypatch.setattr(reactor, "TOLERANCE", (factor * 1e-5, factor * 1e-3))
        batch, action, _ = random_transitions(300)
        batch.step(action)
        found.append(batch.temperature)
    fine, middle, coarse = ((x - found[0]).abs().max() for x in found)
    assert fine == 0 < middle < 0.1 * coarse


class _Pendulum:
    """A nonlinear system that is not stiff: van der Pol's oscillator."""

    def slope(self, y):
        return np.stack([y[1], (1 - y[0] ** 2) * y[1] - y[0]])

    def tangent(self, y):
        zero = np.zeros_like(y[0])
        return self.slope(y), np.stack([[zero, zero + 1], [-2 * y[0] * y[1] - 1, 1 - y[0] ** 2]])


class _Stiff:
    """y1 decays at 1e8, y2 at 1."""

    def slope(self, y):
        return np.stack([-1e8 * y[0], -y[1]])

    def tangent(self, y):
        zero = np.zeros_like(y[0])
        return self.slope(y), np.stack([[zero - 1e8, zero], [zero, zero - 1]])


def test_the_method_is_of_order_four_with_an_estimate_of_order_three_and_l_stable() -> None:
    exact = solve_ivp(lambda t, y: _Pendulum().slope(y), (0, 1), [1.5, 0.5], method="DOP853", rtol=1e-13, atol=1e-14).y[:, -1]
    errors, estimates = [], []
    for steps in (20, 40, 80):
        y = np.array([[1.5], [0.5]])
        for _ in range(steps):
            y, estimate = rosenbrock.step(_Pendulum(), y, np.array([1 / steps]))
        errors.append(np.abs(y[:, 0] - exact).max())
        estimates.append(np.abs(estimate).max())
    assert all(3.7 < math.log2(a / b) < 4.5 for a, b in zip(errors, errors[1:], strict=False))
    assert all(3.6 < math.log2(a / b) < 4.5 for a, b in zip(estimates, estimates[1:], strict=False)), "h^4 a step"
    y, _ = rosenbrock.step(_Stiff(), np.ones((2, 1)), np.array([0.1]))
    assert abs(y[0, 0]) < 1e-4 and y[1, 0] == pytest.approx(math.exp(-0.1), abs=1e-6)


def test_a_lane_that_does_not_arrive_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rosenbrock, "MOST_STEPS", 3)
    batch: Any = start(lanes=2)
    put(batch, [[0.5, 0.9]], [[350.0, 380.0]])
    act(batch, 300.0)
    assert batch.temperature.isfinite().tolist() == [[True, False]]


def test_a_lane_does_not_depend_on_the_others() -> None:
    batch, action, state = random_transitions(60)
    batch.step(action)
    tasks = batch.tasks
    for i in (0, 17, 59):
        alone: Any = reactor.family().batch(tasks[i], 1)
        alone.reset(Stream(0))
        put(alone, state[0, i], state[1, i])
        alone.step(action[i : i + 1])
        assert float(alone.temperature) == pytest.approx(float(batch.temperature[i]), abs=1e-9)


def test_what_goes_in_comes_out_or_stays() -> None:
    """Moles and heat over 30 steps: the integral of what flows, by Simpson's rule over fine steps, is what has changed."""
    batch: Any = start({"flow": 90.0, "cooling": 1.5, "rate": 1.2}, minutes=0.01, horizon=200)
    put(batch, 0.6, 345.0)
    states = [(0.6, 345.0)]
    for _ in range(100):
        act(batch, 310.0)
        states.append((float(batch.concentration), float(batch.temperature)))
    c, T = np.array(states).T
    weight = np.ones(101)
    weight[1:-1:2], weight[2:-1:2] = 4, 2
    weight *= 0.01 / 3
    flow, cooling = 90.0, 1.5 * 5e4
    reacted = 100 * (weight @ (1.2 * 7.2e10 * np.exp(-8750 / T) * c))  # mol
    assert 100 * (c[-1] - c[0]) == pytest.approx(flow * (weight @ (1.0 - c)) - reacted, abs=1e-3)
    warmth = 1000 * 0.239 * (flow * (weight @ (350.0 - T)) + 100 * (T[0] - T[-1]))
    assert warmth + 5e4 * reacted + cooling * (weight @ (310.0 - T)) == pytest.approx(0, abs=1e-4 * 5e4 * reacted)


# ---- the task


def test_the_reward_is_minus_the_error_over_fifty_kelvin_and_at_least_minus_one() -> None:
    batch: Any = start()
    batch.set_points[:] = 345.0
    put(batch, 0.5, 350.0)
    step = act(batch, 300.0)[0]
    error = float(batch.temperature) - 345.0
    assert 4 < error < 6 and float(step.reward) == pytest.approx(-error / 50)
    put(batch, 0.9, 280.0)
    assert float(act(batch, 300.0)[0].reward) == -1.0
    assert float(batch.temperature) < 290


def test_an_observation_is_temperature_set_point_and_the_last_coolant() -> None:
    batch: Any = start()
    batch.set_points[:] = 347.0
    put(batch, 0.5, 355.0)
    assert batch.observe()[0, 0].tolist() == pytest.approx([0.5, -0.3, 0.0])
    obs = act(batch, 270.0)[0].next_obs[0, 0]
    assert obs.tolist() == pytest.approx([(float(batch.temperature) - 350) / 10, -0.3, -0.5])


def test_a_plant_that_is_shut_down_stays_so_at_the_worst_reward_until_the_episode_is_over() -> None:
    batch: Any = start(lanes=2, episodes=2)
    put(batch, [[0.9, 0.5]], [[390.0, 350.0]])
    steps = act(batch, 280.0, 60)
    rewards = torch.stack([step.reward for step in steps], dim=2)[0]
    assert bool((rewards[0] == -1).all()) and bool((rewards[1] > -1).any())
    assert not any(bool(step.terminated.any()) for step in steps)
    assert all(float(step.next_obs[0, 0, 0]) == 5.0 for step in steps) and not bool(steps[-1].success[0, 0])
    assert [bool(step.truncated.all()) for step in steps] == [False] * 59 + [True]
    # The next episode opens with a plant that runs.
    assert not bool(batch.tripped.any()) and float(batch.temperature.max()) <= 352.0
    assert float(act(batch, 300.0)[0].reward.min()) > -1


def test_a_trip_never_pays() -> None:
    """Whatever follows, nobody who has tripped has earned more than somebody who is 49 K off until the end."""
    batch: Any = start(lanes=2)
    put(batch, [[0.9, 0.5]], [[395.0, 350.0]])
    total = torch.stack([step.reward for step in act(batch, 300.0, 60)]).sum(0)
    assert float(total[0, 0]) == -60.0 < float(total[0, 1])


def test_an_episode_opens_in_balance_with_the_nominal_coolant_and_has_three_set_points() -> None:
    family = reactor.family()
    batch: Any = family.batch(family.sample(50, "train", Stream(0).rng()), 100)
    obs = batch.reset(Stream(3))
    temperature = 350 + 10 * obs[..., 0]
    assert bool((obs[..., 2] == 0).all())
    assert 340 <= float(temperature.min()) < 340.1 and 351.9 < float(temperature.max()) <= 352
    slope = reactor.Balances(batch.plant, np.full(batch.shape, 300.0)).slope(
        np.stack([batch.concentration.numpy(), batch.temperature.numpy()])
    )
    assert np.abs(slope[0]).max() < 1e-12
    seen = [obs[..., 1]]
    for _ in range(59):
        seen.append(act(batch, 250.0)[0].next_obs[..., 1])
    wanted = 350 + 10 * torch.stack(seen, dim=2)  # [M, B, 60]
    assert 340 <= float(wanted.min()) and float(wanted.max()) <= 352 and abs(float(wanted.mean()) - 346) < 0.1
    changes = wanted[..., 1:] != wanted[..., :-1]
    assert bool((changes.sum(-1) == 2).all())
    when = 1 + changes.nonzero()[:, 2].view(50, 100, 2)
    assert when.amin((0, 1)).tolist() == [10, 30] and when.amax((0, 1)).tolist() == [29, 49]


def test_the_reward_of_a_step_is_that_of_the_set_point_seen_before_it() -> None:
    batch: Any = start()
    batch.set_points[:] = torch.tensor([341.0, 351.0, 347.0])
    batch.changes[:] = torch.tensor([1.0, 2.0])
    put(batch, 0.5, 344.0)
    for wanted, following in ((341.0, 351.0), (351.0, 347.0), (347.0, 347.0)):
        step = act(batch, 300.0)[0]
        assert float(step.reward) == pytest.approx(-abs(float(batch.temperature) - wanted) / 50)
        assert float(step.next_obs[0, 0, 1]) == pytest.approx((following - 350) / 10)


@pytest.mark.parametrize("late, succeeds", [(0.0, True), (3.0, False)])
def test_success_is_being_close_throughout_the_last_sixth(late: float, succeeds: bool) -> None:
    batch: Any = start({"cooling": 2.5}, horizon=12, minutes=1e-4)
    batch.set_points[:] = 345.0
    put(batch, 0.5, 346.9)
    steps = act(batch, 300.0, 10)
    assert not any(bool(step.success) for step in steps)
    put(batch, 0.5, 346.9 + late)
    assert not bool(act(batch, 300.0)[0].success)
    put(batch, 0.5, 345.0)
    assert bool(act(batch, 300.0)[0].success) == succeeds


def test_other_settings_have_other_ranges() -> None:
    family = reactor.family(reactor.Settings(set_point=(330.0, 331.0), reach=20.0, horizon=6))
    batch: Any = family.batch(family.sample(3, "ood", Stream(0).rng()), 50)
    obs = batch.reset(Stream(0))
    assert -2 <= float(obs[..., :2].min()) and float(obs[..., :2].max()) <= -1.9 and family.horizon == 6
    batch.step(-torch.ones(3, 50, 1))
    assert bool((batch.coolant == 280.0).all())


@pytest.mark.parametrize(
    "wrong",
    [
        {"horizon": 0},
        {"minutes": 0.0},
        {"minutes": 2.0},
        {"minutes": math.nan},
        {"set_point": (350.0, 340.0)},
        {"set_point": (350.0, 400.0)},
        {"set_point": (200.0, 340.0)},
        {"reach": 0.0},
        {"reach": 201.0},
        {"band": 0.0},
        {"band": math.inf},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))} is .*: expected") as error:
        reactor.Settings(**wrong)
    assert "\n" not in str(error.value)
