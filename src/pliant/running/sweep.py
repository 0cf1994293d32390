"""Shift sweeps: the same agent along one axis of its family, inside what it was trained on and outside.

The tasks of every value are the same test tasks with the axis moved, and the same random numbers act in them, so that values
differ in nothing else. A document `pliant.sweep/1` per run and axis, kept in the run's `sweeps` folder.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pliant import errors
from pliant.maths import statistics
from pliant.maths.layouts import Layout
from pliant.running import curve as curving
from pliant.running import learner as learners
from pliant.running.learner import Learner
from pliant.running.schedule import Schedule, require_sizes
from pliant.storage import documents, record
from pliant.storage.schema import sweep as schema
from pliant.storage.schema.parts import Config
from pliant.streams import Stream
from pliant.system import crew as crews
from pliant.system.crew import Crew
from pliant.system.progress import Progress
from pliant.tasks.base import Axis, Family, Tasks

SCHEMA = schema.SCHEMA
POINTS = 9
"""Values of a sweep, unless told otherwise."""
TASKS = 20
"""Tasks of each value, unless told otherwise."""


def parse(text: str, family: Family, points: int = POINTS) -> tuple[str, list[float]]:
    """`"velocity=0:4"` as the axis and its values: a range in `points` equal steps, or values `2,5,10`.

    Without `=` the range is what the family reaches. Raises UserError for anything else, and for an axis it lacks.
    """
    name, equals, said = text.partition("=")
    if name not in family.axes:
        raise errors.unknown(f"axis of {family.name}", name, family.axes)
    axis, listed = family.axes[name], "," in said
    try:
        numbers = [float(x) for x in said.split("," if listed else ":")] if equals else list(axis.shifted)
        if not np.isfinite(numbers).all() or not (listed or len(numbers) == 2):
            raise ValueError
    except ValueError:
        raise errors.UserError(f"--axis is {text!r}: expected {name}=LOW:HIGH or {name}=VALUE,VALUE,...") from None
    if not listed and not numbers[0] < numbers[1]:
        raise errors.UserError(f"--axis is {text!r}: the range is empty, expected LOW below HIGH")
    values = numbers if listed else [float(f"{x:.12g}") for x in np.linspace(numbers[0], numbers[1], points)]
    return name, sorted({float(round(x)) for x in values} if axis.whole else set(values))


def sweep_run(
    path: Path,
    axis: str,
    points: int = POINTS,
    tasks: int = TASKS,
    stages: int | None = None,
    lanes: int | None = None,
    seed: int = 0,
    device: str = "cpu",
    quiet: bool = True,
) -> schema.Sweep:
    """The document `pliant.sweep/1` of a run's newest checkpoint along `axis` ("velocity=0:4"); also kept in the run.

    Processes that `torchrun` has begun measure some of the values each; the first one keeps the document.

    Raises UserError for a folder that is no run or has no checkpoint, and for an axis or values that the family lacks.
    """
    require_sizes(points=points, tasks=tasks)
    run = record.Run.open(Path(path))
    learner, found = learners.trained(run, device)
    name, values = parse(axis, learner.family, points)
    schedule = learner.schedule(stages, lanes)
    asked: schema.Protocol = {
        "tasks": tasks,
        "lanes": schedule.lanes,
        "stages": schedule.last,
        "seed": seed,
        "horizon": learner.family.horizon,
        "iteration": found.iteration,
    }
    kept = Path(path) / "sweeps" / f"{re.sub(r'[^A-Za-z0-9_-]', '', name)}.json"
    if kept.exists() and _is_same(old := documents.read(kept, schema.KIND, folder=run.path), name, values, asked):
        return old
    returns = _returns(learner, name, values, tasks, schedule, seed, "" if quiet else run.path.name)
    layouts = [_placed(learner, name, value, tasks, seed)[1] for value in values]
    document = documents.sealed(_document(run.config, name, learner.family.axes[name], values, asked, returns, layouts))
    if crews.place()[0] == 0:
        documents.keep(kept, document, run.path)
    return document


def _returns(
    learner: Learner, axis: str, values: Sequence[float], tasks: int, schedule: Schedule, seed: int, shown: str
) -> list[NDArray[np.float64]]:
    """[M, S] at each value of an axis, which processes share out; the first of them shows progress of what is `shown`."""
    with crews.joined() as place:
        crew, found = Crew(len(values), *place), []
        if crew.ranks > crew.shards:
            raise errors.UserError(f"{crew.ranks} processes share {len(values)} values of {axis}: expected at most as many")
        with Progress(len(values), 0, not (shown and crew.leads), f"{axis} of {shown}", f"{shown}: value") as progress:
            for i in crew.own:
                found.append(torch.from_numpy(_measured(learner, axis, values[i], tasks, schedule, seed).returns))
                progress.update(min(len(values), crew.ranks * len(found)), {})
        return [x.numpy() for x in crew.all(found)]


def _document(
    config: Config,
    name: str,
    along: Axis,
    values: Sequence[float],
    asked: schema.Protocol,
    returns: Sequence[NDArray[np.float64]],
    layouts: Sequence[Layout],
) -> schema.Sweep:
    """Everything a sweep says, as JSON values; `returns` [M, S] and which tasks are the same, for each value."""
    stages = range(asked["stages"] + 1)
    return {
        "schema": schema.SCHEMA,
        "algorithm": config["algorithm"],
        "policy": config["policy"],
        "family": config["family"],
        "train_seed": config["seed"],
        "axis": name,
        "meaning": along.meaning,
        "values": list(values),
        "trained": list(along.trained),
        "shifted": list(along.shifted),
        "protocol": asked,
        "versions": record.versions(),
        "config": config,
        "curve": [
            {"value": value, "return": [statistics.summary(x[:, s], layout) for s in stages]}
            for value, x, layout in zip(values, returns, layouts, strict=True)
        ],
        "per_task": [x.tolist() for x in returns],  # [values][M][S]
        "task_numbers": [layout.number.tolist() for layout in layouts],  # [values][M]
        "all_tasks": [layout.is_whole for layout in layouts],
    }


def _measured(learner: Learner, axis: str, value: float, tasks: int, schedule: Schedule, seed: int) -> curving.Curve:
    """The curve at one value of an axis."""
    chosen, layout = _placed(learner, axis, value, tasks, seed)
    batch = learner.family.batch(chosen, schedule.lanes, schedule.episodes)
    return curving.curve_on(learner, batch, schedule.last, curving.acts_of(learner, _streams(seed)), layout)[0]


def _placed(learner: Learner, axis: str, value: float, tasks: int, seed: int) -> tuple[Tasks, Layout]:
    """The tasks at one value of an axis, and which of them are the same."""
    family = learner.family
    chosen = family.axes[axis].place(family.sample(tasks, "test", _streams(seed).at("tasks").rng()), value)
    return chosen, curving.layout_of(family, chosen.rows(), "test", axis)


def _streams(seed: int) -> Stream:
    return Stream(seed).at("sweep")


def _is_same(document: schema.Sweep, axis: str, values: list[float], asked: schema.Protocol) -> bool:
    return (document["axis"], document["values"], document["protocol"]) == (axis, values, asked)
