"""Traffic from above, around the agent's vehicle."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pliant import errors
from pliant.drawing import base
from pliant.drawing._canvas import AGENT, DANGER, Canvas, turned
from pliant.simulators.highway.road import WIDTH, Merge

PIXELS = 4.0
"""Per metre."""
BEHIND, AHEAD = 30.0, 70.0
"""What is shown of the road, m from the agent's vehicle."""
MARGIN = 5.0
"""Beside the road, m."""
GRASS, TAR, PAINT, OTHER, STILL = "#dfe8da", "#6b7178", "#ffffff", "#f2c200", "#1b1f24"


class Moment(NamedTuple):
    """A scene of V vehicles, all [V]; the first is the agent's."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    heading: NDArray[np.float64]
    speed: NDArray[np.float64]
    is_there: NDArray[np.bool_]
    crashed: NDArray[np.bool_]
    length: NDArray[np.float64]
    breadth: NDArray[np.float64]


def prepare(batch: Any) -> None:
    """highway-env itself is not looked into."""
    if batch.family.settings.simulator != "twin":
        raise errors.UserError("driving is drawn from the twin: watch it with --family.simulator twin")


def pace(batch: Any) -> float:
    """Twice as fast as it happens: a step is a second."""
    return 2.0


def scene(batch: Any, task: int, lane: int, given: Tensor) -> Moment:
    """Where all vehicles are."""
    row = int((batch.rows == task * batch.lanes + lane).nonzero())
    state, cast = batch.state, batch.traffic.cast
    there = state.drives[row] | cast.still
    moving = (state.x[row], state.y[row], state.heading[row], state.speed[row], there, state.crashed[row])
    return Moment(*(np.array(x.numpy(force=True)) for x in (*moving, cast.length[row], cast.breadth)))


def pictures(
    batch: Any, task: int, scenes: Sequence[Any], times: Sequence[int], others: Sequence[Sequence[Any]]
) -> Iterator[base.Image]:
    """The road runs to the right; the agent's vehicle stays where it is in the picture."""
    count = int(batch.count[task * batch.lanes])
    merges = isinstance(batch.whole.road, Merge)
    low = WIDTH * count - WIDTH / 2 + MARGIN + (2 * Merge.AMPLITUDE if merges else 0)
    size = round(PIXELS * (BEHIND + AHEAD)), round(PIXELS * (low + WIDTH / 2 + MARGIN))
    for t in times:
        now: Moment = scenes[t]
        x = float(now.x[0])
        canvas = Canvas(*size, x - BEHIND, x + AHEAD, low, -WIDTH / 2 - MARGIN, GRASS)
        _road(canvas, count, x, merges)
        for v in reversed(range(len(now.x))):  # the agent last, above all
            if now.is_there[v]:
                _vehicle(canvas, now, v)
        yield canvas.array()


def words(batch: Any, task: int, scenes: Sequence[Any], time: int) -> str:
    """Speed, and whether it crashed."""
    now: Moment = scenes[time]
    return f"{now.speed[0]:.1f} m/s" + (", crashed" if now.crashed[0] else "")


def _road(canvas: Canvas, count: int, x: float, merges: bool) -> None:
    left, right = x - BEHIND - 5, x + AHEAD + 5
    if merges:
        along = np.linspace(0, Merge.BEFORE + Merge.CONVERGE + Merge.PARALLEL, 200)
        bend = np.clip((along - Merge.BEFORE) * Merge.PULSATION + Merge.PHASE, Merge.PHASE, Merge.PHASE + np.pi)
        ramp = WIDTH * count + Merge.AMPLITUDE * (1 + np.sin(bend))
        edges = [*zip(along, ramp - WIDTH / 2, strict=True), *zip(along[::-1], ramp[::-1] + WIDTH / 2, strict=True)]
        canvas.polygon(edges, TAR)
    bottom = WIDTH * count - WIDTH / 2
    canvas.box(left, -WIDTH / 2, right, bottom, TAR)
    for edge in (-WIDTH / 2, bottom):
        canvas.line([(left, edge), (right, edge)], PAINT, 1.5)
    for lane in range(1, count):
        y = WIDTH * lane - WIDTH / 2
        for start in np.arange(10 * np.floor(left / 10), right, 10.0):
            canvas.line([(start, y), (start + 4, y)], PAINT, 1.5)


def _vehicle(canvas: Canvas, now: Moment, v: int) -> None:
    length, breadth = now.length[v] / 2, now.breadth[v] / 2
    corners = [(-length, -breadth), (length, -breadth), (length, breadth), (-length, breadth)]
    colour = DANGER if now.crashed[v] else AGENT if v == 0 else OTHER
    if length == breadth and v:
        colour = STILL  # an obstacle
    canvas.polygon(turned(corners, float(now.heading[v]), (now.x[v], now.y[v])), colour, "#1b1f24")
