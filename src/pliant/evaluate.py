"""Adaptation curves on tasks that training never saw; calls the same `adapt` as training does.

The unit of every mean and interval is the task: lanes are averaged first. A stage is a number of gradient steps, or the index
of an episode for an agent with memory. `steps_seen` are the environment steps that what acts has seen of its task before the
stage: those of all lanes for a gradient, of its own lane for a memory. On that axis all algorithms compare. Evaluation
draws from its own random streams, by its own seed.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pliant import config as configuration
from pliant import cost, documents, errors, record, registry, statistics
from pliant import train as training
from pliant.rollout import episode_returns, episode_sums, rollout
from pliant.streams import Stream
from pliant.tasks.base import SPLITS, BatchEnv, Family, Protocol, Tasks
from pliant.types import Rollout

SCHEMA = "pliant.evaluation/1"
STAGES = 3
"""Gradient steps of an evaluation, if nothing else is asked for."""


@dataclass(frozen=True)
class Curve:
    """What M tasks returned at S stages."""

    tasks: Tasks
    returns: NDArray[np.float64]
    """[M, S] mean undiscounted return of an episode."""
    success: NDArray[np.float64] | None
    """[M, S] share of episodes with success at any time, None where the family reports none."""
    steps: NDArray[np.float64]
    """[M, S] environment steps that each stage adds to what is seen of a task."""
    episodes: int
    """Episodes that each stage adds to what is seen of a task."""
    trial: NDArray[np.float64]
    """[M] total return of a trial."""
    seconds: float
    """Time the adaptation took, all tasks together."""

    def rows(self) -> list[dict[str, Any]]:
        """One entry per task: return, success (or None) and steps seen before, by stage."""
        seen = (np.cumsum(self.steps, axis=1) - self.steps).tolist()
        hits = [None] * len(self.returns) if self.success is None else self.success.tolist()
        each = zip(self.tasks.rows(), self.returns.tolist(), hits, seen, strict=True)
        return [{"task": task, "return": r, "success": hit, "steps_seen": steps} for task, r, hit, steps in each]

    def summary(self) -> list[dict[str, Any]]:
        """One entry per stage, as in the evaluation document."""
        seen = np.cumsum(self.steps, axis=1) - self.steps
        return [
            {
                "stage": s,
                "episodes_seen": s * self.episodes,
                "steps_seen": float(seen[:, s].mean()),
                "return": statistics.summary(self.returns[:, s]),
                "success": None if self.success is None else statistics.summary(self.success[:, s]),
            }
            for s in range(self.returns.shape[1])
        ]


def plan(learner: training.Learner, stages: int | None) -> tuple[int, int]:
    """(last stage, episodes of a trial) of an evaluation up to stage `stages`, None for the usual one."""
    if learner.algorithm.stage == "gradient step":
        return (STAGES if stages is None else stages), learner.episodes
    episodes = learner.episodes if stages is None else stages + 1
    return episodes - 1, episodes


def curve(learner: training.Learner, split: str, tasks: int, lanes: int, stages: int | None, seed: int) -> Curve:
    """Adapt to `tasks` tasks of a split, `lanes` trials each, and measure every stage."""
    return played_on(learner, split, tasks, lanes, stages, seed)[0]


def played_on(
    learner: training.Learner, split: str, tasks: int, lanes: int, stages: int | None, seed: int
) -> tuple[Curve, list[Rollout]]:
    """The `curve`, and the rollouts behind it."""
    streams = Stream(seed).at("evaluate", split)
    chosen = learner.family.sample(tasks, split, streams.at("tasks").rng())
    last, episodes = plan(learner, stages)
    return curve_on(learner, learner.family.batch(chosen, lanes, episodes), last, streams.at("acts"))


def curve_on(learner: training.Learner, batch: BatchEnv, stages: int, stream: Stream) -> tuple[Curve, list[Rollout]]:
    """Adapt to the tasks of `batch`; the measured curve, and the rollouts behind it."""
    begin = time.perf_counter()
    rollouts = learner.algorithm.adapt(partial(rollout, batch, stream), stages)
    seconds = time.perf_counter() - begin
    by_episode = learner.algorithm.stage == "episode"
    return measure(rollouts, batch, bool(learner.family.success), seconds, by_episode), rollouts


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
    learner, found = training.trained(run, device, config)
    by_episode = learner.algorithm.stage == "episode"
    if published:
        tasks, stages = published.tasks, published.adapt + published.measure - 1 if by_episode else stages or STAGES
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
    learner: training.Learner,
    split: str,
    tasks: int,
    stages: int | None,
    lanes: int | None,
    seed: int,
    facts: Mapping[str, Any],
) -> tuple[dict[str, Any], Curve]:
    """The document of a learner as it is, not sealed, and the curve in it; `facts` are its counters."""
    last, episodes = plan(learner, stages)
    lanes = lanes or learner.settings.lanes
    measured, rollouts = played_on(learner, split, tasks, lanes, stages, seed)
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


def _headline(measured: Curve, begin: int) -> dict[str, Any]:
    """Success, or the return where the family reports none, over the stages from `begin` on."""
    values = measured.returns if measured.success is None else measured.success
    name = "return" if measured.success is None else "success"
    return {"what": name, "stages": list(range(begin, values.shape[1])), **statistics.summary(values[:, begin:].mean(1))}


def others(
    module: ModuleType, family: Family, tasks: Tasks, split: str, lanes: int, episodes: int, seed: int
) -> dict[str, Any]:
    """What classical players and those who know more make of trials of `episodes` episodes on the same tasks.

    The optimum is that of tasks as in training: shifted ones have none. A player that cannot play this long is left out.
    """
    stream = Stream(seed).at("players")
    played = {}
    for name, player in module.players(family, stream).items():
        batch = family.batch(tasks, lanes, episodes)
        try:
            returns = episode_returns(rollout(batch, stream.at("acts"), player, {}), episodes).mean(1).numpy()  # [M, E]
        except errors.UserError as error:
            errors.warn(f"{name} is left out: {error}")
            continue
        final, whole = statistics.summary(returns[:, -1]), statistics.summary(returns.sum(1))
        played[name] = {"trial_return": whole, "final": final, "return": returns.mean(0).tolist()}
    optimum = None if split == "ood" else module.optimum(family, episodes)
    bounds = {"optimum": optimum, "ceiling": float(module.ceiling(family, tasks, episodes).mean())}
    return {"players": {"episodes": episodes, **bounds, "each": played}}


def costs_of(
    learner: training.Learner, measured: Curve, rollouts: list[Rollout], facts: Mapping[str, Any]
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
    learner: training.Learner,
    measured: Curve,
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


def measure(rollouts: list[Rollout], batch: BatchEnv, reports_success: bool, seconds: float, by_episode: bool) -> Curve:
    """The curve of some rollouts: a stage for each, or with `by_episode` one for each episode of the only one."""
    totals = [episode_returns(r, batch.episodes) for r in rollouts]  # each [M, B, E]
    steps = [episode_sums(r, r.valid, batch.episodes) for r in rollouts]
    hits = [episode_sums(r, r.success, batch.episodes).clamp(max=1) for r in rollouts] if reports_success else []
    trial = torch.stack([r.sum(2).mean(1) for r in totals]).sum(0).numpy()  # [M]

    def staged(each: list[Tensor]) -> NDArray[np.float64]:
        return (each[0].mean(1) if by_episode else torch.stack([x.mean((1, 2)) for x in each], dim=1)).numpy()  # [M, S]

    episodes = 1 if by_episode else batch.lanes * batch.episodes
    success = staged(hits) if hits else None
    return Curve(batch.tasks, staged(totals), success, episodes * staged(steps), episodes, trial, seconds)
