"""A family's published protocol: it is played as it was published, or refused. No document claims one that was not played.

    by memory      one lane, whose trial has the episodes of adaptation and then those that are measured
    by gradient    the episodes of adaptation in equal parts, one for each gradient step; then the rollout after the last step,
                   in as many lanes as a part has, is measured: at least as many episodes as were published
"""

from collections.abc import Mapping
from typing import Any

from pliant import errors
from pliant.policies.base import traits
from pliant.running.curve import Curve
from pliant.running.learner import Learner
from pliant.running.schedule import Schedule
from pliant.tasks.base import Protocol

SPLIT = "test"
"""Published protocols measure tasks that were held out."""


def require_settled(split: str, changed: Mapping[str, Any]) -> None:
    """Raise UserError for a split that no published protocol is about, and for a horizon beside that of the protocol."""
    if split != SPLIT:
        raise errors.UserError(f"--split is {split} with --protocol: the published protocol measures {SPLIT} tasks; give one")
    if "family.horizon" in changed:
        raise errors.UserError("--family.horizon and --protocol: the published protocol settles the horizon; give one")


def schedule(learner: Learner, published: Protocol, stages: int | None) -> Schedule:
    """How this agent plays a published protocol; by gradient in `stages` steps, or as many as it was trained with.

    A lane plays one episode, or the trial it was trained with where the policy has a memory. Raises UserError, with what would
    fit, where the episodes of adaptation make no equal parts.
    """
    if learner.by_episode:
        last = published.adapt + published.measure - 1
        if stages not in (None, last):
            raise errors.UserError(
                f"--stages is {stages} with --protocol: the published protocol has {last + 1} episodes, stages 0 to {last};"
                " leave --stages out"
            )
        return learner.schedule(last, lanes=1)
    trial = learner.episodes if traits(learner.algorithm.policy).memory else 1
    steps = _trained(learner.config.parts) if stages is None else stages
    fitting = [n for n in range(1, published.adapt + 1) if _fits(published, n, trial)]
    if steps not in fitting:
        lanes = f"lanes of {trial} episodes" if trial > 1 else "lanes of one episode"
        mend = f"choose --stages {' or '.join(map(str, fitting))}" if fitting else "none fits, leave --protocol out"
        raise errors.UserError(
            f"--stages is {steps} with --protocol: the {published.adapt} published episodes of adaptation make no {steps} equal"
            f" parts in {lanes}, of {published.measure} episodes at least: {mend}"
        )
    return Schedule(steps, trial, published.adapt // (steps * trial), by_episode=False)


def headline(measured: Curve, begin: int) -> dict[str, Any]:
    """Success, or the return where the family reports none, over the stages from `begin` on."""
    values = measured.returns if measured.success is None else measured.success
    name = "return" if measured.success is None else "success"
    summed = measured.summed(values[:, begin:].mean(1), is_share=name == "success")
    return {"what": name, "stages": list(range(begin, values.shape[1])), **summed}


def _fits(published: Protocol, steps: int, trial: int) -> bool:
    """As many equal parts of whole trials, none smaller than what is measured."""
    return published.adapt % (steps * trial) == 0 and published.adapt // steps >= published.measure


def _trained(parts: Mapping[str, Any]) -> int:
    """Gradient steps of an iteration of training; one for an agent that takes none there."""
    steps: int = getattr(parts.get("inner"), "steps", 1)
    return steps
