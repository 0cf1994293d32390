"""The only training loop: sample tasks, adapt to them, learn from having adapted."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

from pliant.rollout import episode_returns, episode_sums, rollout
from pliant.running.clock import Clock
from pliant.running.learner import Learner
from pliant.running.reached import Reached
from pliant.types import Rollout


class Iteration(NamedTuple):
    """What one pass of the loop produced."""

    number: int
    metrics: dict[str, float]
    rollouts: list[Rollout]
    seconds: dict[str, float]


def iterate(learner: Learner, start: int, stop: int) -> Iterator[Iteration]:
    """Sample tasks, adapt to them, learn from having adapted; iterations `start` to `stop` - 1."""
    algorithm, family, settings, streams = learner.algorithm, learner.family, learner.settings, learner.streams
    for iteration in range(start, stop):
        clock = Clock()
        tasks = family.sample(settings.meta_batch, "train", streams.at("tasks", iteration).rng())
        batch = clock.batch(family.batch(tasks, settings.lanes, learner.episodes))
        collect = clock.collect(partial(rollout, batch, streams.at("acts", iteration)))
        begin = time.perf_counter()
        rollouts = algorithm.adapt(collect)
        middle = time.perf_counter()
        metrics = algorithm.learn(rollouts)
        yield Iteration(iteration, metrics, rollouts, clock.split(middle - begin, time.perf_counter() - middle))


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
    counters["env_steps"] += sum(r.steps for r in done.rollouts)
    counters["seconds"] += sum(done.seconds.values())
    for part, seconds in done.seconds.items():
        counters[part] = counters.get(part, 0.0) + seconds
    return {"env_steps": counters["env_steps"], **stage_metrics(done.rollouts, learner), **done.metrics}
