"""Ant that must walk to a place it is not told.

    reward = -(|x - goal_x| + |y - goal_y|) + healthy_reward * healthy - control_cost * sum(action^2)

The robot, its observation (without contact forces), its reset and the height of 0.2 to 1 m outside which an episode
terminates are Gymnasium's Ant-v5. The task, the L1 distance, the goals in [-3, 3]^2 and the weights are those of the code
of Finn et al. 2017 (arXiv:1703.03400, ant_env_rand_goal.py of maml_rl), which adds 4 and 0.05 per step, so that dying early
does not pay; its contact cost is left out. Neither the goal nor the ant's own place is observed.

`success`: the torso is within `radius` of the goal (straight distance) after the step.
"""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge
from torch import Tensor

from pliant.simulators.mujoco import batch, robots
from pliant.simulators.mujoco import family as mujoco
from pliant.tasks import checks
from pliant.tasks.base import Family, Parameter, Tasks


@dataclass(frozen=True)
class Settings:
    """What is fixed for all tasks."""

    horizon: Annotated[int, Ge(1)] = 200
    """Length of an episode in steps of 0.05 s."""
    control_cost: Annotated[float, Ge(0)] = 0.005
    """Reward lost per unit of squared action, per step."""
    healthy_reward: Annotated[float, Ge(0)] = 4.05
    """Reward for every step that ends healthy."""
    radius: Annotated[float, Ge(0)] = 0.5
    """Distance from the goal that counts as success, m."""
    reach: Annotated[float, Ge(0)] = 3.0
    """Goals in training lie within this distance of the start in both coordinates, m."""
    ood_reach: float = 4.0
    """The same in the shifted split, whose goals lie outside the training square, m."""

    def __post_init__(self) -> None:
        checks.settings(self)
        checks.shifted("ood_reach", (-self.ood_reach, self.ood_reach), (-self.reach, self.reach))


def family(settings: Settings | None = None) -> Family:
    """The family "ant-goal"."""
    settings = settings or Settings()
    near, far = settings.reach, settings.ood_reach
    goal = Parameter("goal", (-near, near), (-far, far), size=2, meaning="x and y of the goal, m from the start")
    return mujoco.made(
        "ant-goal",
        "an ant walks to a place that it must find out from its reward",
        robots.ANT,
        (goal,),
        paid=_paid,
        shift=f"goals further away: up to {far:g} m in either coordinate",
        success=f"the torso came within {settings.radius:g} m of the goal",
        version="2",
        settings=settings,
    )


def _paid(settings: Settings, tasks: Tasks) -> batch.Reward:
    goal = tasks.tensor("goal").unsqueeze(1)  # [M, 1, 2]

    def reward(motion: batch.Motion) -> tuple[Tensor, Tensor]:
        x, y = (motion.after[..., :2] - goal).unbind(-1)
        alive = settings.healthy_reward * motion.alive()
        value = -(x.abs() + y.abs()) + alive - settings.control_cost * motion.effort
        return value, x.square() + y.square() < settings.radius**2

    return reward
