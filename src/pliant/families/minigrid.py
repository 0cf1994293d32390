"""Rooms of MiniGrid: find the way in a layout that stays the same throughout a trial, then take it at once.

A batched twin of rooms of the package minigrid 3.2.0 (Chevalier-Boisvert et al. 2023, arXiv:2306.13831), without needing it:

    key-door  DoorKey: fetch the key, unlock the door, reach the goal      5 actions
    empty     Empty-Random, with the goal anywhere: reach the goal         3 actions
    crossing  SimpleCrossing: find the opening in a wall, reach the goal   3 actions
    lava      LavaCrossing: the same, and lava ends the episode            3 actions
    colours   pick up the right one of four things, not told which        4 actions

An episode that reaches its aim in step t of at most H pays 1 - 0.9 t / H, all else 0. In `colours`, a game of ours by the rules
of MiniGrid's Fetch, picking up anything else ends the episode; the room is new in every episode, and only what is right stays.
A game's actions are the first ones of left, right, forward, pickup, toggle, or with `all_actions` MiniGrid's seven.

The agent sees 7x7 cells before and beside it, not through walls and closed doors (`empty` excepted, as in MiniGrid), and what
it carries. Each cell in view is told one-hot: its type, of those that the game has; its colour, where that matters; and the
door's state. A cell out of sight is all zeros. Then the agent's direction, one-hot. `Rooms.image` gives MiniGrid's own image.

Three things are ours. H is short, three times the side, so that an agent that knows the layout succeeds more often than one
that has to look for it (MiniGrid has 10 size^2 in `key-door` and 4 size^2 elsewhere). An aim that is reached in the last step
terminates the episode and does not truncate it too. And all episodes of a trial open where the first one does, unless `start`
is random.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge
from numpy.typing import NDArray
from torch import Tensor

from pliant.simulators.minigrid import rooms, world
from pliant.simulators.minigrid.world import EMPTY_TYPE, FORWARD, GOAL, LAVA, LEFT, PICKUP, RIGHT, TOGGLE, Grid, World
from pliant.tasks import checks
from pliant.tasks.base import BatchEnv, Family, Tasks, Told
from pliant.types import Spec

Name = Literal["key-door", "empty", "crossing", "lava", "colours"]
EPISODES = 3
MOST_SIDE = 11
"""Cells per side up to which a coordinate is one digit of a layout's number."""


@dataclass(frozen=True)
class Game:
    """What sets a game apart."""

    size: int
    """Cells per side, walls included, unless asked otherwise."""
    least: int
    """The smallest side."""
    actions: tuple[int, ...]
    types: tuple[int, ...]
    """The types of things that there are."""


_LOCKED_DOOR = world.code(world.DOOR, world.YELLOW, world.LOCKED)
_WALKS = (LEFT, RIGHT, FORWARD)
GAMES: dict[str, Game] = {
    "key-door": Game(8, 5, (*_WALKS, PICKUP, TOGGLE), (world.WALL_TYPE, world.DOOR, world.KEY, GOAL)),
    "empty": Game(6, 5, _WALKS, (world.WALL_TYPE, GOAL)),
    "crossing": Game(9, 7, _WALKS, (world.WALL_TYPE, GOAL)),
    "lava": Game(9, 7, _WALKS, (world.WALL_TYPE, GOAL, LAVA)),
    "colours": Game(6, 5, (*_WALKS, PICKUP), (world.WALL_TYPE, *rooms.KINDS)),
}


@dataclass(frozen=True)
class Settings:
    """The game, the size of its room and the length of an episode."""

    game: Name = "key-door"
    """key-door, empty, crossing, lava or colours."""
    size: Annotated[int, Ge(0)] = 0
    """Cells per side, walls included; 0 for the game's own: 8 in key-door, 9 in crossing and lava, where it must be
    odd, else 6."""
    view: Literal[3, 5, 7] = world.VIEW
    """Side of the square of cells that the agent sees: 3, 5 or 7. MiniGrid's `agent_view_size`; with 3 it has to search."""
    start: Literal["same", "random"] = "same"
    """Where an episode opens, of the cells and directions that MiniGrid draws from: where the first of the trial did, or drawn
    anew."""
    horizon: Annotated[int, Ge(0)] = 0
    """Steps after which an episode is truncated; 0 for three times the side."""
    subgoals: Annotated[float, Ge(0)] = 0.0
    """Also paid in key-door, once an episode each, for picking up the key and for unlocking the door: so that an agent which
    has never reached the goal has something to learn from. MiniGrid pays nothing for them, other games have none."""
    all_actions: bool = False
    """Act by all seven actions of MiniGrid, in its order: left, right, forward, pickup, drop, toggle, done."""

    def __post_init__(self) -> None:
        checks.settings(self)
        least, odd = GAMES[self.game].least, self.game in ("crossing", "lava")
        if not least <= self.side <= MOST_SIDE or (odd and self.side % 2 == 0):
            kind = "an odd number" if odd else "a number"
            raise ValueError(f"size is {self.size}: expected {kind} of cells from {least} to {MOST_SIDE} for {self.game}, or 0")

    @property
    def side(self) -> int:
        """Cells per side."""
        return self.size or GAMES[self.game].size

    @property
    def steps(self) -> int:
        """H, the most steps of an episode."""
        return self.horizon or 3 * self.side

    @property
    def actions(self) -> tuple[int, ...]:
        """What MiniGrid calls each of the agent's actions."""
        return tuple(range(world.DONE + 1)) if self.all_actions else GAMES[self.game].actions


class Rooms(BatchEnv):
    """All lanes as one `_grid_world.World`."""

    def __init__(self, family: Family, tasks: Tasks, lanes: int, episodes: int) -> None:
        super().__init__(family, tasks, lanes, episodes)
        settings: Settings = family.settings
        self.grid = grid_of(settings)
        self.action = torch.tensor(settings.actions)
        self.described_cell = encoding(settings.game)  # [codes, K]
        self.compass = torch.eye(4, dtype=torch.float64)
        self.right: Tensor | None = None
        if settings.game == "colours":
            self.right = rooms.right_one(tasks)[:, None]  # [M, 1]
            self.opening = rooms.colour_opening(self.grid, tasks)
        else:
            self.opening = rooms.layout_opening(settings.game, self.grid, tasks, lanes)
        self.reset_noise = self.opening.noise
        self.keeps_start = settings.start == "same" and self.right is None
        self.world = self.opening.open(torch.zeros(*self.shape, self.reset_noise, dtype=torch.float64))
        self.door = None
        if settings.subgoals and settings.game == "key-door":
            self.door = (self.world.cells == _LOCKED_DOOR).long().argmax(-1, keepdim=True)  # [M, B, 1]
        self.subgoals = settings.subgoals
        self.reached = torch.zeros(self.shape, dtype=torch.int64)  # subgoals of this episode

    def begin(self, chosen: Tensor, noise: Tensor) -> None:
        if self.keeps_start:
            noise = self._reset_noise[:, :, 0]
        fresh = self.opening.open(noise)
        self.reached = torch.where(chosen, 0, self.reached)
        cells = torch.where(chosen[..., None], fresh.cells, self.world.cells)
        agent = zip(fresh[1:], self.world[1:], strict=True)
        self.world = World(cells, *(torch.where(chosen, new, old) for new, old in agent))

    def observe(self) -> Tensor:
        codes = world.view(self.grid, self.world)
        cells = self.described_cell.index_select(0, codes.flatten()).view(*self.shape, -1)  # [M, B, view^2 K]
        return torch.cat([cells, self.compass[self.world.direction]], dim=-1)

    def image(self) -> Tensor:
        """What MiniGrid gives as `image`, [M, B, view, view, 3]."""
        return world.image(self.grid, self.world)

    def advance(self, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        self.world, entered = world.act(self.grid, self.world, self.action[action])
        if self.right is None:
            kind = entered // world.code(1)
            success, ended = kind == GOAL, (kind == GOAL) | (kind == LAVA)
        else:
            success, ended = self.world.carried == self.right, self.world.carried != world.NOTHING
        reward = torch.where(success, 1 - 0.9 * ((self._elapsed + 1).double() / self.horizon), 0.0)
        return reward + self._subgoals(), ended, success

    def _subgoals(self) -> Tensor | float:
        """What the last step earned by them, [M, B]."""
        if self.door is None:
            return 0.0
        locked = self.world.cells.gather(-1, self.door).squeeze(-1) == _LOCKED_DOOR
        before = self.reached
        self.reached = torch.where(locked, before.maximum((self.world.carried != world.NOTHING).long()), 2)
        return self.subgoals * (self.reached - before).double()


def grid_of(settings: Settings) -> Grid:
    """The grid of a game."""
    return Grid(settings.side, settings.side, see_through=settings.game == "empty", view=settings.view)


def encoding(game: str) -> Tensor:
    """What a policy sees of a cell with each code: one-hot type, colour and door state, [codes, K] float64."""
    kind, colour, state = world.PARTS.unbind(1)
    types = torch.tensor([EMPTY_TYPE, *GAMES[game].types])
    parts = [kind[:, None] == types]
    if game == "colours":
        parts.append((colour[:, None] == torch.arange(6)) & torch.isin(kind, torch.tensor(rooms.KINDS))[:, None])
    if world.DOOR in GAMES[game].types:
        parts.append((state[:, None] == torch.arange(3)) & (kind == world.DOOR)[:, None])
    return torch.cat(parts, dim=1).double()


def told(settings: Settings) -> Told:
    """What describes a task to a critic: the coordinates of its layout from -1 to 1, or what is right to pick up, one-hot."""
    if settings.game == "colours":

        def right(tasks: Tasks) -> NDArray[np.float64]:
            kind, colour = (tasks.arrays[name][:, None] for name in ("kind", "colour"))
            return np.concatenate([kind == np.array(rooms.KINDS), colour == np.arange(6)], axis=1).astype(np.float64)

        return Told(len(rooms.KINDS) + 6, right)
    width = rooms.WIDTH[settings.game]
    return Told(width, lambda tasks: 2 * rooms.digits(tasks.arrays["layout"], width) / (settings.side - 1) - 1)


SHIFTS = {
    "key-door": "the goal in another row than the last",
    "empty": "the goal in the top right quarter, where training has none",
    "crossing": "a wall in an odd column or row, where training has none",
    "lava": "lava in an odd column or row, where training has none",
    "colours": "a right one that is yellow or grey, which it never is in training",
}


def family(settings: Settings | None = None) -> Family:
    """The family of a game's rooms."""
    settings = settings or Settings()
    colours = settings.game == "colours"
    size = settings.view**2 * encoding(settings.game).shape[1] + 4
    layout = () if colours else rooms.layout_parameters(settings.game, settings.side)
    return Family(
        name="minigrid",
        summary="find the way in a room that stays the same throughout a trial, then take it at once",
        parameters=rooms.colour_parameters() if colours else layout,
        spec=Spec(obs_size=size, action_size=len(settings.actions), discrete=True),
        horizon=settings.steps,
        environment=Rooms,
        shift=SHIFTS[settings.game],
        episodes=EPISODES,
        success="the right one was picked up" if colours else "the goal was reached",
        version="2",
        settings=settings,
        told=told(settings),
    )
