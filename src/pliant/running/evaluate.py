"""Adaptation curves on tasks that training never saw; calls the same `adapt` as training does.

The unit of every mean and interval is the task: lanes are averaged first. A stage is a number of gradient steps, or the index
of an episode for an agent with memory. `steps_seen` are the environment steps that what acts has seen of its task before the
stage: those of all lanes for a gradient, of its own lane for a memory. On that axis all algorithms compare. Evaluation
draws from its own random streams, by its own seed.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pliant import errors
from pliant.config import config as configuration
from pliant.config import registry
from pliant.maths import statistics
from pliant.running import cost
from pliant.running import curve as curves
from pliant.running import learner as learners
from pliant.running.learner import Learner
from pliant.running.players import others
from pliant.storage import documents, record
from pliant.storage.schema import evaluation
from pliant.tasks.base import SPLITS, Family, Protocol
from pliant.types import Rollout

SCHEMA = evaluation.SCHEMA


def evaluate_run(
    path: Path,
    split: str = "test",
    tasks: int = 40,
    stages: int | None = None,
    lanes: int | None = None,
    seed: int = 0,
    device: str = "cpu",
    players: bool = False,
    protocol: bool = False,
    changed: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The document `pliant.evaluation/1` of a run's newest checkpoint; also kept in the run's `evaluations` folder.

    With `players` it holds what the family's classical players and exact bounds reach on the same tasks. With `protocol` the
    evaluation is the family's published one, which settles tasks, lanes and horizon, and the document has a `headline`; an
    agent with memory plays the protocol's episodes, `stages` gradient steps share those of adaptation. `changed` are settings
    of the family other than in training, as {"family.simulator": "highway-env"}. Raises UserError for a folder that is no run
    or has no usable checkpoint, for values out of range, and for a family that has no players or no protocol.
    """
    _check(split, tasks, stages, lanes)
    run = record.Run.open(Path(path))
    config = configuration.override(configuration.from_dict(run.config), changed or {})
    module = registry.players(config.family) if players else None
    published = _published(config) if protocol else None
    if published:
        config = configuration.override(config, {"family.horizon": published.horizon})
    learner, found = learners.trained(run, device, config)
    by_episode = learner.algorithm.stage == "episode"
    if published:
        tasks, stages = published.tasks, published.adapt + published.measure - 1 if by_episode else stages or curves.STAGES
        lanes = 1 if by_episode else max(1, published.adapt // (stages * learner.episodes))  # all steps share the episodes
    result, measured = evaluate_learner(
        config, learner, split, tasks, stages, lanes, seed, found.facts | {"iteration": found.iteration}
    )
    result["protocol"] |= {"changed": dict(changed or {}), "published": published.source if published else None}
    if published:
        result["headline"] = _headline(measured, published.adapt if by_episode else result["protocol"]["stages"])
    if module:
        plays = result["protocol"]["episodes_per_trial"] if by_episode else learner.family.episodes
        result |= others(module, family_of(config), measured.tasks, split, result["lanes"], plays, seed)
    result = documents.sealed(result)
    documents.write_json(document_path(run.path, result), result)
    return result


def evaluate_learner(
    config: configuration.Config,
    learner: Learner,
    split: str,
    tasks: int,
    stages: int | None,
    lanes: int | None,
    seed: int,
    facts: Mapping[str, Any],
) -> tuple[dict[str, Any], curves.Curve]:
    """The document of a learner as it is, not sealed, and the curve in it; `facts` are its counters."""
    last, episodes = curves.plan(learner, stages)
    lanes = lanes or learner.settings.lanes
    measured, rollouts = curves.played_on(learner, split, tasks, lanes, stages, seed)
    protocol = {
        "stage": learner.algorithm.stage,
        "stages": last,
        "lanes": lanes,
        "episodes_per_trial": episodes,
        "horizon": learner.family.horizon,
        "changed": {},
        "published": None,
        "tasks_sha256": measured.tasks.digest,
        "family_version": learner.family.version,
        "iteration": facts["iteration"],
    }
    costs = costs_of(learner, measured, rollouts, facts)
    return document(config, learner, measured, split, seed, protocol, costs), measured


def _check(split: str, tasks: int, stages: int | None, lanes: int | None) -> None:
    if split not in SPLITS:
        raise errors.unknown("split", split, SPLITS)
    for name, value, least in (("tasks", tasks, 1), ("stages", stages, 0), ("lanes", lanes, 1)):
        if value is not None and value < least:
            raise errors.UserError(f"--{name} is {value}: expected at least {least}")


def family_of(config: configuration.Config) -> Family:
    """The family as its players see it: nobody is told the task."""
    family: Family = registry.load("family", config.family).family(config.parts["family"])
    return family


def _published(config: configuration.Config) -> Protocol:
    family = family_of(config)
    if family.protocol is None:
        raise errors.UserError(f"{config.family} has no published protocol: choose --tasks, --stages and --lanes instead")
    return family.protocol


def _headline(measured: curves.Curve, begin: int) -> dict[str, Any]:
    """Success, or the return where the family reports none, over the stages from `begin` on."""
    values = measured.returns if measured.success is None else measured.success
    name = "return" if measured.success is None else "success"
    return {"what": name, "stages": list(range(begin, values.shape[1])), **statistics.summary(values[:, begin:].mean(1))}


def costs_of(
    learner: Learner, measured: curves.Curve, rollouts: list[Rollout], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """What the agent cost so far, and what adapting and acting cost (see `pliant.cost`)."""
    return cost.of(learner, rollouts, float(measured.steps[:, :-1].sum(1).mean()), measured.seconds, facts)


def document_path(run: Path, document: dict[str, Any]) -> Path:
    """Where a run keeps an evaluation of itself."""
    protocol = document["protocol"]
    size = f"tasks{document['tasks']}-lanes{protocol['lanes']}-stages{protocol['stages']}"
    published = "-protocol" if protocol.get("published") else ""
    name = f"{document['split']}-seed{document['seed']}-{size}{published}"
    name += "".join(f"-{flag.partition('.')[2]}={value}" for flag, value in protocol.get("changed", {}).items())
    return Path(run) / "evaluations" / f"{re.sub(r'[^A-Za-z0-9=.,_-]', '', name)[:200]}.json"


def document(
    config: configuration.Config,
    learner: Learner,
    measured: curves.Curve,
    split: str,
    seed: int,
    protocol: dict[str, Any],
    costs: dict[str, Any],
) -> dict[str, Any]:
    """Everything an evaluation says, as JSON values."""
    return {
        "schema": SCHEMA,
        "algorithm": config.algorithm,
        "family": config.family,
        "split": split,
        "seed": seed,
        "train_seed": config.seed,
        "tasks": len(measured.tasks),
        "lanes": protocol.get("lanes"),
        "versions": record.versions(),
        "config": configuration.to_dict(config),
        "protocol": protocol,
        "curve": measured.summary(),
        "trial_return": statistics.summary(measured.trial),
        "per_task": measured.rows(),
        "cost": costs,
    }
