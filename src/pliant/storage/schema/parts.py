"""What several kinds of documents hold: settings, versions, summaries of many numbers by a few."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NotRequired

from annotated_types import Ge, Le, Len, Lt
from typing_extensions import TypedDict

from pliant.storage.schema.kind import counted, ordered

Count = Annotated[int, Ge(0)]
Seed = Annotated[int, Ge(0), Lt(2**63)]
Few = Annotated[int, Ge(1), Le(1_000_000)]
"""A number of lanes or episodes: at least 1, and not so many that nobody could play them."""
Amount = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]
Digest = Annotated[str, Len(64, 64)]
Interval = Annotated[list[float], Len(2, 2)]


class Config(TypedDict):
    """What a run was asked to do."""

    algorithm: str
    """Name of the algorithm, or of a module outside pliant."""
    family: str
    """Name of the family of tasks, or of a module outside pliant."""
    policy: str
    """Name of the policy, or of a module outside pliant."""
    seed: Seed
    """Address of all random numbers."""
    parts: dict[str, dict[str, Any]]
    """Settings by part ("train", "family", "policy" and those of the algorithm) and name, in the units of their help."""


Versions = dict[str, str]
"""Versions of pliant, of Python and of the packages that may change a result."""


class Summary(TypedDict):
    """One number per task, summed up."""

    mean: float
    """Mean over tasks."""
    std_error: Amount | None
    """Standard error of the mean; null where nothing is known of it, as for a single task (0 in older documents)."""
    iqm: float
    """Interquartile mean."""
    ci95: Interval | None
    """95 % interval of the mean over distinct tasks, lower end first; null where nothing is known, as for a single task."""


class StudySummary(TypedDict):
    """One number per seed and task, summed up."""

    mean: float
    """Mean over seeds and tasks."""
    median: float
    """Median over seeds and tasks."""
    iqm: float
    """Interquartile mean over seeds and tasks."""
    ci95: Interval | None
    """95 % interval of the mean over both seeds and distinct tasks, lower end first; null for a single task."""


class Gap(TypedDict):
    """A difference of two means."""

    mean: float
    """The difference."""
    ci95: Interval | None
    """Its 95 % interval, lower end first; null for a single task."""


class Difference(TypedDict):
    """A difference of two means on common tasks, tested."""

    mean: float
    """The difference."""
    ci95: Interval | None
    """Its 95 % interval, lower end first; null for a single task."""
    p_value: Share | None
    """Two-sided, of no difference; null for a single task."""


class Cost(TypedDict):
    """What an agent costs."""

    train_env_steps: float | None
    """Environment steps of training; null where nobody counted."""
    train_seconds: float | None
    """Seconds of training."""
    simulation_seconds: NotRequired[float | None]
    """Seconds of training in the environment."""
    acting_seconds: NotRequired[float | None]
    """Seconds of training in the rest of rollouts."""
    inner_seconds: NotRequired[float | None]
    """Seconds of training in the rest of adapting."""
    outer_seconds: NotRequired[float | None]
    """Seconds of training in learning."""
    evaluation_seconds: NotRequired[float | None]
    """Seconds of evaluations while training."""
    adapt_env_steps: Amount
    """Environment steps of one task before the last stage; 0 for an agent that does not adapt."""
    adapt_seconds: Amount
    """Seconds of playing and adapting per task."""
    adapt_flops: NotRequired[Amount]
    """Floating-point operations of adapting to one task."""
    act_flops: NotRequired[Amount]
    """Floating-point operations of one action."""
    inner_microseconds: NotRequired[float | None]
    """Microseconds of one adaptation; null for an agent with memory, and for one that does not adapt."""
    act_microseconds: Amount
    """Microseconds of one action."""
    peak_memory_mb: Amount
    """Most resident memory of the process, MiB."""
    parameters: Amount
    """Parameters of the policy."""


SINCE_SEALED = (
    *("simulation_seconds", "acting_seconds", "inner_seconds", "outer_seconds", "evaluation_seconds"),
    *("adapt_flops", "act_flops", "inner_microseconds"),
)
"""Of the costs those that only documents with a checksum have."""


def misnumbered(name: str, numbers: list[int], tasks: int) -> Iterator[str]:
    """The fault that there is no number for each task, or that numbers of distinct tasks have gaps; nothing if all is well."""
    yield from counted(name, numbers, tasks, "one for each task")
    if sorted(set(numbers)) != list(range(len(set(numbers)))):
        yield f"{name} have gaps: expected the numbers from 0 on"


def unordered(value: Any, name: str = "") -> Iterator[str]:
    """The intervals named "ci95" anywhere in a document that end before they begin."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            where = f"{name}.{key}".lstrip(".")
            if key == "ci95":
                yield from () if inner is None else ordered(where, *inner)
            elif isinstance(inner, (Mapping, list)):
                yield from unordered(inner, where)
    elif isinstance(value, list) and value and isinstance(value[0], (Mapping, list)):
        for index, inner in enumerate(value):
            yield from unordered(inner, f"{name}.{index}")
