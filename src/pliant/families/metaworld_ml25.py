"""Meta-World ML25: learn 25 kinds of manipulation, then adapt to 5 others that training never saw.

Yu et al. 2019, arXiv:1910.10897; package metaworld 3.1.1, whose lists of classes these are. `basketball-v3` is
in both lists, as in Meta-World; its goals are not. The arm, its
observation, reward and protocol are those of `metaworld-ml1`. 50 goals of each class of training, 40 of each for tests.
"""

from dataclasses import dataclass

from pliant.simulators.metaworld import benchmark
from pliant.simulators.metaworld import family as metaworld
from pliant.tasks.base import Family


@dataclass(frozen=True)
class Settings(metaworld.LaneSettings):
    """Length of an episode, and where it is played."""


def family(settings: Settings | None = None) -> Family:
    """The family "metaworld-ml25"."""
    return metaworld.made(
        "metaworld-ml25",
        "a robot arm that has learned 25 kinds of manipulation adapts to 5 that it has not",
        benchmark.ML25["train"],
        benchmark.ML25["test"],
        settings or Settings(),
    )
