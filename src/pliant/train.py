"""The only training loop, and what surrounds it when it writes a run folder."""

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from pliant import checkpoint, errors, machine, record, registry
from pliant import config as configuration
from pliant.algorithms.base import Algorithm
from pliant.clock import PARTS, Clock
from pliant.progress import Progress
from pliant.rollout import episode_returns, episode_sums, rollout
from pliant.streams import Stream
from pliant.tasks import _told
from pliant.tasks.base import Family
from pliant.types import Rollout


@dataclass(frozen=True)
class Settings:
    """How much experience an iteration collects, and what happens every so often."""

    iterations: int = 200
    """Meta-updates."""
    meta_batch: int = 20
    """Tasks per iteration."""
    lanes: int = 20
    """Trials per task and rollout."""
    episodes: int = 0
    """Episodes per trial, 0 for as many as the family has in mind."""
    evaluate_every: int = 0
    """Iterations between evaluations on test tasks, 0 for none."""
    evaluate_tasks: int = 20
    """Test tasks of such an evaluation."""
    evaluate_stages: int = 1
    """Gradient steps of such an evaluation; an agent with memory plays its whole trial."""
    checkpoint_every: float = 60.0
    """Seconds between checkpoints; one is also written at the end and on Ctrl-C."""
    threads: int = 0
    """Torch threads, 0 for torch's own choice: one per core. Other numbers of threads may round differently."""

    def __post_init__(self) -> None:
        for name in ("iterations", "meta_batch", "lanes", "evaluate_tasks"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: expected at least 1")
        for name in ("episodes", "evaluate_every", "evaluate_stages", "threads"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}: expected at least 0")
        if not self.checkpoint_every >= 0:
            raise ValueError(f"checkpoint_every is {self.checkpoint_every}: expected at least 0 seconds")


class Learner(NamedTuple):
    """An algorithm and the tasks it learns from."""

    algorithm: Algorithm
    family: Family
    settings: Settings
    streams: Stream

    @property
    def episodes(self) -> int:
        """Episodes of a trial."""
        return self.settings.episodes or self.family.episodes


class Iteration(NamedTuple):
    """What one pass of the loop produced."""

    number: int
    metrics: dict[str, float]
    rollouts: list[Rollout]
    seconds: dict[str, float]


def build(config: configuration.Config, device: str = "cpu", body: nn.Module | None = None) -> Learner:
    """The learner that a config describes, freshly initialised. `body` replaces the policy's hidden layers."""
    settings: Settings = config.parts["train"]
    if settings.threads:
        torch.set_num_threads(settings.threads)
    module = registry.load("algorithm", config.algorithm)
    family: Family = registry.load("family", config.family).family(config.parts["family"])
    if getattr(module, "TOLD", False):
        family = _told.told(family)
    streams = Stream(config.seed)
    maker = registry.load("policy", config.policy).make
    body = body or _named_body(config, family.spec.obs_size, streams.at("policy", "body"))
    policy = maker(family.spec, config.parts["policy"], streams.at("policy"), **({"body": body} if body else {}))
    spec = family.spec._replace(trial_steps=(settings.episodes or family.episodes) * family.horizon)
    algorithm = module.make(policy.to(device), spec, config.parts, streams.at("algorithm"))
    return Learner(algorithm, family, settings, streams)


def _named_body(config: configuration.Config, obs_size: int, stream: Stream) -> nn.Module | None:
    """The module that the policy's settings name, built under the seed of `stream`."""
    name: str = getattr(config.parts["policy"], "body", "")
    if not name:
        return None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream.key % 2**63)
        made: nn.Module = registry.attribute(name)(obs_size)
    return made


def iterate(learner: Learner, start: int, stop: int) -> Iterator[Iteration]:
    """Sample tasks, adapt to them, learn from having adapted; iterations `start` to `stop` - 1."""
    algorithm, family, settings, streams = learner
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


def train(
    config: configuration.Config, out: Path, device: str = "cpu", resume: bool = False, quiet: bool = False
) -> Path:
    """Train what `config` describes in the run folder `out`, or continue it; the folder.

    Raises UserError for anything the user can mend, Stopped after Ctrl-C or SIGTERM once a checkpoint is written.
    """
    machine.keep_memory()
    learner = build(config, device)
    learner.family.batch(learner.family.sample(1, "train", Stream(0).rng()), 1, 1)  # what is not installed is said before a run
    with record.Run.start(out, configuration.to_dict(config), resume) as run, _Stop() as stop:
        counters = _restore(run, learner, device)
        total = learner.settings.iterations if getattr(learner.algorithm, "learns", True) else 0
        last = time.monotonic()
        saved = reached = counters["iteration"]
        with Progress(total, reached, quiet) as progress:
            try:
                for done in iterate(learner, reached, total):
                    metrics = counted(counters, done, learner)
                    reached = done.number + 1
                    try:
                        if _is_due(reached, learner.settings.evaluate_every):
                            begin = time.perf_counter()
                            metrics |= _evaluation(learner)
                            counters["evaluation_seconds"] += time.perf_counter() - begin
                    finally:
                        run.log(done.number, metrics, done.seconds | {"total_seconds": counters["seconds"]})
                    progress.update(reached, metrics)
                    if stop.signal:
                        message = f"stopped after iteration {reached} of {total}, saved; --resume continues {out}"
                        raise errors.Stopped(message, stop.signal)
                    if time.monotonic() - last >= learner.settings.checkpoint_every:
                        run.save(reached, learner.algorithm.state(), counters)
                        last, saved = time.monotonic(), reached
            except (errors.UserError, errors.Stopped):  # what came before the iteration that failed is whole
                if saved < reached:
                    run.save(reached, learner.algorithm.state(), counters)
                raise
        if saved < reached or not total:
            run.save(reached, learner.algorithm.state(), counters)
    return out


def stage_metrics(rollouts: list[Rollout], learner: Learner) -> dict[str, float]:
    """Mean return per episode by stage, undiscounted, and the share of episodes with success where the family reports it.

    A stage is a rollout, or the first and the last episode of a trial; the return of the whole trial comes with them.
    """
    returns = [episode_returns(r, learner.episodes) for r in rollouts]  # each [M, B, E]
    metrics = _by_stage("return", returns, learner)
    if learner.algorithm.stage == "episode":
        metrics["trial_return"] = float(returns[0].sum(2).mean())
    if learner.family.success:
        hits = [episode_sums(r, r.success, learner.episodes).clamp(max=1) for r in rollouts]
        metrics |= _by_stage("success", hits, learner)
    return metrics


def _by_stage(name: str, each: list[Tensor], learner: Learner) -> dict[str, float]:
    if learner.algorithm.stage == "gradient step":
        return {f"{name}_{stage}": float(x.mean()) for stage, x in enumerate(each)}
    return {f"{name}_{stage}": float(each[0][:, :, stage].mean()) for stage in (0, learner.episodes - 1)}


def counted(counters: dict[str, Any], done: Iteration, learner: Learner) -> dict[str, float]:
    """Advance the counters that a checkpoint keeps; the metrics of one line."""
    counters["iteration"] = done.number + 1
    counters["env_steps"] += sum(r.steps for r in done.rollouts)
    counters["seconds"] += sum(done.seconds.values())
    for part, seconds in done.seconds.items():
        counters[part] = counters.get(part, 0.0) + seconds
    return {"env_steps": counters["env_steps"], **stage_metrics(done.rollouts, learner), **done.metrics}


def _restore(run: record.Run, learner: Learner, device: str) -> dict[str, Any]:
    """Load the newest whole checkpoint of a resumed run; the counters it kept, or fresh ones."""
    fresh: dict[str, Any] = {"iteration": 0, "env_steps": 0, "seconds": 0.0} | dict.fromkeys(PARTS, 0.0)
    found = checkpoint.load_latest(run.checkpoints, warn=errors.warn) if run.resumed and _any(run.checkpoints) else None
    run.rewind(found.iteration if found else 0)
    if not found:
        return fresh
    load(learner.algorithm, found, device)
    return {name: found.facts.get(name, value) for name, value in fresh.items()}


def trained(
    run: record.Run, device: str = "cpu", config: configuration.Config | None = None
) -> tuple[Learner, checkpoint.Checkpoint]:
    """The learner of a run as its newest checkpoint has it, and that checkpoint; under the settings `config`, or the run's own.

    Raises UserError if there is no usable checkpoint.
    """
    learner = build(config or configuration.from_dict(run.config), device)
    found = checkpoint.load_latest(run.checkpoints, warn=errors.warn)
    load(learner.algorithm, found, device)
    return learner, found


def load(algorithm: Algorithm, found: checkpoint.Checkpoint, device: str) -> None:
    """Restore an algorithm from a checkpoint. Raises UserError if it is of another policy or algorithm."""
    expected = algorithm.state()
    wrong = [n for n in expected if n not in found.tensors or found.tensors[n].shape != expected[n].shape]
    if wrong:
        got = list(found.tensors[wrong[0]].shape) if wrong[0] in found.tensors else "absent"
        raise errors.UserError(
            f"checkpoint {found.path} does not fit these settings: {wrong[0]} is {got}, expected"
            f" {list(expected[wrong[0]].shape)}"
        )
    algorithm.load({name: tensor.to(device) for name, tensor in found.tensors.items()})


def _any(folder: Path) -> bool:
    return folder.is_dir() and any(not p.name.startswith(".tmp") for p in folder.iterdir())


def _evaluation(learner: Learner) -> dict[str, float]:
    from pliant import evaluate  # evaluation builds on training, training only reports it

    settings = learner.settings
    has_memory = learner.algorithm.stage == "episode"
    stages = None if has_memory else settings.evaluate_stages
    curve = evaluate.curve(learner, "test", settings.evaluate_tasks, settings.lanes, stages, seed=0)
    points = curve.summary()[:: learner.episodes - 1 or 1] if has_memory else curve.summary()
    measured = ("return", "success") if learner.family.success else ("return",)
    return {f"test_{name}_{point['stage']}": point[name]["mean"] for name in measured for point in points}


def _is_due(finished: int, every: int) -> bool:
    return every > 0 and finished % every == 0


class _Stop:
    """Turns the first Ctrl-C or SIGTERM into a wish to stop at the end of the iteration; a second Ctrl-C acts at once."""

    signal: int = 0

    def __enter__(self) -> "_Stop":
        self.old: dict[int, Any] = {}
        try:
            self.old = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # not the main thread: its owner handles signals
            pass
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self.old.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal:
            raise KeyboardInterrupt
        self.signal = number
