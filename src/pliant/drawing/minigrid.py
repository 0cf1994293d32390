"""MiniGrid's rooms from above, as MiniGrid colours them; what the agent sees is lighter."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from pliant.drawing import base
from pliant.drawing._canvas import FINE, Canvas, turned
from pliant.simulators.minigrid import world as grid_world
from pliant.simulators.minigrid.world import World

SIDE = 360
COLOURS = ("#e03131", "#2f9e44", "#4263eb", "#9c36b5", "#f2c200", "#8b9097")
"""Red, green, blue, purple, yellow and grey, in MiniGrid's order."""
DARK, LIT, LINE, WALL, AGENT, LAVA = "#1b1f24", "#4b535c", "#333a42", "#8b9097", "#e8590c", "#ff7b00"
NAMES = ("red", "green", "blue", "purple", "yellow", "grey")
THINGS = {grid_world.KEY: "key", grid_world.BALL: "ball", grid_world.BOX: "box"}


def prepare(batch: Any) -> None:
    """Nothing to see to."""


def pace(batch: Any) -> float:
    """An episode of 24 steps takes five seconds."""
    return 5.0


def scene(batch: Any, task: int, lane: int, given: Tensor) -> World:
    """The world of the lane alone, M = B = 1."""
    return World(*(x[task : task + 1, lane : lane + 1].clone() for x in batch.world))


def pictures(
    batch: Any, task: int, scenes: Sequence[Any], times: Sequence[int], others: Sequence[Sequence[Any]]
) -> Iterator[base.Image]:
    """The room, what stands in it, and the agent, which points where it looks."""
    grid = batch.grid
    for t in times:
        world: World = scenes[t]
        here, heading = int(world.position), int(world.direction)
        canvas = Canvas(SIDE, SIDE, 0, grid.width, grid.height, 0, DARK)
        in_view = grid.seen[4 * here + heading][grid_world.view(grid, world)[0, 0] != grid_world.UNSEEN]
        seen = {*in_view.tolist(), here}
        for cell, code in enumerate(world.cells[0, 0, :-1].tolist()):
            _cell(canvas, cell % grid.width, cell // grid.width, code, cell in seen)
        arrow = turned([(-0.32, -0.28), (0.36, 0.0), (-0.32, 0.28)], heading * np.pi / 2, _middle(here, grid.width))
        canvas.polygon(arrow, AGENT, "#ffffff")
        yield canvas.array()


def words(batch: Any, task: int, scenes: Sequence[Any], time: int) -> str:
    """What it carries, and in `colours` what is right."""
    carried = int(scenes[time].carried)
    hands = f"carries the {_thing(carried)}" if carried else "empty hands"
    return hands if batch.right is None else f"{hands}; right: the {_thing(int(batch.right[task]))}"


def _cell(canvas: Canvas, x: int, y: int, code: int, seen: bool) -> None:
    """What stands in a cell, where it stands."""
    kind, colour, state = grid_world.PARTS[code].tolist()
    if kind == grid_world.WALL_TYPE:
        canvas.box(x, y, x + 1, y + 1, WALL)
        return
    filled = {grid_world.GOAL: COLOURS[grid_world.GREEN], grid_world.LAVA: LAVA}.get(kind, LIT if seen else DARK)
    canvas.box(x, y, x + 1, y + 1, filled, LINE)
    middle, paint = (x + 0.5, y + 0.5), COLOURS[colour]
    side = canvas.scale[0] / FINE  # of a cell, pixels
    if kind == grid_world.DOOR:
        _door(canvas, x, y, paint, state)
    elif kind == grid_world.KEY:
        canvas.line([(x + 0.5, y + 0.35), (x + 0.5, y + 0.82)], paint, 4)
        canvas.line([(x + 0.5, y + 0.8), (x + 0.68, y + 0.8)], paint, 4)
        canvas.disc((x + 0.5, y + 0.3), 0.14 * side, None, paint, 4)
    elif kind == grid_world.BALL:
        canvas.disc(middle, 0.3 * side, paint)
    elif kind == grid_world.BOX:
        canvas.box(x + 0.2, y + 0.2, x + 0.8, y + 0.8, None, paint)
        canvas.line([(x + 0.2, y + 0.5), (x + 0.8, y + 0.5)], paint, 3)
    elif kind == grid_world.GOAL:
        canvas.text(middle, "goal", 11, "#ffffff")


def _door(canvas: Canvas, x: int, y: int, paint: str, state: int) -> None:
    """Open: a thin leaf; closed: a frame; locked: filled."""
    if state == grid_world.OPEN:
        canvas.box(x + 0.05, y + 0.05, x + 0.18, y + 0.95, paint)
        return
    canvas.box(x + 0.06, y + 0.06, x + 0.94, y + 0.94, paint)
    if state == grid_world.CLOSED:
        canvas.box(x + 0.16, y + 0.16, x + 0.84, y + 0.84, DARK)
    canvas.box(x + 0.66, y + 0.45, x + 0.78, y + 0.57, "#1b1f24" if state == grid_world.LOCKED else paint)


def _middle(cell: int, width: int) -> tuple[float, float]:
    return cell % width + 0.5, cell // width + 0.5


def _thing(code: int) -> str:
    kind, colour, _ = grid_world.PARTS[code].tolist()
    return f"{NAMES[colour]} {THINGS.get(kind, 'thing')}"
