"""An algorithm of your own, ANIL (Raghu et al. 2020, arXiv:1909.09157): of the policy only the head learns from a task."""

from dataclasses import dataclass

import torch

from pliant import types
from pliant.algorithms.parts import adam
from pliant.maths import advantages, distributions, functional, losses, masks


@dataclass(frozen=True)
class Settings:
    lr: float = 1.0
    """Learning rate of the head on a task."""
    outer_lr: float = 1e-2
    """Adam's learning rate of all parameters over tasks."""


class Anil:
    stage = "gradient step"  # what an adaptation curve counts

    def __init__(self, policy, spec, parts, stream):
        self.policy, self.settings, self.log_prob = policy, parts["anil"], distributions.of(spec).log_prob
        self.adam = adam.Adam(functional.parameters(policy))
        self.state, self.load = self.adam.state, self.adam.load  # a checkpoint holds the parameters and their moments

    def adapt(self, collect, steps=None):  # a rollout, a step of each task's head, a rollout with it, ...
        rollouts = [collect(self.policy, self.adam.values, 0)]
        for stage in range(1, 2 if steps is None else steps + 1):
            rollouts.append(collect(self.policy, self.adapted(rollouts)[0], stage))
        return rollouts

    def adapted(self, rollouts):  # to act with, and what a memory carries on
        return {name: p.detach() for name, p in self.path(rollouts).items()}, None

    def learn(self, rollouts):  # down the loss after the last step, through all steps
        meta = self.adam.values
        gradient = torch.autograd.grad(self.loss(self.path(rollouts[:-1]), rollouts[-1]).mean(), list(meta.values()))
        adam.require_finite(dict(zip(meta, gradient, strict=True)), "meta-gradient", "lower --anil.lr")
        gradient, norm = adam.clipped(gradient, longest=1.0)
        self.adam.step(gradient, self.settings.outer_lr)
        return {"meta_gradient": norm}

    def path(self, rollouts):  # the parameters of each task after a step on each rollout, [M, *]
        params = functional.stack(self.adam.values, len(rollouts[0].reward) if rollouts else 1)
        rate = {name: self.settings.lr * name.startswith("head") for name in params}
        for rollout in rollouts:
            params = functional.inner_step(params, self.loss(params, rollout), rate)
        return params

    def loss(self, params, rollout):  # [M]
        target = advantages.returns(rollout.reward, *advantages.horizons(rollout, gamma=0.95, lam=1.0))
        advantage = masks.standardise(target - advantages.linear_baseline(rollout, target)[0], rollout.valid)
        dist = functional.apply(self.policy, params, types.inputs_of(rollout))[0].dist
        return losses.surrogate(self.log_prob(dist, rollout.action), rollout.log_prob, advantage, rollout.valid)


POLICY, PARTS, make = "mlp", {"anil": Settings}, Anil
