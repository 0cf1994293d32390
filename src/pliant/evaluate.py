"""Adaptation curves on tasks that training never saw; calls the same `adapt` as training does.

The unit of every mean and interval is the task: lanes are averaged first. A stage is a number of gradient steps, or an
episode index for memory agents; `steps_seen`, the environment steps spent on a task before the stage, is the axis on which
all algorithms compare. Evaluation draws from its own random streams, by its own seed.
"""

import resource
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pliant import checkpoint, errors, functional, record, statistics
from pliant import config as configuration
from pliant import train as training
from pliant.rollout import episode_returns, rollout
from pliant.streams import Stream
from pliant.tasks.base import SPLITS, BatchEnv, Tasks
from pliant.types import Inputs, Rollout

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
    """[M, S] environment steps spent at each stage."""
    episodes: int
    """Episodes per task and stage."""
    trial: NDArray[np.float64]
    """[M] total return of a trial."""
    seconds: float
    """Time the adaptation took, all tasks together."""

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


def curve(
    learner: training.Learner, split: str, tasks: int, lanes: int, stages: int | None, seed: int, episodes: int = 1
) -> Curve:
    """Adapt to `tasks` tasks of a split, `lanes` trials each, and measure every stage."""
    streams = Stream(seed).at("evaluate", split)
    chosen = learner.family.sample(tasks, split, streams.at("tasks").rng())
    return curve_on(learner, learner.family.batch(chosen, lanes, episodes), stages, streams.at("acts"))[0]


def curve_on(
    learner: training.Learner, batch: BatchEnv, stages: int | None, stream: Stream
) -> tuple[Curve, list[Rollout]]:
    """Adapt to the tasks of `batch`; the measured curve, and the rollouts behind it."""
    begin = time.perf_counter()
    rollouts = learner.algorithm.adapt(partial(rollout, batch, stream), stages)
    return _measure(rollouts, batch, bool(learner.family.success), time.perf_counter() - begin), rollouts


def evaluate_run(
    path: Path,
    split: str = "test",
    tasks: int = 40,
    stages: int | None = None,
    lanes: int | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> dict[str, Any]:
    """The document `pliant.evaluation/1` of a run's newest checkpoint; also kept in the run's `evaluations` folder.

    Raises UserError for a folder that is no run or has no usable checkpoint, and for values out of range.
    """
    if split not in SPLITS:
        raise errors.unknown("split", split, SPLITS)
    for name, value, least in (("tasks", tasks, 1), ("stages", stages, 0), ("lanes", lanes, 1)):
        if value is not None and value < least:
            raise errors.UserError(f"--{name} is {value}: expected at least {least}")
    run = record.Run.open(Path(path))
    config = configuration.from_dict(run.config)
    learner = training.build(config, device)
    found = checkpoint.load_latest(run.checkpoints, warn=errors.warn)
    training.load(learner.algorithm, found, device)
    settings = learner.settings
    stages = STAGES if stages is None else stages
    lanes = lanes or settings.lanes
    measured = curve(learner, split, tasks, lanes, stages, seed, settings.episodes)
    protocol = {
        "stages": stages,
        "lanes": lanes,
        "episodes_per_trial": settings.episodes,
        "horizon": learner.family.horizon,
        "tasks_sha256": measured.tasks.digest,
        "family_version": learner.family.version,
        "iteration": found.iteration,
    }
    result = document(config, learner, measured, split, seed, protocol, found.facts)
    record.write_json(document_path(run.path, result), result)
    return result


def document_path(run: Path, document: dict[str, Any]) -> Path:
    """Where a run keeps an evaluation of itself."""
    protocol = document["protocol"]
    size = f"tasks{document['tasks']}-lanes{protocol['lanes']}-stages{protocol['stages']}"
    name = f"{document['split']}-seed{document['seed']}-{size}"
    return Path(run) / "evaluations" / f"{name}.json"


def document(
    config: configuration.Config,
    learner: training.Learner,
    measured: Curve,
    split: str,
    seed: int,
    protocol: dict[str, Any],
    facts: dict[str, Any],
) -> dict[str, Any]:
    """Everything an evaluation says, as JSON values."""
    rows = measured.tasks.rows()
    return {
        "schema": SCHEMA,
        "algorithm": config.algorithm,
        "family": config.family,
        "split": split,
        "seed": seed,
        "train_seed": config.seed,
        "tasks": len(rows),
        "lanes": protocol.get("lanes"),
        "versions": record.versions(),
        "config": configuration.to_dict(config),
        "protocol": protocol,
        "curve": measured.summary(),
        "trial_return": statistics.summary(measured.trial),
        "per_task": [
            {"task": row, "return": values.tolist()} for row, values in zip(rows, measured.returns, strict=True)
        ],
        "cost": _cost(learner, measured, facts),
    }


def _measure(rollouts: list[Rollout], batch: BatchEnv, reports_success: bool, seconds: float) -> Curve:
    returns = [episode_returns(r, batch.episodes) for r in rollouts]  # each [M, B, E]
    by_stage = torch.stack([r.mean((1, 2)) for r in returns], dim=1)  # [M, S]
    success = None
    if reports_success:
        hits = [episode_success(r, batch.episodes).mean((1, 2)) for r in rollouts]
        success = torch.stack(hits, dim=1).numpy()
    steps = torch.stack([r.valid.sum((1, 2)) for r in rollouts], dim=1).double()
    trial = torch.stack([r.sum(2).mean(1) for r in returns]).sum(0)
    episodes = batch.lanes * batch.episodes
    return Curve(batch.tasks, by_stage.numpy(), success, steps.cpu().numpy(), episodes, trial.numpy(), seconds)


def episode_success(rollout: Rollout, episodes: int) -> torch.Tensor:
    """1 for each episode with success at any time, [M, B, episodes]."""
    index = (rollout.first.cumsum(-1) - 1).clamp(min=0)
    hits = torch.zeros(*rollout.reward.shape[:2], episodes, dtype=torch.float64, device=index.device)
    return hits.scatter_add_(2, index, (rollout.success & rollout.valid).double()).clamp(max=1).cpu()


def _cost(learner: training.Learner, measured: Curve, facts: dict[str, Any]) -> dict[str, Any]:
    policy = learner.algorithm.policy
    scale = 1024 if sys.platform != "darwin" else 1024**2
    return {
        "train_env_steps": facts.get("env_steps"),
        "train_seconds": facts.get("seconds"),
        "adapt_env_steps": float(measured.steps[:, :-1].sum(1).mean()),
        "adapt_seconds": measured.seconds / len(measured.tasks),
        "act_microseconds": _act_microseconds(learner),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale,
        "parameters": sum(p.numel() for p in policy.parameters()),
    }


@torch.no_grad()
def _act_microseconds(learner: training.Learner, repeats: int = 50) -> float:
    """Median time of one forward pass for a single lane."""
    policy, spec = learner.algorithm.policy, learner.family.spec
    params = functional.parameters(policy)
    device = next(iter(params.values())).device
    action = torch.zeros(1, 1, 1, dtype=torch.int64) if spec.discrete else torch.zeros(1, 1, 1, spec.action_size)
    seen = Inputs(torch.zeros(1, 1, 1, spec.obs_size), action, torch.zeros(1, 1, 1), torch.ones(1, 1, 1, dtype=torch.bool))
    seen, times = Inputs(*(x.to(device) for x in seen)), []
    state = policy.start(1, 1)  # type: ignore[operator]
    for _ in range(repeats):
        begin = time.perf_counter()
        functional.apply(policy, params, seen, state)
        times.append(time.perf_counter() - begin)
    return float(np.median(times) * 1e6)
