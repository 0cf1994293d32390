"""The rooms of the grid games: which layouts there are, what stands where, and how an episode opens.

A layout is one number whose digits are coordinates, so that a person can read and set it; coordinates inside a room of at most
11 cells a side have one digit, counted from the top left wall, which is 0.

    31124  key-door: the wall's column, the door's row, the key's column and row, the goal's row (its column is the last)
    44     empty: the goal's column and row
    143    crossing, lava: 1 for a column or 2 for a row of wall or lava, which one, which cell of it is open

`key-door` has every layout that MiniGrid's DoorKey generates, `empty` moves the goal of Empty-Random, `crossing` and `lava`
have every layout of SimpleCrossing and LavaCrossing with one crossing. Shifted are goals in another row; goals in the top
right quarter; and walls in odd columns and rows, where MiniGrid has none.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pliant.simulators.minigrid import world
from pliant.simulators.minigrid.world import (
    BALL,
    BOX,
    DOOR,
    GOAL,
    GREEN,
    KEY,
    LAVA,
    LOCKED,
    RED,
    WALL,
    YELLOW,
    Grid,
    World,
    code,
)
from pliant.tasks.base import Parameter, Tasks

OBJECTS = 4
"""Things that lie in a room of the game of colours, one of them the right one."""
KINDS = (KEY, BALL, BOX)
TRAINED_COLOURS, SHIFTED_COLOURS = (0, 1, 2, 3), (4, 5)


class Opening(NamedTuple):
    """How the episodes of M tasks open."""

    noise: int
    """Uniform numbers that it takes."""
    open: Callable[[Tensor], World]
    """noise [M, B, noise] -> the world of every lane."""


# ---- layouts


def layouts(game: str, size: int) -> tuple[list[int], list[int]]:
    """The layouts of a game in rooms of `size` cells a side, in order: those of training and test, and the shifted ones."""
    last, side = size - 2, range(1, size - 1)
    if game == "key-door":
        rooms = [
            (wall, door, x, y) for wall in range(2, last) for door in range(1, last) for x in range(1, wall) for y in side
        ]
        return [_number(*room, last) for room in rooms], [_number(*room, row) for room in rooms for row in range(1, last)]
    if game == "empty":
        shifted = [_number(x, y) for x in side for y in side if x > last - last // 2 and y <= last // 2]
        return [n for n in (_number(x, y) for x in side for y in side) if n not in shifted], shifted
    even, odd = (
        [_number(way, line, opening) for way in (1, 2) for line in range(first, last, 2) for opening in side]
        for first in (2, 3)
    )
    return even, odd


def _number(*digits: int) -> int:
    return int("".join(map(str, digits)))


def digits(number: NDArray[np.float64], width: int) -> NDArray[np.int64]:
    """The digits of layouts [M], [M, width]."""
    return np.asarray(number.astype(np.int64)[:, None] // 10 ** np.arange(width)[::-1] % 10)


WIDTH = {"key-door": 5, "empty": 2, "crossing": 3, "lava": 3}
"""Digits of a layout."""


def cells(game: str, grid: Grid, layout: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    """What stands in the rooms of layouts [M] as an episode opens, and where it may: [M, cells + 1] codes, [M, cells] bool."""
    size, M = grid.width, len(layout)
    room = grid.walled().repeat(M, 1)  # [M, cells + 1]
    cell = torch.arange(size * size)
    x, y = cell % size, cell // size
    goal = cell == size * (size - 2) + size - 2
    column = torch.from_numpy(digits(layout, WIDTH[game]))[:, :, None]  # [M, digits, 1]
    begins = torch.ones(M, size * size, dtype=torch.bool)
    inside = room[:, :-1]
    if game == "key-door":
        wall, door, key_x, key_y, goal_y = column.unbind(1)
        goal = (x == size - 2) & (y == goal_y)
        inside.masked_fill_(x == wall, WALL)
        inside.masked_fill_((x == wall) & (y == door), code(DOOR, YELLOW, LOCKED))
        inside.masked_fill_((x == key_x) & (y == key_y), code(KEY, YELLOW))
        begins = x < wall
    elif game == "empty":
        goal = (x == column[:, 0]) & (y == column[:, 1])
    else:
        way, line, opening = column.unbind(1)
        across, along = torch.where(way == 1, x, y), torch.where(way == 1, y, x)
        barrier = WALL if game == "crossing" else code(LAVA, RED)
        inside.masked_fill_((across == line) & (along != opening) & (inside == world.EMPTY), barrier)
        begins = (cell == size + 1).expand(M, -1)
    inside.masked_fill_(goal, code(GOAL, GREEN))
    return room, begins & (inside == world.EMPTY)


def directions(game: str) -> int:
    """In how many directions an agent may look where an episode opens: to the right only, or in all four."""
    return 1 if game in ("crossing", "lava") else 4


def layout_opening(game: str, grid: Grid, tasks: Tasks, lanes: int) -> Opening:
    """Episodes in the rooms of the tasks' layouts, in any free cell and direction where MiniGrid draws them."""
    room, begins = cells(game, grid, tasks.arrays["layout"])
    count = begins.sum(1, keepdim=True)  # [M, 1]
    order = begins.long().argsort(dim=1, descending=True, stable=True)  # [M, cells] first the cells where it may open
    room = room[:, None].expand(-1, lanes, -1)  # [M, B, cells + 1]
    turns = directions(game)

    def opened(noise: Tensor) -> World:
        position = order.gather(1, (noise[..., 0] * count).long())
        return World(room, position, (noise[..., 1] * turns).long(), torch.zeros_like(position))

    return Opening(2, opened)


def layout_parameters(game: str, size: int) -> tuple[Parameter, ...]:
    """The one parameter of a game of layouts."""
    here, shifted = (tuple(map(float, each)) for each in layouts(game, size))
    meaning = {
        "key-door": "digits: the wall's column, the door's row, the key's column and row, the goal's row",
        "empty": "digits: the goal's column and row",
    }.get(game, "digits: 1 for a column or 2 for a row, which one, the cell of it that is open")
    return (Parameter("layout", choices=here, ood=shifted, split=True, meaning=meaning),)


# ---- colours


def colour_parameters() -> tuple[Parameter, ...]:
    """What is right to pick up in the game of colours."""
    kinds, colours, shifted = (tuple(map(float, each)) for each in (KINDS, TRAINED_COLOURS, SHIFTED_COLOURS))
    return (
        Parameter("kind", choices=kinds, split=True, meaning="what is right to pick up: 5 keys, 6 balls, 7 boxes"),
        Parameter(
            "colour",
            choices=colours,
            ood=shifted,
            split=True,
            meaning="its colour: 0 red, 1 green, 2 blue, 3 purple, 4 yellow, 5 grey",
        ),
    )


def right_one(tasks: Tasks) -> Tensor:
    """The code of what is right to pick up, [M]."""
    return 18 * tasks.tensor("kind").long() + 3 * tasks.tensor("colour").long()


def colour_opening(grid: Grid, tasks: Tasks) -> Opening:
    """Episodes in a room where the right one and `OBJECTS - 1` others, all different, lie in cells drawn anew."""
    walled, inside, right = grid.walled(), grid.inside(), right_one(tasks)
    every = torch.tensor([code(kind, colour) for kind in KINDS for colour in range(6)])  # [18]
    is_right = (every == right[:, None])[:, None]  # [M, 1, 18]

    def opened(noise: Tensor) -> World:
        of_kinds, of_cells, of_direction = noise.split([len(every), len(inside), 1], dim=-1)
        thing = every[of_kinds.masked_fill(is_right, 2.0).topk(OBJECTS, dim=-1).indices]  # [M, B, objects], the right one first
        place = inside[of_cells.topk(OBJECTS + 1, dim=-1).indices]  # [M, B, objects + 1], the last one the agent's
        room = walled.expand(*place.shape[:2], -1).scatter(-1, place[..., :-1], thing)
        position = place[..., -1]
        return World(room, position, (4 * of_direction[..., 0]).long(), torch.zeros_like(position))

    return Opening(len(every) + len(inside) + 1, opened)
