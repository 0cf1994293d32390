"""MiniGrid's rules for all lanes at once: walls, doors, keys, balls, boxes, lava, and the partial view of an agent.

A batched twin of the package minigrid 3.2.0 (Chevalier-Boisvert et al. 2023, arXiv:2306.13831): `MiniGridEnv.step` and
`gen_obs`, `Grid.process_vis`, and the objects of `core/world_object.py`. Numbers of object types, colours, door states and
actions are MiniGrid's. What stands in a cell is one number, its code: 18 type + 3 colour + state; 0 is what the agent does not
see.

A grid of width W and height H has cells W y + x from the top left, y downwards, and one more behind them: the wall that
MiniGrid shows beyond the edge. Directions are 0 right, 1 down, 2 left, 3 up. Boxes are empty: opening one removes it.
"""

from functools import lru_cache
from typing import Final, NamedTuple

import torch
from torch import Tensor

UNSEEN, EMPTY_TYPE, WALL_TYPE, FLOOR, DOOR, KEY, BALL, BOX, GOAL, LAVA = range(10)
RED, GREEN, BLUE, PURPLE, YELLOW, GREY = range(6)
OPEN, CLOSED, LOCKED = range(3)
LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE, DONE = range(7)
STEP = ((1, 0), (0, 1), (-1, 0), (0, -1))
"""What a step in each direction adds to x and y."""

VIEW: Final = 7
"""Side of the square that MiniGrid's agent sees: it stands in the middle of the last row and looks towards the first."""


def code(kind: int, colour: int = 0, state: int = 0) -> int:
    """The code of an object."""
    return 18 * kind + 3 * colour + state


EMPTY, WALL = code(EMPTY_TYPE), code(WALL_TYPE, GREY)
NOTHING = 0
"""Carried by an agent with empty hands."""

_CODE = torch.arange(18 * (LAVA + 1))
_TYPE, _COLOUR, _STATE = _CODE // 18, _CODE // 3 % 6, _CODE % 3
_IS_DOOR = _TYPE == DOOR
_SOLID = torch.isin(_TYPE, torch.tensor([WALL_TYPE, KEY, BALL, BOX])) | (_IS_DOOR & (_STATE != OPEN))
_CLEAR = 1.0 - ((_TYPE == WALL_TYPE) | (_IS_DOOR & (_STATE != OPEN))).float()
_PORTABLE = torch.isin(_TYPE, torch.tensor([KEY, BALL, BOX]))
_KEY_OF = torch.where(_IS_DOOR & (_STATE == LOCKED), code(KEY) + 3 * _COLOUR, -1)
"""The key that unlocks each locked door."""
_TOGGLED = torch.where(
    _IS_DOOR & (_STATE != LOCKED), _CODE - _STATE + (1 - _STATE), torch.where(_TYPE == BOX, EMPTY, _CODE)
)
"""What each object becomes by action `TOGGLE`, locked doors without their key."""
_TURN = torch.tensor([3, 1, 0, 0, 0, 0, 0])
PARTS = torch.stack([_TYPE, _COLOUR, _STATE], dim=1)
"""Type, colour and state of each code, [codes, 3]."""


class World(NamedTuple):
    """The state of every lane."""

    cells: Tensor
    """[M, B, W H + 1] codes, the last one a wall."""
    position: Tensor
    """[M, B] the agent's cell."""
    direction: Tensor
    """[M, B]"""
    carried: Tensor
    """[M, B] the code of what the agent carries, or `NOTHING`."""


class Grid:
    """Where things are in a grid of one size: tables that depend on nothing else."""

    def __init__(self, width: int, height: int, see_through: bool = False, view: int = VIEW) -> None:
        self.width, self.height, self.see_through, self.view = width, height, see_through, view
        cell = torch.arange(width * height)
        x, y = (cell % width)[:, None], (cell // width)[:, None]  # [cells, 1]
        dx, dy = torch.tensor(STEP).unbind(1)  # [4]
        self.ahead = self._cell(x + dx, y + dy).flatten()  # [cells * 4] the cell before the agent
        cell = torch.arange(view * view)
        column, row = cell // view, cell % view  # as in MiniGrid's image
        self.own: Tensor = (column == view // 2) & (row == view - 1)  # [V V] the agent's own cell
        forward, aside = view - 1 - row, column - view // 2
        dx, dy = dx[:, None], dy[:, None]  # to the right of (dx, dy) is (-dy, dx)
        over = x[..., None] + dx * forward - dy * aside  # [cells, 4, V V]
        down = y[..., None] + dy * forward + dx * aside
        self.seen = self._cell(over, down).flatten(0, 1)  # [cells * 4, V V] the cells in view

    def _cell(self, x: Tensor, y: Tensor) -> Tensor:
        inside = (x >= 0) & (x < self.width) & (y >= 0) & (y < self.height)
        return torch.where(inside, self.width * y + x, self.width * self.height)

    def walled(self) -> Tensor:
        """An empty room with a wall around it, [W H + 1]."""
        cells = torch.full((self.height, self.width), EMPTY)
        cells[0], cells[-1], cells[:, 0], cells[:, -1] = WALL, WALL, WALL, WALL
        return torch.cat([cells.flatten(), torch.tensor([WALL])])

    def inside(self) -> Tensor:
        """The cells that are not at the edge, in order."""
        return torch.arange(self.width * self.height).view(self.height, self.width)[1:-1, 1:-1].flatten()


def act(grid: Grid, world: World, action: Tensor) -> tuple[World, Tensor]:
    """One action [M, B] in every lane: the world after it, and the code [M, B] of the cell that was stepped into, else 0.

    Ending an episode at the goal or in lava, and what it pays, is the caller's business.
    """
    front = grid.ahead[4 * world.position + world.direction]
    there = world.cells.gather(-1, front.unsqueeze(-1)).squeeze(-1)
    moves = (action == FORWARD) & ~_SOLID[there]
    takes = (action == PICKUP) & _PORTABLE[there] & (world.carried == NOTHING)
    drops = (action == DROP) & (there == EMPTY) & (world.carried != NOTHING)
    toggled = torch.where(_KEY_OF[there] == world.carried, there - LOCKED + OPEN, _TOGGLED[there])
    left = torch.where(action == TOGGLE, toggled, there)
    left = torch.where(takes, EMPTY, torch.where(drops, world.carried, left))
    carried = torch.where(takes, there, torch.where(drops, NOTHING, world.carried))
    after = World(
        world.cells.scatter(-1, front.unsqueeze(-1), left.unsqueeze(-1)),
        torch.where(moves, front, world.position),
        (world.direction + _TURN[action]) % 4,
        carried,
    )
    return after, torch.where(moves, there, 0)


def view(grid: Grid, world: World) -> Tensor:
    """The codes in the V V cells that each agent sees, [M, B, V V], column by column as in MiniGrid's image; 0 if unseen."""
    codes = world.cells.gather(-1, grid.seen[4 * world.position + world.direction])
    if not grid.see_through:
        codes = torch.where(_visible(codes, grid.view), codes, UNSEEN)
    carried: Tensor = torch.where(world.carried == NOTHING, EMPTY, world.carried)
    return torch.where(grid.own, carried.unsqueeze(-1), codes)


def image(grid: Grid, world: World) -> Tensor:
    """What MiniGrid gives as `image`: type, colour and state of every cell in view, [M, B, V, V, 3]."""
    shown: Tensor = PARTS[view(grid, world)].unflatten(-2, (grid.view, grid.view))
    return shown


def _visible(codes: Tensor, side: int) -> Tensor:
    """Which cells of a view [M, B, V V] the agent sees, bool, as `Grid.process_vis` spreads light from row to row.

    A row of V cells is a number of V bits, and what a row makes of the light that falls on it is looked up.
    """
    within, onward, bits, weight = _light(side)
    clear = _CLEAR.take(codes).unflatten(-1, (side, side)).mT @ weight  # [M, B, rows]
    clear = clear.long()
    light, rows = torch.full_like(clear[..., 0], (1 << side // 2) << side), []
    for row in reversed(range(side)):
        index = light + clear[..., row]  # [M, B]
        rows.append(within.take(index))
        light = onward.take(index)
    return bits[torch.stack(rows[::-1], dim=-1)].mT.flatten(-2)  # [M, B, columns * rows]


@lru_cache
def _light(side: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What is lit in a row of V cells, and in the next, by light falling on the row and by which of its cells light passes.

    A lit cell that light passes lights its neighbour, and of the next row the cells before itself and before that neighbour:
    from left to right, then from right to left. Two tables of numbers [2^V 2^V], indexed by 2^V light + passing cells, those of
    the second multiplied by 2^V; the V bits of every number [2^V, V]; and what each bit is worth [V].
    """
    worth = 1 << torch.arange(side)
    bits = (torch.arange(1 << side)[:, None] & worth) > 0  # [rows, V]
    lit = bits[:, None].repeat(1, 1 << side, 1)  # [light, clear, V]
    onward = torch.zeros_like(lit)
    to_right = [(i, i + 1) for i in range(side - 1)]
    for here, beside in to_right + [(i, i - 1) for i in reversed(range(1, side))]:
        passes = lit[..., here] & bits[:, here]
        lit[..., beside] |= passes
        onward[..., beside] |= passes
        onward[..., here] |= passes
    return (lit * worth).sum(-1).flatten(), ((onward * worth).sum(-1) << side).flatten(), bits, worth.float()
