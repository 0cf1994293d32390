"""`pliant.evaluation/1`: an adaptation curve on tasks, from `pliant evaluate`, and beside an adapted agent.

Stages are gradient steps, or the episodes of a trial for an agent with memory. S stages are numbered from 0 to S - 1.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, NotRequired

from annotated_types import Ge, Len
from typing_extensions import TypedDict

from pliant.storage.schema import parts
from pliant.storage.schema.kind import MIB, Kind, Meaning, averaged, counted, differing, strict
from pliant.storage.schema.parts import Amount, Config, Cost, Count, Digest, Few, Seed, Share, Summary, Versions

SCHEMA: Final = "pliant.evaluation/1"


class Protocol(TypedDict):
    """How the tasks were played. Optional is what pliant 0.1.0 did not write, or a single named task does not have."""

    stage: NotRequired[Literal["gradient step", "episode"]]
    """What a stage is: a gradient step, or an episode of an agent with memory."""
    stages: Count
    """Last stage, S - 1."""
    lanes: Few
    """Lanes of each task."""
    episodes_per_trial: Few
    """Episodes that a lane plays in a trial."""
    horizon: Annotated[int, Ge(1)]
    """Most environment steps of an episode."""
    deterministic: NotRequired[bool]
    """All actions are the policy's most likely ones, else drawn as in training."""
    changed: NotRequired[dict[str, Any]]
    """Settings of the family other than in training, by flag: {"family.simulator": "highway-env"}."""
    published: NotRequired[str | None]
    """Source of the published protocol that was followed; null for none."""
    tasks_sha256: NotRequired[Digest]
    """Checksum of the tasks."""
    family_version: NotRequired[str]
    """Version of the family; another version has other tasks."""
    iteration: NotRequired[Count]
    """Iterations of training before the checkpoint that was measured."""


_StageReturn = TypedDict("_StageReturn", {"return": Annotated[Summary, Meaning("Undiscounted return of an episode.")]})


class Stage(_StageReturn):
    """What all tasks together reach at one stage."""

    stage: Count
    """Number of the stage, from 0."""
    episodes_seen: Count
    """Episodes of a task that were seen before."""
    steps_seen: Amount
    """Environment steps of a task that were seen before, mean over tasks; 0 for an agent that does not adapt."""
    steps_after: NotRequired[Amount]
    """The same when the stage is over."""
    success: Summary | None
    """Share of episodes with success at any time; null where the family reports none."""


_TaskReturn = TypedDict(
    "_TaskReturn", {"return": Annotated[list[float], Meaning("[S] Undiscounted return of an episode, mean over lanes.")]}
)


class Task(_TaskReturn):
    """What one task returned."""

    task: dict[str, Any]
    """Values of the task's parameters by name, in their units."""
    success: NotRequired[list[Share] | None]
    """[S] Share of episodes with success at any time; null where the family reports none."""
    steps_seen: NotRequired[list[Amount]]
    """[S] Environment steps of this task that were seen before the stage."""


class Headline(TypedDict):
    """The number that the published protocol reports."""

    what: Literal["return", "success"]
    """What was measured."""
    stages: Annotated[list[Count], Len(1)]
    """Stages whose mean it is."""
    mean: float
    """Mean over tasks."""
    std_error: Amount | None
    """Standard error of the mean; null where nothing is known of it."""
    iqm: float
    """Interquartile mean."""
    ci95: parts.Interval | None
    """95 % interval of the mean over distinct tasks, lower end first; null where nothing is known."""


_PlayerReturn = TypedDict(
    "_PlayerReturn", {"return": Annotated[list[float], Meaning("[episodes] Return of each episode, mean over tasks.")]}
)


class Player(_PlayerReturn):
    """What a classical player made of the same tasks."""

    trial_return: Summary
    """Total return of a trial."""
    final: NotRequired[Summary]
    """Return of the last episode."""


class Players(TypedDict):
    """Reference agents on the same tasks: classical controllers and exact optima."""

    episodes: Few
    """Episodes of a trial."""
    optimum: float | None
    """Exact Bayes-optimal return of a trial, on tasks as in training; null where it is not known."""
    ceiling: float
    """Return of a trial to an agent that knows the task, mean over tasks."""
    each: dict[str, Player]
    """What was played, by name of the player."""


@strict()
class Evaluation(TypedDict):
    """An adaptation curve on tasks that training never saw."""

    schema: Literal["pliant.evaluation/1"]
    """Kind of document and its version."""
    algorithm: str
    """Name of the algorithm."""
    family: str
    """Name of the family of tasks."""
    split: Literal["train", "test", "ood", "task"]
    """Where the tasks are from; "task" for one that was named."""
    seed: Seed
    """Address of the random numbers of the evaluation."""
    train_seed: Seed
    """Address of the random numbers of training."""
    tasks: Annotated[int, Ge(1)]
    """Number of tasks, M."""
    distinct_tasks: NotRequired[Annotated[int, Ge(1)]]
    """Number of tasks that differ: what intervals are over."""
    all_tasks: NotRequired[bool]
    """There are no others in this split, so that intervals are over the trials of each."""
    lanes: Few
    """Lanes of each task."""
    versions: Versions
    """Versions of the packages that may change a result, by name."""
    config: Config
    """What the run was asked to do."""
    protocol: Protocol
    """How the tasks were played."""
    curve: Annotated[list[Stage], Len(1)]
    """[S] What all tasks together reach, by stage."""
    trial_return: Summary
    """Total return of a trial."""
    per_task: Annotated[list[Task], Len(1)]
    """[M] What each task returned, by stage."""
    cost: Cost
    """What the agent costs."""
    headline: NotRequired[Headline]
    """The number of the published protocol, where one was followed."""
    players: NotRequired[Players]
    """Reference agents on the same tasks, where they were asked for."""
    sha256: NotRequired[Digest]
    """Checksum of the document without this field; documents of pliant 0.1.0 have none."""


def faults(document: Evaluation) -> Iterator[str]:
    """What is wrong with an evaluation that its type cannot say."""
    protocol, config = document["protocol"], document["config"]
    yield from differing("algorithm", document["algorithm"], config["algorithm"], "as config.algorithm")
    yield from differing("family", document["family"], config["family"], "as config.family")
    yield from differing("train_seed", document["train_seed"], config["seed"], "as config.seed")
    yield from differing("lanes", document["lanes"], protocol["lanes"], "as protocol.lanes")
    yield from counted("per_task", document["per_task"], document["tasks"], "as tasks says")
    yield from counted("curve", document["curve"], protocol["stages"] + 1, "one for each stage up to protocol.stages")
    of_stages = list(_of_stages(document))
    yield from of_stages or _of_means(document)
    if "distinct_tasks" in document:
        different = len({repr(task["task"]) for task in document["per_task"]})
        yield from differing("distinct_tasks", document["distinct_tasks"], different, "of the tasks in per_task")
    yield from parts.unordered(document)
    yield from _of_settings(config)
    if players := document.get("players"):
        for name, player in players["each"].items():
            yield from counted(f"players.each.{name}.return", player["return"], players["episodes"], "one for each episode")
    if "sha256" in document:
        yield from _missing_since_sealed(document)


def _of_stages(document: Evaluation) -> Iterator[str]:
    """Curve, tasks and headline speak of the same stages, and of success either everywhere or nowhere."""
    stages, reports_success = len(document["curve"]), document["curve"][0]["success"] is not None
    for index, stage in enumerate(document["curve"]):
        yield from differing(f"curve.{index}.stage", stage["stage"], index, "its place in the curve")
        if (stage["success"] is not None) != reports_success:
            yield f"curve.{index}.success and curve.0.success: expected both or neither to be null"
    for index, task in enumerate(document["per_task"]):
        yield from counted(f"per_task.{index}.return", task["return"], stages, "one for each stage of the curve")
        for name, values in (("success", task.get("success")), ("steps_seen", task.get("steps_seen"))):
            yield from counted(f"per_task.{index}.{name}", values, stages, "one for each stage of the curve")
        if "success" in task and (task["success"] is not None) != reports_success:
            yield f"per_task.{index}.success and curve.0.success: expected both or neither to be null"
    if headline := document.get("headline"):
        if not document["protocol"].get("published"):
            yield "headline is there: expected none without protocol.published"
        if max(headline["stages"]) >= stages:
            yield f"headline.stages go up to {max(headline['stages'])}: expected at most {stages - 1}, the last of the curve"


def _of_means(document: Evaluation) -> Iterator[str]:
    """The curve is the mean of the tasks."""
    every = document["per_task"]
    for s, stage in enumerate(document["curve"]):
        name, why = f"curve.{s}", "the mean over per_task"
        yield from averaged(f"{name}.return.mean", stage["return"]["mean"], [task["return"][s] for task in every], why)
        if stage["success"] is not None and all("success" in task for task in every):
            hits = [hit[s] for task in every if (hit := task["success"]) is not None]
            yield from averaged(f"{name}.success.mean", stage["success"]["mean"], hits, why)
        if all("steps_seen" in task for task in every):
            yield from averaged(f"{name}.steps_seen", stage["steps_seen"], [task["steps_seen"][s] for task in every], why)


def _of_settings(config: Config) -> Iterator[str]:
    """The settings that comparisons read."""
    settings = config["parts"]
    for part in ("train", "family"):
        if part not in settings:
            yield f"config.parts.{part} is missing"
    for name, least in (("lanes", 1), ("episodes", 0)) if "train" in settings else ():
        value = settings["train"].get(name)
        if type(value) is not int or not least <= value <= 1_000_000:
            yield f"config.parts.train.{name} is {value!r:.60}: expected an integer from {least} to 1000000"


LATER = ("deterministic",)
"""What the protocol of a document with a checksum may lack: it came after them."""


def _missing_since_sealed(document: Evaluation) -> Iterator[str]:
    """What pliant 0.1.0 did not write yet, and every document with a checksum has."""
    protocol = ["stage"] if document["split"] == "task" else [n for n in Protocol.__annotations__ if n not in LATER]
    yield from (f"protocol.{name} is missing" for name in protocol if name not in document["protocol"])
    yield from (f"cost.{name} is missing" for name in parts.SINCE_SEALED if name not in document["cost"])
    for index, task in enumerate(document["per_task"]):
        yield from (f"per_task.{index}.{name} is missing" for name in ("success", "steps_seen") if name not in task)


KIND = Kind(SCHEMA, Evaluation, faults, "since 0.2", 256 * MIB)
