"""What a policy is, what one with memory or with scales has besides, and what a memory must keep to.

    inputs [M, B, T, *], state  ->  policy  ->  Output [M, B, T, *], state

A policy is a `torch.nn.Module` whose parameters are values, handed in for each call (`maths.functional.apply`), as they
are or stacked per task. It keeps nothing between calls; what it remembers goes in and comes out as `state`. Dims and types are
those of `types.py`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, runtime_checkable

from torch import Tensor, nn

from pliant.maths import functional
from pliant.types import Inputs, Output, Params, State


class Policy(Protocol):
    """Every policy. Its attributes may be left out where they are False or empty: `traits` reads them."""

    memory: bool
    """What it does depends on earlier steps of the trial: it is a `Remembering` policy."""
    broadcasts: bool
    """It takes parameters stacked per task itself, M sets at once. Any other policy runs under `torch.func.vmap`: equal, but
    slower, and its state must then be a nest of tensors that vmap can map over."""
    least: Mapping[str, float]
    """Names of parameters, and what no update may leave them below: a log standard deviation that has a bound, say."""

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        """What it makes of `inputs` [M, B, T, *]; `state` is `()` where a trial opens, and always without memory."""


class Remembering(Policy, Protocol):
    """A policy with memory: `memory` is True, and `forward` keeps to the contract of `Memory`.

    Its `Output.features` are what it knows, [M, B, T, F], for a critic to judge by. What it remembers where a trial opens is
    its own business: `forward` is given `()` there.
    """

    size_out: int
    """F, the number of features."""

    def start(self, tasks: int, lanes: int) -> State:
        """What it remembers where a trial opens, [M, B, *]."""


@runtime_checkable
class Deciding(Protocol):
    """A policy with memory in two parts: what it knows, and what it makes of it. `forward` is the one after the other.

    An algorithm may so learn from some steps of a trial without deciding at all of them.
    """

    def remember(self, inputs: Inputs, state: State) -> tuple[Tensor, State]:
        """(features [M, B, T, F], the state after)."""

    def decide(self, features: Tensor) -> Tensor:
        """Distribution parameters [M, N, P] for features [M, N, F]."""


@runtime_checkable
class Scaled(Protocol):
    """A policy with scales: buffers that bring its inputs to unit size, and that an algorithm sets while it learns.

    Buffers are values as parameters are. They are saved with the policy under the names that `named_buffers` gives them.
    """

    def rescale(self, fixed: Params, obs: tuple[Tensor, Tensor] | None, reward: Tensor | None) -> Params:
        """The buffers `fixed` with new scales; other buffers as they are, and nothing changed in place.

        Observations are to be shifted by the mean and divided by the standard deviation, `obs` = (mean [D], std [D]) in
        float64, and rewards divided by their standard deviation `reward` [] in float64; None leaves a scale as it is.
        """


class Memory(Protocol):
    """The part of a policy that remembers, between its encoded inputs and its head; an `nn.Module`.

    - T steps at once equal the same steps one by one, each with the state that the one before returned.
    - Nothing is changed in place: a state may be saved, restored, and gone on from twice.
    - A state is a nest of tensors [M, B, *], at least one; its shapes do not depend on how long the trial has run, or, if they
      do, equal histories have equal shapes.
    - Nothing leaks between lanes or tasks, and no step knows what comes after it.
    - It can be differentiated twice by its parameters, shared [*s] or stacked [M, *s], for algorithms that learn through
      gradient steps. One that cannot is for `rl2` alone.
    """

    size_out: int
    """F, the number of features."""

    def start(self, tasks: int, lanes: int) -> State:
        """The state where a trial opens, [M, B, *]; it may be learned."""

    def __call__(self, x: Tensor, inputs: Inputs, state: State) -> tuple[Tensor, State]:
        """(features [M, B, T, F], the state after) from encoded inputs `x` [M, B, T, E]; `inputs` are what they encode."""


class Traits(NamedTuple):
    """What a module says of itself as a policy, with the defaults for what it leaves out."""

    memory: bool
    """It has a memory; False where it does not say."""
    broadcasts: bool
    """It takes stacked parameters itself; False where it does not say."""
    size_out: int
    """F, the number of its features; 0 where it does not say."""
    scaled: bool
    """It has scales: `Scaled`."""
    least: Mapping[str, float] = MappingProxyType({})
    """Parameters that updates keep at least so large, by name; none where it does not say."""


def traits(policy: nn.Module) -> Traits:
    """What `policy` says of itself. The only place that asks."""
    size_out: Any = getattr(policy, "size_out", 0)
    memory = bool(getattr(policy, "memory", False))
    least: Any = getattr(policy, "least", {})
    return Traits(memory, functional.broadcasts(policy), int(size_out), isinstance(policy, Scaled), dict(least))
