"""What a policy with memory and its critic are trained by, besides lessons: the clipped surrogate, and what is added to it.

    loss = surrogate + value - entropy, each by its weight

PPO as in Schulman et al. 2017, arXiv:1707.06347.
"""

from dataclasses import dataclass

from torch import Tensor

from pliant.algorithms.parts.lesson import Lesson
from pliant.maths import losses, masks
from pliant.maths.distributions import Distribution


@dataclass(frozen=True)
class Objective:
    """Mean losses over the valid steps of a lesson of N lanes and L steps."""

    distribution: Distribution
    clip: float
    """Largest change of a probability ratio that is rewarded."""
    weight: float
    """Of the value loss."""

    def loss(self, dist: Tensor, judged: Tensor, lesson: Lesson, entropy_weight: float) -> tuple[Tensor, dict[str, Tensor]]:
        """(the loss [], numbers for the record []) of distribution parameters `dist` [1, N, L, P] and a critic's values [N, L].
        """
        rollout, valid = lesson.trials.rollout, lesson.trials.rollout.valid
        log_prob = self.distribution.log_prob(dist, rollout.action)  # [1, N, L]
        surrogate = losses.clipped(log_prob, rollout.log_prob, lesson.advantage, valid, self.clip)[0]
        value = losses.value(judged[None], lesson.target, valid)[0]
        entropy = masks.mean(self.distribution.entropy(dist), valid)[0]
        loss = surrogate + self.weight * value - entropy_weight * entropy
        found = {"loss": surrogate, "value_loss": value, "entropy": entropy, "kl": _kl(log_prob, lesson)}
        return loss, {name: number.detach() for name, number in found.items()}


def _kl(log_prob: Tensor, lesson: Lesson) -> Tensor:
    """Mean KL divergence from the policy that acted, nats, []: of exp(x) - 1 - x, x the change of the log-probability.

    Never negative, and of little variance: the estimator k3 of J. Schulman, "Approximating KL Divergence", 2020.
    """
    change = (log_prob - lesson.trials.rollout.log_prob).detach()  # [1, N, L]
    return masks.mean(change.exp() - 1 - change, lesson.trials.rollout.valid)[0]
