"""Action distributions as plain functions of parameter tensors: Gaussian, squashed Gaussian, categorical.

A `Distribution` is a bundle of functions over `dist` [..., P]. There is no validation that depends on data, so everything
works under vmap and in double backward.

- Gaussian, P = 2A: mean and log standard deviation, diagonal, over actions [..., A].
- Squashed Gaussian, P = 2A: the tanh of a Gaussian, over actions [..., A] within (-1, 1). Haarnoja et al. 2018,
  arXiv:1801.01290, appendix C. Divergence and Fisher information are those of the Gaussian, for tanh is invertible.
- Categorical, P = A: unnormalised log-probabilities over actions [...] in 0..A-1.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pliant.types import Spec

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(32)
"""Gauss-Hermite quadrature of the standard normal; the weights add up to the root of 2 pi."""
LARGEST = 1 - 2**-20
"""Of the actions of a squashed Gaussian: float32 tells it from 1, where the density is infinite."""


class Distribution(NamedTuple):
    """The functions every action distribution has."""

    sample: Callable[[Tensor, Tensor], Tensor]
    """(dist [..., P], noise) -> action; noise is standard normal [..., A] (Gaussian) or uniform [...] (categorical)."""
    mode: Callable[[Tensor], Tensor]
    """dist [..., P] -> the most likely action; of a squashed Gaussian the median, which is where most of it is."""
    drawn: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    """(dist [..., P], noise) -> `sample` and its log-probability [...], as one differentiable computation."""
    log_prob: Callable[[Tensor, Tensor], Tensor]
    """(dist [..., P], action) -> [...] nats, summed over action dims."""
    entropy: Callable[[Tensor], Tensor]
    """dist [..., P] -> [...] nats."""
    kl: Callable[[Tensor, Tensor], Tensor]
    """(p [..., P], q [..., P]) -> KL(p || q) [...] nats."""
    fisher: Callable[[Tensor, Tensor], Tensor]
    """(dist [..., P], tangent [..., P]) -> Fisher information at `dist` times `tangent`, [..., P]."""


def of(spec: Spec, squashed: bool = False) -> Distribution:
    """The distribution over a family's actions; `squashed` holds of continuous ones alone."""
    if spec.discrete:
        return CATEGORICAL
    return SQUASHED if squashed else GAUSSIAN


def of_policy(policy: nn.Module, spec: Spec) -> Distribution:
    """The distribution by which a policy acts: a squashed one if it says so by its attribute `squashed`."""
    return of(spec, bool(getattr(policy, "squashed", False)))


def parameter_count(spec: Spec) -> int:
    """P for a family's actions."""
    return spec.action_size if spec.discrete else 2 * spec.action_size


def _gaussian_sample(dist: Tensor, noise: Tensor) -> Tensor:
    mean, log_std = dist.chunk(2, dim=-1)
    return mean + log_std.exp() * noise


def _gaussian_mode(dist: Tensor) -> Tensor:
    return dist.chunk(2, dim=-1)[0]


def _gaussian_drawn(dist: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    action = _gaussian_sample(dist, noise)
    return action, _gaussian_log_prob(dist, action)


def _gaussian_log_prob(dist: Tensor, action: Tensor) -> Tensor:
    mean, log_std = dist.chunk(2, dim=-1)
    z = (action - mean) * (-log_std).exp()
    return -(0.5 * z * z + log_std).sum(-1) - 0.5 * math.log(2 * math.pi) * mean.shape[-1]


def _gaussian_entropy(dist: Tensor) -> Tensor:
    log_std = dist.chunk(2, dim=-1)[1]
    return log_std.sum(-1) + 0.5 * math.log(2 * math.pi * math.e) * log_std.shape[-1]


def _gaussian_kl(p: Tensor, q: Tensor) -> Tensor:
    p_mean, p_log_std = p.chunk(2, dim=-1)
    q_mean, q_log_std = q.chunk(2, dim=-1)
    ratio = (2 * (p_log_std - q_log_std)).exp()
    distance = ((p_mean - q_mean) * (-q_log_std).exp()).square()
    return (q_log_std - p_log_std + 0.5 * (ratio + distance - 1)).sum(-1)


def _gaussian_fisher(dist: Tensor, tangent: Tensor) -> Tensor:
    log_std = dist.chunk(2, dim=-1)[1]
    d_mean, d_log_std = tangent.chunk(2, dim=-1)
    return torch.cat([d_mean * (-2 * log_std).exp(), 2 * d_log_std], dim=-1)


def _squashed_sample(dist: Tensor, noise: Tensor) -> Tensor:
    return _gaussian_sample(dist, noise).tanh().clamp(-LARGEST, LARGEST)


def _squashed_mode(dist: Tensor) -> Tensor:
    return _gaussian_mode(dist).tanh().clamp(-LARGEST, LARGEST)


def _squashed_drawn(dist: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    inner, log_prob = _gaussian_drawn(dist, noise)
    return inner.tanh().clamp(-LARGEST, LARGEST), log_prob - _log_slope(inner).sum(-1)


def _squashed_log_prob(dist: Tensor, action: Tensor) -> Tensor:
    inner = action.clamp(-LARGEST, LARGEST).atanh()
    return _gaussian_log_prob(dist, inner) - _log_slope(inner).sum(-1)


def _squashed_entropy(dist: Tensor) -> Tensor:
    mean, log_std = dist.chunk(2, dim=-1)
    nodes, weights = (torch.as_tensor(x).to(mean) for x in (NODES, WEIGHTS / math.sqrt(2 * math.pi)))
    slope = _log_slope(mean.unsqueeze(-1) + log_std.exp().unsqueeze(-1) * nodes) @ weights  # [..., A]
    return _gaussian_entropy(dist) + slope.sum(-1)


def _log_slope(inner: Tensor) -> Tensor:
    """Logarithm of the derivative of tanh, which is 1 - tanh^2."""
    return 2 * (math.log(2) - inner - nn.functional.softplus(-2 * inner))


def _categorical_sample(dist: Tensor, noise: Tensor) -> Tensor:
    below = dist.softmax(-1).cumsum(-1) <= noise[..., None]
    return below.sum(-1).clamp(max=dist.shape[-1] - 1)


def _categorical_mode(dist: Tensor) -> Tensor:
    return dist.argmax(-1)


def _categorical_drawn(dist: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    action = _categorical_sample(dist, noise)
    return action, _categorical_log_prob(dist, action)


def _categorical_log_prob(dist: Tensor, action: Tensor) -> Tensor:
    return dist.log_softmax(-1).gather(-1, action[..., None]).squeeze(-1)


def _categorical_entropy(dist: Tensor) -> Tensor:
    log_p = dist.log_softmax(-1)
    return -(log_p.exp() * log_p).sum(-1)


def _categorical_kl(p: Tensor, q: Tensor) -> Tensor:
    log_p, log_q = p.log_softmax(-1), q.log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def _categorical_fisher(dist: Tensor, tangent: Tensor) -> Tensor:
    p = dist.softmax(-1)
    return p * (tangent - (p * tangent).sum(-1, keepdim=True))


GAUSSIAN = Distribution(
    sample=_gaussian_sample,
    mode=_gaussian_mode,
    drawn=_gaussian_drawn,
    log_prob=_gaussian_log_prob,
    entropy=_gaussian_entropy,
    kl=_gaussian_kl,
    fisher=_gaussian_fisher,
)
SQUASHED = GAUSSIAN._replace(
    sample=_squashed_sample,
    mode=_squashed_mode,
    drawn=_squashed_drawn,
    log_prob=_squashed_log_prob,
    entropy=_squashed_entropy,
)
CATEGORICAL = Distribution(
    sample=_categorical_sample,
    mode=_categorical_mode,
    drawn=_categorical_drawn,
    log_prob=_categorical_log_prob,
    entropy=_categorical_entropy,
    kl=_categorical_kl,
    fisher=_categorical_fisher,
)
