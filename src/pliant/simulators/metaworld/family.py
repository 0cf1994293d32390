"""What the families of Meta-World share: their tasks, what a critic is told, and the batch of lanes.

A family is a list of classes for training and one for tests (`benchmark`); its tasks are numbers.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Unit

from pliant import errors
from pliant.simulators.metaworld import benchmark, goals, lane
from pliant.tasks import checks
from pliant.tasks.base import BatchEnv, Family, Parameter, Protocol, Tasks, Told
from pliant.tasks.workers import TIMEOUT, Pooled
from pliant.types import Spec

EPISODES = 10
"""Of a trial: those in which an agent adapts by Meta-World's protocol, before the 3 that count."""


@dataclass(frozen=True)
class Settings:
    """Length of an episode, and where it is played."""

    horizon: Annotated[int, Ge(1)] = 500
    """Steps after which an episode is truncated."""
    objects: bool = True
    """Observations show where objects are. In reach they play no part, and a place names one of the 50 training tasks: an agent
    that sees it learns them by heart."""
    workers: Annotated[int, Ge(0)] = 0
    """Worker processes, 0 for one per core."""
    timeout: Annotated[float, Gt(0), Unit("seconds")] = TIMEOUT
    """Seconds that a reset or a step may take."""

    def __post_init__(self) -> None:
        checks.settings(self)


def many(name: str, classes: Mapping[str, Sequence[str]], settings: Settings) -> Family:
    """A family of several classes for training ("train") and others for tests ("test"): ML10, ML25, ML45."""
    train, test = classes["train"], classes["test"]
    summary = f"a robot arm that has learned {len(train)} kinds of manipulation adapts to {len(test)} that it has not"
    return made(name, summary, train, test, settings)


def made(name: str, summary: str, train: Sequence[str], test: Sequence[str], settings: Settings) -> Family:
    """A family that trains on the training goals of the classes `train`, and tests on the test goals of the classes `test`.

    Its shifted tasks are classes of `test` with goals beyond the range of their class.
    """
    named = sorted({*train, *test})
    held_out = goals.numbers(test, "test")
    parameter = Parameter(
        "task",
        choices=goals.numbers(train, "train") + held_out,
        held_out=held_out,
        ood=goals.numbers(test, "ood"),
        stride=benchmark.STRIDE,
        meaning="1000 times the number of the class, plus that of the goal",
    )
    told = benchmark.MOST_GOAL + (len(named) if len(named) > 1 else 0)
    return Family(
        name=name,
        summary=summary,
        parameters=(parameter,),
        spec=Spec(obs_size=39, action_size=4, discrete=False),
        horizon=settings.horizon,
        environment=_environment,
        shift="goals beyond the range from which a class draws its own, by up to a quarter of half its width",
        episodes=EPISODES,
        success="Meta-World's own, at any step of an episode",
        version=f"{benchmark.VERSION}-{goals.GOALS}",
        settings=settings,
        protocol=Protocol("Meta-World+ (10 episodes to adapt, then 3)", len(held_out), EPISODES, 3, 500),
        told=Told(told, lambda tasks: _installed(name, goals.described, tasks.arrays["task"], named)),
    )


def _environment(family: Family, tasks: Tasks, lanes: int, episodes: int) -> BatchEnv:
    settings: Settings = family.settings
    for module in ("metaworld", "mujoco"):
        if importlib.util.find_spec(module) is None:
            raise errors.missing_extra(ModuleNotFoundError(name=module), family.name) or AssertionError
    for number in np.unique(tasks.arrays["task"]):
        _installed(family.name, goals.vector, float(number))  # drawn once here, not once in every worker
    make = partial(lane.make, family.horizon, settings.objects)
    return Pooled(family, tasks, lanes, episodes, make, settings.workers, settings.timeout, getattr(settings, "task", ""))


def _installed(family: str, function: Any, *args: Any) -> Any:
    """`function(*args)`, which may need Meta-World. Raises UserError that names the extra if it is not installed."""
    try:
        return function(*args)
    except ModuleNotFoundError as error:
        raise errors.missing_extra(error, family) or error from None
