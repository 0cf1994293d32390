"""Whether contenders may be compared at all; everything here is asked before anything is evaluated."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pliant import errors
from pliant.comparing import kept
from pliant.comparing.contenders import Asked, Contender, Training
from pliant.config import values as valued
from pliant.streams import Stream
from pliant.tasks.base import SPLITS, Family

FACTS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "evaluation seed": lambda d: d["seed"],
    "number of tasks": lambda d: d["tasks"],
    "family version": lambda d: d["protocol"]["family_version"],
    "horizon": lambda d: d["protocol"]["horizon"],
    "published protocol": lambda d: d["protocol"]["published"],
    "settings of the family": lambda d: d["protocol"]["changed"],
    "tasks (their checksum)": lambda d: d["protocol"]["tasks_sha256"],
}
"""What evaluations must have in common, and where their documents say it."""


def require_same_family(trainings: Sequence[Training]) -> None:
    """Raise UserError unless all play the same tasks: one family, under the same settings."""
    first = trainings[0]
    for other in trainings[1:]:
        if other.config.family != first.config.family:
            raise errors.UserError(
                f"{first.path} is a run on {first.config.family} and {other.path} one on {other.config.family}: only runs on"
                " the same family can be compared"
            )
        mine, theirs = first.config.parts["family"], other.config.parts["family"]
        if mine != theirs:
            name = next(n for n in valued.field_types(type(mine)) if getattr(mine, n) != getattr(theirs, n))
            raise errors.UserError(
                f"{first.path} has family.{name} {getattr(mine, name)!r} and {other.path} {getattr(theirs, name)!r}: these are"
                " other tasks, which cannot be compared"
            )


def settled(trainings: Sequence[Training], asked: Asked) -> Asked:
    """What is asked, where documents settle it: the tasks that the first of them is of.

    Raises UserError where something else than the usual is asked for and documents cannot answer it, and for documents of most
    likely actions.
    """
    usual = Asked()
    found = [(t.path, document) for t in trainings for document in t.measured.values()]
    for path, document in found:
        if document["protocol"].get("deterministic"):
            raise errors.UserError(
                f"{path} is of most likely actions: compare wants actions as in training, so evaluate without --deterministic"
            )
        says = {name: document[name] for name in ("split", "tasks", "seed")} | {"stages": document["protocol"]["stages"]}
        for name, value in says.items():
            wanted = getattr(asked, name)
            if wanted not in (getattr(usual, name), value):
                raise errors.UserError(f"--{name} is {wanted}, and {path} was evaluated with {value}: leave --{name} out")
    if not found:
        return asked
    first = found[0][1]
    return dataclasses.replace(asked, split=first["split"], tasks=first["tasks"], seed=first["seed"])


def require_tasks(family: Family, asked: Asked) -> list[str]:
    """The splits asked for that the family has. Raises UserError if the one that everything is measured on is none of them."""
    if asked.split not in SPLITS:
        raise errors.unknown("split", asked.split, SPLITS)
    splits = [split for split in asked.every_split if kept.has_split(family, split)]
    if asked.split not in splits:
        raise errors.UserError(f"{family.name} has no tasks in split {asked.split}: choose {' or '.join(splits) or 'another'}")
    return splits


def require_measured_alike(contenders: Sequence[Contender], family: Family, asked: Asked) -> None:
    """Raise UserError unless documents that were kept agree with each other and with what runs are about to play."""
    trainings = [training for contender in contenders for training in contender.trainings]
    runs = [training for training in trainings if not training.is_document]
    found = [document for training in trainings for document in training.measured.values()]
    if not found:
        return
    splits = {document["split"] for document in found}
    if len(splits) > 1:
        raise errors.UserError(f"evaluations are of other splits ({' and '.join(sorted(splits))}): give those of one")
    require_same_protocol([*found, *([_planned(runs[0], family, asked)] if runs else [])])
    for contender in contenders:
        own = [document for training in contender.trainings for document in training.measured.values()]
        if own and contender.runs:  # what the runs among them are about to play
            stages = kept.usual_stages(own[0], family) if asked.stages is None else asked.stages
            lanes = contender.config.parts["train"].lanes
            own.append(own[0] | {"protocol": own[0]["protocol"] | {"stages": stages, "lanes": lanes}})
        require_same_stages(own)


def _planned(training: Training, family: Family, asked: Asked) -> dict[str, Any]:
    """What the evaluation of a run will say of its tasks."""
    tasks = family.sample(asked.tasks, asked.split, Stream(asked.seed).at("evaluate", asked.split, "tasks").rng())
    protocol = {"family_version": family.version, "horizon": family.horizon, "published": None, "changed": {}}
    facts = {"algorithm": training.config.algorithm, "train_seed": training.config.seed}
    return facts | {"seed": asked.seed, "tasks": asked.tasks, "protocol": protocol | {"tasks_sha256": tasks.digest}}


def require_same_protocol(found: Sequence[Mapping[str, Any]]) -> None:
    """Raise UserError unless evaluation documents are of the same tasks, drawn under the same seed, and played as long."""
    for what, of in FACTS.items():
        for other in found[1:]:
            if of(other) != of(found[0]):
                one, two = (f"{d['algorithm']} with seed {d['train_seed']}" for d in (found[0], other))
                raise errors.UserError(
                    f"{one} and {two} were not measured alike: the {what} is {of(found[0])!r} and {of(other)!r};"
                    " evaluate both again"
                )


def require_same_stages(found: Sequence[Mapping[str, Any]]) -> None:
    """Raise UserError unless evaluation documents of one contender have as many stages and lanes."""
    for what in ("stages", "lanes"):
        values = [d["protocol"][what] for d in found]
        if len(set(values)) > 1:
            raise errors.UserError(
                f"evaluations of {found[0]['algorithm']} have other {what} ({' and '.join(map(str, sorted(set(values))))}):"
                " evaluate its runs alike"
            )
