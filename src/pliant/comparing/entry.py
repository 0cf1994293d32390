"""What a comparison says of one contender."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pliant.comparing import retrain
from pliant.comparing.contenders import Asked, Contender
from pliant.comparing.kept import TrainingCurve
from pliant.comparing.span import Span
from pliant.config import config as configuration
from pliant.maths import measures, studies
from pliant.maths.layouts import Layout
from pliant.storage import documents
from pliant.storage.schema.evaluation import Evaluation

MOST_POINTS = 200
"""Points of a training curve that a document keeps."""

Document = dict[str, Any]
Curves = Mapping[int, TrainingCurve]
"""Training curves by seed."""


def entry(contender: Contender, asked: Asked, span: Span, trained: Curves, layouts: Mapping[str, Layout]) -> Document:
    """All of it, as JSON values; `layouts` say by split which tasks are the same."""
    layout = layouts[asked.split]
    found, scores = contender.documents(asked.split), _scores(contender, asked.split)
    costs: list[Mapping[str, Any]] = [document["cost"] for document in found]
    config = configuration.to_dict(contender.config)
    return {
        **_facts(contender, found),
        "curve": _curve(found, scores, layout),
        "first": studies.summary(scores[0], layout),
        "no_adaptation": None if documents.by_episode(found[0]) else studies.summary(scores[0], layout),
        "final": studies.summary(scores[-1], layout),
        "gain": studies.paired_difference(scores[-1], scores[0], same_seeds=True, layout=layout),
        "speed": _speed(found, scores, span, layout),
        "efficiency": _efficiency(found, span.target, trained),
        "generalisation": _generalisation(contender, asked.splits, layouts),
        "cost": {name: _mean([cost.get(name) for cost in costs]) for name in costs[0]},
        "training": [curve.thinned(MOST_POINTS) | {"seed": seed} for seed, curve in trained.items()],
        "per_task": scores[-1].tolist(),
        "config": config,
        "command": retrain.command(contender.config, contender.seeds),
    }


def _facts(contender: Contender, found: Sequence[Evaluation]) -> Document:
    """What it is."""
    return {
        "name": contender.name,
        "algorithm": contender.config.algorithm,
        "policy": contender.config.policy,
        "baseline": contender.is_baseline,
        "seeds": contender.seeds,
        "runs": [str(run) for run in contender.runs],
        "by_episode": documents.by_episode(found[0]),
    }


def _scores(contender: Contender, split: str) -> list[measures.Array]:
    """Returns [S, M] of each stage."""
    return [contender.score(split, stage) for stage in range(len(contender.documents(split)[0]["curve"]))]


def _curve(found: Sequence[Evaluation], scores: Sequence[measures.Array], layout: Layout) -> list[Document]:
    """The adaptation curve, an entry a stage."""
    return [
        {
            "stage": stage,
            "episodes_seen": found[0]["curve"][stage]["episodes_seen"],
            "steps_seen": _seen(found, stage),
            "return": studies.summary(score, layout),
            "success": _success(found, stage, layout),
        }
        for stage, score in enumerate(scores)
    ]


def _seen(found: Sequence[Evaluation], stage: int) -> float:
    """Environment steps of a task seen before a stage, the mean over seeds."""
    return float(np.mean([d["curve"][stage]["steps_seen"] for d in found]))


def _success(found: Sequence[Evaluation], stage: int, layout: Layout) -> Document | None:
    shares = [[hits[stage] for row in d["per_task"] if (hits := row.get("success")) is not None] for d in found]  # [S][M]
    if any(len(each) < len(d["per_task"]) for each, d in zip(shares, found, strict=True)):
        return None
    summary = studies.summary(np.array(shares), layout)
    ends = summary["ci95"]
    return summary | {"ci95": None if ends is None else [min(max(end, 0.0), 1.0) for end in ends]}


def _speed(found: Sequence[Evaluation], scores: Sequence[measures.Array], span: Span, layout: Layout) -> Document:
    """The area under the curve, and where its mean has the target: in steps, episodes and stages.

    A policy that learns by gradients is what it is before its stage is played. A memory learns while it plays: an episode of it
    counts when it is over.
    """
    steps = np.array([[row["steps_seen"] for row in d["per_task"]] for d in found])  # [S, M, stages]
    returns = np.array([[row["return"] for row in d["per_task"]] for d in found])
    area = span.area(steps, returns)
    value = np.array([score.mean() for score in scores])  # [stages]
    by_episode = documents.by_episode(found[0])
    seen = [_seen(found, stage) for stage in range(len(scores))]
    episodes = np.array([point["episodes_seen"] for point in found[0]["curve"]], dtype=np.float64)
    if by_episode:
        seen = [*seen[1:], float(np.mean([_all_seen(d) for d in found]))]
    later = float(by_episode)
    return {
        "area": None if area is None else studies.summary(area, layout),
        "steps_to_fraction": span.reached(np.array(seen), value),
        "episodes_to_fraction": span.reached(episodes + later, value),
        "stages_to_fraction": span.reached(np.arange(len(scores), dtype=np.float64) + later, value),
    }


def _all_seen(document: Evaluation) -> float:
    """Environment steps of a task when its last stage is over; at most, where an older document does not say."""
    last = document["curve"][-1]
    return last.get("steps_after", last["steps_seen"] + document["protocol"]["horizon"])


def _efficiency(found: Sequence[Evaluation], target: float | None, trained: Curves) -> Document:
    """Experience that was spent; steps of training to the target where every seed has a curve of adapted returns."""
    curves = [(curve.env_steps, curve.after) for curve in trained.values() if len(curve.after)]
    enough = [] if target is None else [measures.train_steps_to(*curve, target) for curve in curves]
    return {
        "train_env_steps": _mean([document["cost"].get("train_env_steps") for document in found]),
        "train_steps_to_target": _mean(enough) if len(enough) == len(found) else None,
        "adapt_env_steps": _seen(found, -1),
        "target": target,
    }


def _generalisation(contender: Contender, splits: Iterable[str], layouts: Mapping[str, Layout]) -> Document:
    """Returns after adaptation on each split, and the gaps between them: tasks differ, so seeds are what is paired."""
    final = {split: contender.score(split, -1) for split in splits if contender.documents(split)}
    shown: Document = {split: studies.summary(final[split], layouts[split]) if split in final else None for split in splits}
    for one, other in (("test", "train"), ("ood", "test")):
        sides = (final[one], final[other], layouts[one], layouts[other]) if one in final and other in final else None
        shown[f"{one}_minus_{other}"] = studies.gap(*sides) if sides else None
    return shown


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean of numbers that are all known."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None
