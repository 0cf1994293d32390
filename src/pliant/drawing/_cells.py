"""Square grids without walls inside, as `gridnavi` and `dark-room` have them: cells size * y + x from the bottom left."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pliant.drawing import base
from pliant.drawing._canvas import AGENT, FAINT, INK, PAPER, TRAIL, Canvas
from pliant.types import Rollout

SIDE = 360


def middle(cell: int, size: int) -> tuple[float, float]:
    """Of a cell."""
    return cell % size + 0.5, cell // size + 0.5


def board(size: int, marked: Sequence[tuple[int, str, str]]) -> Canvas:
    """An empty grid whose cells (cell, colour, name) are marked."""
    canvas = Canvas(SIDE, SIDE, -0.1, size + 0.1, -0.1, size + 0.1)
    for cell, colour, name in marked:
        x, y = cell % size, cell // size
        canvas.box(x, y, x + 1, y + 1, colour)
        canvas.text((x + 0.06, y + 0.97), name, 11, "#ffffff", "la")
    for line in range(size + 1):
        canvas.line([(line, 0), (line, size)], INK if line in (0, size) else FAINT, 1.5)
        canvas.line([(0, line), (size, line)], INK if line in (0, size) else FAINT, 1.5)
    return canvas


def walked(canvas: Canvas, cells: Sequence[int], size: int, ring: str | None = None) -> NDArray[np.uint8]:
    """The picture of an agent that went through `cells`; `ring` is the colour of what it carries."""
    canvas.line([middle(cell, size) for cell in cells], TRAIL, 4)
    canvas.disc(middle(cells[0], size), 5, PAPER, INK)
    canvas.disc(middle(cells[-1], size), 0.28 * SIDE / size, AGENT, ring or "#ffffff", 4 if ring else 2)
    return canvas.array()


def paths(axes: Any, rollout: Rollout, task: int, episode: int, size: int) -> None:
    """The ways of all lanes through the grid, each a little beside the others."""
    lanes = rollout.reward.shape[1]
    for lane in range(lanes):
        steps = base.played(rollout, task, lane, episode)
        seen = rollout.next_obs[task, lane, steps, : size * size].argmax(-1)
        start = rollout.obs[task, lane, steps[:1], : size * size].argmax(-1)
        cells = [*start.tolist(), *seen.tolist()]
        angle, spread = 2 * np.pi * lane / max(lanes, 1), 0.22 if lanes > 1 else 0.0
        aside = spread * np.array([np.cos(angle), np.sin(angle)])
        way = np.array([middle(cell, size) for cell in cells]) + aside
        axes.plot(*way.T, color=AGENT, alpha=0.45, linewidth=1, zorder=2)
        axes.plot(*way[-1], ".", color=AGENT, markersize=5, zorder=3)
    axes.set_xlim(0, size)
    axes.set_ylim(0, size)
    axes.set_aspect("equal")
    axes.set_xticks(range(size + 1), [])
    axes.set_yticks(range(size + 1), [])


def mark(axes: Any, cell: int, size: int, colour: str, name: str) -> None:
    """Fill a cell of a figure."""
    x, y = cell % size, cell // size
    axes.fill([x, x + 1, x + 1, x], [y, y, y + 1, y + 1], color=colour, alpha=0.35, linewidth=0, zorder=1, label=name)
