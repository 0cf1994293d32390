"""Reference agents for driving: a careful driver that takes its vehicle for an ordinary one, an idle one, and a random one.

None of them learns: `idm` is what the intelligent driver model makes of the observation, with controls as they usually are.
Where they are reversed it brakes by accelerating.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pliant.players.parts import choices
from pliant.players.parts.grid import Random
from pliant.simulators.highway import scene as scenes
from pliant.simulators.highway.state import BRAKING, FASTER, IDLE, JAM, LEFT, RIGHT, SLOWER
from pliant.streams import Stream
from pliant.tasks.base import Family, Tasks
from pliant.types import Inputs, Output, State

TIME_GAP, ACCELERATION = 1.5, 3.0
"""Of `idm`, s and m/s^2: those of highway-env's drivers."""
SAME_LANE = 0.1
"""Offsets that are smaller are within a lane; the next lane's is one over the number of lanes."""
ROOM = 30.0
"""Whoever is nearer, m, keeps `idm` from changing to his side."""


def players(family: Family, stream: Stream) -> dict[str, nn.Module]:
    """The agents by name."""
    return {"idm": Careful(), "idle": Idle(), "random": Random(family)}


def ceiling(family: Family, tasks: Tasks, episodes: int) -> NDArray[np.float64]:
    """What no trial can return more than, [M].

    On the highway 1 a step: 30 m/s on the rightmost lane. In the merge it is not reached: 30 m/s on the highest lane, everybody
    on the third lane of the merging section as fast as he wants, the agent half as fast again.
    """
    steps = np.full(len(tasks), float(episodes * family.horizon))
    if family.settings.scene == "highway":
        return steps
    return np.asarray(steps * (0.1 * tasks.arrays["lanes"] + 0.2 + 0.25 + 1.5) / 1.8)


def optimum(family: Family, episodes: int) -> float | None:
    """Nobody knows it."""
    return None


class Careful(nn.Module):
    """Brakes, or goes to a side where nobody is near, if the vehicle ahead is nearer than the intelligent driver model wants.

    Accelerates when it is twice as far. Gaps are those of Treiber et al. 2000, with highway-env's constants.
    """

    broadcasts = True

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        seen = inputs.obs.unflatten(-1, (scenes.SEEN, 5))  # [M, B, 1, 5, 5]
        speed = scenes.FASTEST_SEEN * seen[..., 0, 3]
        there, x, y, vx, _ = seen[..., 1:, :].unbind(-1)  # [M, B, 1, 4]
        far, there = scenes.SIGHT * x, there > 0
        ahead = there & (y.abs() < SAME_LANE) & (far > 0)
        gap = torch.where(ahead, far, torch.inf)
        nearest, index = gap.min(-1)
        closing = -scenes.FASTEST_SEEN * vx.gather(-1, index[..., None]).squeeze(-1)
        wanted = JAM + speed * TIME_GAP + speed * closing / (2 * math.sqrt(ACCELERATION * BRAKING))
        beside = there & (far.abs() < ROOM)
        left, right = (~(beside & (side > SAME_LANE)).any(-1) for side in (-y, y))
        # At the edges of the road a change does nothing, so the left one is not asked for on the leftmost lane.
        left = left & (seen[..., 0, 2] > SAME_LANE)
        action = torch.where(nearest > 2 * wanted, FASTER, IDLE)
        evade = torch.where(left, LEFT, torch.where(right, RIGHT, SLOWER))
        action = torch.where(nearest < wanted, torch.where(nearest < wanted / 2, SLOWER, evade), action)
        return Output(_certain(action)), state


class Idle(nn.Module):
    """Keeps its lane and its speed."""

    broadcasts = True

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        return Output(_certain(torch.full(inputs.obs.shape[:3], IDLE))), state


def _certain(action: Tensor) -> Tensor:
    """Logits [*, 5] that take `action` [*]."""
    return torch.where(nn.functional.one_hot(action, 5) > 0, 0.0, choices.NEVER)
