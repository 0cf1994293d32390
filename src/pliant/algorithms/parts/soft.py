"""Soft actor-critic on single steps of trials: what a critic and an actor with memory learn at each of them.

    target_t = r_t + gamma (least target critic of (t + 1, a') - w log pi(a' | t + 1)),    a' ~ pi(. | t + 1)
    critic   : mean of (Q_t(a_t) - target_t)^2 / 2, summed over both
    actor    : mean of w log pi(a | t) - least critic of (t, a),                           a ~ pi(. | t)
    w        : rises where the entropy of pi is below what it is to be, falls where it is above

Steps are those of a whole trial: t + 1 may be the first of the next episode, and nothing follows the last one. Expectations
over discrete actions are exact. Haarnoja et al. 2018, arXiv:1812.05905, equations 5 to 7 and 18; Christodoulou 2019,
arXiv:1910.07207, for discrete actions.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from pliant.algorithms.parts.ring import Piece
from pliant.maths.distributions import Distribution
from pliant.types import Spec

START, LOWEST, HIGHEST = 0.1, 1e-4, 10.0
"""Weight of the entropy at first, and its bounds, in units of rewards per nat."""
SOONER = 3.0
"""Times the learning rate of the actor is that of the weight: it must be there before the policy has given up on chance."""
Critic = Callable[[Tensor], Tensor]
"""[n, in] -> [2, n, out]"""


class Now(NamedTuple):
    """What actor and critic go by at n steps."""

    features: Tensor
    """[n, F] of the policy."""
    known: Tensor
    """[n, *] to the critic."""


class Steps(NamedTuple):
    """n steps of trials."""

    now: Now
    then: Now
    """At the step after it; where there is none, anything."""
    action: Tensor
    """[n, A], or [n] int64."""
    reward: Tensor
    """[n] in the units of the critic."""
    goes_on: Tensor
    """[n] bool: the trial has a step after it."""


def steps_of(piece: Piece, reward: Tensor, features: Tensor, known: Tensor, chosen: Tensor) -> Steps:
    """The steps `chosen` [N, S] of N trials; actor and critic go by features [N, T, F] and what is known [N, T, *].

    `reward` [N, T] is in the units of the critic.
    """
    after = (chosen + 1).clamp(max=piece.reward.shape[1] - 1)
    lane = torch.arange(len(chosen), device=chosen.device)[:, None]

    def at(x: Tensor, t: Tensor) -> Tensor:
        return x[lane, t].flatten(0, 1)  # [N*S, *]

    now, then = (Now(at(features, t), at(known, t)) for t in (chosen, after))
    goes_on = at(piece.valid, after) & (after > chosen).flatten()
    return Steps(now, then, at(piece.action, chosen), at(reward, chosen), goes_on)


class Soft:
    """The losses of actor and critic."""

    def __init__(self, distribution: Distribution, spec: Spec, gamma: float) -> None:
        self.distribution, self.discrete, self.gamma, self.size = distribution, spec.discrete, gamma, spec.action_size

    def held(self, breadth: float) -> float:
        """What the policy's entropy is to be where it chooses among that share of the actions, nats."""
        return math.log(1 + breadth * (self.size - 1)) if self.discrete else self.size * math.log(2 * breadth)

    def noise(self, generator: torch.Generator, n: int) -> Tensor:
        """For the actions at n steps and at those after them: [2, n, A] standard normal, nothing for discrete actions."""
        return torch.randn(2, n, 0 if self.discrete else self.size, generator=generator)

    def critic_loss(self, decide: Critic, critic: Critic, target: Critic, at: Steps, weight: Tensor, noise: Tensor) -> Tensor:
        """Of both critics, []; actions of the steps after are drawn by `noise` [n, A]."""
        with torch.no_grad():
            value, _ = self._value(decide(at.then.features[None])[0], at.then.known, target, weight, noise)
            aim = at.reward + self.gamma * torch.where(at.goes_on, value, 0.0)
        if self.discrete:
            judged = critic(at.now.known).gather(-1, at.action.expand(2, -1).unsqueeze(-1))
        else:
            judged = critic(torch.cat([at.now.known, at.action], dim=-1))
        return 0.5 * (judged.squeeze(-1) - aim).square().mean(1).sum()

    def actor_loss(self, decide: Critic, critic: Critic, at: Steps, weight: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """(loss [], the policy's entropy [], nats without a gradient); actions are drawn by `noise` [n, A]."""
        value, entropy = self._value(decide(at.now.features[None])[0], at.now.known.detach(), critic, weight, noise)
        return -value.mean(), entropy.mean().detach()

    def _value(self, dist: Tensor, known: Tensor, critic: Critic, weight: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """(what the policy `dist` [n, P] is worth by the lesser critic, its entropy included, the entropy), each [n]."""
        if self.discrete:
            log_p = dist.log_softmax(-1)
            p, entropy = log_p.exp(), -(log_p.exp() * log_p).sum(-1)
            return (p * critic(known).detach().amin(0)).sum(-1) + weight * entropy, entropy
        action, log_prob = self.distribution.drawn(dist, noise)
        return critic(torch.cat([known, action], dim=-1)).amin(0).squeeze(-1) - weight * log_prob, -log_prob


def bounded(log_weight: Tensor) -> Tensor:
    """The logarithm of the entropy's weight within its bounds."""
    return log_weight.clamp(math.log(LOWEST), math.log(HIGHEST))
