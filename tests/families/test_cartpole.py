"""The batched twin beside Gymnasium's CartPole-v1."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from pliant.families import cartpole
from pliant.streams import Stream
from pliant.tasks.base import Family, Tasks

LANES = 4
TASKS = 8


def original(row: dict[str, float]) -> Any:
    """CartPole-v1 with the physics of a task."""
    env = gymnasium.make("CartPole-v1")
    inner: Any = env.unwrapped
    inner.gravity, inner.length, inner.force_mag = row["gravity"], row["length"], row["push"]
    inner.masspole, inner.masscart = row["pole_mass"], row["cart_mass"]
    inner.total_mass = inner.masspole + inner.masscart
    inner.polemass_length = inner.masspole * inner.length
    return env


def tasks_of(family: Family) -> Tasks:
    """CartPole-v1's own physics, then tasks of training and of the shifted split."""
    own = {"reversed": 0.0, "length": 0.5, "pole_mass": 0.1, "cart_mass": 1.0, "gravity": 9.8, "push": 10.0}
    parts = [family.task(own), family.sample(4, "train", Stream(0).rng()), family.sample(TASKS - 5, "ood", Stream(1).rng())]
    return Tasks("cartpole", {n: np.concatenate([p.arrays[n] for p in parts]) for n in parts[0].arrays})


def test_twin_agrees_with_gymnasium_step_by_step_from_random_states(length: Callable[[int, int], int]) -> None:
    """State in float64 to 1e-12, reward and endings exactly, over 3,200 or 12,800 steps of which many end an episode."""
    steps = length(100, 400)
    family = cartpole.family(cartpole.Settings(horizon=steps + 1))
    tasks = tasks_of(family)
    assert {0.0, 1.0} == set(tasks.arrays["reversed"].tolist())
    batch: Any = family.batch(tasks, LANES, episodes=steps)
    batch.reset(Stream(0))
    envs = [[original(row) for _ in range(LANES)] for row in tasks.rows()]
    for env in (e for row in envs for e in row):
        env.reset(seed=0)
    rng = np.random.default_rng(0)
    # Positions, speeds, angles and angular speeds around and beyond what an episode sees.
    spread = np.array([2.4, 3.0, 0.22, 3.0])
    ended = beyond = 0
    for _ in range(steps):
        state = rng.uniform(-spread, spread, (TASKS, LANES, 4))
        action = rng.integers(0, 2, (TASKS, LANES))
        batch.state = torch.tensor(state)
        step = batch.step(torch.tensor(action))
        for m, row in enumerate(envs):
            for b, env in enumerate(row):
                inner = env.unwrapped
                inner.state, inner.steps_beyond_terminated = tuple(state[m, b]), None
                push = 1 - action[m, b] if tasks.arrays["reversed"][m] else action[m, b]
                obs, reward, terminated, _, _ = inner.step(int(push))
                assert np.allclose(step.next_obs[m, b].numpy(), np.array(inner.state), rtol=0, atol=1e-12)
                assert np.array_equal(step.next_obs[m, b].float().numpy(), obs), "as observed, in Gymnasium's float32"
                assert float(step.reward[m, b]) == reward == 1.0
                assert bool(step.terminated[m, b]) == terminated
                ended += terminated
                beyond += abs(inner.state[2]) > cartpole.ANGLE_LIMIT
    assert 2.5 * steps < ended < TASKS * LANES * steps / 2 and beyond > 1.25 * steps


def test_whole_episodes_of_the_twin_are_those_of_gymnasium_with_its_time_limit() -> None:
    """The twin's own start, then the same actions: every state until the end, and truncation at 500 steps."""
    family = cartpole.family()
    own = tasks_of(family)[0]
    batch: Any = family.batch(own, 3)
    obs = batch.reset(Stream(4))
    envs = [original(own.rows()[0]) for _ in range(3)]
    for b, env in enumerate(envs):
        env.reset(seed=b)
        env.unwrapped.state = tuple(obs[0, b].tolist())
    lived = [0] * 3
    truncations = terminations = 0
    while bool(batch.active.any()):
        # A balancing rule in lanes 0 and 1, always the same push in lane 2.
        x, x_dot, theta, theta_dot = batch.state.unbind(-1)
        action = (theta + 0.5 * theta_dot + 0.05 * x + 0.1 * x_dot > 0).long()
        action[0, 2] = 1
        playing = batch.active.clone()
        step = batch.step(action)
        for b, env in enumerate(envs):
            if not playing[0, b]:
                continue
            _, _, terminated, truncated, _ = env.step(int(action[0, b]))
            assert np.allclose(step.next_obs[0, b].numpy(), np.array(env.unwrapped.state), rtol=0, atol=1e-9)
            assert (bool(step.terminated[0, b]), bool(step.truncated[0, b])) == (terminated, truncated)
            lived[b] += 1
            truncations, terminations = truncations + truncated, terminations + terminated
    assert truncations == 2 and terminations == 1 and lived[:2] == [500, 500] and lived[2] < 20


def test_reversed_pushes_exchange_the_two_actions() -> None:
    family = cartpole.family()
    row = {"length": 0.5, "pole_mass": 0.1, "cart_mass": 1.0, "gravity": 9.8, "push": 10.0}
    moved = []
    for flag, action in ((0.0, 1), (1.0, 0), (1.0, 1)):
        batch = family.batch(family.task(row | {"reversed": flag}), 1)
        batch.reset(Stream(0))
        moved.append(batch.step(torch.tensor([[action]])).next_obs)
    assert torch.equal(moved[0], moved[1]) and not torch.equal(moved[0], moved[2])
    assert float(moved[0][0, 0, 1]) > 0 > float(moved[2][0, 0, 1]), "without reversal, action 1 pushes right"


def test_an_episode_starts_as_gymnasiums_does() -> None:
    family = cartpole.family()
    batch = family.batch(family.sample(20, "train", Stream(0).rng()), 50)
    obs = batch.reset(Stream(0))
    assert obs.shape == (20, 50, 4) and float(obs.abs().max()) <= 0.05
    for column in obs.flatten(0, 1).T:  # uniform in +-0.05: standard deviation 0.1 / sqrt(12)
        assert abs(float(column.mean())) < 0.005 and abs(float(column.std()) - 0.1 / 12**0.5) < 0.002
    low, high = gymnasium.make("CartPole-v1").reset(seed=0)[0].min(), 0.05
    assert -0.05 <= low <= high


@pytest.mark.parametrize("horizon", [0, -1])
def test_settings_out_of_range_are_refused(horizon: int) -> None:
    with pytest.raises(ValueError, match="horizon"):
        cartpole.Settings(horizon=horizon)
