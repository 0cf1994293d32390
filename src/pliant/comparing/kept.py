"""What runs have kept: evaluations, sweeps, training curves."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pliant import errors
from pliant.comparing.contenders import Asked, Training
from pliant.maths import studies
from pliant.maths.layouts import Layout
from pliant.running import schedule as scheduling
from pliant.running import sweep
from pliant.storage import checkpoint, documents, record
from pliant.storage.schema import evaluation as schema
from pliant.storage.schema.evaluation import Evaluation
from pliant.tasks.base import Family


def evaluation(training: Training, split: str, asked: Asked, family: Family) -> Evaluation | None:
    """An evaluation in the folder of a run that answers the question and is of its newest checkpoint; None without one.

    Raises UserError if one that would answer was edited.
    """
    if training.run is None:
        return None
    for path in sorted((training.run / "evaluations").glob(f"{split}-seed{asked.seed}-tasks{asked.tasks}-*.json")):
        document = documents.read(path, schema.KIND, folder=training.run)
        protocol = document["protocol"]
        stages = usual_stages(document, family) if asked.stages is None else asked.stages
        wanted = (stages, document["config"]["parts"]["train"]["lanes"], training.iteration)
        fits = (protocol["stages"], protocol["lanes"], protocol["iteration"]) == wanted
        usual = not (protocol["changed"] or protocol["published"] or protocol.get("deterministic"))
        if fits and usual and document["versions"] == record.versions():
            return document
    return None


def usual_stages(document: Mapping[str, Any], family: Family) -> int:
    """The last stage of an evaluation that nobody asked for another."""
    if not documents.by_episode(document):
        return scheduling.STEPS
    return int(document["config"]["parts"]["train"]["episodes"] or family.trial(memory=True)) - 1


def has_split(family: Family, split: str) -> bool:
    """The family has tasks in a split."""
    try:
        family.sample(1, split, np.random.default_rng(0))
    except ValueError:
        return False
    return True


class TrainingCurve(NamedTuple):
    """Returns in training by environment steps, one per iteration."""

    env_steps: NDArray[np.float64]
    before: NDArray[np.float64]
    after: NDArray[np.float64]
    """After adaptation; empty for an agent that does not adapt while it is trained."""

    def thinned(self, most: int) -> dict[str, Any]:
        """As lists of at most `most` points, each the mean of its share."""
        parts = np.array_split(np.arange(len(self.env_steps)), min(most, len(self.env_steps)) or 1)
        parts = [part for part in parts if len(part)]
        means = {n: [float(x[p].mean()) for p in parts] if len(x) else [] for n, x in self._asdict().items()}
        return means | {"env_steps": [float(self.env_steps[part[-1]]) for part in parts]}


def training(run: Path) -> TrainingCurve:
    """What a run's metrics say of its training."""
    rows = [row for row in record.Run.open(run).metrics() if row.get("env_steps") is not None]
    stages = [[value for name, value in row.items() if name.startswith("return_")] for row in rows]
    known = [(row["env_steps"], r[0], r[-1]) for row, r in zip(rows, stages, strict=True) if r and None not in r]
    columns = np.array(known, dtype=np.float64).reshape(-1, 3)
    adapts = any(len(returns) > 1 for returns in stages)
    return TrainingCurve(columns[:, 0], columns[:, 1], columns[:, 2] if adapts else np.empty(0))


def sweeps(contenders: Sequence[tuple[str, Sequence[Path]]]) -> list[dict[str, Any]]:
    """The shift sweeps that runs keep, by axis; a contender is in it with the runs that have one over the same values."""
    found: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for name, runs in contenders:
        for run in runs:
            for document in _kept_sweeps(run):
                protocol = document["protocol"]
                key = json.dumps([document["axis"], document["values"], *(protocol[n] for n in ("tasks", "seed", "horizon"))])
                found.setdefault(key, []).append((name, document))
    return [_swept(each) for each in found.values()]


def _kept_sweeps(run: Path) -> list[dict[str, Any]]:
    """The sweeps in a run's folder that are of its newest checkpoint."""
    paths = sorted((run / "sweeps").glob("*.json"))
    if not paths:
        return []
    newest = checkpoint.load_latest(record.Run.open(run).checkpoints, warn=errors.warn, kept=False).iteration
    kept = []
    for path in paths:
        document = documents.read_sealed(path, sweep.SCHEMA, run)
        if document["protocol"]["iteration"] == newest:
            kept.append(document)
        else:
            errors.warn(f"{path} is of an earlier checkpoint and left out: sweep again")
    return kept


def _swept(found: Sequence[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """One axis: its values, and the returns of every contender at each."""
    one = found[0][1]
    agents = []
    for name in dict.fromkeys(name for name, _ in found):
        own = _alike(name, [document for other, document in found if other == name])
        score = np.array([document["per_task"] for document in own])  # [S, values, M, stages]
        layouts = [_layout(own[0], v) for v in range(score.shape[1])]
        agents.append(
            {
                "name": name,
                "seeds": [document["train_seed"] for document in own],
                "before": [studies.summary(score[:, v, :, 0], layout) for v, layout in enumerate(layouts)],
                "after": [studies.summary(score[:, v, :, -1], layout) for v, layout in enumerate(layouts)],
            }
        )
    named = {name: one[name] for name in ("axis", "meaning", "values", "trained", "shifted")}
    if all(layout := [_layout(one, v) for v in range(len(one["values"]))]):
        named |= {"distinct_tasks": [each.distinct for each in layout if each]}
        named |= {"all_tasks": [each.is_whole for each in layout if each]}
    return named | {"trained": [one["trained"]], "shifted": [one["shifted"]], "agents": agents}


def _layout(document: Mapping[str, Any], place: int) -> Layout | None:
    """Which tasks of a sweep are the same at its value number `place`; None where an older document does not say."""
    if "task_numbers" not in document or "all_tasks" not in document:
        return None
    return Layout(np.array(document["task_numbers"][place]), document["all_tasks"][place])


def _alike(name: str, found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The sweeps with the stages and lanes of the first; the others are left out, which is said."""
    alike = [d for d in found if all(d["protocol"][n] == found[0]["protocol"][n] for n in ("stages", "lanes"))]
    if len(alike) < len(found):
        errors.warn(f"{len(found) - len(alike)} sweeps of {name} have other stages or lanes and are left out: sweep again")
    return alike
