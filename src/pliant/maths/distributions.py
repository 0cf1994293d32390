"""Gaussian and categorical action distributions as plain functions of parameter tensors.

A `Distribution` is a bundle of functions over `dist` [..., P]. There is no validation that depends on data, so everything
works under vmap and in double backward.

- Gaussian, P = 2A: mean and log standard deviation, diagonal, over actions [..., A].
- Categorical, P = A: unnormalised log-probabilities over actions [...] in 0..A-1.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from pliant.types import Spec


class Distribution(NamedTuple):
    """The functions every action distribution has."""

    sample: Callable[[Tensor, Tensor], Tensor]
    """(dist [..., P], noise) -> action; noise is standard normal [..., A] (Gaussian) or uniform [...] (categorical)."""
    mode: Callable[[Tensor], Tensor]
    """dist [..., P] -> the most likely action."""
    log_prob: Callable[[Tensor, Tensor], Tensor]
    """(dist [..., P], action) -> [...] nats, summed over action dims."""
    entropy: Callable[[Tensor], Tensor]
    """dist [..., P] -> [...] nats."""
    kl: Callable[[Tensor, Tensor], Tensor]
    """(p [..., P], q [..., P]) -> KL(p || q) [...] nats."""
    fisher: Callable[[Tensor, Tensor], Tensor]
    """(dist [..., P], tangent [..., P]) -> Fisher information at `dist` times `tangent`, [..., P]."""


def of(spec: Spec) -> Distribution:
    """The distribution over a family's actions."""
    return CATEGORICAL if spec.discrete else GAUSSIAN


def parameter_count(spec: Spec) -> int:
    """P for a family's actions."""
    return spec.action_size if spec.discrete else 2 * spec.action_size


def _gaussian_sample(dist: Tensor, noise: Tensor) -> Tensor:
    mean, log_std = dist.chunk(2, dim=-1)
    return mean + log_std.exp() * noise


def _gaussian_mode(dist: Tensor) -> Tensor:
    return dist.chunk(2, dim=-1)[0]


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


def _categorical_sample(dist: Tensor, noise: Tensor) -> Tensor:
    below = dist.softmax(-1).cumsum(-1) <= noise[..., None]
    return below.sum(-1).clamp(max=dist.shape[-1] - 1)


def _categorical_mode(dist: Tensor) -> Tensor:
    return dist.argmax(-1)


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
    _gaussian_sample, _gaussian_mode, _gaussian_log_prob, _gaussian_entropy, _gaussian_kl, _gaussian_fisher
)
CATEGORICAL = Distribution(
    _categorical_sample,
    _categorical_mode,
    _categorical_log_prob,
    _categorical_entropy,
    _categorical_kl,
    _categorical_fisher,
)
