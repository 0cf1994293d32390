"""What an agent carries from step to step, as tensors that a file can hold."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from pliant import errors
from pliant.maths import functional
from pliant.types import Carry, Inputs, Spec, State

PREFIX = "carry/"
"""Of their names in a file."""


@torch.no_grad()
def memory_of(policy: nn.Module, spec: Spec, lanes: int) -> State:
    """What a policy remembers after a step of nothing: the shapes of its memory."""
    like = next(policy.parameters())
    action = torch.zeros(1, lanes, 1, dtype=torch.int64) if spec.discrete else torch.zeros(1, lanes, 1, spec.action_size)
    nothing = Inputs(torch.zeros(1, lanes, 1, spec.obs_size), action, torch.zeros(1, lanes, 1), torch.ones(1, lanes, 1) > 0)
    return functional.apply(policy, functional.parameters(policy), Inputs(*(x.to(like.device) for x in nothing)))[1]


def shapes(carry: Carry) -> list[list[int]]:
    """Of all its tensors."""
    return [list(x.shape) for x in tree_flatten(tuple(carry))[0]]


def flat(carry: Carry | None) -> dict[str, Tensor]:
    """A carry as named tensors for a file."""
    return {} if carry is None else {f"{PREFIX}{i}": x.contiguous() for i, x in enumerate(tree_flatten(tuple(carry))[0])}


def unflat(tensors: Mapping[str, Tensor], policy: nn.Module, spec: Spec, path: Path) -> Carry | None:
    """What `flat` made. Raises UserError if it is the memory of another policy."""
    if not tensors:
        return None
    memory, nest = tree_flatten(memory_of(policy, spec, 1))
    leaves = [tensors.get(f"{PREFIX}{i}") for i in range(len(tensors))]
    shapes = [None if x is None else list(x.shape) for x in leaves]
    if len(leaves) != len(memory) + 2 or shapes[:-2] != [list(x.shape) for x in memory]:
        raise errors.UserError(f"{path} holds the memory of another policy: its tensors are {shapes}")
    return Carry(tree_unflatten(leaves[:-2], nest), leaves[-2], leaves[-1])  # type: ignore[arg-type]
