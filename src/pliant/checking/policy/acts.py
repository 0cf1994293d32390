"""What `pliant check --policy` asks of a policy's answers: shapes, numbers, what they depend on, what they leave alone."""

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from pliant.checking.answer import Answer, Checks, Fault, kind_of
from pliant.checking.policy import says
from pliant.checking.policy.subject import EXACT, B, M, Made, Subject, T, apart, copied, leaves, remembers
from pliant.maths import distributions
from pliant.types import Inputs, Output

OUTPUT = "return Output(dist), state: dist [M, B, T, P], P = A for choices, 2 A (means, log standard deviations) for numbers"
FEATURES = "Output(dist, features) with features [M, B, T, F] and self.size_out = F: a critic judges by them"
SCALES = (0.0, 1e-30, 1e4, 1e15)
"""Sizes of the inputs to which answers must be finite, in float32."""


def shapes(subject: Subject) -> Answer:
    """Inputs [M, B, T, *] are answered by an Output whose dist is [M, B, T, P], and a state."""
    for made, inputs in subject.each():
        found = made.answer(inputs)
        if not isinstance(found, tuple) or len(found) != 2 or not isinstance(found[0], Output):
            return Fault(f"forward returned {kind_of(found)}: expected an Output and a state", OUTPUT)
        P = distributions.parameter_count(made.spec)
        if fault := _misshapen("dist", found[0].dist, P, OUTPUT):
            return Fault(f"where actions are {made.kind}, {fault.words}", fault.mend)
        features = found[0].features
        if not remembers(made.policy):
            if features is not None:
                return Fault(
                    "it gives features but does not say that it has a memory", "memory = True in the class, or no features"
                )
        elif fault := _misshapen("features", features, int(made.policy.size_out), FEATURES):  # type: ignore[arg-type]
            return fault
    return "with memory" if any(remembers(made.policy) for made in subject.made.values()) else "without memory"


def _misshapen(name: str, x: Any, size: int, mend: str) -> Fault | None:
    expected = [M, B, T, size]
    if not isinstance(x, Tensor):
        return Fault(f"{name} is {kind_of(x)}: expected a tensor {expected}", mend)
    if list(x.shape) != expected or x.dtype != torch.float64:
        got = f"{str(x.dtype).removeprefix('torch.')} {list(x.shape)}"
        return Fault(f"{name} is {got}: expected float64 {expected}, the type of the parameters", mend)
    return None


def state(subject: Subject) -> Answer:
    """A memory's state is a nest of tensors [M, B, *]; a policy without memory hands back the state it got."""
    for made, inputs in subject.each():
        found = made.answer(inputs)[1]
        if not remembers(made.policy):
            if found != ():
                words = f"without a memory it returned {kind_of(found)} as its state: expected (), what it got"
                return Fault(words, "return Output(dist), state; or say memory = True in the class")
            continue
        if wrong := [x for x in tree_leaves(found) if not isinstance(x, Tensor)]:
            return Fault(f"the state holds {kind_of(wrong[0])}: expected tensors alone", "torch.full((M, B), n) for a counter")
        if not leaves(found):
            return Fault(
                f"the state is {kind_of(found)} without a tensor in it", "a tensor, tuple or NamedTuple of tensors [M, B, *]"
            )
        for x in leaves(found):
            if list(x.shape[:2]) != [M, B]:
                words = f"the state holds a tensor {list(x.shape)}: expected [{M}, {B}, ...], task and lane first"
                return Fault(
                    words, "keep what a lane remembers as [M, B, *]: x.unflatten(0, (M, B)), never [B, *] or [layers, *]"
                )
    return ""


def finite(subject: Subject) -> Answer:
    """Answers are finite, whatever the size of the inputs."""
    for made in subject.made.values():
        policy = subject.make(made.spec)
        for scale in (1.0, *SCALES):
            with torch.no_grad():
                output, memory = policy(subject.inputs(made.spec, scale=scale, dtype=torch.float32), ())
            if not all(bool(torch.isfinite(x).all()) for x in (output.dist, *leaves(memory)) if x.is_floating_point()):
                return Fault(
                    f"observations and rewards of order {scale:g} give an answer that is not finite",
                    "squash what comes in (tanh, symlog), bound log standard deviations, and divide by nothing that can be 0",
                )
    return f"to inputs of order 0 to {max(SCALES):g}"


def copies(subject: Subject) -> Answer:
    """Nothing is changed in place: not the inputs, not the state that it got, not the parameters and buffers."""
    for made, inputs in subject.each():
        state = made.answer(inputs)[1]
        own = dict(made.policy.named_buffers()) | dict(made.policy.named_parameters())
        parts: dict[str, Any] = {
            "the inputs": tuple(inputs),
            "the state": state,
            "the parameters": made.params,
            "a buffer": own,
        }
        before = copied(parts)
        made.answer(inputs, state)
        if changed := [name for name, x in parts.items() if apart(x, before[name]) > 0]:
            return Fault(
                f"an answer changed {changed[0]} in place",
                "x = x + change, never x += change, x[...] = ... or self.memory = ...; what is remembered goes into the state",
            )
    return ""


def same(subject: Subject) -> Answer:
    """The same inputs have the same answer, and training and evaluation modes of torch do not differ."""
    for made, inputs in subject.each():
        one = made.answer(inputs)
        if apart(made.answer(inputs), one) > 0:
            return Fault(
                "the same inputs had another answer the second time",
                "no dropout, no noise, nothing counted: pliant samples the action",
            )
        made.policy.eval()
        other = made.answer(inputs)
        made.policy.train()
        if apart(other, one) > 0:
            return Fault(
                "eval() changes the answer", "no dropout and no batch normalisation: a policy is a function of its parameters"
            )
    return ""


def depends(subject: Subject) -> Answer:
    """Another observation has another answer."""
    for made, inputs in subject.each():
        changed = inputs._replace(obs=subject.inputs(made.spec, "other").obs)
        if apart(made.answer(changed)[0].dist, made.answer(inputs)[0].dist) < EXACT:
            return Fault("other observations have the same answer", "use inputs.obs in forward", warning=True)
    return ""


def lanes(subject: Subject) -> Answer:
    """What one lane sees changes nothing in another, of its task or of another task."""
    others = torch.ones(M, B, dtype=torch.bool)
    others[0, 1] = False
    for made, inputs in subject.each():
        mixed = _mixed(inputs, subject.inputs(made.spec, "other"))
        one, two = ([x[others] for x in leaves(made.answer(each))] for each in (inputs, mixed))
        if apart(two, one) > EXACT:
            return Fault(
                "what lane 1 of task 0 saw changed the answers of other lanes",
                "no mean, normalisation, sort or product over the dims M and B: each lane is on its own",
            )
    return ""


def _mixed(inputs: Inputs, other: Inputs) -> Inputs:
    """`inputs`, of which lane 1 of task 0 is `other`'s."""
    mixed = Inputs(*(x.clone() for x in inputs))
    for mine, theirs in zip(mixed, other, strict=True):
        mine[0, 1] = theirs[0, 1]
    return mixed


def number(subject: Subject) -> Answer:
    """A lane has the same answer however many lanes and tasks there are."""
    for made, inputs in subject.each():
        alone = _of_first(made.answer(Inputs(*(x[:1, :1] for x in inputs))), made)
        if apart(alone, _of_first(made.answer(inputs), made)) > EXACT:
            return Fault(
                "a lane alone is answered otherwise than beside others",
                "no mean, normalisation or size of the dims M and B in forward",
            )
    return ""


def _of_first(answer: tuple[Output, Any], made: Made) -> list[Tensor]:
    """What the first lane of the first task was answered."""
    return [x[:1, :1] for x in leaves(answer)]


CHECKS: Checks = (
    (shapes, ("construction",)),
    (state, ("shapes",)),
    (says.generators, ("shapes", "repeats")),
    (finite, ("state",)),
    (copies, ("state",)),
    (same, ("copies",)),
    (depends, ("same",)),
    (lanes, ("same",)),
    (number, ("lanes",)),
)
"""Each check, and those that must have passed before it."""
