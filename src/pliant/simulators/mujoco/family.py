"""What the families of MuJoCo's robots share: a robot, what it is paid for in a task, and what a task changes in its body."""

from collections.abc import Callable
from functools import partial
from typing import Any

from pliant.simulators.mujoco import batch, robots
from pliant.tasks.base import BatchEnv, Family, Parameter, Tasks

Paid = Callable[[Any, Tasks], batch.Reward]
"""(the family's settings, tasks) -> the reward of those tasks."""


def made(
    name: str,
    summary: str,
    robot: robots.Robot,
    parameters: tuple[Parameter, ...],
    paid: Paid,
    settings: Any,
    shift: str,
    version: str = "1",
    success: str = "",
    alter: batch.Alter = batch.unaltered,
) -> Family:
    """The family of a robot's tasks. `alter` makes a task's body of the robot's; the rest is what a `Family` says of itself."""
    return Family(
        name=name,
        summary=summary,
        parameters=parameters,
        spec=robot.spec,
        horizon=settings.horizon,
        environment=partial(_environment, robot=robot, paid=paid, alter=alter),
        shift=shift,
        success=success,
        version=version,
        settings=settings,
    )


def _environment(
    family: Family, tasks: Tasks, lanes: int, episodes: int, robot: robots.Robot, paid: Paid, alter: batch.Alter
) -> BatchEnv:
    return batch.MujocoBatch(family, tasks, lanes, episodes, robot, paid(family.settings, tasks), alter)
