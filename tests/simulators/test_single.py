"""Somebody's Gymnasium environment as a batch of one task and one lane."""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from pliant.config import registry
from pliant.errors import UserError
from pliant.maths import functional
from pliant.policies import mlp
from pliant.rollout import rollout
from pliant.simulators.gymnasium import single
from pliant.simulators.gymnasium import spaces as space_rules
from pliant.streams import Stream
from pliant.tasks.base import Family
from pliant.types import Spec

POINT: Family = registry.load("family", "point").family()
CARTPOLE: Family = registry.load("family", "cartpole").family()


class Line(gymnasium.Env[Any, Any]):
    """Counts its steps in a buffer that it reuses; ends by itself after `length` steps."""

    def __init__(self, length: int = 4, truncates: bool = False, low: Any = (-2.0, 10.0), high: Any = (4.0, 11.0)) -> None:
        self.observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
        self.action_space = spaces.Box(np.array(low, np.float32), np.array(high, np.float32))
        self.length, self.truncates = length, truncates
        self.buffer = np.zeros(2)
        self.actions: list[Any] = []
        self.seeds: list[Any] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.seeds.append(seed)
        self.buffer[:] = (0.0, 0.5)
        return self.buffer, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.actions.append(action)
        self.buffer[0] += 1
        ended = bool(self.buffer[0] >= self.length)
        return self.buffer, float(self.buffer[0]), ended and not self.truncates, ended and self.truncates, {"is_success": ended}


def play(family: Family, env: Any, episodes: int, seed: int = 0) -> Any:
    policy = mlp.make(family.spec, mlp.Settings(hidden=(4,)), Stream(0)).double()
    return rollout(single.Single(family, env, episodes), Stream(seed), policy, functional.parameters(policy))


@pytest.mark.parametrize("truncates", [False, True])
def test_a_gymnasium_environment_plays_a_trial(truncates: bool) -> None:
    result = play(POINT, Line(4, truncates), episodes=2)
    assert result.reward.tolist() == [[[1, 2, 3, 4, 1, 2, 3, 4]]]
    ends = [[[False, False, False, True] * 2]]
    assert result.terminated.tolist() == ([[[False] * 8]] if truncates else ends)
    assert result.truncated.tolist() == (ends if truncates else [[[False] * 8]])
    assert result.first.tolist() == [[[True, False, False, False] * 2]]
    assert result.success.tolist() == ends and bool(result.valid.all())


def test_an_observation_is_kept_although_the_environment_reuses_its_buffer() -> None:
    result = play(POINT, Line(3), episodes=2)
    assert result.obs[0, 0, :, 0].tolist() == [0, 1, 2, 0, 1, 2]
    assert result.next_obs[0, 0, :, 0].tolist() == [1, 2, 3, 1, 2, 3], "what followed, before any reset"


def test_an_environment_that_never_ends_is_truncated_at_the_familys_horizon() -> None:
    result = play(POINT, Line(10**9), episodes=2)
    assert result.truncated[0, 0].nonzero().flatten().tolist() == [99, 199]


def test_the_limit_of_a_registered_environment_is_kept() -> None:
    env = gymnasium.make("CartPole-v1", max_episode_steps=7)
    assert single.Single(CARTPOLE, env, 1).horizon == 7
    result = play(CARTPOLE, env, episodes=3)
    assert result.truncated[0, 0].nonzero().flatten().tolist() == [6, 13, 20]
    assert not bool(result.terminated.any())


def test_episodes_start_from_seeds_of_the_stream() -> None:
    seeds = []
    for seed in (0, 0, 1):
        env = Line(2)
        play(POINT, env, episodes=3, seed=seed)
        seeds.append(env.seeds)
        assert len(set(env.seeds)) == 3 and all(type(s) is int and 0 <= s < 2**31 for s in env.seeds)
    assert seeds[0] == seeds[1] != seeds[2]
    one, two = (play(CARTPOLE, gymnasium.make("CartPole-v1"), 2) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_actions_are_scaled_from_one_to_the_environments_range() -> None:
    env = Line()
    for ours, theirs in (([-1, -1], [-2, 10]), ([0, 0], [1, 10.5]), ([1, 1], [4, 11]), ([0.5, -0.5], [2.5, 10.25])):
        action = space_rules.actor(env.action_space).of(np.array(ours, np.float32))
        assert action.dtype == np.float32 and np.allclose(action, theirs)
    assert np.allclose(space_rules.actor(env.action_space).of(np.array([9.0, -9.0])), [4, 10]), "beyond one is as far as one"


def test_scaled_actions_never_leave_the_environments_range_by_rounding() -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        low = rng.normal(size=2).astype(np.float32)
        env = Line(low=low, high=low + rng.random(2).astype(np.float32) + 0.01)
        for sign in (-1.0, 1.0):
            assert env.action_space.contains(space_rules.actor(env.action_space).of(np.full(2, sign, np.float32)))


def test_discrete_actions_are_counted_from_the_spaces_start() -> None:
    env = gymnasium.make("CartPole-v1")
    env.action_space = spaces.Discrete(2, start=5)
    assert [space_rules.actor(env.action_space).of(i) for i in (0, 1)] == [5, 6]


@pytest.mark.parametrize(
    "observes, acts, spec",
    [
        (spaces.Box(-1, 1, (3,)), spaces.Box(-1, 1, (2,)), Spec(2, 2, False)),
        (spaces.Dict({"a": spaces.Box(-1, 1, (3,))}), spaces.Box(-1, 1, (2,)), Spec(2, 2, False)),
        (spaces.Sequence(spaces.Discrete(2)), spaces.Box(-1, 1, (2,)), Spec(2, 2, False)),
        (spaces.Box(-1, 1, (2,)), spaces.Box(-1, 1, (3,)), Spec(2, 2, False)),
        (spaces.Box(-1, 1, (2,)), spaces.Box(-np.inf, 1, (2,)), Spec(2, 2, False)),
        (spaces.Box(-1, 1, (2,)), spaces.Discrete(2), Spec(2, 2, False)),
        (spaces.Box(-1, 1, (2,)), spaces.Box(-1, 1, (2,)), Spec(2, 2, True)),
        (spaces.Box(-1, 1, (2,)), spaces.Discrete(3), Spec(2, 2, True)),
        (spaces.Box(-1, 1, (2,)), spaces.MultiDiscrete([2, 2]), Spec(2, 2, True)),
        (spaces.Box(0, 255, (1, 2), np.uint8), spaces.Box(-1, 1, (2,)), Spec(2, 2, False)),
        (spaces.Box(-1, 1, (2,)), spaces.MultiBinary(2), Spec(2, 2, False)),
    ],
)
def test_spaces_that_a_policy_cannot_serve_are_refused_in_one_line(observes, acts, spec) -> None:
    env = Line()
    env.observation_space, env.action_space = observes, acts
    with pytest.raises(UserError) as error:
        single.require_spaces(env, spec)
    wanted = "Discrete(2)" if spec.discrete else "a bounded Box(2,)"
    assert str(error.value).endswith(f"this policy expects Box(2,) and {wanted}")
    assert "\n" not in str(error.value)


def test_spaces_that_fit_are_accepted() -> None:
    single.require_spaces(Line(), POINT.spec)
    single.require_spaces(gymnasium.make("CartPole-v1"), CARTPOLE.spec)
    env = Line()
    flattened = (spaces.Box(-1, 1, (2, 1)), spaces.Discrete(2), spaces.Dict({"a": spaces.Box(-1, 1, (2,))}))
    for env.observation_space in flattened:
        single.require_spaces(env, POINT.spec)
    env = Line()
    for env.action_space, spec in (
        (spaces.Box(-1, 1, (1, 2)), Spec(2, 2, False)),
        (spaces.MultiDiscrete([2, 2]), Spec(2, 4, True)),
    ):
        single.require_spaces(env, spec)
