"""Compare runs on the same tasks: who adapts faster, further, with less; and whether that is more than luck.

Runs that differ in nothing but the seed are one contender. Every contender is measured by documents `pliant.evaluation/1` on
the same tasks; what has not been measured yet is. The result is one document `pliant.comparison/1`, of which tables and pages
are made. Baselines that need no training, `random` and `scratch`, are added where nobody made runs of them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pliant import errors
from pliant.comparing import against, alike, beside, contenders, entry, kept, measuring, span
from pliant.comparing.contenders import Asked, Contender
from pliant.maths.layouts import Layout
from pliant.running import curve as curving
from pliant.running import learner as learners
from pliant.storage import record
from pliant.storage.schema import comparison as schema
from pliant.storage.schema.evaluation import Evaluation
from pliant.system import machine
from pliant.tasks.base import Family

SCHEMA = schema.SCHEMA
FEW = 3
"""Seeds below which an interval does not know how trainings differ."""


class Prepared(NamedTuple):
    """Contenders that may be compared, with all that their runs have kept; nothing has been evaluated."""

    contenders: list[Contender]
    asked: Asked
    family: Family
    trained: dict[str, dict[int, kept.TrainingCurve]]
    """Training curves by contender and seed."""
    sweeps: list[dict[str, Any]]
    jobs: list[measuring.Job]
    """What is left to evaluate."""


def compare(paths: Sequence[Path], asked: Asked | None = None, quiet: bool = True) -> dict[str, Any]:
    """The document `pliant.comparison/1` of some runs, or of evaluation documents that were kept.

    Raises UserError for runs that cannot be compared, and says why, before anything is evaluated: another family, other
    settings of it, other tasks or another protocol; two runs of one contender with the same seed; a run without a checkpoint; a
    document that was edited.
    """
    prepared = prepare(paths, asked or Asked())
    measuring.measure(prepared.jobs, prepared.asked, prepared.family, quiet)
    for split in prepared.asked.every_split:
        alike.require_same_protocol([d for c in prepared.contenders for d in c.documents(split)])
    return document(prepared)


def prepare(paths: Sequence[Path], asked: Asked) -> Prepared:
    """Who is compared, on what, and what is left to evaluate. Everything that can be refused is refused here.

    Raises UserError as `compare` does.
    """
    trainings = [contenders.opened(Path(path)) for path in paths]
    if not trainings:
        raise errors.UserError("compare needs the folders of one or more runs, e.g. pliant compare runs/maml-point-seed*")
    alike.require_same_family(trainings)
    asked = alike.settled(trainings, asked)
    found = contenders.grouped(trainings)
    family = learners.family_of(trainings[0].config)
    splits = alike.require_tasks(family, asked)
    alike.require_measured_alike(found, family, asked)
    trained = {c.name: {t.config.seed: kept.training(t.run) for t in c.trainings if t.run is not None} for c in found}
    found = sorted([*found, *beside.untrained(found)], key=lambda c: (c.is_baseline, c.name))
    sweeps = kept.sweeps([(c.name, c.runs) for c in found])
    return Prepared(found, asked, family, trained, sweeps, measuring.jobs(found, splits, asked, family))


def document(prepared: Prepared) -> dict[str, Any]:
    """Everything a comparison says of contenders that are measured, as JSON values."""
    found, asked = prepared.contenders, prepared.asked
    players = beside.players(found, asked, prepared.family)
    between = span.of(found, asked.split, players["optimum"])
    layouts = _layouts(prepared)
    return {
        "schema": SCHEMA,
        **_circumstances(found[0].documents(asked.split)[0], asked.split),
        "distinct_tasks": {split: layout.distinct for split, layout in layouts.items()},
        "all_tasks": {split: layout.is_whole for split, layout in layouts.items()},
        "task_numbers": layouts[asked.split].number.tolist(),
        "what": "return",
        "random": between.low,
        "reference": {"value": between.high, "name": between.reference},
        "fraction": span.FRACTION,
        "agents": [entry.entry(c, asked, between, prepared.trained.get(c.name, {}), layouts) for c in found],
        "against": against.pairs(found, asked.split, layouts[asked.split]),
        "players": players,
        "missing": beside.missing(found),
        "notes": _notes(found),
        "sweeps": prepared.sweeps,
    }


def _layouts(prepared: Prepared) -> dict[str, Layout]:
    """Which tasks are the same, by split: for all contenders, as they are measured on the same."""
    found = {}
    for split in prepared.asked.every_split:
        measured = next((c.documents(split)[0] for c in prepared.contenders if c.documents(split)), None)
        if measured is not None:
            found[split] = curving.layout_of(prepared.family, [row["task"] for row in measured["per_task"]], split)
    return found


def _circumstances(one: Evaluation, split: str) -> dict[str, Any]:
    """What all evaluations share, as one of them says it, and where the comparison was made."""
    return {
        "family": one["family"],
        "family_version": one["protocol"]["family_version"],
        "family_settings": one["config"]["parts"]["family"],
        "split": split,
        "seed": one["seed"],
        "tasks": one["tasks"],
        "horizon": one["protocol"]["horizon"],
        "tasks_sha256": one["protocol"]["tasks_sha256"],
        "versions": record.versions(),
        "machine": machine.described(),
    }


def _notes(found: Sequence[Contender]) -> list[str]:
    few = ", ".join(contender.name for contender in found if len(contender.trainings) < FEW)
    return [f"fewer than three seeds: {few}; with one seed, intervals leave out how seeds differ"] if few else []
