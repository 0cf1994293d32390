"""A policy under check, and inputs at random for it."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_map

from pliant.config import registry
from pliant.maths import functional
from pliant.policies import base
from pliant.streams import Stream
from pliant.types import Inputs, Output, Params, Spec, State

M, B, T = 2, 3, 7
"""Tasks, lanes and steps of what a policy is shown."""
SPECS = {"numbers": Spec(4, 3, False, trial_steps=T), "choices": Spec(4, 3, True, trial_steps=T)}
"""The families it is made for: D = 4, actions of three numbers, or three choices."""
SHAKE = 0.1
"""Standard deviation of what is added to each parameter, so that layers which begin at zero are seen at work."""
EXACT = 1e-9
"""Numbers of order 1 count as the same up to this, in float64."""


class Made(NamedTuple):
    """A policy for one kind of actions, in float64, and parameters that lie off those it begins with."""

    kind: str
    """"numbers" or "choices"."""
    spec: Spec
    policy: nn.Module
    params: Params
    """Shared, [*s]; none of them requires a gradient."""

    def answer(self, inputs: Inputs, state: State = (), params: Params | None = None) -> tuple[Output, State]:
        """What it answers, with its own parameters or others."""
        return functional.apply(self.policy, self.params if params is None else params, inputs, state)


@dataclass
class Subject:
    """A policy under check; what one check finds, the later ones use."""

    name: str
    code: Any
    """The module, or a function that takes the size of an observation and returns the body of the policy `module`."""
    given: Mapping[str, Any]
    """Settings other than the defaults."""
    stream: Stream
    settings: Any = None
    made: dict[str, Made] = field(default_factory=dict)
    """By kind of actions; those kinds that it serves."""

    @property
    def is_module(self) -> bool:
        """The policy is a module's, with settings."""
        return inspect.ismodule(self.code)

    def make(self, spec: Spec, stream: Stream | None = None) -> Any:
        """The policy anew, as it was made; a body is made under the seed of the stream, as training does."""
        stream = stream or self.stream.at("policy")
        if self.is_module:
            return self.code.make(spec, self.settings, stream)
        module = registry.load("policy", "module")
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(stream.generator().get_state())
            body = self.code(spec.obs_size)
        return module.make(spec, module.Settings(), stream, body=body)

    def each(self) -> Iterator[tuple[Made, Inputs]]:
        """The policies made, each with inputs for it."""
        for made in self.made.values():
            yield made, self.inputs(made.spec)

    def inputs(self, spec: Spec, name: str = "inputs", scale: float = 1.0, dtype: torch.dtype = torch.float64) -> Inputs:
        """Inputs [M, B, T, *] at random, of which a part opens episodes, the first step always; `name` addresses them."""
        at = self.stream.at(name)
        first = at.at("first").uniform(M, B, T) < 0.3
        first[:, :, 0] = True
        if spec.discrete:
            action = (at.at("action").uniform(M, B, T) * spec.action_size).long()
            action[:, :, 0] = -1
        else:
            action = at.at("action").normal(M, B, T, spec.action_size, dtype=dtype).clamp(-1, 1)
            action[:, :, 0] = 0
        reward = scale * at.at("reward").normal(M, B, T, dtype=dtype)
        reward[:, :, 0] = 0
        return Inputs(scale * at.at("obs").normal(M, B, T, spec.obs_size, dtype=dtype), action, reward, first)


def shaken(policy: nn.Module, stream: Stream) -> Params:
    """The parameters of a policy, each moved a little."""
    own = functional.parameters(policy)
    noise = {n: stream.at(n).normal(1, *p.shape, dtype=p.dtype)[0] for n, p in own.items()}
    return {n: p + SHAKE * noise[n] for n, p in own.items()}


def remembers(policy: nn.Module) -> bool:
    """The policy says that it has a memory."""
    return base.traits(policy).memory


def steps(inputs: Inputs, chosen: slice) -> Inputs:
    """Some of the steps."""
    return Inputs(*(x[:, :, chosen] for x in inputs))


def joined(outputs: list[Output]) -> Output:
    """Answers to consecutive steps as one."""
    features = [o.features for o in outputs if o.features is not None]
    return Output(torch.cat([o.dist for o in outputs], dim=2), torch.cat(features, dim=2) if features else None)


def leaves(nest: Any) -> list[Tensor]:
    """The tensors of an answer or a state, in order."""
    return [x for x in tree_flatten(nest)[0] if isinstance(x, Tensor)]


def copied(nest: Any) -> Any:
    """The same values in tensors of their own."""
    return tree_map(lambda x: x.detach().clone() if isinstance(x, Tensor) else x, nest)


def apart(one: Any, two: Any) -> float:
    """How far two answers or states differ at most, as a share of numbers above 1; infinite where their shapes do."""
    pairs = leaves(one), leaves(two)
    if [x.shape for x in pairs[0]] != [x.shape for x in pairs[1]]:
        return float("inf")
    most = 0.0
    for a, b in zip(*pairs, strict=True):
        a, b = a.detach().double(), b.detach().double()
        off = (a - b).abs() / (1 + torch.maximum(a.abs(), b.abs()))
        off = torch.where((a == b) | (a.isnan() & b.isnan()), 0.0, off).nan_to_num(nan=float("inf"))  # infinities are equal too
        most = max(most, float(off.max()) if off.numel() else 0.0)
    return most
