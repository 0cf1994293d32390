"""What `pliant check --algorithm` asks of learning and of checkpoints: numbers, refusals, and the same bits after a restart."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from safetensors.torch import load as read
from safetensors.torch import save

from pliant import errors
from pliant.checking.algorithm import says
from pliant.checking.algorithm.subject import ITERATIONS, Subject, broken, collector, iterate, tensors, unlike
from pliant.checking.answer import Answer, Checks, Fault, kind_of
from pliant.running.learner import Learner
from pliant.types import Rollout


def learn(subject: Subject) -> Answer:
    """learn(rollouts) returns named numbers, changes parameters, which stay finite, and leaves the rollouts as they were."""
    learner = subject.build()
    algorithm, before = learner.algorithm, tensors(learner.algorithm)
    for iteration in range(ITERATIONS):
        rollouts = algorithm.adapt(collector(learner, iteration))
        copies = [Rollout._make(x.clone() for x in r) for r in rollouts]
        found = algorithm.learn(rollouts)
        if fault := _not_numbers(found):
            return fault
        if any(not torch.equal(a, b) for r, s in zip(copies, rollouts, strict=True) for a, b in zip(r, s, strict=True)):
            return Fault("learn changed the rollouts that it was given", "no operation in place on what a rollout holds")
        subject.metrics.append(found)
    if name := broken(algorithm.adapted([])[0]):
        return Fault(
            f"{name} is not finite after {ITERATIONS} meta-updates", "a smaller step; a floor under what is divided by"
        )
    subject.trained = learner
    names = ", ".join(subject.metrics[-1])
    if not unlike(before, tensors(algorithm)) and subject.learns:
        return Fault(
            f"{ITERATIONS} meta-updates changed nothing",
            "learns = False in the class of a method that learns nothing",
            warning=True,
        )
    return f"it records {names}" if names else "it records nothing"


def _not_numbers(found: Any) -> Fault | None:
    mend = 'return {"loss": float(loss)}: a name and a finite number each'
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        return Fault(f"learn returned {kind_of(found)}: expected a dict from names to numbers", mend)
    for name, value in found.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            return Fault(f"{name}, which learn returned, is {kind_of(value)}", mend)
        if not math.isfinite(value):
            return Fault(f"{name}, which learn returned, is {value}", mend)
    return None


def choices(subject: Subject) -> Answer:
    """It learns where actions are choices as well as where they are numbers."""
    try:
        learner = subject.build("gridnavi")
        found = iterate(learner, 0, 1)
    except errors.UserError as error:
        return Fault(f"it does not learn where actions are choices: {error}", "if that is meant, all is well", warning=True)
    if fault := _not_numbers(found[0]):
        return fault
    name = broken(learner.algorithm.adapted([])[0])
    return Fault(f"{name} is not finite after a meta-update on choices", "a smaller step") if name else ""


def refuses(subject: Subject) -> Answer:
    """A reward that is not finite is refused with a UserError, and changes no parameter."""
    learner = subject.build()
    iterate(learner, 0, 1)
    algorithm = learner.algorithm
    rollouts = [_spoilt(r) for r in algorithm.adapt(collector(learner, 1))]
    before, mend = tensors(algorithm), "raise pliant.UserError where a gradient is not finite, before any parameter is changed"
    try:
        algorithm.learn(rollouts)
    except Exception as error:
        if errors.one_line(error) is None:
            return Fault(f"a reward that is not finite ended in {type(error).__name__}: {error}", mend)
        if name := unlike(tensors(algorithm), before):
            return Fault(
                f"a reward that is not finite was refused, but {name} had changed by then", f"{mend}; or put them back"
            )
        return str(error)
    if not subject.learns:
        return "it learns nothing"
    if name := broken({n: x for n, x in tensors(algorithm).items() if x.is_floating_point()}):
        return Fault(f"a reward that is not finite was learned: {name} is not finite now, and the run is lost", mend)
    return Fault("a reward that is not finite was taken without a word", mend)


def _spoilt(rollout: Rollout) -> Rollout:
    """A rollout in which one step was paid NaN."""
    reward = rollout.reward.clone()
    reward[0, 0, 0] = float("nan")
    return rollout._replace(reward=reward)


def kept(subject: Subject) -> Answer:
    """Learning on does not change what state() returned before."""
    learner = subject.build()
    iterate(learner, 0, 1)
    found = learner.algorithm.state()
    before = tensors(learner.algorithm)
    iterate(learner, 1, 2)
    if name := unlike(found, before):
        return Fault(f"learning on changed {name} in a state() that had been returned before", "p.detach().clone()")
    return f"{len(found)} tensors"


def load(subject: Subject) -> Answer:
    """load(state) restores every tensor to the bit, in a fresh algorithm and in one that has learned."""
    assert subject.trained is not None
    late = tensors(subject.trained.algorithm)
    for words, learner in (("a fresh algorithm", subject.build()), ("one that had learned", _learned(subject))):
        for name, wanted in (("what was learned", late), ("the beginning", tensors(subject.algorithm))):
            given = {n: x.clone() for n, x in wanted.items()}
            learner.algorithm.load(given)
            if wrong := unlike(tensors(learner.algorithm), wanted):
                return Fault(f"{wrong} is not what it was after {name} was loaded into {words}", EVERYTHING)
    return ""


EVERYTHING = "load takes all that state() returns, clears what is not in it (such as moments), and changes no type or order"


def continued(subject: Subject) -> Answer:
    """Learning that goes on from a checkpoint equals learning that was never interrupted, to the bit."""
    assert subject.trained is not None
    learner, file = subject.build(), save({n: x.contiguous() for n, x in tensors(subject.trained.algorithm).items()})
    whole = subject.build()
    iterate(whole, 0, ITERATIONS)
    given = read(file)
    learner.algorithm.load(given)
    numbers = [iterate(each, ITERATIONS, ITERATIONS + 1)[0] for each in (learner, whole)]
    if name := unlike(given, read(file)):
        return Fault(f"learning changed {name} in the state that had been loaded", "state[name].clone() in load")
    if name := unlike(tensors(learner.algorithm), tensors(whole.algorithm)):
        return Fault(f"{name} differs after one more meta-update from a checkpoint", KEPT)
    if wrong := _unequal(*numbers):
        return Fault(f"{wrong}, which learn returned, differs after a restart", KEPT)
    return ""


KEPT = "all that learning depends on is in state(): moments, step counts, running statistics, counters"


def _unequal(one: Mapping[str, float], two: Mapping[str, float]) -> str:
    return next((name for name in one if one[name] != two.get(name)), "")


def _learned(subject: Subject) -> Learner:
    """An algorithm that has learned something else than the subject's."""
    learner = subject.build()
    iterate(learner, 5, 7)
    return learner


def same_bits(subject: Subject) -> Answer:
    """The same seed learns the same, to the bit."""
    assert subject.trained is not None
    learner = subject.build()
    numbers = iterate(learner, 0, ITERATIONS)
    if name := unlike(tensors(learner.algorithm), tensors(subject.trained.algorithm)):
        return Fault(f"{name} was learned differently the second time", "draw from `stream`, and from nothing else")
    if wrong := next((w for a, b in zip(numbers, subject.metrics, strict=True) if (w := _unequal(a, b))), ""):
        return Fault(f"{wrong}, which learn returned, differs the second time", "no time and no chance in what learn returns")
    return ""


CHECKS: Checks = (
    (says.repeats, ("adapt",)),
    (learn, ("adapt", "unadapted", "repeats")),
    (says.generators, ("learn",)),
    (choices, ("learn",)),
    (same_bits, ("learn",)),
    (refuses, ("learn",)),
    (kept, ("learn",)),
    (load, ("kept",)),
    (continued, ("load", "same_bits")),
)
"""Each check, and those that must have passed before it."""
