"""Square grids without walls inside: cells are numbered size * y + x from the bottom left, actions are five moves."""

import torch
from torch import Tensor

MOVES = ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0))
"""What each action adds to x and y: stay, up, right, down, left."""


def destinations(size: int) -> Tensor:
    """Where each action leads from each cell, [cells, actions] int64; a move into the wall stays."""
    cell = torch.arange(size * size)
    x, y = (cell % size)[:, None], (cell // size)[:, None]
    dx, dy = torch.tensor(MOVES).unbind(1)
    return size * (y + dy).clamp(0, size - 1) + (x + dx).clamp(0, size - 1)  # [cells, actions]


def distances(size: int) -> Tensor:
    """Moves from each cell to each other, [cells, cells] int64."""
    cell = torch.arange(size * size)
    x, y = cell % size, cell // size
    return (x[:, None] - x).abs() + (y[:, None] - y).abs()


def one_hot(cell: Tensor, seen: Tensor) -> Tensor:
    """Rows of the identity `seen` [cells, cells] for cells [M, B]: [M, B, cells]. Several times as fast as indexing."""
    return seen.index_select(0, cell.flatten()).view(*cell.shape, -1)  # [M, B, cells]
