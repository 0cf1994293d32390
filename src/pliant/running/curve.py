"""Adaptation curves: adapt to the tasks of a split, and measure every stage."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pliant.errors import UserError
from pliant.maths import layouts, statistics
from pliant.maths.layouts import Layout
from pliant.rollout import episode_returns, episode_sums, rollout
from pliant.running.learner import Learner
from pliant.running.schedule import Schedule
from pliant.streams import Stream
from pliant.tasks.base import BatchEnv, Family, Tasks
from pliant.types import Rollout

DRAWS = 50
"""Draws for each distinct task that is wanted: of n equally likely ones all are missed with a probability below n exp(-50)."""


@dataclass(frozen=True)
class Curve:
    """What M tasks returned at S stages."""

    tasks: Tasks
    returns: NDArray[np.float64]
    """[M, S] mean undiscounted return of an episode."""
    success: NDArray[np.float64] | None
    """[M, S] share of episodes with success at any time, None where the family reports none."""
    steps: NDArray[np.float64]
    """[M, S] environment steps that each stage adds to what is seen of a task; 0 for an agent that does not adapt."""
    episodes: int
    """Episodes that each stage adds to what is seen of a task; 0 for an agent that does not adapt."""
    trial: NDArray[np.float64]
    """[M] total return of a trial."""
    seconds: float
    """Time the adaptation took, all tasks together; 0 for an agent that does not adapt."""
    layout: Layout
    """Which of the tasks are the same."""

    def summed(self, values: NDArray[np.float64], is_share: bool = False) -> statistics.Summary:
        """One number of each task, [M], summed up; a share ends at 0 and 1."""
        return statistics.summary(values, self.layout, (0.0, 1.0) if is_share else (-math.inf, math.inf))

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
                "steps_after": float((seen + self.steps)[:, s].mean()),
                "return": self.summed(self.returns[:, s]),
                "success": None if self.success is None else self.summed(self.success[:, s], is_share=True),
            }
            for s in range(self.returns.shape[1])
        ]


def curve(learner: Learner, split: str, tasks: int, schedule: Schedule, seed: int) -> Curve:
    """Adapt to `tasks` tasks of a split, and measure every stage."""
    return played_on(learner, split, tasks, schedule, seed)[0]


def shared(learner: Learner, split: str, tasks: int, schedule: Schedule, seed: int) -> Curve:
    """The `curve` of a training that is divided into shards: they play a part of the tasks each, with chance of their own.

    All its processes must call this; each has the whole curve, but for the time of the others.
    """
    crew, family, streams = learner.crew, learner.family, Stream(seed).at("evaluate", split)
    chosen = family.sample(tasks, split, streams.at("tasks").rng())
    parts, found = [crew.part(shard, tasks) for shard in range(crew.shards)], []
    for shard in crew.own:
        some = chosen[parts[shard]] if parts[shard].start < parts[shard].stop else chosen[:1]  # fewer tasks than shards
        batch = family.batch(some, schedule.lanes, schedule.episodes)
        acts = acts_of(learner, streams).at("shard", shard)
        found.append(curve_on(learner, batch, schedule.last, acts, deterministic=schedule.deterministic)[0])
    stages = found[0].returns.shape[1]
    each = [[c.returns, c.steps, c.trial[:, None], *([] if c.success is None else [c.success])] for c in found]
    rows, most = [np.concatenate(columns, axis=1) for columns in each], -(-tasks // crew.shards)
    gathered = crew.all([torch.from_numpy(np.pad(x, ((0, most - len(x)), (0, 0)))) for x in rows])
    whole = np.concatenate([x.numpy()[: part.stop - part.start] for x, part in zip(gathered, parts, strict=True)])
    returns, steps, trial, success = np.split(whole, [stages, 2 * stages, 2 * stages + 1], axis=1)
    layout, seconds = layout_of(family, chosen.rows(), split), sum(c.seconds for c in found)
    hits = success if success.shape[1] else None
    return Curve(chosen, returns, hits, steps, found[0].episodes, trial[:, 0], seconds, layout)


def played_on(
    learner: Learner, split: str, tasks: int, schedule: Schedule, seed: int, distinct: bool = False
) -> tuple[Curve, list[Rollout]]:
    """The `curve`, and the rollouts behind it; with `distinct` on tasks of which no two are the same."""
    streams = Stream(seed).at("evaluate", split)
    sample = _distinct if distinct else Family.sample
    chosen = sample(learner.family, tasks, split, streams.at("tasks").rng())
    batch = learner.family.batch(chosen, schedule.lanes, schedule.episodes)
    layout = layout_of(learner.family, chosen.rows(), split)
    return curve_on(learner, batch, schedule.last, acts_of(learner, streams), layout, schedule.deterministic)


def acts_of(learner: Learner, streams: Stream) -> Stream:
    """What trials of an evaluation are played by: the same for all trainings, unless chance is all that tells them apart."""
    acts = streams.at("acts")
    return acts.at("training", learner.config.seed) if getattr(learner.algorithm, "by_chance", False) else acts


def _distinct(family: Family, n: int, split: str, rng: np.random.Generator) -> Tasks:
    """`n` tasks of a split, no two the same: all of them, where there are as many. Raises UserError where there are fewer."""
    many = family.sample(DRAWS * n, split, rng)
    first = np.sort(np.unique(family.flatten(many), axis=0, return_index=True)[1])[:n]
    if len(first) < n:
        raise UserError(f"{family.name} has {len(first)} distinct {split} tasks: expected the {n} of its published protocol")
    return many[first]


def layout_of(family: Family, tasks: Sequence[Mapping[str, Any]], split: str, axis: str = "") -> Layout:
    """Which of some tasks of a split are the same, and whether they are all that the family has.

    They are all where train and test share a few choices, and each is there. `axis` is a parameter that was moved to one value.
    """
    number, choices = layouts.numbered(tasks), 1
    for p in (p for p in family.parameters if p.name != axis):
        shifted = split == "ood" and p.ood is not None
        if p.varies or (shifted and not p.choices and len(set(p.ood or ())) > 1):
            return Layout(number)
        if p.choices:
            choices *= len((p.ood or ()) if shifted else p.choices) ** p.width
    return Layout(number, is_whole=int(number.max()) + 1 == choices)


def curve_on(
    learner: Learner,
    batch: BatchEnv,
    stages: int,
    stream: Stream,
    layout: Layout | None = None,
    deterministic: bool = False,
) -> tuple[Curve, list[Rollout]]:
    """Adapt to the tasks of `batch` up to stage `stages`; the measured curve, and the rollouts behind it.

    Without a layout, tasks of the same values are the same, and there are others than these. With `deterministic` all actions
    are the policy's most likely ones.
    """
    begin = time.perf_counter()
    collect = partial(rollout, batch, stream, deterministic=deterministic)
    rollouts = learner.algorithm.adapt(collect, stages)
    seconds = time.perf_counter() - begin
    adapts = learner.adapts
    return measure(rollouts, batch, batch.reports_success, seconds, learner.by_episode, layout, adapts), rollouts


def measure(
    rollouts: list[Rollout],
    batch: BatchEnv,
    reports_success: bool,
    seconds: float,
    by_episode: bool,
    layout: Layout | None = None,
    adapts: bool = True,
) -> Curve:
    """The curve of some rollouts: a stage for each, or with `by_episode` one for each episode of the only one.

    An agent that does not adapt needs nothing of a task, so that it has seen none of it at any stage.
    """
    layout = layout or Layout(layouts.numbered(batch.tasks.rows()))
    schedule = Schedule(batch.episodes - 1 if by_episode else len(rollouts) - 1, batch.episodes, batch.lanes, by_episode)
    totals = [episode_returns(r, batch.episodes) for r in rollouts]  # each [M, B, E]
    steps = [episode_sums(r, r.valid, batch.episodes) for r in rollouts]
    hits = [episode_sums(r, r.success, batch.episodes).clamp(max=1) for r in rollouts] if reports_success else []
    trial = torch.stack([r.sum(2).mean(1) for r in totals]).sum(0).numpy()  # [M]
    success = schedule.means(hits).numpy() if hits else None
    added = schedule.added if adapts else 0
    seen = added * schedule.means(steps).numpy()  # [M, S]
    return Curve(batch.tasks, schedule.means(totals).numpy(), success, seen, added, trial, seconds if adapts else 0.0, layout)
