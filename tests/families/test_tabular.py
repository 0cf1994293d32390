"""Random MDPs: their law, their steps by hand, and their values by trying every policy."""

import itertools

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from pliant.families import tabular
from pliant.streams import Stream
from pliant.tasks.base import BatchEnv, Family, Tasks

SMALL = tabular.Settings(states=3, actions=2, horizon=3, episodes=2)


def made(reward: list[list[float]], transition: list[list[list[float]]]) -> Tasks:
    """One MDP."""
    return Tasks("tabular", {"reward": np.ravel(reward)[None], "transition": np.ravel(transition)[None]})


def by_hand() -> Tasks:
    """State 0: action 0 leads to 0, 1, 2 with 0.2, 0.3, 0.5, action 1 to state 2. States 1 and 2 lead to themselves."""
    one, two = [[0.0, 1.0, 0.0]] * 2, [[0.0, 0.0, 1.0]] * 2
    return made([[1.0, -2.0], [3.0, 0.0], [0.5, 4.0]], [[[0.2, 0.3, 0.5], [0.0, 0.0, 1.0]], one, two])


def start(tasks: Tasks, lanes: int, episodes: int = 1) -> BatchEnv:
    batch = tabular.family(SMALL).batch(tasks, lanes, episodes)
    batch.reset(Stream(0))
    return batch


def actions(*values: int) -> Tensor:
    return torch.tensor([values])


# ---- steps


def test_the_next_state_is_the_quantile_of_the_noise() -> None:
    batch = start(by_hand(), 6)
    noise = torch.tensor([0.0, 0.19, 0.2, 0.49, 0.5, 0.999], dtype=torch.float64)
    batch.advance(actions(0, 0, 0, 0, 0, 0), torch.stack([torch.full((6,), 0.5), noise], dim=-1)[None])
    assert batch.observe().argmax(-1).tolist() == [[0, 0, 1, 1, 2, 2]]
    assert bool((batch.observe().sum(-1) == 1).all())


def test_the_reward_is_the_mean_plus_the_normal_quantile_of_the_noise() -> None:
    batch = start(by_hand(), 4)
    u = torch.tensor([0.5, 0.8413447460685429, 0.5, 0.0], dtype=torch.float64)  # the second: one standard deviation
    noise = torch.stack([u, torch.zeros(4, dtype=torch.float64)], dim=-1)[None]
    reward, terminated, _ = batch.advance(actions(0, 0, 1, 0), noise)
    assert torch.allclose(reward[0, :3], torch.tensor([1.0, 2.0, -2.0], dtype=torch.float64), atol=1e-12)
    assert -9 < float(reward[0, 3]) < -7, "a uniform number of 0 has a finite quantile"
    assert not bool(terminated.any())


def test_rewards_and_transitions_have_their_distributions() -> None:
    batch = start(by_hand(), 40_000)
    step = batch.step(torch.zeros(1, 40_000, dtype=torch.int64))
    assert stats.kstest(step.reward[0].numpy() - 1, "norm").pvalue > 1e-3
    counts = step.next_obs[0].sum(0).numpy()
    assert stats.chisquare(counts, 40_000 * np.array([0.2, 0.3, 0.5])).pvalue > 1e-3


def test_every_episode_opens_in_state_0_and_is_cut_at_the_horizon() -> None:
    batch = start(by_hand(), 2, episodes=2)
    seen, cut = [batch.observe()], []
    for _ in range(6):
        step = batch.step(actions(1, 1))
        seen.append(step.obs)
        cut.append((bool(step.truncated.all()), bool(step.first.all()), bool(step.terminated.any())))
        assert bool((step.next_obs.argmax(-1) == 2).all())
    assert [int(x.argmax(-1)[0, 0]) for x in seen] == [0, 2, 2, 0, 2, 2, 2]
    assert cut == [(False,) * 3, (False,) * 3, (True, True, False), (False,) * 3, (False,) * 3, (True, False, False)]


# ---- the law


def drawn(split: str) -> tuple[Family, np.ndarray, np.ndarray]:
    family = tabular.family()
    tasks = family.sample(400, split, Stream(0).at(split).rng())
    return family, tasks.arrays["reward"], tasks.arrays["transition"].reshape(400, 50, 10)


def test_tasks_are_drawn_from_the_published_law() -> None:
    _, reward, transition = drawn("train")
    assert stats.kstest(reward.ravel() - 1, "norm").pvalue > 1e-3
    assert abs(transition.sum(-1) - 1).max() < 1e-12
    # Each probability of a flat Dirichlet over ten is Beta(1, 9).
    assert stats.kstest(transition[..., 0].ravel(), stats.beta(1, 9).cdf).pvalue > 1e-3


def test_shifted_tasks_are_sparse() -> None:
    # E sum p^2 is (a + 1) / (10 a + 1): 2/11 for a = 1 and 1.1/2 for a = 0.1.
    assert abs((drawn("train")[2] ** 2).sum(-1).mean() - 2 / 11) < 0.005
    assert abs((drawn("ood")[2] ** 2).sum(-1).mean() - 0.55) < 0.01


def test_the_trial_is_as_long_as_published() -> None:
    family = tabular.family()
    assert (family.spec.obs_size, family.spec.action_size, family.horizon, family.episodes) == (10, 5, 10, 10)
    assert tabular.family(tabular.Settings(episodes=25)).episodes == 25


@pytest.mark.parametrize("wrong", [{"states": 1}, {"actions": 1}, {"horizon": 0}, {"episodes": 0}])
def test_settings_out_of_range_are_refused(wrong) -> None:
    (name, value), *_ = wrong.items()
    with pytest.raises(ValueError, match=f"{name} is {value}: expected at least"):
        tabular.Settings(**wrong)


# ---- values


def random_mdp(seed: int) -> Tasks:
    return tabular.family(SMALL).sample(1, "train", Stream(seed).rng())


def returns_of(policy: np.ndarray, reward: np.ndarray, transition: np.ndarray) -> np.ndarray:
    """Expected return of a policy [H, S, A] of probabilities from each state, walking the states forward."""
    total = np.zeros(len(reward))
    for opening in range(len(reward)):
        at = np.eye(len(reward))[opening]
        for here in policy:
            joint = at[:, None] * here  # [S, A]
            total[opening] += (joint * reward).sum()
            at = np.einsum("sa,sat->t", joint, transition)
    return total


def numbers(tasks: Tasks) -> tuple[np.ndarray, np.ndarray]:
    reward, transition = tabular.mdps(tasks, SMALL)
    return reward[0].numpy(), transition[0].numpy()


@pytest.mark.parametrize("seed", range(3))
def test_value_iteration_finds_what_the_best_of_all_policies_earns(seed: int) -> None:
    reward, transition = numbers(random_mdp(seed))
    best = np.full(3, -np.inf)
    for choice in itertools.product(range(2), repeat=9):  # an action per step and state
        best = np.maximum(best, returns_of(np.eye(2)[np.reshape(choice, (3, 3))], reward, transition))
    value = tabular.value_iteration(torch.tensor(reward), torch.tensor(transition), 3)
    assert value.shape == (3, 3, 2)
    assert np.allclose(value[0].amax(-1).numpy(), best, atol=1e-12)
    assert np.allclose(value[2].numpy(), reward), "the last step has no future"


def test_a_bonus_counts_once_for_every_step_that_follows() -> None:
    # One state, two actions: the bonus 10 of action 1 makes it 0 + 2*10, then 0 + 1*10, then 1 from action 0.
    reward = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    bonus = torch.tensor([[0.0, 10.0]], dtype=torch.float64)
    value = tabular.value_iteration(reward, torch.ones(1, 2, 1, dtype=torch.float64), 3, bonus)
    assert value[:, 0].tolist() == [[12.0, 31.0], [2.0, 11.0], [1.0, 0.0]]


def test_a_critic_is_told_what_the_best_and_the_random_policy_earn() -> None:
    family = tabular.family(SMALL)
    tasks = random_mdp(1)
    told = family.described(tasks)[0].numpy()
    assert told.shape == (20,) and family.spec.task_size == 20
    reward, transition = numbers(tasks)
    even = returns_of(np.full((3, 3, 2), 0.5), reward, transition)
    best = tabular.value_iteration(torch.tensor(reward), torch.tensor(transition), 3)[0].amax(-1).numpy()
    for values, one, at in ((best, reward.max(1), 0), (even, reward.mean(1), 7)):
        expected = np.concatenate([[values[0] / 3 - 1], values - values.mean(), one - 1])
        assert np.allclose(told[at : at + 7], expected, atol=1e-12)
    assert np.allclose(told[14:], reward.flatten() - 1, atol=1e-12)


def test_what_a_critic_is_told_is_of_order_1() -> None:
    family = tabular.family()
    told = family.described(family.sample(500, "train", Stream(0).rng()))
    assert told.shape == (500, 92) and told.dtype == torch.float64
    assert float(told.abs().max()) < 6 and 0.1 < float(told.std(0).min()) < float(told.std(0).max()) < 1.2
