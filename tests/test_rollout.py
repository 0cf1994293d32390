"""The one loop that steps environments: a contract that every family in the registry must hold."""

import dataclasses
import functools
import math
import re
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pliant.config import registry
from pliant.config.config import load_config
from pliant.errors import UserError
from pliant.families import point
from pliant.maths import functional
from pliant.policies import mlp
from pliant.rollout import LARGEST_REWARD, episode_returns, rollout
from pliant.running import learner as learners
from pliant.running import loop
from pliant.streams import Stream
from pliant.tasks.base import BatchEnv, Family, Parameter, Tasks
from pliant.types import Inputs, Output, Rollout, Spec, State, inputs_of

M, B, EPISODES = 3, 4, 3
NAMES = registry.names("family")
SETTINGS: dict[str, dict[str, Any]] = {
    # Long enough, or easy enough, for some lanes to end early: padding is part of the contract.
    "point": {"horizon": 12, "radius": 0.35},
    "cartpole": {"horizon": 30},
    "hopper-params": {"horizon": 40},
    "walker2d-params": {"horizon": 40},
}
ENDS_EARLY = set(SETTINGS)


def family_of(name: str) -> Family:
    if registry.source("family", name).read_text().find("simulators.mujoco") >= 0 or name.endswith("-params"):
        pytest.importorskip("mujoco")
    made = registry.load("family", name)
    settings = SETTINGS.get(name, {"horizon": 6} if "horizon" in [f.name for f in dataclasses.fields(made.Settings)] else {})
    family: Family = made.family(made.Settings(**settings))
    return family


class Probe(nn.Module):
    """Remembers a running number per lane, acts on everything it sees, and writes down what that was.

    Only elementwise operations, so that a lane's numbers cannot depend on the size of the batch.
    """

    broadcasts = True
    seen: ClassVar[list[Inputs]] = []  # of the last probe made, whichever copy of it acted

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec = spec
        self.gain = nn.Parameter(torch.tensor(0.7))
        self.seen.clear()

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        state = torch.zeros(*inputs.obs.shape[:2], 1) if state == () else state
        self.seen.append(inputs)
        obs, action, reward, first = inputs
        action = (action if self.spec.discrete else action[..., 0]).to(obs.dtype)
        gain = self.gain if self.gain.dim() == 0 else self.gain[:, None, None]
        number = obs[..., 0] + obs[..., -1] + action + 0.1 * reward + first + state
        number = torch.where(number.abs() < 9, number, 0 * number) * gain
        size = self.spec.action_size if self.spec.discrete else 2 * self.spec.action_size
        dist = torch.stack([number / (i + 2) - 0.5 * i for i in range(size)], dim=-1)
        return Output(dist), 0.5 * state + number.clamp(-2, 2)


def play(family: Family, tasks: Tasks, stage: int = 0, seed: int = 0, policy: nn.Module | None = None, **named: Any) -> Rollout:
    policy = policy or Probe(family.spec)
    stream = Stream(seed).at("acts", 3)
    return rollout(family.batch(tasks, B, EPISODES), stream, policy, functional.parameters(policy), stage, **named)


def sample(family: Family, n: int = M) -> Tasks:
    return family.sample(n, "train", Stream(0).at("tasks").rng())


def same(one: Rollout, two: Rollout) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


class Trial(NamedTuple):
    """A family's rollout that its contracts look at, and change nothing of."""

    family: Family
    tasks: Tasks
    result: Rollout
    seen: list[Inputs]
    """What the probe saw at each step."""


@functools.cache
def trial(name: str) -> Trial:
    family = family_of(name)
    tasks, probe = sample(family), Probe(family.spec)
    result = play(family, tasks, policy=probe)
    return Trial(family, tasks, result, [*probe.seen])


# ---- the contract


@pytest.mark.parametrize("name", NAMES)
def test_shapes_and_dtypes(name: str) -> None:
    family, _, result, _ = trial(name)
    T = result.reward.shape[2]
    assert 1 <= T <= EPISODES * family.horizon
    D, A = family.spec.obs_size, family.spec.action_size
    shape = (M, B, T)
    assert result.obs.shape == result.next_obs.shape == (*shape, D)
    assert result.action.shape == (shape if family.spec.discrete else (*shape, A))
    assert result.action.dtype == (torch.int64 if family.spec.discrete else torch.float32)
    for name in ("reward", "log_prob"):
        assert getattr(result, name).shape == shape and getattr(result, name).dtype == torch.float32
    for name in ("first", "terminated", "truncated", "valid", "success"):
        assert getattr(result, name).shape == shape and getattr(result, name).dtype == torch.bool
    assert result.obs.dtype == result.next_obs.dtype == torch.float32
    assert all(not x.requires_grad for x in result)


@pytest.mark.parametrize("name", NAMES)
def test_valid_is_a_prefix_and_padding_is_zero(name: str) -> None:
    result = trial(name).result
    assert bool((result.valid[:, :, 1:] <= result.valid[:, :, :-1]).all())
    assert bool(result.valid[:, :, 0].all()) and bool(result.valid[:, :, -1].any()), "no step may be padding in all lanes"
    for field in result[:-1]:
        assert not bool(field[~result.valid].any())
    if name in ENDS_EARLY:
        assert bool((~result.valid).any()), "this case is meant to have padding"
    assert result.steps == int(result.valid.sum())


@pytest.mark.parametrize("name", NAMES)
def test_every_lane_plays_the_same_number_of_episodes_of_at_most_the_horizon(name: str) -> None:
    family, _, result, _ = trial(name)
    ended = (result.terminated | result.truncated) & result.valid
    assert bool((ended.sum(2) == EPISODES).all()) and bool((result.first.sum(2) == EPISODES).all())
    assert not bool((result.terminated & result.truncated).any())
    for m in range(M):
        for b in range(B):
            elapsed = 0
            for t in range(int(result.valid[m, b].sum())):
                # A step opens an episode exactly when the step before ended one.
                assert bool(result.first[m, b, t]) == (t == 0 or bool(ended[m, b, t - 1]))
                elapsed = 1 if result.first[m, b, t] else elapsed + 1
                assert bool(result.truncated[m, b, t]) == (elapsed == family.horizon and not result.terminated[m, b, t])
                if not ended[m, b, t]:
                    assert torch.equal(result.next_obs[m, b, t], result.obs[m, b, t + 1])
            assert bool(ended[m, b, t]), "a lane ends with its last episode"


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_bits_and_each_part_of_the_address_counts(name: str) -> None:
    family, tasks, result, _ = trial(name)
    batch, policy = family.batch(tasks, B, EPISODES), Probe(family.spec)
    again = [rollout(batch, Stream(0).at("acts", 3), policy, functional.parameters(policy)) for _ in range(2)]
    assert same(result, again[0]) and same(result, again[1]), "a batch that has been played starts afresh"
    for other in (play(family, tasks[:1], seed=1), play(family, tasks[:1], stage=1)):
        assert not torch.equal(other.action[:, :, :3], result.action[:1, :, :3])


@pytest.mark.parametrize("name", NAMES)
def test_a_lane_does_not_depend_on_other_tasks_in_the_batch(name: str) -> None:
    family, tasks, together, _ = trial(name)
    few = play(family, tasks[:1])
    T = few.reward.shape[2]
    assert same(together.part(slice(0, 1)).each(lambda x: x[:, :, :T]), few)
    assert not any(bool(field[:1, :, T:].any()) for field in together[:-1])


@pytest.mark.parametrize("name", NAMES)
def test_a_rollout_says_what_its_tasks_are_to_a_critic(name: str) -> None:
    family, tasks, result, _ = trial(name)
    told = result.task
    assert told.shape == (M, family.spec.task_size) and bool((told.abs() <= 10).all())
    assert torch.equal(told[1:2], torch.as_tensor(family.described(tasks[1:2])).to(told))


@pytest.mark.parametrize("name", NAMES)
def test_inputs_of_a_rollout_are_what_the_policy_saw_when_it_acted(name: str) -> None:
    family, _, result, steps = trial(name)
    seen = Inputs(*(torch.cat(field, dim=2) for field in zip(*steps, strict=True)))
    again = inputs_of(result)
    for field, ours, acted in zip(Inputs._fields, again, seen, strict=True):
        assert ours.shape == acted.shape and ours.dtype == acted.dtype, field
        assert torch.equal(ours[result.valid], acted[result.valid]), field
    none = -1 if family.spec.discrete else 0
    assert bool((again.prev_action[:, :, 0] == none).all()) and bool((again.prev_reward[:, :, 0] == 0).all())
    # Memory lives as long as its lane: a later episode's first step still sees the action before it.
    assert torch.equal(again.prev_action[:, :, 1:], result.action[:, :, :-1])


@pytest.mark.parametrize("name", NAMES)
def test_log_prob_is_that_of_the_policy_that_acted(name: str) -> None:
    family = family_of(name)
    policy = mlp.make(family.spec, mlp.Settings(hidden=(8,)), Stream(0))
    result = play(family, sample(family), policy=policy)
    dist = functional.apply(policy, functional.parameters(policy), inputs_of(result))[0].dist
    if family.spec.discrete:
        theirs = torch.distributions.Categorical(logits=dist).log_prob(result.action)
    else:
        mean, log_std = dist.chunk(2, -1)
        theirs = torch.distributions.Normal(mean, log_std.exp()).log_prob(result.action).sum(-1)
    assert torch.allclose(result.log_prob[result.valid], theirs[result.valid], atol=1e-4)


@pytest.mark.parametrize("name", ["point", "cartpole"])
def test_stacked_parameters_act_as_their_task_alone_would(name: str) -> None:
    family = family_of(name)
    tasks, policy = sample(family), Probe(family.spec)
    gains = torch.tensor([0.2, 0.7, 1.3])
    together = rollout(family.batch(tasks, B, EPISODES), Stream(0), policy, {"gain": gains})
    alone = rollout(family.batch(tasks[:1], B, EPISODES), Stream(0), policy, {"gain": gains[0]})
    T = alone.reward.shape[2]
    assert torch.equal(together.action[:1, :, :T], alone.action)
    assert not torch.equal(together.action[0, :, :5], together.action[1, :, :5])


@pytest.mark.parametrize("name", ["point", "cartpole"])
def test_deterministic_rollouts_take_the_mode(name: str) -> None:
    family = family_of(name)
    policy = mlp.make(family.spec, mlp.Settings(hidden=(8,)), Stream(0))
    result = play(family, sample(family), policy=policy, deterministic=True)
    dist = functional.apply(policy, functional.parameters(policy), inputs_of(result))[0].dist
    mode = dist.argmax(-1) if family.spec.discrete else dist[..., : family.spec.action_size]
    if family.spec.discrete:
        assert torch.equal(result.action[result.valid], mode[result.valid])
    else:
        assert torch.allclose(result.action[result.valid], mode[result.valid], atol=1e-6)


def test_actions_are_recorded_as_drawn_and_clipped_by_the_environment_only() -> None:
    family = family_of("point")
    result = play(family, sample(family), policy=mlp.make(family.spec, mlp.Settings(init_std=3.0), Stream(0)))
    moved = (result.next_obs - result.obs)[result.valid]
    assert float(result.action.abs().max()) > 2
    assert torch.allclose(moved, 0.1 * result.action[result.valid].clamp(-1, 1), atol=1e-6)


@pytest.mark.parametrize("name", ["point", "cartpole"])
def test_the_dtype_of_the_parameters_is_the_dtype_of_the_rollout(name: str) -> None:
    family = family_of(name)
    policy = Probe(family.spec).double()
    result = play(family, sample(family), policy=policy)
    for field in ("obs", "next_obs", "reward", "log_prob"):
        assert getattr(result, field).dtype == torch.float64


# ---- returns of episodes


def test_episode_returns_by_hand() -> None:
    family = family_of("point")
    result = play(family, sample(family))
    totals = episode_returns(result, EPISODES)
    assert totals.shape == (M, B, EPISODES) and totals.dtype == torch.float64
    for m in range(M):
        for b in range(B):
            expected, episode = [0.0] * EPISODES, -1
            for t in range(int(result.valid[m, b].sum())):
                episode += bool(result.first[m, b, t])
                expected[episode] += float(result.reward[m, b, t])
            assert np.allclose(totals[m, b].numpy(), expected, atol=1e-12)


# ---- numbers that are not finite


class Broken(BatchEnv):
    """Counts steps; one task's one lane shows `poison` in observation or reward at one step."""

    where = ("reward", 1, 2, 3)
    poison = math.nan

    def begin(self, chosen: Tensor, noise: Tensor) -> None:
        self.steps = torch.zeros(*self.shape, 1, dtype=torch.float64)

    def observe(self) -> Tensor:
        what, m, b, t = self.where
        shown = self.steps.clone()
        if what == "obs" and int(self.steps[m, b]) == t:
            shown[m, b] = self.poison
        return shown

    def advance(self, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        what, m, b, t = self.where
        reward = torch.zeros(self.shape, dtype=torch.float64)
        if what == "reward" and int(self.steps[m, b]) == t:
            reward[m, b] = self.poison
        self.steps = self.steps + 1
        return reward, torch.zeros(self.shape, dtype=torch.bool), torch.zeros(self.shape, dtype=torch.bool)


def broken(discrete: bool = False, **attributes: Any) -> Family:
    environment = type("Case", (Broken,), attributes)
    return Family("broken", "", (Parameter("x", (0.0, 1.0)),), Spec(1, 2, discrete), 6, environment, "")


class Diverging(nn.Module):
    """A policy whose parameters of the distribution stop being finite at one step of one lane."""

    broadcasts = True

    def __init__(self, size: int, poison: float, where: tuple[int, int, int]) -> None:
        super().__init__()
        self.size, self.poison, self.where = size, poison, where
        self.zero = nn.Parameter(torch.zeros(()))

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        state = torch.zeros(()) if state == () else state
        dist = torch.zeros(*inputs.first.shape, self.size)
        m, b, t = self.where
        if int(state) == t:
            dist[m, b] = self.poison
        return Output(dist), state + 1


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("what, named", [("obs", "observation"), ("reward", "reward")])
@pytest.mark.parametrize("step", [0, 3, 5])
def test_an_environment_that_diverges_is_named_with_task_lane_and_step(what, named, poison, step) -> None:
    family = broken(where=(what, 1, 2, step), poison=poison)
    policy = Diverging(4, 0.0, (0, 0, 0))
    with pytest.raises(UserError) as error:
        rollout(family.batch(sample(family), B), Stream(0), policy, functional.parameters(policy))
    # The observation that a step leads to is part of that step; the very first one opens step 0.
    at = max(step - 1, 0) if what == "obs" else step
    assert f"{named} is not finite in task 1, lane 2, step {at}" in str(error.value)
    assert "environment" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("poison", [1e30, -1e16])
def test_a_reward_that_no_advantage_can_be_made_of_is_named(poison: float) -> None:
    """Its square overflows: advantages would all be 0, and the gradient too."""
    family = broken(where=("reward", 1, 2, 3), poison=poison)
    policy = Diverging(4, 0.0, (0, 0, 0))
    said = re.escape(f"reward is {poison:g} in task 1, lane 2, step 3: expected at most 1e+15 in size, scale the rewards")
    with pytest.raises(UserError, match=said):
        rollout(family.batch(sample(family), B), Stream(0), policy, functional.parameters(policy))


@pytest.mark.parametrize("algorithm", ["maml", "rl2", "reptile"])
def test_the_largest_rewards_are_learned_from(algorithm: str) -> None:
    """As from small ones: what is not refused has a gradient."""
    config = load_config(algorithm, "point", {"train.meta_batch": 2, "train.lanes": 3, "family.horizon": 5}, preset="none")
    learner = learners.build(config)
    scaled = dataclasses.replace(learner.family, environment=functools.partial(large, 0.9 * LARGEST_REWARD))
    done = next(loop.iterate(learner._replace(family=scaled), 0, 1))
    assert float(done.rollouts[0].reward.abs().max()) > 1e13
    assert done.metrics.get("gradient_norm", done.metrics.get("distance")) > 1e-6


def large(scale: float, *given: Any) -> BatchEnv:
    """The point world, whose rewards are of some size."""
    made = point.Point(*given)
    advance = made.advance

    def larger(action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        reward, terminated, success = advance(action, noise)
        return scale * reward, terminated, success

    made.advance = larger  # type: ignore[method-assign]
    return made


@pytest.mark.parametrize("discrete", [False, True])
def test_a_policy_that_diverges_is_named_and_blamed(discrete: bool) -> None:
    """Also a discrete one, whose actions are integers whatever its probabilities are."""
    family = broken(discrete, where=("none", 0, 0, 0))
    policy = Diverging(2 if discrete else 4, math.nan, (1, 3, 2))
    with pytest.raises(UserError, match=r"action.* is not finite in task 1, lane 3, step 2.*policy has diverged"):
        rollout(family.batch(sample(family), B), Stream(0), policy, functional.parameters(policy))


def test_an_action_that_breaks_the_environment_is_blamed_on_the_policy() -> None:
    """The position of a point that moved by NaN is NaN as well, but that came later."""
    family = registry.load("family", "point").family()
    policy = Diverging(4, math.nan, (1, 3, 2))
    with pytest.raises(UserError, match=r"action.* is not finite in task 1, lane 3, step 2.*policy has diverged"):
        rollout(family.batch(sample(family), B), Stream(0), policy, functional.parameters(policy))


def test_padding_may_hold_anything() -> None:
    """A lane that is over goes on being stepped; what it shows then is nobody's business."""

    class Leaves(Broken):
        def advance(self, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            reward, terminated, success = super().advance(action, noise)
            over = self.steps[..., 0] > 2
            over[:, 1:] = False
            return torch.where(over, math.nan, reward), terminated | (self.steps[..., 0] == 2), success

    family = broken(where=("none", 0, 0, 0))
    policy = Diverging(4, 0.0, (0, 0, 0))
    family = dataclasses.replace(family, environment=Leaves)
    result = rollout(family.batch(sample(family), B), Stream(0), policy, functional.parameters(policy))
    assert bool(torch.isfinite(result.reward).all())


class Reuser(BatchEnv):
    """Keeps everything it returns in tensors of its own, float32 as a rollout is, and changes them in place.

    An episode ends after 2 steps in lane 0 and after 3 in the others; an observation is the episode and the step. The choice
    of an action is changed in place too.
    """

    def __init__(self, *args: Any, copies: bool) -> None:
        super().__init__(*args)
        self.give = torch.clone if copies else lambda x: x
        self.state, self.paid = torch.zeros(*self.shape, 2), torch.zeros(self.shape)
        self.over, self.won = torch.zeros(self.shape, dtype=torch.bool), torch.zeros(self.shape, dtype=torch.bool)

    def begin(self, chosen: Tensor, noise: Tensor) -> None:
        self.state[..., 0][chosen] += 1
        self.state[..., 1][chosen] = 0
        for x in (self.paid, self.over, self.won):
            x[chosen] = 0

    def observe(self) -> Tensor:
        return self.give(self.state)

    def advance(self, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        self.paid[:] = action + self.state[..., 1]
        action -= 7
        self.state[..., 1] += 1
        self.over[:] = self.state[..., 1] >= torch.tensor([2, 3, 3, 3])
        self.won[:] = self.over & (self.state[..., 0] > 1)
        return self.give(self.paid), self.give(self.over), self.give(self.won)


@pytest.mark.parametrize("copies", [False, True])
def test_what_a_batch_changes_in_place_is_kept_as_it_was(copies: bool) -> None:
    family = dataclasses.replace(
        registry.load("family", "cartpole").family(),
        spec=Spec(2, 2, True),
        environment=functools.partial(Reuser, copies=copies),
        horizon=5,
    )
    found = play(family, sample(family))
    assert found.obs[0, 0].tolist() == [[1, 0], [1, 1], [2, 0], [2, 1], [3, 0], [3, 1], [0, 0], [0, 0], [0, 0]]
    assert found.next_obs[0, 1].tolist() == [[e, t] for e in (1, 2, 3) for t in (1, 2, 3)]
    assert found.terminated[0, 0].tolist() == [False, True] * 3 + [False] * 3
    assert found.success[0, 1].tolist() == [False] * 5 + [True] + [False] * 2 + [True]
    assert set(found.action.unique().tolist()) == {0, 1}, "the action as it was drawn"
    assert torch.equal(found.reward, (found.action + found.obs[..., 1]) * found.valid)
