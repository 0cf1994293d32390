"""Returns, advantages and the linear feature baseline, batched over tasks. Where a trajectory ends is data, not code."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from pliant.types import Rollout

Scope = Literal["episode", "finite", "trial"]
MOST_NUMBERS = 128
"""The linear baseline averages neighbours of longer observations (images) until so many are left."""


class Horizons(NamedTuple):
    """What flows backwards across each step."""

    discount: Tensor
    """[M, B, T] weight of the value of the true next observation."""
    trace: Tensor
    """[M, B, T] weight of the next step's advantage or return."""


def horizons(rollout: Rollout, gamma: float, lam: float, scope: Scope = "episode") -> Horizons:
    """Turn a rollout's boundaries into a discount and a trace array.

    Inside an episode all scopes have (gamma, lam). They differ where it ends:

        "finite"    (0, 0): an episode is worth what it pays until it ends, whatever ended it. For values that know the time and
                    were fitted to such returns, as `linear_baseline`'s
        "episode"   terminated (0, 0); truncated (gamma, 0), bootstrapped: for values of an MDP that goes on after the limit
        "trial"     (gamma, lam) but for the last valid step of the lane, which has (0, 0): credit crosses episodes

    Padding has (0, 0).
    """
    valid = rollout.valid
    discount = gamma * valid.to(rollout.reward.dtype)
    trace = lam * valid.to(rollout.reward.dtype)
    if scope != "trial":
        ended = rollout.terminated | rollout.truncated
        discount = discount.masked_fill(ended if scope == "finite" else rollout.terminated, 0.0)
        return Horizons(discount, trace.masked_fill(ended, 0.0))
    followed = torch.cat([valid[:, :, 1:], torch.zeros_like(valid[:, :, :1])], dim=2)
    return Horizons(discount * followed, trace * followed)


def returns(reward: Tensor, discount: Tensor, trace: Tensor) -> Tensor:
    """Discounted sum of rewards to come, cut where `trace` is zero.

        ret[t] = reward[t] + (discount[t] if trace[t] > 0 else 0) ret[t+1]

    All arguments and the result are [..., T].
    """
    weight = discount * (trace > 0)
    total = torch.zeros_like(reward[..., 0])
    result = torch.empty_like(reward)
    for t in range(reward.shape[-1] - 1, -1, -1):
        total = reward[..., t] + weight[..., t] * total
        result[..., t] = total
    return result


def gae(reward: Tensor, value: Tensor, next_value: Tensor, discount: Tensor, trace: Tensor) -> Tensor:
    """Generalised advantage estimate.

        adv[t] = reward[t] + discount[t] next_value[t] - value[t] + discount[t] trace[t] adv[t+1]

    Schulman et al. 2016, arXiv:1506.02438. All arguments and the result are [..., T]; where a trajectory ends is expressed
    by zeros in `discount` (no future) or `trace` (no credit from later steps). Padding must carry zero reward and value.

    Raises ValueError when shapes differ.
    """
    if not reward.shape == value.shape == next_value.shape == discount.shape == trace.shape:
        shapes = [list(x.shape) for x in (reward, value, next_value, discount, trace)]
        raise ValueError(f"reward, value, next_value, discount and trace are {shapes}: they must have one shape [..., T]")
    delta = reward + discount * next_value - value
    weight = discount * trace
    advantage = torch.zeros_like(reward[..., 0])
    result = torch.empty_like(reward)
    for t in range(reward.shape[-1] - 1, -1, -1):
        advantage = delta[..., t] + weight[..., t] * advantage
        result[..., t] = advantage
    return result


def linear_baseline(rollout: Rollout, target: Tensor, ridge: float = 1e-5) -> tuple[Tensor, Tensor]:
    """Values of `obs` and `next_obs` [M, B, T] from a least-squares fit to `target` [M, B, T], one fit per task.

    Features are obs, obs squared, time, time squared, time cubed and 1, time counted in hundreds of steps since the episode
    began (Duan et al. 2016, arXiv:1604.06778, section 4). Because it knows the time, it can say what an episode still pays
    before its limit, and must be fitted to that: `returns` with scope "finite", nothing after the end. Solved in float64;
    observations are scaled by their largest magnitude first, so that `ridge` means the same for every simulator. Of an
    observation with more than `MOST_NUMBERS` numbers it takes averages of neighbours.
    """
    time = _steps_since(rollout.first)  # [M, B, T]
    scale = (rollout.obs.abs() * rollout.valid[..., None]).amax((1, 2)).clamp(min=1e-6)[:, None, None]  # [M, 1, 1, D]
    weight = rollout.valid.flatten(1)[..., None].double()  # [M, B*T, 1]
    x = _features(rollout.obs / scale, time).flatten(1, 2) * weight  # [M, B*T, F]
    gram = x.mT @ x
    gram.diagonal(dim1=-2, dim2=-1).add_(ridge * weight.sum(1).clamp(min=1))
    # By Cholesky: LU in the oneMKL of torch 2.13 fails for 180 and more unknowns on two threads of some processors.
    theta = torch.cholesky_solve(x.mT @ target.flatten(1)[..., None].double(), torch.linalg.cholesky(gram))  # [M, F, 1]
    value = (x @ theta).squeeze(-1).unflatten(1, target.shape[1:])  # [M, B, T]
    following = _features(rollout.next_obs / scale, time + 1).flatten(1, 2) @ theta
    next_value = following.squeeze(-1).unflatten(1, target.shape[1:]) * rollout.valid
    return value.to(target.dtype), next_value.to(target.dtype)


def _steps_since(first: Tensor) -> Tensor:
    index = torch.arange(first.shape[-1], device=first.device).expand(first.shape)
    opened = torch.where(first, index, 0).cummax(-1).values
    return index - opened


def _coarse(obs: Tensor) -> Tensor:
    """[M, B, T, D] -> [M, B, T, MOST_NUMBERS]"""
    pooled: Tensor = torch.nn.functional.adaptive_avg_pool1d(obs.flatten(0, 1), MOST_NUMBERS)
    return pooled.reshape(*obs.shape[:3], MOST_NUMBERS)


def _features(obs: Tensor, time: Tensor) -> Tensor:
    t = time.double()[..., None] / 100
    obs = obs.double() if obs.shape[-1] <= MOST_NUMBERS else _coarse(obs.double())
    return torch.cat([obs, obs.square(), t, t.square(), t**3, torch.ones_like(t)], dim=-1)  # [M, B, T, 2D+4]
