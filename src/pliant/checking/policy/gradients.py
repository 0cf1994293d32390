"""What `pliant check --policy` asks of gradients: a set of parameters for each task, first and second derivatives."""

import torch
from torch import Tensor

from pliant.checking.answer import Answer, Checks, Fault
from pliant.checking.policy.subject import EXACT, SHAKE, B, M, Made, Subject, T, apart, remembers
from pliant.maths import functional
from pliant.types import Inputs, Params

MOVE, ROUGH = 1e-5, 1e-4
"""Half the distance of finite differences, and how far a gradient may be from them, as a share."""
SMALL = 1e-7
"""Slopes below this say nothing."""
ONLY = "cannot be adapted by gradient: rl2 can train it, maml, fomaml and reptile cannot"


def stacked(subject: Subject) -> Answer:
    """A set of parameters for each task, [M, *s], answers as the sets one by one do."""
    for made, inputs in subject.each():
        noise = {n: subject.stream.at("sets", n).normal(M, *p.shape, dtype=p.dtype) for n, p in made.params.items()}
        sets = {n: p + SHAKE * noise[n] for n, p in made.params.items()}
        try:
            together = made.answer(inputs, params=sets)[0].dist
        except RuntimeError as error:
            if functional.broadcasts(made.policy) or not remembers(made.policy):
                raise
            return _only(error)
        for m in range(M):
            own = {n: p[m] for n, p in sets.items()}
            alone = made.answer(Inputs(*(x[m : m + 1] for x in inputs)), params=own)[0].dist
            if apart(together[m : m + 1], alone) > EXACT:
                return Fault(
                    f"task {m} is answered otherwise with a set of parameters for each task than with its set alone", BROADCASTS
                )
        same = functional.stack(made.params, M)
        if apart(made.answer(inputs, params=same)[0], made.answer(inputs)[0]) > EXACT:
            return Fault("shared parameters and copies of them for each task answer differently", BROADCASTS)
    broadcasts = all(functional.broadcasts(made.policy) for made in subject.made.values())
    return (
        "by itself"
        if broadcasts
        else "through vmap: `broadcasts = True` in the class, and layers that serve [M, *s], are faster"
    )


BROADCASTS = (
    "take `broadcasts = True` out of the class, or serve [*s] and [M, *s]: x @ weight.mT + bias.unsqueeze(-2), x [M, N, D]"
)


def first(subject: Subject) -> Answer:
    """Gradients are those of the answers: they equal finite differences."""
    for made, inputs in subject.each():
        params = _leaves(made.params)
        found = torch.autograd.grad(_loss(subject, made, params, inputs), list(params.values()), allow_unused=True)
        for name, g in zip(params, found, strict=True):
            expected = _slope(subject, made, inputs, name)
            if g is None and abs(expected) > SMALL:
                return Fault(f"the parameter {name} changes the answer but has no gradient", NO_DETACH)
            got = 0.0 if g is None else float((g * _way(subject, name, g)).sum())
            if abs(got - expected) > ROUGH * (1 + abs(expected)):
                return Fault(f"the gradient of {name} is {got:.6g} where finite differences say {expected:.6g}", NO_DETACH)
    return ""


NO_DETACH = "no .detach(), .data, .item() or torch.no_grad() on the way from parameters to answers; no rounding"


def reached(subject: Subject) -> Answer:
    """Every parameter changes something."""
    idle: set[str] | None = None
    for made, inputs in subject.each():
        params = _leaves(made.params)
        found = torch.autograd.grad(_loss(subject, made, params, inputs), list(params.values()), allow_unused=True)
        none = {n for n, g in zip(params, found, strict=True) if g is None or not bool((g != 0).any())}
        idle = none if idle is None else idle & none
    if idle:
        return Fault(
            f"no answer depends on {min(idle)}: nothing is learned there", "use it in forward, or leave it out", warning=True
        )
    return ""


def second(subject: Subject) -> Answer:
    """Gradients can be differentiated again, with a set of parameters for each task: MAML learns through its own steps."""
    for made, inputs in subject.each():
        inputs = Inputs(*(x[:, :, :4] for x in inputs))
        try:
            twice, expected = _twice(subject, made, inputs), _twice_by_differences(subject, made, inputs)
        except RuntimeError as error:
            return _only(error)
        if abs(twice - expected) > 10 * ROUGH * (1 + abs(expected)):
            return Fault(
                f"the gradient of a gradient is {twice:.6g} where finite differences say {expected:.6g}",
                "a torch.autograd.Function of your own needs a backward that can itself be differentiated",
            )
    return "maml, fomaml and reptile can train it" + (
        ", and rl2" if any(remembers(made.policy) for made in subject.made.values()) else ""
    )


def _only(error: RuntimeError) -> Fault:
    """A warning: what torch cannot differentiate so, another algorithm may still train."""
    reason = str(error).partition("\n")[0].partition(". ")[0]
    mend = "if that is meant, all is well; else use layers that torch maps over tasks and differentiates twice"
    return Fault(f"it {ONLY} ({reason})", mend, warning=True)


def _twice(subject: Subject, made: Made, inputs: Inputs) -> float:
    """The slope, along a way through all parameters, of the squared length of the gradient."""
    params = _leaves(functional.stack(made.params, M))
    second = torch.autograd.grad(_length(subject, made, params, inputs, again=True), list(params.values()), allow_unused=True)
    return sum(float((g * _way(subject, n, g)).sum()) for n, g in zip(params, second, strict=True) if g is not None)


def _twice_by_differences(subject: Subject, made: Made, inputs: Inputs) -> float:
    own = functional.stack(made.params, M)
    ways = [_leaves({n: p + sign * MOVE * _way(subject, n, p) for n, p in own.items()}) for sign in (1, -1)]
    one, two = (float(_length(subject, made, params, inputs, again=False)) for params in ways)
    return (one - two) / (2 * MOVE)


def _length(subject: Subject, made: Made, params: Params, inputs: Inputs, again: bool) -> Tensor:
    gradient = torch.autograd.grad(
        _loss(subject, made, params, inputs), list(params.values()), create_graph=again, allow_unused=True
    )
    return torch.stack([g.square().sum() for g in gradient if g is not None]).sum()


def _loss(subject: Subject, made: Made, params: Params, inputs: Inputs) -> Tensor:
    """A number that depends on every answer in its own way."""
    dist = made.answer(inputs, params=params)[0].dist
    weight = subject.stream.at("weight").normal(M, B, T, dist.shape[-1], dtype=dist.dtype)[:, :, : dist.shape[2]]
    return (dist * weight).sum() + 0.5 * dist.square().mean()


def _slope(subject: Subject, made: Made, inputs: Inputs, name: str) -> float:
    """How the loss changes as one parameter moves along its way, by finite differences."""
    p = made.params[name]
    moved = [made.params | {name: p + sign * MOVE * _way(subject, name, p)} for sign in (1, -1)]
    with torch.no_grad():
        one, two = (float(_loss(subject, made, params, inputs)) for params in moved)
    return (one - two) / (2 * MOVE)


def _way(subject: Subject, name: str, like: Tensor) -> Tensor:
    """A direction at random for a parameter."""
    return subject.stream.at("way", name).normal(1, *like.shape, dtype=like.dtype)[0]


def _leaves(params: Params) -> Params:
    return {n: p.detach().clone().requires_grad_() for n, p in params.items()}


CHECKS: Checks = (
    (stacked, ("same", "number")),
    (first, ("same",)),
    (reached, ("first",)),
    (second, ("first", "stacked")),
)
"""Each check, and those that must have passed before it."""
