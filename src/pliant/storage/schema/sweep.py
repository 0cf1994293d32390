"""`pliant.sweep/1`: the same agent along one axis of its family, from `pliant sweep`.

V values of the axis, M tasks at each, S stages: gradient steps, or the episodes of a trial for an agent with memory.
"""

from collections.abc import Iterator
from typing import Annotated, Final, Literal, NotRequired

from annotated_types import Ge, Len
from typing_extensions import TypedDict

from pliant.storage.schema import parts
from pliant.storage.schema.kind import MIB, Kind, Meaning, averaged, counted, differing, ordered, strict
from pliant.storage.schema.parts import Config, Count, Digest, Few, Interval, Seed, Summary, Versions

SCHEMA: Final = "pliant.sweep/1"


class Protocol(TypedDict):
    """How the tasks of each value were played."""

    tasks: Annotated[int, Ge(1)]
    """Tasks of each value, M."""
    lanes: Few
    """Lanes of each task."""
    stages: Count
    """Last stage, S - 1."""
    seed: Seed
    """Address of the random numbers of the sweep."""
    horizon: Annotated[int, Ge(1)]
    """Most environment steps of an episode."""
    iteration: Count
    """Iterations of training before the checkpoint that was measured."""


_PointReturn = TypedDict(
    "_PointReturn", {"return": Annotated[list[Summary], Meaning("[S] Undiscounted return of an episode, by stage.")]}
)


class Point(_PointReturn):
    """What the tasks of one value reach."""

    value: float
    """Value of the axis, in its units."""


@strict()
class Sweep(TypedDict):
    """Returns along one axis of a family, inside what was trained on and outside."""

    schema: Literal["pliant.sweep/1"]
    """Kind of document and its version."""
    algorithm: str
    """Name of the algorithm."""
    policy: str
    """Name of the policy."""
    family: str
    """Name of the family of tasks."""
    train_seed: Seed
    """Address of the random numbers of training."""
    axis: str
    """Name of the axis: a parameter of the tasks, or one of the family's own."""
    meaning: str
    """What the axis is, in words and units."""
    values: Annotated[list[float], Len(1)]
    """[V] Values of the axis, increasing."""
    trained: Interval
    """Range of the axis in training, lower end first."""
    shifted: Interval
    """Range of the axis that the family reaches, lower end first."""
    protocol: Protocol
    """How the tasks of every value were played."""
    versions: Versions
    """Versions of the packages that may change a result, by name."""
    config: Config
    """What the run was asked to do."""
    curve: list[Point]
    """[V] What the tasks of each value reach."""
    per_task: list[list[list[float]]]
    """[V, M, S] Undiscounted return of an episode, mean over lanes."""
    task_numbers: NotRequired[list[list[Count]]]
    """[V, M] the same number for the same task, from 0 without gaps."""
    all_tasks: NotRequired[list[bool]]
    """[V] There are no other tasks at this value, so that intervals are over the trials of each."""
    sha256: NotRequired[Digest]
    """Checksum of the document without this field; there in every file."""


def faults(document: Sweep) -> Iterator[str]:
    """What is wrong with a sweep that its type cannot say."""
    config, values = document["config"], document["values"]
    for name in ("algorithm", "policy", "family"):
        yield from differing(name, document[name], config[name], f"as config.{name}")
    yield from differing("train_seed", document["train_seed"], config["seed"], "as config.seed")
    if sorted(set(values)) != values:
        yield "values are not in increasing order"
    yield from ordered("trained", *document["trained"])
    yield from ordered("shifted", *document["shifted"])
    of_tasks = list(_of_tasks(document, document["protocol"]["stages"] + 1))
    yield from of_tasks or _of_means(document)
    yield from parts.unordered(document)


def _of_tasks(document: Sweep, stages: int) -> Iterator[str]:
    """Values, curve, tasks and stages fit together."""
    values = document["values"]
    yield from counted("curve", document["curve"], len(values), "one for each value")
    yield from counted("per_task", document["per_task"], len(values), "one for each value")
    for index, (value, point) in enumerate(zip(values, document["curve"], strict=False)):
        yield from differing(f"curve.{index}.value", point["value"], value, f"as values.{index}")
        yield from counted(f"curve.{index}.return", point["return"], stages, "one for each stage up to protocol.stages")
    yield from counted("all_tasks", document.get("all_tasks"), len(values), "one for each value")
    yield from counted("task_numbers", document.get("task_numbers"), len(values), "one for each value")
    for index, numbers in enumerate(document.get("task_numbers", [])):
        yield from parts.misnumbered(f"task_numbers.{index}", numbers, document["protocol"]["tasks"])
    for index, tasks in enumerate(document["per_task"]):
        yield from counted(f"per_task.{index}", tasks, document["protocol"]["tasks"], "as protocol.tasks says")
        for number, task in enumerate(tasks):
            yield from counted(f"per_task.{index}.{number}", task, stages, "one for each stage up to protocol.stages")


def _of_means(document: Sweep) -> Iterator[str]:
    """The curve is the mean of the tasks."""
    for index, (point, tasks) in enumerate(zip(document["curve"], document["per_task"], strict=True)):
        for s, stage in enumerate(point["return"]):
            returns = [task[s] for task in tasks]
            yield from averaged(f"curve.{index}.return.{s}.mean", stage["mean"], returns, "the mean over per_task")


KIND = Kind(SCHEMA, Sweep, faults, "always", 256 * MIB)
