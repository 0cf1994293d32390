"""The only loop that steps environments."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pliant.errors import UserError
from pliant.maths import distributions, functional
from pliant.streams import Stream
from pliant.system import threads
from pliant.tasks.base import BatchEnv
from pliant.types import Inputs, Output, Params, Rollout, State

Act = Callable[[Inputs, State], tuple[Output, State]]
"""A policy with its parameters settled."""


def rollout(
    batch: BatchEnv, stream: Stream, policy: nn.Module, params: Params, stage: int = 0, deterministic: bool = False
) -> Rollout:
    """Play one trial in every lane of `batch`, acting with `params` (shared, or stacked per task).

    `stream` and `stage` address all randomness: the same address gives the same bits. With `deterministic` the policy takes its
    most likely action.

    Raises UserError when an observation, an action or a reward is not finite, or a reward is larger than LARGEST_REWARD, naming
    task, lane and step.
    """
    with torch.no_grad(), threads.one():  # a step's tensors are small, and the simulator needs the cores
        return _play(batch, stream.at("stage", stage), policy, params, deterministic)


class Step(NamedTuple):
    """One step of all lanes, [M, B]; of a whole trial, [M, B, T]. Field by field as in `Rollout`, but for `dist`."""

    obs: Tensor
    action: Tensor
    reward: Tensor
    next_obs: Tensor
    first: Tensor
    terminated: Tensor
    truncated: Tensor
    valid: Tensor
    dist: Tensor
    """[M, B, P] parameters of the distribution that the action was drawn from."""
    success: Tensor


def _play(batch: BatchEnv, here: Stream, policy: nn.Module, params: Params, deterministic: bool) -> Rollout:
    distribution = distributions.of_policy(policy, batch.spec)
    like = next(iter(params.values()), torch.empty(0))  # acting and learning happen where parameters are, in their precision
    steps = _steps(batch, here, functional.bound(policy, params), distribution, like, deterministic)
    trial = Step._make(torch.stack(field, dim=2) for field in zip(*steps, strict=True))  # [M, B, T, *]
    result = Rollout(
        obs=trial.obs,
        action=trial.action,
        reward=trial.reward,
        next_obs=trial.next_obs,
        first=trial.first,
        terminated=trial.terminated,
        truncated=trial.truncated,
        valid=trial.valid,
        log_prob=distribution.log_prob(trial.dist, trial.action),
        success=trial.success,
        task=batch.described().to(like.device, like.dtype),
    )
    _require_finite(result)
    _require_small(result)
    return _padded(result)


def _steps(
    batch: BatchEnv, here: Stream, act: Act, distribution: distributions.Distribution, like: Tensor, deterministic: bool
) -> list[Step]:
    """The steps of a trial until every lane has ended, in the precision and on the device of `like`.

    What the batch returns is copied at once, in the conversion where there is one: a family of the user's may change it in
    place at its next step, as it may change the action that it is given.
    """
    spec, (M, B), T = batch.spec, batch.shape, batch.max_steps
    dtype, device = like.dtype, like.device
    draws = here.at("action")
    noise = draws.uniform(M, T, B) if spec.discrete else draws.normal(M, T, B, spec.action_size)
    noise = noise.to(device, dtype)
    state: State = ()
    obs = batch.reset(here.at("env")).to(device, dtype, copy=True)
    action = torch.full((M, B), -1, device=device) if spec.discrete else obs.new_zeros(M, B, spec.action_size)
    reward, first = obs.new_zeros(M, B), torch.ones(M, B, dtype=torch.bool, device=device)
    steps: list[Step] = []
    for t in range(T):
        valid = batch.active.to(device)
        seen = Inputs(obs.unsqueeze(2), action.unsqueeze(2), reward.unsqueeze(2), first.unsqueeze(2))  # [M, B, 1, *]
        output, state = act(seen, state)
        dist = output.dist.squeeze(2)  # [M, B, P]
        action = distribution.mode(dist) if deterministic else distribution.sample(dist, noise[:, t])
        after = batch.step(action.to(batch.device, copy=True))
        reward = after.reward.to(device, dtype, copy=True)
        next_obs = after.next_obs.to(device, dtype, copy=True)
        terminated, success = (x.to(device, copy=True) for x in (after.terminated, after.success))
        truncated = after.truncated.to(device)
        steps.append(Step(obs, action, reward, next_obs, first, terminated, truncated, valid, dist, success))
        obs = next_obs if after.obs is after.next_obs else after.obs.to(device, dtype, copy=True)
        first = after.first.to(device)
        if not bool(batch.active.any()):
            break
    return steps


def episode_returns(rollout: Rollout, episodes: int) -> Tensor:
    """Undiscounted return of each episode, [M, B, episodes]. Every lane must have played that many."""
    return episode_sums(rollout, rollout.reward, episodes)


def episode_sums(rollout: Rollout, x: Tensor, episodes: int) -> Tensor:
    """Sum of numbers [M, B, T] over the valid steps of each episode, [M, B, episodes], float64 on the CPU."""
    index = (rollout.first.cumsum(-1) - 1).clamp(min=0)  # [M, B, T], the running episode
    total = torch.zeros(*x.shape[:2], episodes, dtype=torch.float64, device=index.device)
    return total.scatter_add_(2, index, (x * rollout.valid).double()).cpu()


def _padded(rollout: Rollout) -> Rollout:
    """Zero what stands after each lane's last valid step."""
    if bool(rollout.valid.all()):
        return rollout

    def clear(x: Tensor) -> Tensor:
        valid = rollout.valid if x.dim() == 3 else rollout.valid[..., None]
        return torch.where(valid, x, torch.zeros_like(x))

    return rollout.each(clear)


_FINITE = {
    "obs": ("observation", "environment"),
    "action": ("action", "policy"),
    "log_prob": ("log-probability of the action", "policy"),
    "reward": ("reward", "environment"),
    "next_obs": ("observation", "environment"),
}
"""What must be finite, in the order in which a step makes it, and what is to blame."""


LARGEST_REWARD = 1e15
"""Of the return of a thousand such rewards float32 still holds the square. Of larger ones it does not: their deviation would be
infinite, the advantages divided by it 0, and nothing would be learned without a word."""


def _require_small(rollout: Rollout) -> None:
    """Refuse rewards that advantages cannot be made of."""
    bad = (rollout.reward.abs() > LARGEST_REWARD) & rollout.valid
    if bool(bad.any()):
        m, b, t = min(bad.nonzero().tolist(), key=lambda place: place[2])
        raise UserError(
            f"reward is {float(rollout.reward[m, b, t]):g} in task {m}, lane {b}, step {t}: expected at most {LARGEST_REWARD:g}"
            " in size, scale the rewards of the environment; nothing was learned from this iteration"
        )


def _require_finite(rollout: Rollout) -> None:
    """Name what was not finite first: what follows from it is not worth a word."""
    found = []
    for order, name in enumerate(_FINITE):
        x = getattr(rollout, name)
        fine = torch.isfinite(x) if x.dim() == 3 else torch.isfinite(x).all(-1)
        bad = ~fine & rollout.valid
        if bool(bad.any()):
            m, b, t = min(bad.nonzero().tolist(), key=lambda place: place[2])
            found.append((t, order, name, (m, b, t)))
    if found:
        _, _, name, (m, b, t) = min(found)
        what, cause = _FINITE[name]
        raise UserError(
            f"{what} is not finite in task {m}, lane {b}, step {t}: {getattr(rollout, name)[m, b, t].tolist()}; the {cause} has"
            " diverged, nothing was learned from this iteration"
        )
