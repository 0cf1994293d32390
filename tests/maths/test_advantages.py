"""Returns, advantages and the linear baseline by brute force: double sums, loops, and numpy's least squares."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from pliant.maths import advantages
from pliant.types import Rollout

G, L = 0.9, 0.7

# One task. Lane 0: an episode of 3 that is truncated, one of 2 that terminates, 2 steps of padding.
# Lane 1: terminated after 1, truncated after 4, no padding. Each lane plays 2 episodes.
TERMINATED = [[0, 0, 0, 0, 1, 0, 0], [1, 0, 0, 0, 0, 0, 0]]
TRUNCATED = [[0, 0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 1]]
FIRST = [[1, 0, 0, 1, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0]]
VALID = [[1, 1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1, 1]]


def example(tasks: int = 1, size: int = 2, seed: int = 0) -> Rollout:
    """The boundaries above in every task, random numbers elsewhere, zero padding."""
    rng = torch.Generator().manual_seed(seed)

    def flags(rows: list[list[int]]) -> Tensor:
        return torch.tensor(rows, dtype=torch.bool).expand(tasks, 2, 7).clone()

    valid = flags(VALID)
    real = [torch.randn(tasks, 2, 7, n, generator=rng, dtype=torch.float64) for n in (size, 1, 1, size)]
    obs, action, reward, next_obs = (x * valid[..., None] for x in real)
    return Rollout(
        obs=obs,
        action=action,
        reward=reward[..., 0],
        next_obs=next_obs,
        first=flags(FIRST),
        terminated=flags(TERMINATED),
        truncated=flags(TRUNCATED),
        valid=valid,
        log_prob=torch.zeros_like(reward[..., 0]),
        success=torch.zeros_like(valid),
        task=torch.zeros(tasks, 0),
    )


# ---- horizons: the table of the design


def test_horizons_of_episodes_are_the_table() -> None:
    discount, trace = advantages.horizons(example(), G, L, "episode")
    assert discount[0].tolist() == [[G, G, G, G, 0, 0, 0], [0, G, G, G, G, G, G]]
    assert trace[0].tolist() == [[L, L, 0, L, 0, 0, 0], [0, L, L, L, L, L, 0]]


def test_horizons_of_finite_episodes_are_the_table() -> None:
    discount, trace = advantages.horizons(example(), G, L, "finite")
    assert discount[0].tolist() == [[G, G, 0, G, 0, 0, 0], [0, G, G, G, G, G, 0]]
    assert trace[0].tolist() == [[L, L, 0, L, 0, 0, 0], [0, L, L, L, L, L, 0]]


def test_horizons_of_trials_are_the_table() -> None:
    discount, trace = advantages.horizons(example(), G, L, "trial")
    assert discount[0].tolist() == [[G, G, G, G, 0, 0, 0], [G, G, G, G, G, G, 0]]
    assert trace[0].tolist() == [[L, L, L, L, 0, 0, 0], [L, L, L, L, L, L, 0]]


def test_episodes_are_the_default_scope() -> None:
    ours = advantages.horizons(example(), G, L)
    assert all(torch.equal(a, b) for a, b in zip(ours, advantages.horizons(example(), G, L, "episode"), strict=True))


def test_horizons_keep_the_dtype_of_the_reward() -> None:
    rollout = example()
    assert advantages.horizons(rollout, G, L).discount.dtype == torch.float64
    assert advantages.horizons(rollout._replace(reward=rollout.reward.float()), G, L).trace.dtype == torch.float32


# ---- returns and gae


def ends(rollout: Rollout, b: int, t: int, scope: str) -> bool:
    """Nothing later in the lane counts for step t."""
    if scope != "trial":
        return bool(rollout.terminated[0, b, t] | rollout.truncated[0, b, t])
    return t + 1 == rollout.valid.shape[2] or not rollout.valid[0, b, t + 1]


def has_future(rollout: Rollout, b: int, t: int, scope: str) -> bool:
    """The value of the next observation counts at step t."""
    return not bool(rollout.terminated[0, b, t]) if scope == "episode" else not ends(rollout, b, t, scope)


@pytest.mark.parametrize("scope", ["episode", "finite", "trial"])
def test_returns_are_sums_of_discounted_rewards_until_the_end(scope) -> None:
    rollout = example()
    result = advantages.returns(rollout.reward, *advantages.horizons(rollout, G, L, scope))
    for b in range(2):
        for t in range(7):
            expected, weight = 0.0, 1.0
            for later in range(t, 7):
                if not rollout.valid[0, b, later]:
                    break
                expected += weight * float(rollout.reward[0, b, later])
                weight *= G
                if ends(rollout, b, later, scope):
                    break
            assert abs(float(result[0, b, t]) - expected) < 1e-14


@pytest.mark.parametrize("scope", ["episode", "finite", "trial"])
@pytest.mark.parametrize("lam", [0.0, L, 1.0])
def test_gae_is_the_double_sum_of_its_definition(scope, lam) -> None:
    rollout = example()
    value, next_value = example(seed=1).reward, example(seed=2).reward
    result = advantages.gae(rollout.reward, value, next_value, *advantages.horizons(rollout, G, lam, scope))

    def k_step(b: int, t: int, k: int) -> float:
        """Rewards of steps t..t+k-1, then the value of the observation that followed, telescoped with values between."""
        total = 0.0
        for i in range(k):
            now = t + i
            future = G * float(next_value[0, b, now]) if has_future(rollout, b, now, scope) else 0.0
            total += G**i * (float(rollout.reward[0, b, now]) + future - float(value[0, b, now]))
        return total

    for b in range(2):
        for t in range(7):
            if not rollout.valid[0, b, t]:
                assert float(result[0, b, t]) == 0.0
                continue
            steps = next(k for k in range(1, 8) if ends(rollout, b, t + k - 1, scope))
            # (1 - lam) sum over k of lam^(k-1) A^(k), the last k with the remaining weight.
            expected = sum((1 - lam) * lam ** (k - 1) * k_step(b, t, k) for k in range(1, steps))
            expected += lam ** (steps - 1) * k_step(b, t, steps)
            assert abs(float(result[0, b, t]) - expected) < 1e-13


def test_gae_by_hand_on_a_truncated_and_on_a_terminated_episode() -> None:
    reward = torch.tensor([[[1.0, 2.0]]], dtype=torch.float64)
    value = torch.tensor([[[10.0, 20.0]]], dtype=torch.float64)
    following = torch.tensor([[[20.0, 30.0]]], dtype=torch.float64)
    both = torch.full_like(reward, 0.5)
    trace = torch.tensor([[[0.5, 0.0]]], dtype=torch.float64)
    # Truncated: 2 + 0.5 * 30 - 20 = -3, and 1 + 0.5 * 20 - 10 + 0.25 * -3 = 0.25.
    assert advantages.gae(reward, value, following, both, trace).tolist() == [[[0.25, -3.0]]]
    # Terminated: 2 - 20 = -18, and 1 + 10 - 10 + 0.25 * -18 = -3.5.
    ended = torch.tensor([[[0.5, 0.0]]], dtype=torch.float64)
    assert advantages.gae(reward, value, following, ended, trace).tolist() == [[[-3.5, -18.0]]]


def test_gae_of_the_whole_trace_and_no_value_is_the_return() -> None:
    rollout = example()
    horizon = advantages.horizons(rollout, G, 1.0)
    zero = torch.zeros_like(rollout.reward)
    assert torch.allclose(
        advantages.gae(rollout.reward, zero, zero, *horizon), advantages.returns(rollout.reward, *horizon), atol=1e-15
    )


def test_gae_refuses_a_trailing_dim() -> None:
    x = torch.zeros(2, 3, 4)
    with pytest.raises(ValueError, match=r"\[2, 3, 4, 1\].*one shape"):
        advantages.gae(x, x[..., None], x, x, x)


# ---- the linear baseline


def features(obs: NDArray[np.float64], time: NDArray[np.int64]) -> NDArray[np.float64]:
    t = time[:, None] / 100.0
    return np.concatenate([obs, obs**2, t, t**2, t**3, np.ones_like(t)], axis=1)


TIME = np.array([[0, 1, 2, 0, 1, 0, 0], [0, 0, 1, 2, 3, 4, 5]])


@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_linear_baseline_is_the_least_squares_fit_of_each_task(scale: float) -> None:
    """Against numpy's lstsq, which solves ridge regression as ordinary least squares with extra rows."""
    rollout, target = example(tasks=3), example(tasks=3, seed=5).reward
    rollout = rollout._replace(obs=scale * rollout.obs, next_obs=scale * rollout.next_obs)
    ridge = 1e-3
    value, next_value = advantages.linear_baseline(rollout, target, ridge)
    for m in range(3):
        valid = rollout.valid[m].numpy()
        obs, following = rollout.obs[m].numpy(), rollout.next_obs[m].numpy()
        largest = np.abs(obs[valid]).max(0)
        x = features(obs[valid] / largest, TIME[valid])
        rows = np.sqrt(ridge * valid.sum()) * np.eye(x.shape[1])
        theta, *_ = np.linalg.lstsq(
            np.concatenate([x, rows]), np.concatenate([target[m].numpy()[valid], np.zeros(len(rows))]), rcond=None
        )
        assert np.allclose(value[m].numpy()[valid], x @ theta, atol=1e-10)
        after = features(following[valid] / largest, TIME[valid] + 1)
        assert np.allclose(next_value[m].numpy()[valid], after @ theta, atol=1e-10)


def test_linear_baseline_finds_a_target_it_can_express() -> None:
    rng = torch.Generator().manual_seed(0)
    rollout = example(tasks=2)
    T = 40
    obs = torch.randn(2, 2, T, 2, generator=rng, dtype=torch.float64)
    every = torch.ones(2, 2, T, dtype=torch.bool)
    first = torch.zeros_like(every)
    first[..., 0] = True
    rollout = Rollout(obs, obs, obs[..., 0], obs.roll(-1, 2), first, ~every, ~every, every, obs[..., 0], ~every, obs[:, 0, 0])
    time = torch.arange(T).double() / 100
    target = 3 * obs[..., 0] - 2 * obs[..., 1].square() + 5 * time - time**3 + 7
    value, next_value = advantages.linear_baseline(rollout, target, ridge=1e-12)
    assert torch.allclose(value, target, atol=1e-6)
    assert torch.allclose(next_value[..., :-1], target[..., 1:], atol=1e-6)


def test_linear_baseline_never_looks_at_padding_and_gives_it_zero() -> None:
    rollout, target = example(tasks=2), example(tasks=2, seed=5).reward
    expected = advantages.linear_baseline(rollout, target)
    padding = ~rollout.valid
    strange = rollout._replace(
        obs=torch.where(padding[..., None], 1e6, rollout.obs), next_obs=torch.where(padding[..., None], -1e6, rollout.next_obs)
    )
    found = advantages.linear_baseline(strange, torch.where(padding, 1e6, target))
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.equal(ours[rollout.valid], theirs[rollout.valid])
    for array in expected:
        assert bool((array[padding] == 0).all())


def test_linear_baseline_of_a_task_does_not_depend_on_the_others() -> None:
    rollout, target = example(tasks=3), example(tasks=3, seed=5).reward
    together = advantages.linear_baseline(rollout, target)
    alone = advantages.linear_baseline(rollout.part(slice(1, 2)), target[1:2])
    for ours, theirs in zip(together, alone, strict=True):
        assert torch.allclose(ours[1:2], theirs, atol=1e-12)


def test_linear_baseline_of_many_numbers_is_the_same_on_one_thread_and_on_two() -> None:
    """260 unknowns: the size at which oneMKL's LU went wrong on two threads."""
    rng = torch.Generator().manual_seed(0)
    obs = torch.rand(2, 3, 5, advantages.MOST_NUMBERS, generator=rng)
    every = torch.ones(2, 3, 5, dtype=torch.bool)
    first = torch.arange(5).expand(2, 3, 5) == 0
    rollout = Rollout(obs, obs, obs[..., 0], obs, first, ~every, ~every, every, obs[..., 0], ~every, obs[:, 0, 0])
    target = torch.rand(2, 3, 5, generator=rng)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one, _ = advantages.linear_baseline(rollout, target)
        torch.set_num_threads(2)
        two, _ = advantages.linear_baseline(rollout, target)
    finally:
        torch.set_num_threads(threads)
    assert torch.allclose(one, two, atol=1e-5)
    assert torch.allclose(one, target, atol=0.02)  # more unknowns than steps: the fit goes through every one


def test_linear_baseline_of_one_step_is_finite_and_keeps_the_dtype() -> None:
    rollout = example().each(lambda x: x[:, :1, :1])
    value, next_value = advantages.linear_baseline(rollout, rollout.reward.float())
    assert value.dtype == torch.float32 and bool(torch.isfinite(value).all() and torch.isfinite(next_value).all())
