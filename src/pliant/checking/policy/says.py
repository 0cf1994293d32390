"""What `pliant check --policy` asks of a policy's module, and of making one.

A check takes a `Subject` and answers with a note ("" for none) where all is well, or with a `Fault`.
"""

import copy
import dataclasses
from typing import Any

import torch
from torch import nn

from pliant import errors
from pliant.checking import chance, written
from pliant.checking.answer import Answer, Checks, Fault, Misasked, kind_of
from pliant.checking.policy.subject import SPECS, Made, Subject, remembers, shaken
from pliant.config import config
from pliant.streams import Stream

MAKE = "def make(spec, settings, stream): ... return MyPolicy(...)"


def exports(subject: Subject) -> Answer:
    """Settings is a frozen dataclass with defaults, make a function."""
    if not subject.is_module:
        return f"{subject.name} makes the body of the policy `module`"
    for name, line in (("Settings", written.FROZEN), ("make", MAKE)):
        if not hasattr(subject.code, name):
            return Fault(f"the module does not define {name}", line)
    if fault := written.class_fault(subject.code.Settings):
        return fault
    if not callable(subject.code.make):
        return Fault(f"make is {kind_of(subject.code.make)}", MAKE)
    return ""


def settings(subject: Subject) -> Answer:
    """Settings can be written to run.json and come back the same."""
    if not subject.is_module:
        return "those of the policy `module`"
    default = config.Config("maml", "point", subject.name, 0, {"policy": subject.code.Settings()})
    if fault := written.round_trip(default, "policy"):
        return fault
    try:
        wanted = config.override(default, {f"policy.{name}": value for name, value in subject.given.items()})
    except errors.UserError as error:
        raise Misasked(str(error)) from error
    subject.settings = wanted.parts["policy"]
    return written.counted(len(dataclasses.fields(subject.settings)))


def construction(subject: Subject) -> Answer:
    """make(spec, Settings(), stream) returns a torch module, for actions that are numbers and for choices."""
    refused = ""
    for kind, spec in SPECS.items():
        try:
            policy = subject.make(spec)
        except errors.UserError as error:  # it says that it cannot
            refused = f"it is not made for actions that are {kind}: {error}"
            continue
        if fault := _unfit(policy):
            return fault
        double = copy.deepcopy(policy).double()
        subject.made[kind] = Made(kind, spec, double, shaken(double, subject.stream.at("shake")))
    if not subject.made:
        return Fault(refused, "see the message")
    if refused:
        return Fault(refused, "if that is meant, all is well: train it on families that have the other actions", warning=True)
    made = next(iter(subject.made.values()))
    count = sum(p.numel() for p in made.params.values())
    return f"{count:,} parameters for {made.spec.obs_size} numbers seen and actions of {made.spec.action_size}"


def _unfit(policy: Any) -> Fault | None:
    """What is wrong with what `make` returned, if anything."""
    if not isinstance(policy, nn.Module):
        return Fault(f"make returned {kind_of(policy)}: expected a torch.nn.Module", MAKE)
    parameters = dict(policy.named_parameters())
    if not parameters:
        return Fault("it has no parameters: nothing can be learned", "nn.Parameter(...) for what shall be learned")
    for name, p in parameters.items():
        if p.dtype != torch.float32:
            return Fault(f"the parameter {name} is {str(p.dtype).removeprefix('torch.')}", "torch.float32, torch's default")
        if not bool(torch.isfinite(p).all()):
            return Fault(f"the parameter {name} is not finite before training", "begin with finite numbers")
    if remembers(policy) and not isinstance(getattr(policy, "size_out", None), int):
        return Fault("a policy with memory does not say how many features it gives", "self.size_out = F, an integer")
    return None


def repeats(subject: Subject) -> Answer:
    """The same stream makes the same parameters, and another stream makes others."""
    for made in subject.made.values():
        one, two = (dict(subject.make(made.spec).named_parameters()) for _ in range(2))
        if wrong := [n for n in one if n not in two or not torch.equal(one[n], two[n])]:
            return Fault(
                f"the parameter {wrong[0]} began differently the second time",
                "draw from stream.generator(), and from nothing else: nn.init.xavier_uniform_(weight, generator=generator)",
            )
        other = dict(subject.make(made.spec, Stream(1).at("other")).named_parameters())
        if all(torch.equal(p, other[n]) for n, p in one.items()):
            words = "another stream made the same parameters: every seed begins with the same policy"
            return Fault(words, "draw from stream.generator()", warning=True)
    return ""


def generators(subject: Subject) -> Answer:
    """The global random generators of Python, NumPy and torch are left alone."""
    for made, inputs in subject.each():
        for what, do in (
            ("making the policy", lambda made=made: subject.make(made.spec)),
            ("an answer", lambda made=made, inputs=inputs: made.answer(inputs)),
        ):
            if found := chance.touched(do):
                return Fault(
                    f"{what} draws from, or seeds, the global generator of {found[0]}",
                    "draw from stream.generator(), which make is given; an answer draws nothing: pliant samples the action",
                )
    return ""


CHECKS: Checks = (
    (exports, ()),
    (settings, ("exports",)),
    (construction, ("exports", "settings")),
    (repeats, ("construction",)),
)
"""Each check, and those that must have passed before it; `generators` is asked once it is known to answer."""
