"""A good policy without memory, a good memory and a good algorithm: short, and each line of them can be broken."""

SETTINGS = """
from dataclasses import dataclass
import torch
from torch import nn
from pliant.errors import UserError
from pliant.types import Carry, Inputs, Output, inputs_of
from pliant.maths import distributions, functional

@dataclass(frozen=True)
class Settings:
    units: int = 5
"""

POLICY = (
    SETTINGS
    + """
class Net(nn.Module):
    broadcasts = True

    def __init__(self, spec, settings, generator):
        super().__init__()
        def weight(rows, columns):
            return nn.Parameter(torch.randn(rows, columns, generator=generator) / columns**0.5)
        self.into, self.out = weight(settings.units, spec.obs_size), weight(spec.action_size, settings.units)
        self.bias = nn.Parameter(torch.zeros(spec.action_size))
        self.log_std = None if spec.discrete else nn.Parameter(torch.zeros(spec.action_size))
        self.calls = 0

    def forward(self, inputs, state):
        obs = inputs.obs.flatten(1, 2)
        hidden = (obs @ self.into.mT).tanh()
        dist = hidden @ self.out.mT + self.bias.unsqueeze(-2)
        if self.log_std is not None:
            dist = torch.cat([dist, self.log_std.unsqueeze(-2).expand(dist.shape)], dim=-1)
        dist = dist.unflatten(1, inputs.obs.shape[1:3])
        return Output(dist), state

def make(spec, settings, stream):
    return Net(spec, settings, stream.generator())
"""
)

MEMORY = (
    SETTINGS
    + """
class Trace(nn.Module):
    broadcasts, memory = True, True

    def __init__(self, spec, settings, generator):
        super().__init__()
        self.size_out = spec.obs_size + 1
        def weight(rows, columns):
            return nn.Parameter(torch.randn(rows, columns, generator=generator) / columns**0.5)
        self.head = weight(spec.action_size, self.size_out)
        self.log_std = None if spec.discrete else nn.Parameter(torch.zeros(spec.action_size))

    def start(self, tasks, lanes):
        return self.head.new_zeros(tasks, lanes, self.size_out)

    def forward(self, inputs, state):
        M, B = inputs.first.shape[:2]
        state = self.start(M, B) if isinstance(state, tuple) else state
        seen = torch.cat([inputs.obs, inputs.prev_reward.unsqueeze(-1)], dim=-1).tanh()
        steps = []
        for x in seen.unbind(2):
            state = 0.5 * state + x
            steps.append(state)
        features = torch.stack(steps, dim=2)
        dist = features.flatten(1, 2) @ self.head.mT
        if self.log_std is not None:
            dist = torch.cat([dist, self.log_std.unsqueeze(-2).expand(dist.shape)], dim=-1)
        return Output(dist.unflatten(1, (B, -1)), features), state

def make(spec, settings, stream):
    return Trace(spec, settings, stream.generator())
"""
)
"""It remembers a fading sum of what it has seen."""

ALGORITHM = (
    SETTINGS.replace("units: int = 5", "lr: float = 0.1\n    momentum: float = 0.5")
    + """
class Nudge:
    stage = "gradient step"

    def __init__(self, policy, spec, settings, stream):
        self.policy, self.settings, self.stream = policy, settings, stream
        self.log_prob = distributions.of(spec).log_prob
        self.params = functional.parameters(policy)
        self.speed = {name: torch.zeros_like(p) for name, p in self.params.items()}

    def adapt(self, collect, steps=None):
        rollouts = [collect(self.policy, self.params, 0)]
        for stage in range(1, (1 if steps is None else steps) + 1):
            rollouts.append(collect(self.policy, self.adapted(rollouts)[0], stage))
        return rollouts

    def adapted(self, rollouts):
        params = functional.stack(self.params, len(rollouts[0].reward) if rollouts else 1)
        for rollout in rollouts:
            gradient = self.gradient(params, rollout)
            params = {name: p - self.settings.lr * gradient[name] for name, p in params.items()}
        return params, None

    def gradient(self, params, rollout):
        params = {name: p.detach().requires_grad_() for name, p in params.items()}
        dist = functional.apply(self.policy, params, inputs_of(rollout))[0].dist
        loss = -(self.log_prob(dist, rollout.action) * rollout.reward * rollout.valid).mean((1, 2))
        return dict(zip(params, torch.autograd.grad(loss.sum(), list(params.values())), strict=True))

    def learn(self, rollouts):
        shared = functional.stack(self.params, len(rollouts[0].reward))
        gradient = {name: g.mean(0) for name, g in self.gradient(shared, rollouts[-1]).items()}
        if not all(torch.isfinite(g).all() for g in gradient.values()):
            raise UserError("a gradient is not finite: nothing was learned")
        self.speed = {name: self.settings.momentum * v + gradient[name] for name, v in self.speed.items()}
        self.params = {name: p - self.settings.lr * self.speed[name] for name, p in self.params.items()}
        return {"length": float(sum(g.square().sum() for g in gradient.values()))}

    def state(self):
        parameters = {f"params/{n}": p.clone() for n, p in self.params.items()}
        return parameters | {f"speed/{n}": v.clone() for n, v in self.speed.items()}

    def load(self, state):
        self.params = {name: state[f"params/{name}"].clone() for name in self.params}
        self.speed = {name: state[f"speed/{name}"].clone() for name in self.speed}

PARTS, POLICY = {"nudge": Settings}, "mlp"

def make(policy, spec, parts, stream):
    return Nudge(policy, spec, parts["nudge"], stream)
"""
)
"""Gradient steps with momentum."""
