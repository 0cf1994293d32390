"""Walker2d that must walk in a body whose masses, inertias, dampings and frictions it is not told.

    reward = speed + healthy_reward * healthy - control_cost * sum(action^2)

The robot, its observation, its reset and its end of an episode are Gymnasium's Walker2d-v5, as are the default weights. The
tasks follow rand_param_envs as used by ProMP (Rothfuss et al. 2019, arXiv:1810.06784) and PEARL (Rakelly et al. 2019,
arXiv:1903.08254): scales log-uniform in 1.5^-3 to 1.5^3. There every body, joint and geom has scales of its own; here each
of the four groups has one, so that a task is four named numbers that a person can read and set. Quantities that follow
from mass and inertia (the solver's inverse weights) are worked out again for each task.
"""

from dataclasses import dataclass

from pliant.simulators.mujoco import bodies, robots
from pliant.tasks import checks
from pliant.tasks.base import BatchEnv, Family, Tasks
from pliant.types import Spec


@dataclass(frozen=True)
class Settings:
    """What is fixed for all tasks."""

    horizon: int = 200
    """Length of an episode in steps of 0.008 s."""
    control_cost: float = 0.001
    """Reward lost per unit of squared action, per step."""
    healthy_reward: float = 1.0
    """Reward for every step that ends healthy."""
    scale: tuple[float, float] = (1.5**-3, 1.5**3)
    """Range of the four scales in training, as multiples of the original."""
    ood_scale: tuple[float, float] = (1.5**3, 1.5**4)
    """Range of the four scales in the shifted split; what lies inside the training range in all four is left out."""

    def __post_init__(self) -> None:
        checks.positive_int("horizon", self.horizon)
        checks.not_negative("control_cost", self.control_cost)
        checks.not_negative("healthy_reward", self.healthy_reward)
        checks.interval("scale", self.scale, above=0.0)
        checks.interval("ood_scale", self.ood_scale, above=0.0)
        checks.shifted("ood_scale", self.ood_scale, self.scale)


def family(settings: Settings | None = None) -> Family:
    """The family "walker2d-params"."""
    settings = settings or Settings()
    low, high = settings.ood_scale
    return Family(
        name="walker2d-params",
        summary="a two-legged walker walks in a body that it must get to know",
        parameters=bodies.parameters(settings.scale, settings.ood_scale),
        spec=Spec(obs_size=17, action_size=6, discrete=False),
        horizon=settings.horizon,
        environment=_environment,
        shift=f"masses, inertias, dampings and frictions {low:.3g} to {high:.3g} times the original's",
        settings=settings,
    )


def _environment(family: Family, tasks: Tasks, lanes: int, episodes: int) -> BatchEnv:
    return bodies.environment(family, tasks, lanes, episodes, robots.WALKER2D)
