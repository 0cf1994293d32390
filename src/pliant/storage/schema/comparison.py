"""`pliant.comparison/1`: agents beside each other on the same tasks, from `pliant compare`.

A agents, each with K seeds, on M tasks; S stages, gradient steps or the episodes of a trial.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any, Final, Literal, NotRequired

from annotated_types import Ge, Len
from typing_extensions import TypedDict

from pliant.storage.schema import agent as agents
from pliant.storage.schema import parts
from pliant.storage.schema.kind import MIB, Kind, Meaning, counted, differing, ordered, strict
from pliant.storage.schema.parts import Count, Digest, Interval, Seed, Share, StudySummary, Versions

SCHEMA: Final = "pliant.comparison/1"


class Against(TypedDict):
    """One agent against another, on common tasks, after adaptation."""

    agent: str
    """Name of the one."""
    other: str
    """Name of the other."""
    difference: float
    """Return of the one minus return of the other."""
    ci95: Interval | None
    """Its 95 % interval, lower end first, of this pair alone; null for a single task."""
    p_value: Share | None
    """Two-sided, of no difference; null for a single task."""
    p_holm: Share | None
    """The same, corrected for the number of pairs by Holm's method; null for a single task."""
    probability_of_improvement: Share
    """How often a run of the one does better than a run of the other on the same task."""
    verdict: str
    """What may be said, in words: better or worse only where p_holm is below 0.05 and both have three seeds."""


class Reference(TypedDict):
    """What can be reached."""

    value: float
    """Return."""
    name: str
    """Whose return that is."""


_PlayerReturn = TypedDict(
    "_PlayerReturn", {"return": Annotated[parts.Summary, Meaning("Return of the last episode of a trial.")]}
)


class Player(_PlayerReturn):
    """What a classical player made of the same tasks."""

    trial_return: NotRequired[parts.Summary]
    """Total return of a trial."""


class Players(TypedDict):
    """Reference agents on the same tasks: classical controllers and exact optima."""

    episodes: NotRequired[Count]
    """Episodes of a trial; 0 where the family has no players."""
    each: dict[str, Player]
    """What was played, by name of the player."""
    optimum: float | None
    """Exact Bayes-optimal return, where a trial is one episode; null where it is not known."""
    ceiling: float | None
    """Return of an episode to an agent that knows the task; null where it is not known."""


class Missing(TypedDict):
    """A baseline that somebody would have to train."""

    name: str
    """Name of its algorithm."""
    command: str
    """The command that trains it."""


class Swept(TypedDict):
    """One agent along an axis."""

    name: str
    """Name in this comparison."""
    seeds: Annotated[list[Seed], Len(1)]
    """Seeds of the runs that hold the sweep."""
    before: list[StudySummary]
    """[V] Return at stage 0, by value."""
    after: list[StudySummary]
    """[V] Return at the last stage, by value."""


class Sweep(TypedDict):
    """Agents along one axis of the family."""

    axis: str
    """Name of the axis."""
    meaning: str
    """What the axis is, in words and units."""
    values: Annotated[list[float], Len(1)]
    """[V] Values of the axis, increasing."""
    trained: list[Interval]
    """Ranges of the axis in training."""
    shifted: list[Interval]
    """Ranges of the axis that the family reaches."""
    distinct_tasks: NotRequired[list[Annotated[int, Ge(1)]]]
    """[V] Number of tasks that differ, by value."""
    all_tasks: NotRequired[list[bool]]
    """[V] By value: there are no others, so that intervals are over the trials of each."""
    agents: list[Swept]
    """Agents whose runs hold a sweep over these values."""


@strict()
class Comparison(TypedDict):
    """Agents on the same tasks: who adapts faster, further, with less, and whether that is more than luck."""

    schema: Literal["pliant.comparison/1"]
    """Kind of document and its version."""
    family: str
    """Name of the family of tasks."""
    family_version: str
    """Version of the family; another version has other tasks."""
    family_settings: dict[str, Any]
    """Settings of the family, by name."""
    split: Literal["train", "test", "ood", "task"]
    """Where the tasks are from."""
    seed: Seed
    """Address of the random numbers of the evaluations."""
    tasks: Annotated[int, Ge(1)]
    """Number of tasks, M."""
    distinct_tasks: NotRequired[dict[str, Annotated[int, Ge(1)]]]
    """Number of tasks that differ, by split: what intervals are over."""
    all_tasks: NotRequired[dict[str, bool]]
    """By split: there are no others, so that intervals are over the trials of each."""
    task_numbers: NotRequired[list[Count]]
    """[M] The same number for the same task, from 0 without gaps."""
    horizon: Annotated[int, Ge(1)]
    """Most environment steps of an episode."""
    tasks_sha256: Digest
    """Checksum of the tasks."""
    versions: Versions
    """Versions of the packages that may change a result, by name."""
    machine: dict[str, str | int]
    """Processor, cores that were used, operating system."""
    what: Literal["return"]
    """What is compared: the undiscounted return of an episode."""
    random: float | None
    """Return of the random agent; null where there is none."""
    reference: Reference
    """What can be reached: by the exact optimum, by an agent that is told the task, or by the best one here."""
    fraction: Share
    """Share of the way from random to reference that counts as having learned a task."""
    agents: Annotated[list[agents.Agent], Len(1)]
    """[A] The agents, baselines last."""
    against: list[Against]
    """Every agent against every one after it."""
    players: NotRequired[Players]
    """Reference agents on the same tasks."""
    missing: list[Missing]
    """Baselines that somebody would have to train."""
    notes: list[str]
    """What a reader must know."""
    sweeps: list[Sweep]
    """Shift sweeps that the runs hold, by axis."""
    study: NotRequired[dict[str, Any]]
    """What a benchmark adds: its command, date, minutes and machine."""


def faults(document: Comparison) -> Iterator[str]:
    """What is wrong with a comparison that its type cannot say."""
    names = [agent["name"] for agent in document["agents"]]
    if len(set(names)) < len(names):
        yield "agents have the same name twice"
    pairs = [(one, other) for index, one in enumerate(names) for other in names[index + 1 :]]
    yield from differing("against", [(a["agent"], a["other"]) for a in document["against"]], pairs, "every pair of agents once")
    for index, each in enumerate(document["agents"]):
        yield from agents.faults(f"agents.{index}", each, document["tasks"])
    for index, sweep in enumerate(document["sweeps"]):
        yield from _of_sweep(f"sweeps.{index}", sweep)
    if (numbers := document.get("task_numbers")) is not None:
        yield from parts.misnumbered("task_numbers", numbers, document["tasks"])
        known = document.get("distinct_tasks", {}).get(document["split"])
        yield from differing(f"distinct_tasks.{document['split']}", known, len(set(numbers)), "as task_numbers say")
    yield from parts.unordered(document)


def _of_sweep(name: str, sweep: Sweep) -> Iterator[str]:
    if sorted(set(sweep["values"])) != sweep["values"]:
        yield f"{name}.values are not in increasing order"
    yield from counted(f"{name}.distinct_tasks", sweep.get("distinct_tasks"), len(sweep["values"]), "one for each value")
    yield from counted(f"{name}.all_tasks", sweep.get("all_tasks"), len(sweep["values"]), "one for each value")
    for low, high in chain(sweep["trained"], sweep["shifted"]):
        yield from ordered(f"{name}: a range", low, high)
    for index, agent in enumerate(sweep["agents"]):
        for part in (agent["before"], agent["after"]):
            yield from counted(f"{name}.agents.{index}: a curve", part, len(sweep["values"]), "one for each value")


KIND = Kind(SCHEMA, Comparison, faults, most=256 * MIB)
