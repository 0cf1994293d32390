"""It learns: a small task in seconds, the same bits from the same seed, and what was learned can be handed on."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

import pliant
from pliant.agent.adapted import Adapted
from pliant.agent.agent import Agent
from pliant.errors import UserError
from pliant.rollout import rollout
from pliant.streams import Stream

SMALL = {
    "train.threads": 1,
    "train.meta_batch": 8,
    "train.lanes": 8,
    "family.horizon": 20,
    "family.radius": 0.02,
    "policy.hidden": (32,),
    "inner.lr": 0.5,
    "inner.gamma": 0.95,
    "outer.lr": 5e-3,
}
TINY = {"train.threads": 1, "train.meta_batch": 2, "train.lanes": 2, "policy.hidden": (4,)}
POINT = TINY | {"family.horizon": 5}


def small(seed: int) -> Agent:
    return Agent("maml", "point", seed=seed, preset="none", settings=SMALL)


def tiny(family: str = "point", seed: int = 0, **more: Any) -> Agent:
    return Agent("maml", family, seed=seed, preset="none", settings=(POINT if family == "point" else TINY) | more)


def mean(metrics: list[dict[str, float]], name: str) -> float:
    return float(np.mean([row[name] for row in metrics]))


@pytest.mark.slow
@pytest.mark.learns
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.whole) for seed in (1, 2))])
def test_maml_learns_to_adapt_in_seconds(seed: int) -> None:
    """30 iterations of 8 tasks x 8 lanes x 20 steps.

    Goals are 0.38 away on average: standing still costs 7.7. One gradient step of an untrained policy gains about 2.5, of a
    trained one about 5, and the policy before adaptation cannot know the goal and gains nothing.
    """
    agent = small(seed)
    metrics = agent.learn(30)
    before, after = metrics[:5], metrics[-8:]
    gain_before = mean(before, "return_1") - mean(before, "return_0")
    gain_after = mean(after, "return_1") - mean(after, "return_0")
    assert mean(after, "return_1") > mean(before, "return_1") + 1.0
    assert gain_after > gain_before + 1.0 and gain_after > 3.0


@pytest.mark.slow
@pytest.mark.learns
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.whole) for seed in (1, 2))])
def test_replay_learns_a_bandit_in_seconds(seed: int) -> None:
    """From 800 trials of 10 pulls of bandits with 5 arms: chance earns 5.0 a trial, the exact optimum is 6.66."""
    settings: dict[str, Any] = {"train.meta_batch": 20, "outer.updates": 20, "outer.steps": 8}
    settings |= {"policy.head": (64, 64), "critic.hidden": (64, 64)}
    agent = Agent("replay", "bandit", seed=seed, preset="none", settings=settings)
    agent.learn(40)
    learner = agent.learner
    tasks = learner.family.sample(1000, "test", Stream(5).rng())
    batch = learner.family.batch(tasks, 1, learner.episodes)
    played = rollout(batch, Stream(6), learner.algorithm.policy, learner.algorithm.params, deterministic=True)
    assert 5.7 < float(played.reward.sum(2).mean()) < 6.66 + 0.2  # of which the standard error is 0.07


@pytest.mark.slow
def test_two_runs_from_one_seed_have_the_same_bits() -> None:
    one, two, other = small(0), small(0), small(1)
    metrics = [agent.learn(3) for agent in (one, two, other)]
    assert metrics[0] == metrics[1] != metrics[2]
    states = [agent.learner.algorithm.state() for agent in (one, two, other)]
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())
    assert not torch.equal(states[0]["meta/head.weight"], states[2]["meta/head.weight"])


# ---- adapting to one task


class Walk(gymnasium.Env[Any, Any]):
    """The point task as a user would write it, with an action range of its own: forces of +-5."""

    def __init__(self, goal: tuple[float, float]) -> None:
        self.observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
        self.action_space = spaces.Box(-5.0, 5.0, (2,), np.float32)
        self.goal = np.array(goal)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.position, self.time = np.zeros(2), 0
        return self.position.copy(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.position += 0.02 * action
        self.time += 1
        offset = self.position - self.goal
        reached = bool((abs(offset) < 0.02).all())
        return self.position.copy(), -float(np.hypot(*offset)), reached, self.time >= 20 and not reached, {"success": reached}


@pytest.mark.slow
@pytest.mark.learns
def test_an_agent_adapts_to_a_gymnasium_environment_as_to_its_own_family() -> None:
    agent = small(0)
    agent.learn(20)
    gains = []
    for task in (Walk((0.4, -0.3)), {"goal": [0.4, -0.3]}):
        adapted = agent.adapt(task, stages=1, episodes=20)
        curve = adapted.document["curve"]
        assert [point["episodes_seen"] for point in curve] == [0, 20]
        assert curve[1]["steps_seen"] <= 400 and curve[1]["success"] is not None
        gains.append(curve[1]["return"]["mean"] - curve[0]["return"]["mean"])
    assert min(gains) > 2.0


def test_an_agent_adapts_to_cartpole_of_gymnasium() -> None:
    adapted = tiny("cartpole").adapt(gymnasium.make("CartPole-v1"), stages=2, episodes=3)
    document = adapted.document
    assert document["schema"] == "pliant.evaluation/1" and len(document["curve"]) == 3
    assert [point["episodes_seen"] for point in document["curve"]] == [0, 3, 6]
    lengths = [3 * point["return"]["mean"] for point in document["curve"]]  # a reward of 1 per step, 3 episodes
    assert document["curve"][2]["steps_seen"] == pytest.approx(lengths[0] + lengths[1])
    assert adapted.task == {"environment": "CartPole-v1"}
    env = gymnasium.make("CartPole-v1")
    obs, _ = env.reset(seed=0)
    action, _ = adapted.predict(obs)
    assert env.action_space.contains(action) or env.action_space.contains(int(action))


def test_actions_come_in_the_units_of_the_environment_that_was_adapted_to(tmp_path: Path) -> None:
    middle, half = np.array([-2.0, 20.0], np.float32), np.array([2.0, 10.0], np.float32)

    class Other(Walk):
        def __init__(self, goal: tuple[float, float]) -> None:
            super().__init__(goal)
            self.action_space = spaces.Box(middle - half, middle + half)

        def step(self, action: Any) -> Any:
            assert self.action_space.contains(action)
            return super().step(5 * (action - middle) / half)

    agent, goal = tiny(), (0.4, -0.3)
    adapted, walking = (agent.adapt(env, stages=1, episodes=2) for env in (Other(goal), Walk(goal)))
    obs = np.random.default_rng(0).normal(size=(50, 2))
    actions, forces = (p.predict(obs, deterministic=True)[0] for p in (adapted, walking))
    assert all(Other(goal).action_space.contains(a) for a in actions) and forces.std() > 0.1
    assert np.allclose(actions, middle + half * forces / 5, atol=1e-3)
    loaded = pliant.load(adapted.save(tmp_path / "adapted"))
    assert np.array_equal(loaded.predict(obs, deterministic=True)[0], actions)


def test_adaptation_repeats_and_leaves_the_agent_as_it_was() -> None:
    agent = tiny()
    state = agent.learner.algorithm.state()
    one, two, other = (agent.adapt({"goal": [0.3, -0.2]}, seed=seed) for seed in (0, 0, 1))
    assert all(torch.equal(p, two.params[n]) for n, p in one.params.items())
    assert not all(torch.equal(p, other.params[n]) for n, p in one.params.items())
    assert all(torch.equal(p, state[n]) for n, p in agent.learner.algorithm.state().items())


def test_every_stage_is_one_step_further_from_the_shared_parameters() -> None:
    agent = tiny()
    none, one, two = (agent.adapt({"goal": [0.3, -0.2]}, stages=stages) for stages in (0, 1, 2))
    shared = agent.learner.algorithm.state()
    assert all(p.shape[0] == 1 for p in none.params.values())
    assert all(torch.equal(p[0], shared[f"meta/{n}"]) for n, p in none.params.items())
    assert not torch.equal(none.params["head.weight"], one.params["head.weight"])
    assert not torch.equal(one.params["head.weight"], two.params["head.weight"])
    assert two.document["curve"][:2] == one.document["curve"]


@pytest.mark.parametrize(
    "task, message",
    [
        ({"goal": [3.0, 0.0]}, "outside point"),
        ({"gaol": [0.0, 0.0]}, "unknown 'gaol'"),
        (gymnasium.make("CartPole-v1"), "this policy expects Box"),
        ("point", "task is a str: expected a dict of parameters or a gymnasium.Env"),
    ],
)
def test_a_task_that_does_not_fit_is_refused_in_one_line(task: Any, message: str) -> None:
    with pytest.raises(ValueError) as error:
        tiny().adapt(task)
    assert message in str(error.value) and "\n" not in str(error.value)


# ---- acting


@pytest.fixture(scope="module")
def continuous() -> Adapted:
    return tiny().adapt({"goal": [0.3, -0.2]}, stages=1)


@pytest.fixture(scope="module")
def discrete() -> Adapted:
    row = {"reversed": 0, "length": 0.5, "pole_mass": 0.1, "cart_mass": 1.0, "gravity": 9.8, "push": 10.0}
    return tiny("cartpole").adapt(row, stages=1)


def test_predict_has_the_shapes_of_stable_baselines(continuous: Adapted, discrete: Adapted) -> None:
    for n in (1, 3):
        action, state = continuous.predict(np.zeros((n, 2)), None, np.ones(n, dtype=bool), True)
        assert action.shape == (n, 2) and action.dtype == np.float32 and state.memory == ()
        action, _ = discrete.predict(np.zeros((n, 4)), episode_start=np.zeros(n, dtype=bool), deterministic=True)
        assert action.shape == (n,) and action.dtype == np.int64
    assert continuous.predict(np.zeros(2))[0].shape == (2,)
    assert np.shape(discrete.predict(np.zeros(4))[0]) == ()


def test_deterministic_actions_are_the_mode_and_others_are_drawn(continuous: Adapted, discrete: Adapted) -> None:
    obs = np.random.default_rng(0).normal(size=(200, 2))
    one, two = (continuous.predict(obs, deterministic=True)[0] for _ in range(2))
    assert np.array_equal(one, two)
    drawn = continuous.predict(obs)[0]
    assert not np.array_equal(drawn, continuous.predict(obs)[0]) and not np.array_equal(drawn, one)
    assert np.abs(drawn).max() <= 1.0 and np.abs(one).max() <= 1.0
    obs = np.random.default_rng(0).normal(size=(200, 4))
    assert set(discrete.predict(obs)[0].tolist()) == {0, 1}
    likely = discrete.predict(obs, deterministic=True)[0]
    often = np.mean([discrete.predict(obs)[0] == likely for _ in range(20)])
    assert 0.5 < often < 1.0


def test_each_observation_is_acted_on_by_itself(continuous: Adapted) -> None:
    obs = np.random.default_rng(0).normal(size=(5, 2))
    together = continuous.predict(obs, deterministic=True)[0]
    alone = np.stack([continuous.predict(x, deterministic=True)[0] for x in obs])
    assert np.allclose(together, alone, atol=1e-6)


@pytest.mark.parametrize("obs", [np.zeros(3), np.zeros((2, 3)), np.zeros((1, 1, 2)), np.zeros(())])
def test_predict_refuses_another_shape(continuous: Adapted, obs: Any) -> None:
    with pytest.raises(UserError, match=r"expected \[2\] or \[n, 2\]"):
        continuous.predict(obs)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_predict_refuses_numbers_that_are_not_finite(continuous: Adapted, wrong: float) -> None:
    with pytest.raises(UserError, match="obs is not finite"):
        continuous.predict(np.array([0.0, wrong]))


# ---- saving


def test_a_saved_agent_comes_back_and_goes_on_bit_for_bit(tmp_path: Path) -> None:
    agent, undisturbed = tiny(seed=3), tiny(seed=3)
    agent.learn(2)
    loaded = pliant.load(agent.save(tmp_path / "agent"))
    assert isinstance(loaded, Agent)
    assert [*agent.learn(2)] == [*loaded.learn(2)]
    undisturbed.learn(4)
    for other in (loaded, undisturbed):
        state = other.learner.algorithm.state()
        assert all(torch.equal(t, state[n]) for n, t in agent.learner.algorithm.state().items())
    assert loaded.counters["env_steps"] == undisturbed.counters["env_steps"] and loaded.counters["iteration"] == 4


@pytest.mark.parametrize("family", ["point", "cartpole"])
def test_a_saved_adapted_policy_acts_bit_for_bit_as_before(family: str, tmp_path: Path) -> None:
    agent = tiny(family)
    task = agent.learner.family.sample(1, "test", np.random.default_rng(0)).rows()[0]
    adapted = agent.adapt(task, stages=1, seed=7)
    loaded = pliant.load(adapted.save(tmp_path / "adapted"))
    assert isinstance(loaded, Adapted) and loaded.task == task and loaded.document == adapted.document
    obs = np.random.default_rng(0).normal(size=(50, agent.learner.family.spec.obs_size))
    assert np.array_equal(loaded.predict(obs, deterministic=True)[0], adapted.predict(obs, deterministic=True)[0])
    drawn = [p.predict(obs)[0] for p in (adapted, loaded)]
    assert np.array_equal(*drawn), "both draw from the seed they were adapted under"


def test_a_users_module_learns_adapts_and_comes_back(tmp_path: Path) -> None:
    def body() -> torch.nn.Module:
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Tanh())

    settings = {n: v for n, v in POINT.items() if not n.startswith("policy.")}
    agent = Agent("maml", "point", preset="none", settings=settings, body=body())
    start = agent.learner.algorithm.state()
    agent.learn(2)
    moved = agent.learner.algorithm.state()
    assert all(not torch.equal(t, moved[n]) for n, t in start.items() if n.startswith("meta/"))
    loaded = pliant.load(agent.save(tmp_path / "agent"), body=body())
    obs = np.random.default_rng(0).normal(size=(9, 2))
    one, two = (a.adapt({"goal": [0.3, 0.1]}, stages=1).predict(obs)[0] for a in (agent, loaded))
    assert np.array_equal(one, two)


def test_a_folder_in_use_is_not_written_over(tmp_path: Path) -> None:
    agent = tiny()
    agent.save(tmp_path / "agent")
    with pytest.raises(UserError, match="not an empty folder"):
        agent.save(tmp_path / "agent")
    adapted = agent.adapt({"goal": [0.1, 0.1]}, stages=0)
    adapted.save(tmp_path / "adapted")
    with pytest.raises(UserError, match="is not an empty folder"):
        adapted.save(tmp_path / "adapted")
