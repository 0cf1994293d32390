"""The point task: the path from the origin, and the goal that the agent cannot see."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pliant.drawing import base
from pliant.drawing._canvas import AGENT, FAINT, GOAL, INK, TRAIL, Canvas
from pliant.types import Rollout

SIDE = 360
LABEL = 21
"""The goal's name stands above it, pixels."""
LEAST, MOST = 0.6, 2.0
"""Bounds of what a picture shows, in either coordinate from the origin."""


def prepare(batch: Any) -> None:
    """Nothing to see to."""


def pace(batch: Any) -> float:
    """An episode of 100 steps takes seven seconds."""
    return 15.0


def scene(batch: Any, task: int, lane: int, given: Tensor) -> NDArray[np.float64]:
    """Where it is, [2]."""
    return np.array(batch.position[task, lane].numpy(force=True))


def pictures(
    batch: Any, task: int, scenes: Sequence[Any], times: Sequence[int], others: Sequence[Sequence[Any]]
) -> Iterator[base.Image]:
    """The path so far."""
    goal = batch.tasks.arrays["goal"][task]
    furthest = max(float(np.abs(np.array(each)).max()) for each in (scenes, *others))
    reach = max(LEAST, 1.15 * float(np.abs(goal).max()), min(1.05 * furthest, MOST))
    for t in times:
        canvas = Canvas(SIDE, SIDE, -reach, reach, -reach, reach)
        for line in np.arange(-np.floor(2 * reach), np.floor(2 * reach) + 1) / 2:
            canvas.line([(line, -reach), (line, reach)], FAINT, 1)
            canvas.line([(-reach, line), (reach, line)], FAINT, 1)
            canvas.text((line, -reach), f"{line:g}", 10, "#5a5f66", "md")
        canvas.disc((0, 0), 5, None, INK)
        canvas.text((goal[0], goal[1] + 2 * reach * LABEL / SIDE), "goal", 11, GOAL)
        canvas.disc(goal, 11, None, GOAL, 3)
        canvas.disc(goal, 4, GOAL)
        canvas.line(scenes[: t + 1], TRAIL, 2.5)
        canvas.disc(scenes[t], 6, AGENT, "#ffffff", 1)
        yield canvas.array()


def words(batch: Any, task: int, scenes: Sequence[Any], time: int) -> str:
    """How far from the goal."""
    return f"{np.linalg.norm(scenes[time] - batch.tasks.arrays['goal'][task]):.2f} from the goal"


def trajectories(axes: Any, batch: Any, task: int, rollout: Rollout, episode: int) -> None:
    """The paths of all lanes from the origin, and the goal."""
    for lane in range(rollout.reward.shape[1]):
        steps = base.played(rollout, task, lane, episode)
        path = np.concatenate([np.zeros((1, 2)), rollout.next_obs[task, lane, steps, :2].cpu().numpy()])
        axes.plot(*path.T, color=AGENT, alpha=0.45, linewidth=1, zorder=2)
        axes.plot(*path[-1], ".", color=AGENT, markersize=4, zorder=3)
    x, y = batch.tasks.arrays["goal"][task]
    axes.plot(0, 0, "o", color=INK, markerfacecolor="none", markersize=5, zorder=3, label="start")
    axes.plot(x, y, "*", color=GOAL, markersize=12, markeredgecolor="white", markeredgewidth=0.6, zorder=4, label="goal")
    axes.set_aspect("equal", "box")
    axes.set_xlabel("x")
    axes.set_ylabel("y")
