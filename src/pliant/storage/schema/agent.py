"""An agent in a comparison: what it reaches, how fast, and for how much."""

from collections.abc import Iterator
from typing import Annotated, NotRequired

from annotated_types import Len
from typing_extensions import TypedDict

from pliant.storage.schema.kind import Meaning, averaged, counted, differing
from pliant.storage.schema.parts import Amount, Config, Count, Difference, Gap, Seed, StudySummary

_StageReturn = TypedDict("_StageReturn", {"return": Annotated[StudySummary, Meaning("Undiscounted return of an episode.")]})


class Stage(_StageReturn):
    """What all tasks and seeds together reach at one stage."""

    stage: Count
    """Number of the stage, from 0."""
    episodes_seen: Count
    """Episodes of a task that were seen before."""
    steps_seen: Amount
    """Environment steps of a task that were seen before, mean over tasks and seeds."""
    success: StudySummary | None
    """Share of episodes with success at any time; null where the family reports none."""


class Speed(TypedDict):
    """How fast an agent adapts; null where it never does, or where nobody does better than at random."""

    area: StudySummary | None
    """Area under the adaptation curve, as a share of that between random and reference."""
    steps_to_fraction: float | None
    """Environment steps of a task until `fraction` of the way from random to reference; for an agent with memory until the end
    of the episode that has it."""
    episodes_to_fraction: float | None
    """Episodes until there."""
    stages_to_fraction: float | None
    """Gradient steps, or episodes of a memory, until there."""


class Efficiency(TypedDict):
    """How much experience an agent takes."""

    train_env_steps: float | None
    """Environment steps of training, mean over seeds."""
    train_steps_to_target: float | None
    """Environment steps of training until the return after adaptation reaches `target`; null where a seed does not."""
    adapt_env_steps: Amount
    """Environment steps of a task before the last stage."""
    target: float | None
    """Return that is `fraction` of the way from random to reference."""


class Generalisation(TypedDict):
    """Returns after adaptation by split; null where a family lacks one."""

    train: NotRequired[StudySummary | None]
    """On tasks as in training."""
    test: NotRequired[StudySummary | None]
    """On test tasks."""
    ood: NotRequired[StudySummary | None]
    """On tasks outside the range of training."""
    test_minus_train: Gap | None
    """Test minus train, paired by seed."""
    ood_minus_test: Gap | None
    """Outside minus test, paired by seed."""


class Training(TypedDict):
    """Returns while one seed was trained, by points that are means over iterations."""

    seed: Seed
    """The seed."""
    env_steps: list[Amount]
    """[points] Environment steps of training so far."""
    before: list[float]
    """[points] Return before adaptation."""
    after: list[float]
    """[points] Return after adaptation; empty for an agent that does not adapt while it is trained."""


class Agent(TypedDict):
    """Runs that differ in nothing but the seed."""

    name: str
    """Name in this comparison."""
    algorithm: str
    """Name of the algorithm."""
    policy: str
    """Name of the policy."""
    baseline: bool
    """It is there to be compared with."""
    seeds: Annotated[list[Seed], Len(1)]
    """[K] Seeds of training."""
    runs: list[str]
    """Folders of the runs; fewer than seeds where documents were compared, or nothing was trained."""
    by_episode: bool
    """A stage is an episode of an agent with memory, not a gradient step."""
    curve: Annotated[list[Stage], Len(1)]
    """[S] What is reached by stage."""
    first: NotRequired[StudySummary]
    """Return at stage 0: without adaptation, or of the first episode of an agent with memory, in which it adapts already."""
    no_adaptation: StudySummary | None
    """Return without adaptation; null for an agent with memory (its first episode in older documents)."""
    final: StudySummary
    """Return at the last stage."""
    gain: Difference
    """Return at the last stage minus that at stage 0, on the same tasks and seeds."""
    speed: Speed
    """How fast it adapts."""
    efficiency: Efficiency
    """How much experience it takes."""
    generalisation: Generalisation
    """What it reaches on other splits."""
    cost: dict[str, float | None]
    """What it costs, mean over seeds, by the names of `cost` in an evaluation; null where a seed does not know."""
    training: list[Training]
    """Returns in training, one for each run."""
    per_task: list[list[float]]
    """[K, M] Return at the last stage."""
    config: Config
    """What the first of its runs was asked to do."""
    command: str
    """The command that trains it."""


def faults(name: str, agent: Agent, tasks: int) -> Iterator[str]:
    """What is wrong with the agent at the place `name` of a comparison on `tasks` tasks."""
    seeds = len(agent["seeds"])
    if len(set(agent["seeds"])) < seeds:
        yield f"{name}.seeds hold the same seed twice"
    yield from counted(f"{name}.per_task", agent["per_task"], seeds, "one for each seed")
    every, rows = [value for row in agent["per_task"] for value in row], list[str]()
    for index, row in enumerate(agent["per_task"]):
        rows += counted(f"{name}.per_task.{index}", row, tasks, "as tasks says")
    yield from rows or averaged(f"{name}.final.mean", agent["final"]["mean"], every or [0.0], "the mean over per_task")
    for index, stage in enumerate(agent["curve"]):
        yield from differing(f"{name}.curve.{index}.stage", stage["stage"], index, "its place in the curve")
    for index, training in enumerate(agent["training"]):
        where, points = f"{name}.training.{index}", len(training["env_steps"])
        yield from counted(f"{where}.before", training["before"], points, "as env_steps has")
        if training["after"]:
            yield from counted(f"{where}.after", training["after"], points, "as env_steps has")
