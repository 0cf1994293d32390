"""Parameters are values: a dict of tensors, shared `[*s]` or stacked per task `[M, *s]`.

Losses return one value per task, so one `autograd.grad(loss.sum(), params)` gives every task its own gradient, and a
meta-gradient flows back through the stacking.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.utils._pytree import tree_map

from pliant.types import Inputs, Output, Params, State


def parameters(module: nn.Module) -> Params:
    """The module's parameters as a detached copy that requires no gradient."""
    return {name: p.detach().clone() for name, p in module.named_parameters()}


def stack(params: Params, tasks: int) -> Params:
    """One copy per task: [*s] -> [tasks, *s], of one task too. Gradients flow back to the shared parameters."""
    return {name: p.expand(tasks, *p.shape).clone(memory_format=torch.contiguous_format) for name, p in params.items()}


def broadcasts(policy: nn.Module) -> bool:
    """Whether a policy takes parameters stacked per task itself: its attribute `broadcasts`, False where it has none."""
    return bool(getattr(policy, "broadcasts", False))


def apply(policy: nn.Module, params: Params, inputs: Inputs, state: State = ()) -> tuple[Output, State]:
    """Run `policy` with `params`, shared or stacked per task, on inputs [M, B, T, *].

    A policy that `broadcasts` handles stacked parameters itself (ours do). Any other module runs under
    vmap over tasks: equal, but slower.
    """
    stacked = [name for name, own in policy.named_parameters() if params[name].dim() > own.dim()]
    if stacked and not broadcasts(policy) and len(params[stacked[0]]) == 1:  # nothing to map over
        dims = {name: p.dim() for name, p in (*policy.named_parameters(), *policy.named_buffers())}
        params, stacked = {name: p[0] if p.dim() > dims[name] else p for name, p in params.items()}, []
    if broadcasts(policy) or not stacked:
        result: tuple[Output, State] = functional_call(policy, params, (inputs, state))
        return result

    def one(params: Params, inputs: Inputs, state: State) -> tuple[Tensor, Any, State]:
        lifted = Inputs(*(x[None] for x in inputs))
        output, state = functional_call(policy, params, (lifted, tree_map(lambda x: x[None], state)))
        features = () if output.features is None else output.features[0]  # vmap returns nests of tensors, not None
        return output.dist[0], features, tree_map(lambda x: x[0], state)

    dist, features, state = vmap(one)(params, inputs, state)
    return Output(dist, None if isinstance(features, tuple) else features), state


def bound(policy: nn.Module, params: Params) -> Callable[[Inputs, State], tuple[Output, State]]:
    """`apply` with `params` settled once, for the many calls of a rollout. No gradient flows back to `params`."""
    if not broadcasts(policy):
        return lambda inputs, state: apply(policy, params, inputs, state)
    live: Callable[[Inputs, State], tuple[Output, State]] = attached(policy, params)
    return live


def attached(module: nn.Module, values: Params) -> Any:
    """A copy of `module` whose parameters and buffers are the tensors `values` themselves: gradients flow back to them."""
    own = copy.deepcopy(module)
    for name, value in values.items():
        holder, _, leaf = name.rpartition(".")
        part = own.get_submodule(holder)
        delattr(part, leaf)
        setattr(part, leaf, value)
    return own


def inner_step(
    params: Params, loss: Tensor, lr: float | Mapping[str, Tensor], second_order: bool = True, retain: bool = False
) -> Params:
    """One gradient step per task: params[m] - lr * d loss[m] / d params[m].

    Finn et al. 2017, arXiv:1703.03400, equation 1. `params` are stacked [M, *s] and part of the graph of `loss` [M]; `lr` is
    one rate, one per tensor, or one per entry [*s]. With `second_order` the result can be differentiated through the gradient;
    without, the gradient is a constant: first-order MAML. Parameters that the loss does not touch stay as they are.
    """
    gradient = torch.autograd.grad(
        loss.sum(), list(params.values()), create_graph=second_order, retain_graph=retain or None, allow_unused=True
    )
    stepped = {}
    for (name, p), g in zip(params.items(), gradient, strict=True):
        rate: Any = lr if isinstance(lr, float | int) else lr[name]
        stepped[name] = p if g is None else p - rate * g
    return stepped


def within(x: Tensor, low: float | None = None, high: float | None = None) -> Tensor:
    """`x` clamped to [low, high], with the gradient of `x` itself: what a plain clamp has stopped could never come back."""
    constant = x.detach()
    return constant.clamp(low, high) + (x - constant)


def lifted(params: Params, least: Mapping[str, float]) -> Params:
    """`params` after an update, those that `least` names at least so large, each entry; gradients pass as in `within`.

    A projection: a value that was pushed below a bound it only seems to cross would have a long way back.
    """
    return {name: within(p, low=least[name]) if name in least else p for name, p in params.items()}


def flatten(tensors: Params) -> Tensor:
    """All entries as one vector."""
    return torch.cat([t.reshape(-1) for t in tensors.values()])


def unflatten(vector: Tensor, like: Params) -> Params:
    """The inverse of `flatten`."""
    pieces = vector.split([t.numel() for t in like.values()])
    return {name: piece.view(t.shape) for (name, t), piece in zip(like.items(), pieces, strict=True)}


def detached(state: State) -> State:
    """The same values without their history."""
    return tree_map(lambda x: x.detach(), state)
