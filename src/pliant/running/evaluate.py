"""Adaptation curves on tasks that training never saw; calls the same `adapt` as training does.

The unit of every mean and interval is the distinct task: lanes are averaged first, then what is of the same task. A stage is a
number of gradient steps, or the index of an episode for an agent with memory. `steps_seen` are the environment steps that what
acts has seen of its task before the stage: those of all lanes for a gradient, of its own lane for a memory. On that axis all
algorithms compare. Evaluation draws from its own random streams, by its own seed.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from pliant import errors
from pliant.config import config as configuration
from pliant.config import registry
from pliant.running import cost
from pliant.running import curve as curves
from pliant.running import learner as learners
from pliant.running import published as publishing
from pliant.running import schedule as scheduling
from pliant.running.learner import Learner
from pliant.running.players import others
from pliant.running.schedule import Schedule
from pliant.storage import documents, record
from pliant.storage.schema import evaluation
from pliant.storage.schema.evaluation import Evaluation
from pliant.system import given
from pliant.tasks.base import SPLITS, Family, Protocol
from pliant.types import Rollout

SCHEMA = evaluation.SCHEMA


@errors.mendable()
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
    family: Family | None = None,
    out: Path | None = None,
    deterministic: bool = False,
) -> Evaluation:
    """The document `pliant.evaluation/1` of a run's newest checkpoint; kept in `out`, or in the run where that is possible.

    With `players` it holds what the family's reference agents and exact bounds reach on the same tasks; with `protocol` it is
    the family's published one, which settles tasks, lanes and horizon. `changed` are settings of the family other than in
    training, as {"family.simulator": "highway-env"}; `family` is theirs, if made already. With `deterministic` an agent with
    memory takes its most likely actions instead of drawn ones. Raises UserError for what is wrong.
    """
    require_split(split)
    scheduling.require_sizes(tasks=tasks, stages=stages, lanes=lanes)
    seed, changed = given.integer("seed", seed), _of_family(changed)
    given.device("device", device)
    run = record.Run.open(given.place("path", path))
    config = configuration.override(configuration.from_dict(run.config), changed)
    module = registry.players(config.family) if players else None
    config, family = _settled(config, split, changed) if protocol else (config, family or learners.family_of(config))
    learner, found = learners.trained(run, device, config, family=family)
    published = family.protocol if protocol else None
    schedule = _schedule(learner, published, stages, lanes, given.flag("deterministic", deterministic))
    facts, number = found.facts | {"iteration": found.iteration}, published.tasks if published else tasks
    result, measured = evaluate_learner(learner, split, number, schedule, seed, facts, distinct=protocol)
    result["protocol"] |= {"changed": dict(changed), "published": published.source if published else None}
    if published:
        result["headline"] = publishing.headline(measured, published.adapt if schedule.by_episode else schedule.last)
    result |= {"players": _players(module, family, measured, split, schedule, seed)} if module else {}
    return _kept(run, result, out)


def _schedule(
    learner: Learner, published: Protocol | None, stages: int | None, lanes: int | None, deterministic: bool
) -> Schedule:
    """The published schedule, or the one that is asked for. Raises UserError for a published one by most likely actions."""
    if published and deterministic:
        raise errors.UserError("deterministic and protocol: published protocols draw actions as in training; give one")
    schedule = publishing.schedule(learner, published, stages) if published else learner.schedule(stages, lanes)
    return scheduling.without_chance(schedule) if deterministic else schedule


def _players(
    module: ModuleType, family: Family, measured: curves.Curve, split: str, schedule: Schedule, seed: int
) -> dict[str, Any]:
    """What reference agents reach on the same tasks."""
    plays = schedule.episodes if schedule.by_episode else family.episodes
    return others(module, family, measured.tasks, split, schedule.lanes, plays, seed, measured.layout)


def _of_family(changed: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Settings of the family, as {"family.NAME": value}. Raises UserError for anything else."""
    changed = given.names("changed", changed or {}, 'such as {"family.horizon": 100}')
    if other := [flag for flag in changed if not flag.startswith("family.")]:
        raise errors.UserError(f"{other[0]} cannot be changed in an evaluation: settings of the family can, as family.NAME")
    return changed


def _kept(run: record.Run, result: dict[str, Any], out: Path | None) -> Evaluation:
    """The document sealed, and kept."""
    sealed = cast(Evaluation, documents.sealed(result))
    if out is not None:
        documents.write_json(out, sealed)
    else:
        documents.keep(document_path(run.path, sealed), sealed, run.path)
    return sealed


def evaluate_learner(
    learner: Learner,
    split: str,
    tasks: int,
    schedule: Schedule,
    seed: int,
    facts: Mapping[str, Any],
    distinct: bool = False,
) -> tuple[dict[str, Any], curves.Curve]:
    """The document of a learner as it is, not sealed, and the curve in it; `facts` are its counters.

    With `distinct` no task is played twice.
    """
    measured, rollouts = curves.played_on(learner, split, tasks, schedule, seed, distinct)
    protocol = {
        **played(schedule, learner.family.horizon),
        "changed": {},
        "published": None,
        "tasks_sha256": measured.tasks.digest,
        "family_version": learner.family.version,
        "iteration": facts["iteration"],
    }
    costs = costs_of(learner, measured, rollouts, facts)
    return document(learner, measured, split, seed, protocol, costs), measured


def played(schedule: Schedule, horizon: int) -> dict[str, Any]:
    """What was played, as the `protocol` of a document begins."""
    return {
        "stage": schedule.stage,
        "stages": schedule.last,
        "lanes": schedule.lanes,
        "episodes_per_trial": schedule.episodes,
        "horizon": horizon,
        "deterministic": schedule.deterministic,
    }


def require_split(split: str) -> None:
    """Raise UserError unless a split has this name."""
    if given.text("split", split) not in SPLITS:
        raise errors.unknown("split", split, SPLITS)


def _settled(config: configuration.Config, split: str, changed: Mapping[str, Any]) -> tuple[configuration.Config, Family]:
    """The settings at the horizon of the family's published protocol, and that family.

    Raises UserError if it has none, and for what contradicts it.
    """
    publishing.require_settled(split, changed)
    family = learners.family_of(config)
    if family.protocol is None:
        raise errors.UserError(f"{family.name} has no published protocol: choose --tasks, --stages and --lanes instead")
    if family.horizon != family.protocol.horizon:
        config = configuration.override(config, {"family.horizon": family.protocol.horizon})
        family = learners.family_of(config)
    return config, family


def costs_of(
    learner: Learner, measured: curves.Curve, rollouts: list[Rollout], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """What the agent cost so far, and what adapting and acting cost (see `cost`)."""
    return cost.of(learner, rollouts, float(measured.steps[:, :-1].sum(1).mean()), measured.seconds, facts)


def document_path(run: Path, document: Evaluation) -> Path:
    """Where a run keeps an evaluation of itself."""
    protocol = document["protocol"]
    size = f"tasks{document['tasks']}-lanes{protocol['lanes']}-stages{protocol['stages']}"
    how = "-protocol" if protocol.get("published") else ""
    how += "-deterministic" if protocol.get("deterministic") else ""
    name = f"{document['split']}-seed{document['seed']}-{size}{how}"
    name += "".join(f"-{flag.partition('.')[2]}={value}" for flag, value in protocol.get("changed", {}).items())
    return Path(run) / "evaluations" / f"{re.sub(r'[^A-Za-z0-9=.,_-]', '', name)[:200]}.json"


def document(
    learner: Learner, measured: curves.Curve, split: str, seed: int, protocol: dict[str, Any], costs: dict[str, Any]
) -> dict[str, Any]:
    """Everything an evaluation says, as JSON values."""
    config = learner.config
    return {
        "schema": SCHEMA,
        "algorithm": config.algorithm,
        "family": config.family,
        "split": split,
        "seed": seed,
        "train_seed": config.seed,
        "tasks": len(measured.tasks),
        "distinct_tasks": measured.layout.distinct,
        "all_tasks": measured.layout.is_whole,
        "lanes": protocol.get("lanes"),
        "versions": record.versions(),
        "config": configuration.to_dict(config),
        "protocol": protocol,
        "curve": measured.summary(),
        "trial_return": measured.summed(measured.trial),
        "per_task": measured.rows(),
        "cost": costs,
    }
