"""Losses, one value per task. All take [M, B, T] tensors, count valid steps only and return [M]; lower is better."""

from torch import Tensor

from pliant.maths import masks


def reinforce(log_prob: Tensor, advantage: Tensor, valid: Tensor) -> Tensor:
    """Score-function policy gradient, -mean(log_prob advantage). Williams 1992."""
    return -masks.mean(log_prob * advantage, valid)


def surrogate(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, valid: Tensor) -> Tensor:
    """Importance-weighted policy gradient, -mean(ratio advantage), ratio = exp(log_prob - old_log_prob).

    At the policy that acted its gradient is that of `reinforce`, and its Hessian is the low-variance curvature estimate of
    the expected return's (Rothfuss et al. 2019, arXiv:1810.06784, equation 11), which `reinforce` gets wrong.
    """
    ratio = (log_prob - old_log_prob).exp()
    return -masks.mean(ratio * advantage, valid)


def clipped(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, valid: Tensor, clip: float) -> Tensor:
    """Clipped surrogate, -mean(min(ratio adv, clamp(ratio, 1-clip, 1+clip) adv)). Schulman et al. 2017, arXiv:1707.06347."""
    ratio = (log_prob - old_log_prob).exp()
    pessimistic = (ratio * advantage).minimum(ratio.clamp(1 - clip, 1 + clip) * advantage)
    return -masks.mean(pessimistic, valid)


def value(predicted: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Half the mean squared error."""
    return 0.5 * masks.mean((predicted - target).square(), valid)


def entropy(entropy: Tensor, valid: Tensor) -> Tensor:
    """Minus the mean entropy, in nats."""
    return -masks.mean(entropy, valid)
