"""A reference agent of your own for a family of your own: what a classical controller makes of the same tasks.

    pliant train maml own_player.py --out runs/tank
    pliant evaluate runs/tank --players --import own_player
"""

import numpy as np
import torch
from own_family import Settings, family  # the tasks that are played: a player stands in the family's own module
from torch import nn

from pliant.types import Output

__all__ = ["Settings", "ceiling", "family", "optimum", "players"]


class Deadbeat(nn.Module):
    """Works out the level that is wanted and the hole from what it sees, and opens the tap as if both were certain.

    Rewards say how far the level is off, so the wanted one is above or below: whichever was possible a step ago too. It
    remembers that step: the levels that were possible [M, B, 2], the level and the hole [M, B].
    """

    def forward(self, inputs, state):
        level = (inputs.obs[:, :, 0, 0] + 2) / 4  # [M, B], metres; a player is asked for one step at a time
        tap = 0.1 * (inputs.prev_action[:, :, 0, 0].clamp(-1, 1) + 1) / 2
        off = -inputs.prev_reward[:, :, 0]
        possible = torch.stack([level + off, level - off], dim=-1)
        hole, wanted = torch.full_like(level, 0.04), possible[..., 0]
        if state != ():
            before, last, hole = state
            nearest = (possible.unsqueeze(-1) - before.unsqueeze(-2)).abs().amin(-1).argmin(-1, keepdim=True)
            wanted = possible.gather(-1, nearest)[..., 0]
            inside = (level > 0) & (level < 1) & ~inputs.first[:, :, 0]  # else the tank was empty, full or set back
            hole = torch.where(inside, (last + tap - level) / last.clamp(min=0.01).sqrt(), hole)
        action = 20 * (wanted - level + hole * level.sqrt()) - 1
        dist = torch.stack([action.clamp(-1, 1), torch.full_like(action, -6.0)], dim=-1)  # mean, log standard deviation
        return Output(dist.unsqueeze(2)), (possible, level, hole)  # [M, B, 1, P], what it remembers


def players(family, stream):
    """The reference agents by name: modules from inputs and a state to actions, as policies are."""
    return {"deadbeat": Deadbeat()}


def optimum(family, episodes):
    """The best return of a trial of any agent that is not told the task; here nobody knows it."""


def ceiling(family, tasks, episodes):
    """The return of a trial, [M], of an agent that is told the task: as near to the level as the tap allows, every second."""
    wanted, hole = tasks.arrays["wanted"], tasks.arrays["hole"]
    level, total = np.full(len(tasks), 0.5), np.zeros(len(tasks))
    for _ in range(family.horizon):
        lowest = level - hole * np.sqrt(level)
        level = np.clip(wanted, lowest, np.minimum(lowest + 0.1, 1))
        total -= np.abs(level - wanted)
    return episodes * total
