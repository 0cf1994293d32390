"""The cart and its pole: a side view, and its angle and position over time."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pliant.drawing import base
from pliant.drawing._canvas import AGENT, DANGER, FAINT, INK, Canvas, turned
from pliant.families.cartpole import ANGLE_LIMIT, POSITION_LIMIT, SECONDS_PER_STEP
from pliant.types import Rollout

WIDTH, HEIGHT = 400, 210
MARGIN = 0.4
"""Shown beyond the ends of the track, m."""
CART = (0.6, 0.3)
"""Width and height of the cart as drawn, m."""


def prepare(batch: Any) -> None:
    """Nothing to see to."""


def pace(batch: Any) -> float:
    """Real time."""
    return 1 / SECONDS_PER_STEP


def scene(batch: Any, task: int, lane: int, given: Tensor) -> NDArray[np.float64]:
    """Position, velocity, angle, angular velocity, [4]."""
    return np.array(batch.state[task, lane].numpy(force=True))


def pictures(
    batch: Any, task: int, scenes: Sequence[Any], times: Sequence[int], others: Sequence[Sequence[Any]]
) -> Iterator[base.Image]:
    """Cart, pole, the ends of the track and the angles at which an episode is lost."""
    pole = 2 * float(batch.tasks.arrays["length"][task])
    half = POSITION_LIMIT + MARGIN
    for t in times:
        x, angle = float(scenes[t][0]), float(scenes[t][2])
        canvas = Canvas(WIDTH, HEIGHT, -half, half, -0.45, 2 * half * HEIGHT / WIDTH - 0.45)
        canvas.line([(-half, 0), (half, 0)], INK, 1.5)
        for end in (-POSITION_LIMIT, POSITION_LIMIT):
            canvas.line([(end, -0.2), (end, 0.35)], DANGER, 3)
            canvas.text((end, -0.32), f"{end:+.1f} m", 10, "#5a5f66")
        hinge = (x, CART[1])
        for limit in (-ANGLE_LIMIT, ANGLE_LIMIT):
            canvas.line([hinge, (x + pole * math.sin(limit), hinge[1] + pole * math.cos(limit))], FAINT, 1.5)
        canvas.box(x - CART[0] / 2, 0.02, x + CART[0] / 2, CART[1], INK)
        corners = [(-0.05, 0.0), (0.05, 0.0), (0.05, pole), (-0.05, pole)]
        canvas.polygon(turned(corners, -angle, hinge), DANGER if abs(angle) > ANGLE_LIMIT else AGENT)
        canvas.disc(hinge, 4, "#ffffff", INK, 1.5)
        yield canvas.array()


def words(batch: Any, task: int, scenes: Sequence[Any], time: int) -> str:
    """Angle and position."""
    x, _, angle, _ = scenes[time]
    return f"angle {math.degrees(angle):+.1f}°, cart at {x:+.2f} m"


def trajectories(axes: Any, batch: Any, task: int, rollout: Rollout, episode: int) -> None:
    """Angle (left scale) and position (right scale) of every lane over time, as shares of what loses an episode."""
    for lane in range(rollout.reward.shape[1]):
        steps = base.played(rollout, task, lane, episode)
        seen = rollout.next_obs[task, lane, steps].cpu().numpy()
        time = SECONDS_PER_STEP * np.arange(1, len(steps) + 1)
        for column, limit, colour, name in ((2, ANGLE_LIMIT, AGENT, "angle"), (0, POSITION_LIMIT, DANGER, "position")):
            share = 100 * seen[:, column] / limit
            label = f"{name} (100 % = {'12°' if column else '2.4 m'})" if lane == 0 else None
            axes.plot(time, share, color=colour, alpha=0.4, linewidth=1, label=label)
    for limit in (-100, 100):
        axes.axhline(limit, color=INK, linewidth=0.8, linestyle=":")
    axes.set_ylim(-130, 130)
    axes.set_xlabel("seconds")
    axes.set_ylabel("% of what ends the episode")
