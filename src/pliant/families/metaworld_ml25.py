"""Meta-World ML25: learn 25 kinds of manipulation, then adapt to 5 others that training never saw.

Yu et al. 2019, arXiv:1910.10897; package metaworld 3.1.1, whose lists of classes these are. `basketball-v3` is
in both lists, as in Meta-World; its goals are not. The arm, its
observation, reward and protocol are those of `metaworld-ml1`. 50 goals of each class of training, 40 of each for tests.
"""

from pliant.simulators.metaworld import benchmark
from pliant.simulators.metaworld import family as metaworld
from pliant.tasks.base import Family

Settings = metaworld.Settings


def family(settings: Settings | None = None) -> Family:
    """The family "metaworld-ml25"."""
    return metaworld.many("metaworld-ml25", benchmark.ML25, settings or Settings())
