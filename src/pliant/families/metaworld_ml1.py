"""Meta-World ML1: one manipulation task of a robot arm whose goal, and where its objects stand, differ and are not told.

Yu et al. 2019, arXiv:1910.10897; package metaworld 3.1.1. The arm is moved by displacements of its hand of at most 0.01 m per
step and opens or closes its gripper; it sees hand, gripper and objects, now and one step ago, and zeros where a goal would be.
The reward (version 2) is 0 to 10 a step. 50 goals are for training, 40 for tests, 40 lie beyond both (`goals.py`).

By the published protocol an episode has 500 steps and succeeds if Meta-World reports success at any of them; an agent has 10
episodes to adapt and is measured on the 3 that follow, here of every lane alike.
"""

from dataclasses import dataclass

from pliant.simulators.metaworld import benchmark
from pliant.simulators.metaworld import family as metaworld
from pliant.tasks.base import Family


@dataclass(frozen=True)
class Settings(metaworld.Settings):
    """Which task, and the length of an episode."""

    task: str = "reach-v3"
    """One of the 50 classes of Meta-World, such as push-v3, pick-place-v3 or door-open-v3."""

    def __post_init__(self) -> None:
        benchmark.require_class(self.task)
        super().__post_init__()


def family(settings: Settings | None = None) -> Family:
    """The family "metaworld-ml1"."""
    settings, summary = settings or Settings(), "a robot arm does one task of Meta-World with goals that it is not told"
    return metaworld.made("metaworld-ml1", summary, (settings.task,), (settings.task,), settings)
