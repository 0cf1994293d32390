"""A video of one task before and after adaptation, side by side.

The trial is played by the algorithm's own `adapt`, under the addresses of an evaluation: a task that is named gives the
rollouts of `pliant adapt`, the first task of a split those of an evaluation of that task. Nothing needs a display.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pliant import errors
from pliant.drawing import base, behaviour, film, video
from pliant.running import learner as learners
from pliant.storage import record, shown
from pliant.streams import Stream
from pliant.system import files
from pliant.system.progress import Progress
from pliant.tasks.base import SPLITS, BatchEnv, Family, Tasks

TASKS = 40
"""Tasks of a usual evaluation, of which the first is watched."""
MOST_NAME = 100
"""Letters of a file's name."""


def watch(
    path: Path,
    task: Mapping[str, Any] | None = None,
    split: str = "test",
    seed: int = 0,
    stages: int | None = None,
    out: Path | None = None,
    fps: float | None = None,
    device: str = "cpu",
    deterministic: bool = False,
    lanes: int | None = None,
    lane: int = 0,
    quiet: bool = False,
) -> Path:
    """Write a video of a run's newest checkpoint; where it is.

    `task` holds named values of the family's parameters; without it the first task of `split` is watched, the first one of
    an evaluation of 40 tasks by the same seed. `stages` is the last stage. The suffix of `out` says what is written: .gif,
    or .mp4 with the extra `video`; by default an mp4 if that is installed, in the run's folder `videos`. `fps` are frames per
    second, by default real time. Raises UserError for anything the user can mend, before anything is written.
    """
    _check(split, stages, fps, lanes)
    run = record.Run.open(Path(path))
    if out is not None:
        video.require(Path(out).suffix)
        _require_place(Path(out))
    within = run.path if out is None else None
    learner, _ = learners.trained(run, device)
    schedule = learner.schedule(stages, lanes, one_lane=learner.by_episode and task is not None)
    tasks, stream, subject = _subject(learner.family, task, split, seed)
    batch = learner.family.batch(tasks, schedule.lanes, schedule.episodes)
    base.of(batch).prepare(batch)
    if out is None:
        out = run.path / "videos" / f"{_name(tasks, task, split, seed, schedule.last, deterministic)}{_suffix()}"
        _require_place(out)
    takes = behaviour.play(learner, batch, stream, schedule.last, lane, deterministic)
    title = f"{shown.name(run.config['algorithm'])} on {shown.family_of(run.config)}, {subject}"
    data = _encoded(takes, batch, title, fps, Path(out).suffix, quiet)
    files.write(Path(out), data, within)
    return Path(out)


def described(family: Family, tasks: Tasks) -> str:
    """A task in words: every parameter that differs between tasks, with its meaning where there is only one."""
    parameters = [p for p in family.parameters if p.choices or p.train[0] != p.train[1] or p.ood]
    values = [f"{p.name} {_numbers(tasks.arrays[p.name][0])}" for p in parameters]
    return ", ".join(values) + (f" ({parameters[0].meaning})" if len(parameters) == 1 and parameters[0].meaning else "")


def _subject(family: Family, task: Mapping[str, Any] | None, split: str, seed: int) -> tuple[Tasks, Stream, str]:
    """The task to watch (M = 1), the address of its trial, and what it is called."""
    if task is not None:
        tasks, stream = family.task(task), Stream(seed).at("adapt")
        return tasks, stream, described(family, tasks)
    streams = Stream(seed).at("evaluate", split)
    tasks = family.sample(TASKS, split, streams.at("tasks").rng())[0]
    kind = {"test": "held-out", "train": "training", "ood": "shifted"}[split]
    return tasks, streams.at("acts"), f"{kind} task: {described(family, tasks)}"


def _encoded(
    takes: Sequence[behaviour.Take], batch: BatchEnv, header: str, fps: float | None, suffix: str, quiet: bool
) -> bytes:
    """The takes as a video."""
    drawing = base.of(batch)
    stride, rate = _rate(drawing.pace(batch), fps, video.MOST_FPS[suffix])
    films, others = [], [take.scenes for take in takes]
    for take in takes:
        times = sorted({*range(0, len(take.scenes), stride), len(take.scenes) - 1})
        pictures = drawing.pictures(batch, 0, take.scenes, times, others)
        height, width = next(drawing.pictures(batch, 0, take.scenes, times[:1], others)).shape[:2]
        captions = [_captions(take, t, drawing.words(batch, 0, take.scenes, t)) for t in times]
        films.append(film.Film(f"{take.title}: return {take.total:.2f}", pictures, captions, (height, width)))
    total = max(len(each.captions) for each in films)
    return video.encoded(_counted(film.beside(films, header), total, quiet), rate, suffix)


def _captions(take: behaviour.Take, time: int, words: str) -> tuple[str, str]:
    """How far the episode is, what it has brought so far; and what the family says."""
    so_far = float(take.reward[:time].sum())
    steps = len(take.scenes) - 1
    if time == steps:
        return f"step {time} of {steps}, return {take.total:.2f}", words
    return f"step {time} of {steps}, return so far {so_far:.2f}", words


def _counted(frames: Iterator[base.Image], total: int, quiet: bool) -> Iterator[base.Image]:
    """The frames, counted on stderr."""
    with Progress(total, 0, quiet, what="drawing", unit="frame") as progress:
        for n, frame in enumerate(frames):
            yield frame
            progress.update(n + 1, {})


def _rate(pace: float, fps: float | None, most: float) -> tuple[int, float]:
    """Steps from frame to frame, and frames per second: `pace` steps a second, at most `most` frames unless `fps` is given."""
    stride = max(1, round(pace / fps)) if fps else math.ceil(pace / most - 1e-9)
    return stride, fps or pace / stride


def _check(split: str, stages: int | None, fps: float | None, lanes: int | None) -> None:
    if split not in SPLITS:
        raise errors.unknown("split", split, SPLITS)
    for name, value in (("stages", stages), ("lanes", lanes)):
        if value is not None and value < 1:
            raise errors.UserError(f"--{name} is {value}: expected at least 1")
    if fps is not None and not 1 <= fps <= 60:
        raise errors.UserError(f"--fps is {fps:g}: expected 1 to 60 frames per second")


def _require_place(out: Path) -> None:
    """Raise UserError for a place where no file can be: said before anything is played. Makes nothing."""
    if out.is_dir():
        raise errors.UserError(f"--out is {out}, a folder: give a file, such as {out / 'video.gif'}")
    files.require_writable(out)


def _suffix() -> str:
    return ".mp4" if video.has_mp4() else ".gif"


def _name(tasks: Tasks, task: Mapping[str, Any] | None, split: str, seed: int, stages: int, deterministic: bool) -> str:
    """What tells this video from others of the run."""
    words = [f"{name}={_numbers(array[0], ',')}" for name, array in tasks.arrays.items() if task and name in task]
    named = re.sub(r"[^A-Za-z0-9=.,_-]", "", "_".join(words))[:MOST_NAME] or split
    return f"{named}-seed{seed}-stages{stages}{'-deterministic' if deterministic else ''}"


def _numbers(value: Any, between: str = ", ") -> str:
    """One number or several, as short as three decimals allow."""
    return between.join(f"{x:.10g}" if float(x).is_integer() else f"{x:.3f}" for x in np.ravel(value).tolist())
