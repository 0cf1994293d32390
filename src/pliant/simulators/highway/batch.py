"""The twin of highway-env as a batched environment: tasks become roads, drivers and vehicles, N = M B scenes side by side."""

from typing import Any

import torch
from torch import Tensor

from pliant.simulators.highway import scene as scenes
from pliant.simulators.highway.road import Merge, Straight
from pliant.simulators.highway.state import BREADTH, FASTER, LENGTH, RIGHT, Cast, State
from pliant.simulators.highway.traffic import Traffic
from pliant.tasks.base import BatchEnv, Family, Tasks

OBSTACLE = 2.0
"""Its length and width, m."""


class Driving(BatchEnv):
    """The twin: N = M B scenes side by side."""

    def __init__(self, family: Family, tasks: Tasks, lanes: int, episodes: int) -> None:
        super().__init__(family, tasks, lanes, episodes)
        settings: Any = family.settings
        value = {name: tasks.tensor(name).repeat_interleave(lanes) for name in tasks.arrays}  # [N]
        self.count, self.density, self.pace = value["lanes"].long(), value["density"], value["traffic_speed"]
        self.reversed_pedals, self.reversed_steering = value["reversed_pedals"] > 0, value["reversed_steering"] > 0
        merges = settings.scene == "merge"
        self.road = Merge(self.count) if merges else Straight(self.count)
        self.open = scenes.merge if merges else scenes.highway
        self.reset_noise = (scenes.merge_noise if merges else scenes.highway_noise)(settings.vehicles)
        blank = self.open(self.count, self.density, self.pace, torch.zeros(len(self.count), self.reset_noise).double())
        cast, all_collide = cast_of(value, settings), settings.collisions == "all"
        self.whole = Traffic(self.road, cast, blank, settings.frequency, all_collide)
        self.traffic, self.rows = self.whole, torch.arange(len(self.count))
        self.frames = settings.frequency

    @property
    def state(self) -> State:
        """Of the scenes `rows`, those that are still simulated."""
        return self.traffic.state

    def begin(self, chosen: Tensor, noise: Tensor) -> None:
        if bool(chosen.all()):
            self.traffic, self.rows = self.whole, torch.arange(len(self.count))
        rows = chosen.flatten().nonzero().flatten()
        opened = self.open(self.count[rows], self.density[rows], self.pace[rows], noise.flatten(0, 1)[rows])
        state, inside = self.state, torch.searchsorted(self.rows, rows)
        state.put(inside, opened)
        lane = self.traffic.road.closest(state.x, state.y, state.heading)[inside]
        state.lane, state.target = (x.index_copy(0, inside, lane) for x in (state.lane, state.target))

    def observe(self) -> Tensor:
        seen = scenes.observe(self.state, self.traffic.cast, self.count[self.rows])
        return self._spread(seen).view(*self.shape, -1)

    def advance(self, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        self._forget()
        pressed, traffic = self.pressed(action)[self.rows], self.traffic
        traffic.command(pressed)
        for _ in range(self.frames):
            traffic.frame()
        state = traffic.state
        crashed, passed = state.crashed[:, 0], torch.zeros_like(state.crashed[:, 0])
        if isinstance(traffic.road, Merge):
            reward, passed = scenes.merge_reward(state, traffic.road, pressed), state.x[:, 0] > Merge.END
        else:
            reward = scenes.highway_reward(state, traffic.road, self.count[self.rows])
        return self.judged(*(self._spread(x).view(self.shape) for x in (reward, crashed, passed)))

    def _forget(self) -> None:
        """Drop scenes that have ended for good once they are a fifth of those that are simulated."""
        plays = self.active.flatten()[self.rows]
        if 0 < int(plays.sum()) < 0.8 * len(plays):
            keep = plays.nonzero().flatten()
            self.traffic, self.rows = self.traffic.part(keep), self.rows[keep]

    def _spread(self, x: Tensor) -> Tensor:
        """What the scenes `rows` have, for all, with zeros for those that have ended."""
        return x if len(x) == len(self.count) else x.new_zeros(len(self.count), *x.shape[1:]).index_copy(0, self.rows, x)

    def pressed(self, action: Tensor) -> Tensor:
        """What the vehicle makes of actions [M, B], [N]."""
        action = action.flatten()
        action = torch.where(self.reversed_pedals & (action >= FASTER), 2 * FASTER + 1 - action, action)
        return torch.where(self.reversed_steering & (action <= RIGHT), RIGHT - action, action)

    def judged(self, reward: Tensor, crashed: Tensor, passed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reward, termination and success of a step: an episode that ends without a crash is a success."""
        last = self._elapsed + 1 >= self.horizon
        return reward, crashed | passed, ~crashed & (passed | last)


def cast_of(value: dict[str, Tensor], settings: Any) -> Cast:
    """The drivers and vehicles of tasks given as [N] each."""
    merges = settings.scene == "merge"
    V = 1 + settings.vehicles + 2 * merges
    length = torch.full((len(value["length"]), V), LENGTH, dtype=torch.float64)
    breadth, still = torch.full((V,), BREADTH, dtype=torch.float64), torch.zeros(V, dtype=torch.bool)
    length[:, 0] = value["length"]
    if merges:
        length[:, -1], breadth[-1], still[-1] = OBSTACLE, OBSTACLE, True
    return Cast(
        time_gap=value["time_gap"][:, None],
        acceleration=value["acceleration"][:, None],
        politeness=value["politeness"][:, None],
        speed_gain=value["speed_gain"],
        lateral_gain=value["lateral_gain"],
        length=length,
        breadth=breadth,
        still=still,
    )
