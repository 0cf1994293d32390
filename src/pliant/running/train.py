"""A training in its run folder: the loop, with metrics, checkpoints, progress, and a good moment to stop."""

import json
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch

from pliant import errors
from pliant.config import advice
from pliant.config import config as configuration
from pliant.running import curve as curves
from pliant.running import learner as learners
from pliant.running import loop
from pliant.running.clock import PARTS
from pliant.running.learner import Learner
from pliant.running.reached import Reached
from pliant.storage import checkpoint, record
from pliant.streams import Stream
from pliant.system import crew as crews
from pliant.system import given, machine
from pliant.system.progress import Progress
from pliant.system.stop import Stop
from pliant.types import KEPT

LOOK = 20
"""Iterations after which processes that share a training make sure that they hold the same."""


@errors.mendable()
def train(
    config: configuration.Config, out: Path, device: str = "cpu", resume: bool = False, quiet: bool = False
) -> Path:
    """Train what `config` describes in the run folder `out`, or continue it; the folder.

    A run goes on with the settings it was begun with, or with more iterations. Raises UserError for anything the user can mend,
    Stopped after Ctrl-C, SIGTERM or SIGHUP once a checkpoint is written.
    """
    if not isinstance(config, configuration.Config):
        raise errors.UserError(f"config is {given.shown(config)}: expected a Config, as load_config makes it")
    out = given.place("out", out)
    given.device("device", device)
    if resume:
        _require_continues(config, out)
    machine.keep_memory()
    with crews.joined() as place:
        learner = learners.build(config, device, place=place)
        learner.family.batch(learner.family.sample(1, "train", Stream(0).rng()), 1, 1)  # what is not installed is said first
        if not learner.crew.leads:
            _follow(learner, out, device)
        else:
            learners.warn_of_doubts(learner.family)
            _lead(learner, out, device, resume, quiet)
    return out


def _lead(learner: Learner, out: Path, device: str, resume: bool, quiet: bool) -> None:
    """Train in the run folder `out`; the one process that writes, of those that share the work."""
    total = learner.iterations
    with (
        record.Run.start(out, configuration.to_dict(learner.config), resume) as run,
        Stop() as stop,
        Session(run, learner, device) as session,
        Progress(total, session.reached, quiet) as progress,
    ):
        learner.crew.agree(session.reached, patient=True)
        _require_alike(learner)
        for done, metrics in loop.train(learner, session.whole, total):
            metrics = session.advance(done, metrics)
            progress.update(session.reached, metrics)
            if signal := _over(learner, session.reached, stop):
                message = f"stopped after iteration {session.reached} of {total}, saved; --resume continues {out}"
                raise errors.Stopped(message, signal)
            session.save_if_due()


def _follow(learner: Learner, out: Path, device: str) -> None:
    """Share the work of a training that another process leads and writes, from where it begins."""
    begin = learner.crew.agree(0, patient=True)
    if begin:
        found = checkpoint.load_latest(record.Run.open(out, warns=False).checkpoints, warn=lambda line: None)
        if found.iteration != begin:
            here, there = found.iteration, begin
            raise errors.UserError(f"{out} is at iteration {here} here and at {there} for others: expected one folder for all")
        learners.load(learner.algorithm, found, device)
    _require_alike(learner)
    with Stop() as stop:
        for done, _ in loop.train(learner, Reached(learner.algorithm, _fresh() | {"iteration": begin}), learner.iterations):
            if _is_due(done.number + 1, learner.settings.evaluate_every):
                _evaluation(learner)
            if signal := _over(learner, done.number + 1, stop):
                raise errors.Stopped(f"process {learner.crew.rank} stopped with the others", signal)


def _over(learner: Learner, reached: int, stop: Stop) -> int:
    """The signal by which one of the processes is to stop after an iteration, 0 if none."""
    signal = learner.crew.agree(stop.signal)
    if reached % LOOK == 0 or reached == learner.iterations:
        _require_alike(learner)
    return signal


def _require_alike(learner: Learner) -> None:
    """Raise UserError unless all processes train the same thing on machines of one kind, and hold the same of it."""
    crew = learner.crew
    if crew.ranks == 1:
        return
    kind = torch.backends.cpu.get_cpu_capability()
    described = [configuration.to_dict(learner.config), record.versions(), kind]
    crew.require_alike("settings, packages or kind of processor", json.dumps(described, sort_keys=True, default=str).encode())
    state = {name: x.cpu() for name, x in learner.algorithm.state().items() if not name.startswith(KEPT)}
    held = [(name.encode(), state[name].contiguous().numpy().tobytes()) for name in sorted(state)]
    crew.require_alike("what they have learned", *(part for each in held for part in each))


def _require_continues(config: configuration.Config, out: Path) -> None:
    """Raise UserError if `out` holds another run than `config` describes; say what more iterations do to its schedules."""
    if (out / "run.json").exists():
        old = configuration.from_dict(record.Run.open(out).config)
        configuration.require_continues(old, config, out)
        if line := advice.of_schedules(old, config):
            errors.warn(line)


class Session:
    """What a training has reached, and what of that is saved; a context manager that leaves nothing unsaved.

    What is reached is whole, whatever ended the training, so it is saved; only a second Ctrl-C, which acts at once, saves
    nothing.
    """

    def __init__(self, run: record.Run, learner: Learner, device: str) -> None:
        self.run, self.learner = run, learner
        self.whole = Reached(learner.algorithm, _restore(run, learner, device))
        self._saved = self.reached if self.reached or learner.iterations else -1
        self._last = time.monotonic()

    @property
    def reached(self) -> int:
        """Iterations that are over."""
        return int(self.whole.counters["iteration"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if (error is not None and not isinstance(error, Exception)) or self._saved >= self.reached:
            return
        try:
            self.save()
        except errors.UserError:
            if error is None or errors.one_line(error):  # what is no bug; a bug is worth more than that it was not saved
                raise

    def advance(self, done: loop.Iteration, metrics: dict[str, float]) -> dict[str, float]:
        """Evaluate after an iteration if that is due, write its line; the metrics in it, those of the evaluation too."""
        try:
            if _is_due(self.reached, self.learner.settings.evaluate_every):
                begin = time.perf_counter()
                metrics = metrics | _evaluation(self.learner)
                self.whole.counters["evaluation_seconds"] += time.perf_counter() - begin
        finally:
            self.run.log(done.number, metrics, done.seconds | {"total_seconds": self.whole.counters["seconds"]})
        return metrics

    def save_if_due(self) -> None:
        """Save if the last time is long ago."""
        if time.monotonic() - self._last >= self.learner.settings.checkpoint_every:
            self.save()

    def save(self) -> None:
        """Write a checkpoint of what is reached."""
        self.run.save(self.reached, self.learner.algorithm.state(), self.whole.counters)
        self._last, self._saved = time.monotonic(), self.reached


def _restore(run: record.Run, learner: Learner, device: str) -> dict[str, Any]:
    """Load the newest whole checkpoint of a resumed run; the counters it kept, or fresh ones."""
    fresh = _fresh()
    is_saved = run.resumed and checkpoint.paths(run.checkpoints)
    found = checkpoint.load_latest(run.checkpoints, warn=errors.warn) if is_saved else None
    run.rewind(found.iteration if found else 0)
    if not found:
        return fresh
    learners.load(learner.algorithm, found, device)
    return {name: found.facts.get(name, value) for name, value in fresh.items()}


def _fresh() -> dict[str, Any]:
    """The counters of a training that has not begun."""
    return {"iteration": 0, "env_steps": 0, "seconds": 0.0} | dict.fromkeys(PARTS, 0.0)


def _evaluation(learner: Learner) -> dict[str, float]:
    """Returns on test tasks by stage, and those of whole trials of memory, for the line of an iteration."""
    schedule = learner.schedule(steps=learner.settings.evaluate_stages)
    play = curves.shared if learner.crew.shards > 1 else curves.curve
    curve = play(learner, "test", learner.settings.evaluate_tasks, schedule, seed=0)
    points = [point for point in curve.summary() if point["stage"] in schedule.shown]
    measured = ("return", "success") if learner.family.success else ("return",)
    found = {f"test_{name}_{point['stage']}": point[name]["mean"] for name in measured for point in points}
    return found | {"test_trial_return": float(curve.trial.mean())} if learner.by_episode else found


def _is_due(finished: int, every: int) -> bool:
    return every > 0 and finished % every == 0
