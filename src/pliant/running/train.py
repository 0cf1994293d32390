"""The only training loop, and what surrounds it when it writes a run folder."""

import time
from pathlib import Path
from typing import Any

from pliant import errors
from pliant.config import config as configuration
from pliant.running import learner as learners
from pliant.running import loop
from pliant.running.clock import PARTS
from pliant.running.learner import Learner
from pliant.storage import checkpoint, record
from pliant.streams import Stream
from pliant.system import machine
from pliant.system.progress import Progress
from pliant.system.stop import Stop


def train(
    config: configuration.Config, out: Path, device: str = "cpu", resume: bool = False, quiet: bool = False
) -> Path:
    """Train what `config` describes in the run folder `out`, or continue it; the folder.

    Raises UserError for anything the user can mend, Stopped after Ctrl-C or SIGTERM once a checkpoint is written.
    """
    machine.keep_memory()
    learner = learners.build(config, device)
    learner.family.batch(learner.family.sample(1, "train", Stream(0).rng()), 1, 1)  # what is not installed is said before a run
    with record.Run.start(out, configuration.to_dict(config), resume) as run, Stop() as stop:
        counters = _restore(run, learner, device)
        total = learner.settings.iterations if getattr(learner.algorithm, "learns", True) else 0
        last = time.monotonic()
        saved = reached = counters["iteration"]
        with Progress(total, reached, quiet) as progress:
            try:
                for done in loop.iterate(learner, reached, total):
                    metrics = loop.counted(counters, done, learner)
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


def _restore(run: record.Run, learner: Learner, device: str) -> dict[str, Any]:
    """Load the newest whole checkpoint of a resumed run; the counters it kept, or fresh ones."""
    fresh: dict[str, Any] = {"iteration": 0, "env_steps": 0, "seconds": 0.0} | dict.fromkeys(PARTS, 0.0)
    found = checkpoint.load_latest(run.checkpoints, warn=errors.warn) if run.resumed and _any(run.checkpoints) else None
    run.rewind(found.iteration if found else 0)
    if not found:
        return fresh
    learners.load(learner.algorithm, found, device)
    return {name: found.facts.get(name, value) for name, value in fresh.items()}


def _any(folder: Path) -> bool:
    return folder.is_dir() and any(not p.name.startswith(".tmp") for p in folder.iterdir())


def _evaluation(learner: Learner) -> dict[str, float]:
    from pliant.running import curve as curves

    settings = learner.settings
    has_memory = learner.algorithm.stage == "episode"
    stages = None if has_memory else settings.evaluate_stages
    curve = curves.curve(learner, "test", settings.evaluate_tasks, settings.lanes, stages, seed=0)
    points = curve.summary()[:: learner.episodes - 1 or 1] if has_memory else curve.summary()
    measured = ("return", "success") if learner.family.success else ("return",)
    return {f"test_{name}_{point['stage']}": point[name]["mean"] for name in measured for point in points}


def _is_due(finished: int, every: int) -> bool:
    return every > 0 and finished % every == 0
