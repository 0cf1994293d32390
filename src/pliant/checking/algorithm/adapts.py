"""What `pliant check --algorithm` asks of adaptation: how many trials are played, with which parameters, and whose they are."""

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from pliant.algorithms.base import by_episode
from pliant.checking.algorithm.subject import M, Subject, broken, collector, tensors, unlike
from pliant.checking.answer import Answer, Checks, Fault, kind_of
from pliant.types import Carry, Params, Rollout

STEPS = 2
CLOSE = 1e-4
"""Parameters count as the same up to this: a batch of another size may round differently."""


def adapt(subject: Subject) -> Answer:
    """adapt(collect, n) returns a rollout before adaptation and one after each of n steps; a memory returns its one trial."""
    learner, algorithm = subject.learner, subject.algorithm
    assert learner is not None
    before = tensors(algorithm)
    by_steps = not by_episode(algorithm)
    for steps in (0, STEPS):
        expected = steps + 1 if by_steps else 1
        rollouts: Any = algorithm.adapt(collector(learner, 0), steps)
        if not isinstance(rollouts, list) or not all(isinstance(r, Rollout) for r in rollouts):
            return Fault(f"adapt returned {kind_of(rollouts)}: expected a list of rollouts", RETURNS)
        if len(rollouts) != expected:
            return Fault(f"adapt(collect, {steps}) returned {len(rollouts)} rollouts: expected {expected}", RETURNS)
        subject.rollouts = rollouts
    if not algorithm.adapt(collector(learner, 0)):
        return Fault("adapt(collect) returned no rollout", RETURNS)
    if name := unlike(tensors(algorithm), before):
        return Fault(
            f"adapting changed {name}: it is also how an agent is evaluated",
            "keep what adapting finds out in values, not in self",
        )
    return f"{len(subject.rollouts)} rollouts for {STEPS} steps" if by_steps else "one trial, whatever the number of steps"


RETURNS = "rollouts = [collect(self.policy, params, 0)], then after step k: rollouts.append(collect(self.policy, params, k))"


def unadapted(subject: Subject) -> Answer:
    """adapted([]) is what the agent begins with, stacked for one task: parameters [1, *s] by the policy's names, no memory."""
    found = subject.algorithm.adapted([])
    if fault := _unfit(subject, found, 1):
        return fault
    if found[1] is not None:
        return Fault(
            f"adapted([]) carries {kind_of(found[1])}: nothing has been seen that a memory could hold", "return params, None"
        )
    return ""


def zero(subject: Subject) -> Answer:
    """With zero steps an agent acts with the parameters of adapted([]), and adapting to nothing changes nothing."""
    learner = subject.learner
    assert learner is not None
    params = subject.algorithm.adapted([])[0]
    mine = collector(learner, 0)(subject.algorithm.policy, {n: p.expand(M, *p.shape[1:]) for n, p in params.items()}, 0)
    theirs = subject.algorithm.adapt(collector(learner, 0), 0)[0]
    if float((mine.log_prob - theirs.log_prob).abs().max()) > CLOSE or float((mine.obs - theirs.obs).abs().max()) > CLOSE:
        return Fault(
            "the rollout before adaptation was not played with the parameters of adapted([])",
            "adapted([]) returns functional.stack(self.params, 1), with which adapt plays its first rollout",
        )
    return ""


def adapted(subject: Subject) -> Answer:
    """adapted(rollouts) is finite, by the policy's names: parameters [M, *s], or [1, *s] where all tasks share them."""
    found = subject.algorithm.adapted(subject.rollouts)
    by_steps = not by_episode(subject.algorithm)
    if fault := _unfit(subject, found, _sets(found) if by_steps else 1):
        return fault
    params, carry = found
    if by_steps:
        begin = subject.algorithm.adapted([])[0]
        if carry is not None:
            return Fault(f"it carries {kind_of(carry)} on: it adapts by gradient steps", "return params, None")
        return (
            f"{STEPS} steps moved parameters by {max(float((params[n] - p).abs().max()) for n, p in begin.items()):.2g} at most"
        )
    if not isinstance(carry, Carry):
        return Fault(
            f"it carries {kind_of(carry)} on from a trial",
            "return params, Carry(memory, action, reward), each of one lane [1, 1, *]",
        )
    for x in (x for x in tree_leaves(tuple(carry)) if isinstance(x, Tensor)):
        if list(x.shape[:2]) != [1, 1] or (x.is_floating_point() and not bool(torch.isfinite(x).all())):
            return Fault(
                f"it carries {list(x.shape)}: expected finite numbers [1, 1, *], of one lane", "of the first task's first lane"
            )
    return "it carries a memory on"


def _sets(found: Any) -> int:
    """1 if all tasks share one set of parameters, else M."""
    params = found[0] if isinstance(found, tuple) and found and isinstance(found[0], dict) else {}
    return 1 if params and all(len(p) == 1 for p in params.values() if p.dim()) else M


def _unfit(subject: Subject, found: Any, tasks: int) -> Fault | None:
    """What is wrong with what `adapted` returned, if anything."""
    if not isinstance(found, tuple) or len(found) != 2 or not isinstance(found[0], dict):
        return Fault(
            f"adapted returned {kind_of(found)}: expected parameters, a dict, and a carry or None", "return params, None"
        )
    params: Params = found[0]
    policy = subject.algorithm.policy
    own, fixed = dict(policy.named_parameters()), dict(policy.named_buffers())
    if missing := [n for n in own if n not in params]:
        return Fault(
            f"{missing[0]}, a parameter of the policy, is missing", "{name: p for name, p in params.items()}, all of them"
        )
    if more := [n for n in params if n not in own and n not in fixed]:
        return Fault(
            f"{more[0]} is no parameter of the policy", "leave out what belongs to the algorithm, such as learning rates"
        )
    for name, p in params.items():
        expected = [tasks, *(own[name] if name in own else fixed[name]).shape]
        if list(p.shape) != expected:
            return Fault(
                f"{name} is {list(p.shape)}: expected {expected}, a set for each task", "functional.stack(params, tasks)"
            )
        if p.requires_grad:
            return Fault(f"{name} still requires a gradient: an agent that acts would hold its whole past", "p.detach()")
    if name := broken(params):
        return Fault(f"{name} is not finite", "a smaller step, or a floor under what is divided by")
    return None


def untouched(subject: Subject) -> Answer:
    """adapted(rollouts) leaves the rollouts and the algorithm as they were, and gives the same again."""
    before, state = [Rollout._make(x.clone() for x in r) for r in subject.rollouts], tensors(subject.algorithm)
    one, two = (subject.algorithm.adapted(subject.rollouts)[0] for _ in range(2))
    if any(not torch.equal(a, b) for r, s in zip(before, subject.rollouts, strict=True) for a, b in zip(r, s, strict=True)):
        return Fault("adapted changed the rollouts that it was given", "no operation in place on what a rollout holds")
    if name := unlike(tensors(subject.algorithm), state):
        return Fault(
            f"adapted changed {name} of the algorithm's state", "adapt values, never self: functional.stack copies them"
        )
    if name := unlike(one, two):
        return Fault(f"{name} was adapted differently the second time", "no chance and no counter in adapted")
    return ""


def alone(subject: Subject) -> Answer:
    """A task is adapted to by what was seen of it alone."""
    if by_episode(subject.algorithm):
        return "a memory sees one lane"
    together = subject.algorithm.adapted(subject.rollouts)[0]
    apart = subject.algorithm.adapted([r.part(slice(1)) for r in subject.rollouts])[0]
    for name, p in apart.items():
        if float((p[0] - together[name][0]).abs().max()) > CLOSE * (1 + float(p.abs().max())):
            return Fault(
                f"{name} of task 0 depends on what was seen of task 1",
                "a loss for each task, [M], whose means are over lanes and steps: grad(loss.sum(), params) serves all",
            )
    return ""


CHECKS: Checks = (
    (adapt, ("state",)),
    (unadapted, ("adapt",)),
    (zero, ("unadapted",)),
    (adapted, ("unadapted",)),
    (untouched, ("adapted",)),
    (alone, ("untouched",)),
)
"""Each check, and those that must have passed before it."""
