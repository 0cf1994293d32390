"""Reference agents for the rooms of MiniGrid: random actions, and what knowing the layout is worth.

The best agent without that knowledge is not known.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pliant.families import minigrid
from pliant.players.parts.grid import Random
from pliant.simulators.minigrid import rooms
from pliant.simulators.minigrid.world import DOOR, EMPTY, GOAL, GREEN, KEY, LOCKED, YELLOW, Grid, code
from pliant.streams import Stream
from pliant.tasks.base import Family, Tasks

FAR = 1_000_000
"""Steps to what cannot be reached."""
DRAWN = 2000
"""Rooms over which the ceiling of `colours` is a mean."""


def players(family: Family, stream: Stream) -> dict[str, nn.Module]:
    """The agents by name."""
    return {"random": Random(family)}


def ceiling(family: Family, tasks: Tasks, episodes: int) -> NDArray[np.float64]:
    """Return of a trial when the layout is known and the shortest way is taken, [M]; the mean over all starts, exact.

    For `colours`, where every episode has a room of its own, the mean over `DRAWN` rooms, the same for all tasks.
    """
    settings: minigrid.Settings = family.settings
    if settings.game == "colours":
        needed, starts = _to_right_one(settings).expand(len(tasks), 1, -1), torch.ones(len(tasks), DRAWN)
    else:
        needed, starts = _to_goal(settings, tasks)
    in_time = needed <= family.horizon  # [M, aims, starts], the last aim being the goal
    paid = in_time[:, -1] * (1 - 0.9 * needed[:, -1] / family.horizon) + settings.subgoals * in_time[:, :-1].sum(1)
    return np.asarray(episodes * (paid * starts).sum(1) / starts.sum(1))


def optimum(family: Family, episodes: int) -> float | None:
    """None: the Bayes-optimal return is not known."""
    return None


def steps_needed(grid: Grid, open_: Tensor, last: Tensor) -> Tensor:
    """Fewest steps from every cell and direction, [M, cells, 4], where `open_` [M, cells + 1] cells can be walked on.

    `last` [M, cells, 4] is how many steps it takes in the end if one is there; `FAR` where that is no end.
    """
    ahead = grid.ahead.view(-1, 4)  # [cells, 4]
    enters = open_[:, ahead]  # [M, cells, 4]
    toward = ahead.clamp(max=len(ahead) - 1)
    direction = torch.arange(4)
    needed = last
    while True:
        stepped = torch.where(enters, needed[:, toward, direction], FAR)
        turned = torch.minimum(needed.roll(1, dims=-1), needed.roll(-1, dims=-1))
        better = torch.minimum(needed, torch.minimum(stepped, turned) + 1)
        if torch.equal(better, needed):
            return needed
        needed = better


def _to_goal(settings: minigrid.Settings, tasks: Tasks) -> tuple[Tensor, Tensor]:
    """Steps to each subgoal and to the goal from every cell and direction, [M, aims, cells * 4]; the starts, [M, cells * 4].

    The way to the goal passes the subgoals as early as can be: without the key no door, without the door no goal.
    """
    grid = minigrid.grid_of(settings)
    cells, begins = rooms.cells(settings.game, grid, tasks.arrays["layout"])
    goal, key = cells == code(GOAL, GREEN), cells == code(KEY, YELLOW)
    door = cells == code(DOOR, YELLOW, LOCKED)
    floor, ahead = (cells == EMPTY) | goal, grid.ahead.view(-1, 4)
    legs = [(floor, key[:, ahead]), (floor | key, door[:, ahead])] if settings.game == "key-door" else []

    def through(legs: list[tuple[Tensor, Tensor]], last: Tensor) -> Tensor:
        """Steps from where the first leg begins, if it takes `last` from where the last one ends."""
        for open_, there in reversed(legs):
            last = steps_needed(grid, open_, torch.where(there, last + 1, FAR))
        return last

    arrived = torch.where(goal[:, :-1, None], 0, FAR).expand(-1, -1, 4)
    to_goal = through(legs, steps_needed(grid, floor | key | door, arrived))
    aims = [through(legs[: i + 1], torch.zeros_like(to_goal)) for i in range(len(legs))]
    turns = torch.arange(4) < rooms.directions(settings.game)
    starts = (begins[:, :, None] & turns).flatten(1)
    return torch.stack([*aims, to_goal], dim=1).flatten(2), starts


def _to_right_one(settings: minigrid.Settings) -> Tensor:
    """Steps to the right one from one start in each room drawn by a fixed stream, [DRAWN]; whichever is right."""
    grid = minigrid.grid_of(settings)
    tasks = Tasks("minigrid", {"kind": np.array([float(KEY)]), "colour": np.array([0.0])})
    opening = rooms.colour_opening(grid, tasks)
    world = opening.open(Stream(0).at("ceiling").uniform(1, DRAWN, opening.noise, dtype=torch.float64))
    cells = world.cells[0]  # [DRAWN, cells + 1]
    beside = (cells == rooms.right_one(tasks))[:, grid.ahead.view(-1, 4)]
    needed = steps_needed(grid, cells == EMPTY, torch.where(beside, 1, FAR))
    return needed[torch.arange(DRAWN), world.position[0], world.direction[0]]
