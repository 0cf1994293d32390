"""The only training loop: sample tasks, adapt to them, learn from having adapted."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import torch

from pliant.algorithms.base import Sharing
from pliant.rollout import episode_returns, episode_sums, rollout
from pliant.running.clock import Clock
from pliant.running.learner import Learner
from pliant.running.reached import Reached
from pliant.system import threads
from pliant.types import Rollout


class Iteration(NamedTuple):
    """What one pass of the loop produced."""

    number: int
    metrics: dict[str, float]
    shards: list[list[Rollout]]
    """The rollouts of each stage, of every shard of this process."""
    seconds: dict[str, float]

    @property
    def rollouts(self) -> list[Rollout]:
        """The rollouts of each stage, where all tasks are one shard."""
        (rollouts,) = self.shards
        return rollouts


def iterate(learner: Learner, start: int, stop: int) -> Iterator[Iteration]:
    """Sample tasks, adapt to them, learn from having adapted; iterations `start` to `stop` - 1."""
    settings = learner.settings
    for iteration in range(start, stop):
        with threads.one(settings.shards > 1 and not settings.threads):  # alike for all processes, however many cores they have
            done = _iteration(learner, iteration)
        yield done


def _iteration(learner: Learner, iteration: int) -> Iteration:
    algorithm, family, settings, crew = learner.algorithm, learner.family, learner.settings, learner.crew
    clock, acts = Clock(), learner.streams.at("acts", iteration)
    tasks, shards, spent = family.sample(settings.meta_batch, "train", learner.streams.at("tasks", iteration).rng()), [], 0.0
    for shard in crew.own:
        batch = clock.batch(family.batch(tasks[crew.part(shard, len(tasks))], settings.lanes, learner.episodes))
        collect = clock.collect(partial(rollout, batch, acts if crew.shards == 1 else acts.at("shard", shard)))
        begin = time.perf_counter()
        shards.append(algorithm.adapt(collect))
        spent += time.perf_counter() - begin
    crew.agree(0)  # who hangs is most likely to hang in an environment
    begin = time.perf_counter()
    if crew.shards == 1:
        metrics = algorithm.learn(*shards)
    else:
        assert isinstance(algorithm, Sharing)
        metrics = algorithm.learn_shared(shards, crew)
    return Iteration(iteration, metrics, shards, clock.split(spent, time.perf_counter() - begin))


def train(learner: Learner, reached: Reached, stop: int) -> Iterator[tuple[Iteration, dict[str, float]]]:
    """Iterations from what is `reached` to `stop` - 1, counted in: (what one produced, the metrics of its line).

    Each is reached as a whole or not at all.
    """
    for iteration in range(int(reached.counters["iteration"]), stop):
        with reached.update() as counters:
            done = next(iterate(learner, iteration, iteration + 1))
            metrics = counted(counters, done, learner)
        yield done, metrics


def stage_metrics(rollouts: list[Rollout], learner: Learner) -> dict[str, float]:
    """Mean return per episode by stage, undiscounted, and the share of episodes with success where the family reports it.

    A stage is a rollout, or the first and the last episode of a trial; the return of the whole trial comes with them.
    """
    schedule = learner.schedule()
    returns = [episode_returns(r, learner.episodes) for r in rollouts]  # each [M, B, E]
    metrics = {f"return_{stage}": value for stage, value in schedule.totals(returns).items()}
    if schedule.by_episode:
        metrics["trial_return"] = float(returns[0].sum(2).mean())
    if learner.family.success:
        hits = [episode_sums(r, r.success, learner.episodes).clamp(max=1) for r in rollouts]
        metrics |= {f"success_{stage}": value for stage, value in schedule.totals(hits).items()}
    return metrics


def counted(counters: dict[str, Any], done: Iteration, learner: Learner) -> dict[str, float]:
    """Advance the counters that a checkpoint keeps; the metrics of one line."""
    counters["iteration"] = done.number + 1
    steps, metrics = _over_shards(done.shards, learner)
    counters["env_steps"] += steps
    counters["seconds"] += sum(done.seconds.values())
    for part, seconds in done.seconds.items():
        counters[part] = counters.get(part, 0.0) + seconds
    return {"env_steps": counters["env_steps"], **metrics, **done.metrics}


def _over_shards(shards: list[list[Rollout]], learner: Learner) -> tuple[int, dict[str, float]]:
    """Environment steps, and what `stage_metrics` says, of all shards of all processes."""
    steps, found = [sum(r.steps for r in each) for each in shards], [stage_metrics(each, learner) for each in shards]
    if learner.crew.shards == 1:
        return steps[0], found[0]
    rows = [torch.tensor([n, *each.values()], dtype=torch.float64) for n, each in zip(steps, found, strict=True)]
    total, *sums = learner.crew.total(rows).tolist()
    return int(total), {name: value / learner.crew.shards for name, value in zip(found[0], sums, strict=True)}
