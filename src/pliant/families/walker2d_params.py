"""Walker2d that must walk in a body whose masses, inertias, dampings and frictions it is not told.

    reward = speed + healthy_reward * healthy - control_cost * sum(action^2)

The robot, its observation, its reset and its end of an episode are Gymnasium's Walker2d-v5, as are the default weights. The
tasks follow rand_param_envs as used by ProMP (Rothfuss et al. 2019, arXiv:1810.06784) and PEARL (Rakelly et al. 2019,
arXiv:1903.08254): scales log-uniform in 1.5^-3 to 1.5^3. There every body, joint and geom has scales of its own; here each
of the four groups has one, so that a task is four named numbers that a person can read and set. Quantities that follow
from mass and inertia (the solver's inverse weights) are worked out again for each task.
"""

from pliant.simulators.mujoco import bodies, robots
from pliant.tasks.base import Family

Settings = bodies.Settings


def family(settings: Settings | None = None) -> Family:
    """The family "walker2d-params"."""
    summary = "a two-legged walker walks in a body that it must get to know"
    return bodies.family("walker2d-params", summary, robots.WALKER2D, settings or Settings())
