"""Walker2d that must walk in a body whose masses, inertias, dampings and frictions it is not told.

The robot, its observation, reset, reward and end of an episode are Gymnasium's Walker2d-v5, with the default weights. The tasks
follow rand_param_envs; `simulators/mujoco/bodies.py` says how far.
"""

from pliant.simulators.mujoco import bodies, robots
from pliant.tasks.base import Family

Settings = bodies.Settings


def family(settings: Settings | None = None) -> Family:
    """The family "walker2d-params"."""
    summary = "a two-legged walker walks in a body that it must get to know"
    return bodies.family("walker2d-params", summary, robots.WALKER2D, settings or Settings())
