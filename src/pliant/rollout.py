"""The only loop that steps environments."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from pliant.errors import UserError
from pliant.maths import distributions, functional
from pliant.streams import Stream
from pliant.tasks.base import BatchEnv
from pliant.types import Inputs, Params, Rollout, State


def rollout(
    batch: BatchEnv, stream: Stream, policy: nn.Module, params: Params, stage: int = 0, deterministic: bool = False
) -> Rollout:
    """Play one trial in every lane of `batch`, acting with `params` (shared, or stacked per task).

    `stream` and `stage` address all randomness: the same address gives the same bits. With `deterministic` the policy takes its
    most likely action.

    Raises UserError when an observation, an action or a reward is not finite, naming task, lane and step.
    """
    with torch.no_grad(), _one_thread():
        return _play(batch, stream.at("stage", stage), policy, params, deterministic)


def _play(batch: BatchEnv, here: Stream, policy: nn.Module, params: Params, deterministic: bool) -> Rollout:
    spec, (M, B), T = batch.spec, batch.shape, batch.max_steps
    distribution = distributions.of(spec)
    draws = here.at("action")
    noise = draws.uniform(M, T, B) if spec.discrete else draws.normal(M, T, B, spec.action_size)
    like = next(iter(params.values()), torch.empty(0))  # acting and learning happen where parameters are, in their precision
    dtype, device = like.dtype, like.device
    noise = noise.to(device, dtype)
    state: State = ()
    obs = batch.reset(here.at("env")).to(device, dtype)
    action = torch.full((M, B), -1, device=device) if spec.discrete else obs.new_zeros(M, B, spec.action_size)
    reward, first = obs.new_zeros(M, B), torch.ones(M, B, dtype=torch.bool, device=device)
    act = functional.bound(policy, params)
    steps: list[tuple[Tensor, ...]] = []
    for t in range(T):
        valid = batch.active.to(device)
        seen = Inputs(obs.unsqueeze(2), action.unsqueeze(2), reward.unsqueeze(2), first.unsqueeze(2))  # [M, B, 1, *]
        output, state = act(seen, state)
        dist = output.dist.squeeze(2)  # [M, B, P]
        action = distribution.mode(dist) if deterministic else distribution.sample(dist, noise[:, t])
        step = batch.step(action.to(batch.device))
        reward = step.reward.to(device, dtype)
        next_obs = step.next_obs.to(device, dtype)
        terminated, truncated, success = (x.to(device) for x in (step.terminated, step.truncated, step.success))
        steps.append((obs, action, reward, next_obs, first, terminated, truncated, valid, dist, success))
        obs = next_obs if step.obs is step.next_obs else step.obs.to(device, dtype)
        first = step.first.to(device)
        if not bool(batch.active.any()):
            break
    task = batch.described().to(device, dtype)
    result = Rollout._make([*(torch.stack(field, dim=2) for field in zip(*steps, strict=True)), task])
    result = result._replace(log_prob=distribution.log_prob(result.log_prob, result.action))  # of what acted: dist [M, B, T, P]
    _require_finite(result)
    return _padded(result)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Act with one torch thread: a step's tensors are small, and idle torch threads spin on cores that the simulator needs.

    Measured on 2 cores, half-cheetah, 400 lanes: a rollout takes a fifth less time.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


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
"""What must be finite, in the order in which a step makes it, and who is to blame."""


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
