"""CAVIA: MAML whose inner loop moves a short context vector, which the policy reads beside each observation.

    inner     context[i] <- context[i] - lr * d loss / d context[i], from a context of zeros; the policy stays as it is
    outer     as in MAML: the policy, so that it does better with the adapted contexts

Zintgraf, Shiarlis, Kurin, Hofmann, Whiteson 2019, arXiv:1810.03642, algorithm 2. Few numbers adapt, so a step may be long, and
what they say of a task can be looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor, nn

from pliant.algorithms import maml
from pliant.algorithms.parts.gradient import ByGradient
from pliant.algorithms.parts.inner import Inner, InnerSettings
from pliant.algorithms.parts.shards import OuterStep
from pliant.policies.base import traits
from pliant.streams import Stream
from pliant.system import ranges
from pliant.types import Inputs, Output, Params, Spec, State

CONTEXT = "context"
"""The name of what adapts."""


@dataclass(frozen=True)
class ContextSettings:
    """What adapts to a task."""

    size: Annotated[int, Ge(1)] = 8
    """Numbers of the context."""

    def __post_init__(self) -> None:
        ranges.check(self)


POLICY = maml.POLICY
PARTS: dict[str, type] = maml.PARTS | {"context": ContextSettings}
BORROWS = "maml", dict


def inputs(parts: Mapping[str, Any]) -> int:
    """How many numbers the policy reads beside an observation."""
    size: int = parts["context"].size
    return size


class Contextual(nn.Module):
    """A policy of D + K inputs as one of D: the last K are a context [K], of every task its own where it is stacked [M, K]."""

    def __init__(self, policy: nn.Module, size: int) -> None:
        super().__init__()
        own = traits(policy)
        self.policy, self.context = policy, nn.Parameter(torch.zeros(size))
        self.memory, self.broadcasts, self.size_out = own.memory, own.broadcasts, own.size_out
        self.squashed = bool(getattr(policy, "squashed", False))
        self.least = {f"policy.{name}": least for name, least in own.least.items()}

    def start(self, tasks: int, lanes: int) -> State:
        """What the policy remembers where a trial opens, [M, B, *]."""
        start: Any = self.policy.start
        return start(tasks, lanes)

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        context = self.context[..., None, None, :].expand(*inputs.obs.shape[:-1], -1)  # [M, B, T, K]
        seen: tuple[Output, State] = self.policy(inputs._replace(obs=torch.cat([inputs.obs, context], -1)), state)
        return seen


class Contexts(Inner):
    """An inner loop that moves the context alone. It begins at zero, so it is no meta-parameter."""

    def __init__(self, policy: Contextual, spec: Spec, settings: InnerSettings) -> None:
        super().__init__(policy, spec, settings, adapts=lambda name: name == CONTEXT)
        self.zeros: Tensor = self.meta.pop(CONTEXT)

    def start(self, meta: Params, tasks: int) -> Params:
        """The policy's parameters, one copy per task, and a context of zeros for each."""
        start = super().start(meta, tasks)
        zeros = self.zeros.to(next(iter(start.values()))).expand(tasks, -1)
        return start | {CONTEXT: zeros.clone().requires_grad_()}

    def meta_policy(self) -> Params:
        """The policy's parameters and a context of zeros, shared by all tasks."""
        return super().meta_policy() | {CONTEXT: self.zeros}


def make(policy: nn.Module, spec: Spec, parts: dict[str, Any], stream: Stream) -> ByGradient:
    """CAVIA with the settings in `parts`, around a policy of `inputs(parts)` more inputs than the spec has."""
    contextual = Contextual(policy, parts["context"].size).to(next(policy.parameters()).device)
    loop = Contexts(contextual, spec, parts["inner"])
    return ByGradient(loop, OuterStep(loop.meta, parts["outer"], second_order=True))
