"""Adaptation curves: adapt to the tasks of a split, and measure every stage."""

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pliant.maths import statistics
from pliant.rollout import episode_returns, episode_sums, rollout
from pliant.running.learner import Learner
from pliant.running.schedule import Schedule
from pliant.streams import Stream
from pliant.tasks.base import BatchEnv, Tasks
from pliant.types import Rollout


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


def curve(learner: Learner, split: str, tasks: int, schedule: Schedule, seed: int) -> Curve:
    """Adapt to `tasks` tasks of a split, and measure every stage."""
    return played_on(learner, split, tasks, schedule, seed)[0]


def played_on(learner: Learner, split: str, tasks: int, schedule: Schedule, seed: int) -> tuple[Curve, list[Rollout]]:
    """The `curve`, and the rollouts behind it."""
    streams = Stream(seed).at("evaluate", split)
    chosen = learner.family.sample(tasks, split, streams.at("tasks").rng())
    batch = learner.family.batch(chosen, schedule.lanes, schedule.episodes)
    return curve_on(learner, batch, schedule.last, streams.at("acts"))


def curve_on(learner: Learner, batch: BatchEnv, stages: int, stream: Stream) -> tuple[Curve, list[Rollout]]:
    """Adapt to the tasks of `batch` up to stage `stages`; the measured curve, and the rollouts behind it."""
    begin = time.perf_counter()
    rollouts = learner.algorithm.adapt(partial(rollout, batch, stream), stages)
    seconds = time.perf_counter() - begin
    return measure(rollouts, batch, batch.reports_success, seconds, learner.by_episode), rollouts


def measure(rollouts: list[Rollout], batch: BatchEnv, reports_success: bool, seconds: float, by_episode: bool) -> Curve:
    """The curve of some rollouts: a stage for each, or with `by_episode` one for each episode of the only one."""
    schedule = Schedule(batch.episodes - 1 if by_episode else len(rollouts) - 1, batch.episodes, batch.lanes, by_episode)
    totals = [episode_returns(r, batch.episodes) for r in rollouts]  # each [M, B, E]
    steps = [episode_sums(r, r.valid, batch.episodes) for r in rollouts]
    hits = [episode_sums(r, r.success, batch.episodes).clamp(max=1) for r in rollouts] if reports_success else []
    trial = torch.stack([r.sum(2).mean(1) for r in totals]).sum(0).numpy()  # [M]
    success = schedule.means(hits).numpy() if hits else None
    seen = schedule.added * schedule.means(steps).numpy()  # [M, S]
    return Curve(batch.tasks, schedule.means(totals).numpy(), success, seen, schedule.added, trial, seconds)
