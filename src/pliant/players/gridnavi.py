"""Reference agents for grid navigation: the Bayes-optimal search, posterior sampling, random moves; what knowing is worth.

In the default grid (21 possible goals, 15 steps an episode, 4 episodes) knowing the goal is worth 44.286 on average, and the
best that an agent can earn that does not know it is 37.214: any search loses 7.071 or more, that of `bayes` exactly this.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pliant.families import gridnavi
from pliant.players.parts import tour as touring
from pliant.players.parts.grid import Map, Random
from pliant.simulators import grid
from pliant.streams import Stream
from pliant.tasks.base import Family, Tasks
from pliant.types import Inputs, Output, State

UNKNOWN = -1


def players(family: Family, stream: Stream) -> dict[str, nn.Module]:
    """The agents by name."""
    return {
        "bayes": Bayes(family),
        "posterior-sampling": PosteriorSampling(family, stream.at("posterior-sampling")),
        "random": Random(family),
    }


def ceiling(family: Family, tasks: Tasks, episodes: int) -> NDArray[np.float64]:
    """Return of a trial when the goal is known and the shortest way is taken, [M]; exact.

    A goal d moves away pays on the steps d to H, and every step before costs.
    """
    far = grid.distances(family.settings.size)[0].numpy()[tasks.arrays["goal"].astype(np.int64)]
    paid = np.clip(family.horizon + 1 - far, 0, None)
    return np.asarray(episodes * (gridnavi.GOAL_REWARD * paid + gridnavi.STEP_REWARD * (family.horizon - paid)))


def optimum(family: Family, episodes: int) -> float | None:
    """Expected return of a trial of the best agent that does not know the goal; exact.

    The ceiling less the steps that the best search is late on the goal (`parts/tour.py`, with its proof). None where that
    search is not proven best; in the default grid it is.
    """
    tour = _best(family.settings.size, family.horizon, episodes)
    goals = np.array(gridnavi.goals(family.settings.size), dtype=np.float64)
    known = ceiling(family, Tasks(family.name, {"goal": goals}), episodes).mean()
    worth = gridnavi.GOAL_REWARD - gridnavi.STEP_REWARD
    return float(known - worth * tour.late / len(goals)) if tour.proven else None


@lru_cache
def _best(size: int, horizon: int, episodes: int) -> touring.Tour:
    return touring.search(size, gridnavi.goals(size), horizon, episodes)


class _Search(NamedTuple):
    """What `Bayes` remembers, all [M, B] int64."""

    here: Tensor
    step: Tensor
    """Of the trial."""
    goal: Tensor
    """`UNKNOWN` until it is found."""


class Bayes(nn.Module):
    """Follows the best search for a trial of the family's length until it finds the goal, and then always goes straight to it.

    Bayes-optimal where the search is proven best (see `optimum`). Where it is over and nothing was found, as with goals that
    training does not have, all moves are alike.
    """

    broadcasts = True

    def __init__(self, family: Family) -> None:
        super().__init__()
        tour = _best(family.settings.size, family.horizon, family.episodes)
        self.map = Map(family.settings.size)
        self.path = torch.from_numpy(tour.cells).flatten()  # [steps]

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        here = self.map.here(inputs)
        if state == ():
            state = _Search(here, torch.zeros_like(here), torch.full_like(here, UNKNOWN))
        else:
            paid = inputs.prev_reward[:, :, 0] > 0
            goal = torch.where(paid, self.map.landed(state.here, inputs), state.goal)
            state = _Search(here, state.step + 1, goal)
        planned = self.path[state.step.clamp(max=len(self.path) - 1)]
        known = state.goal != UNKNOWN
        logits = self.map.towards(here, torch.where(known, state.goal, planned))
        lost = ~known & (state.step >= len(self.path))
        return Output(torch.where(lost[..., None, None], 0.0, logits)), state


class _Belief(NamedTuple):
    """What `PosteriorSampling` remembers."""

    here: Tensor
    """[M, B]"""
    possible: Tensor
    """[M, B, cells] bool, where the goal may be."""
    target: Tensor
    """[M, B] where the goal is taken to be in this episode."""
    generator: torch.Generator


class PosteriorSampling(nn.Module):
    """Draws a goal from the posterior at the start of each episode, goes there and stays.

    Strens 2000; Osband et al. 2013, arXiv:1306.0940; the comparison of Zintgraf et al. 2020, figure 1. The posterior is
    uniform over the possible goals that paid nothing when stepped on. What an episode teaches is used from the next on.
    """

    broadcasts = True

    def __init__(self, family: Family, stream: Stream) -> None:
        super().__init__()
        self.map = Map(family.settings.size)
        self.stream = stream
        self.cell = torch.arange(family.settings.size**2)
        self.prior = torch.isin(self.cell, torch.tensor(gridnavi.goals(family.settings.size)))  # [cells]

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        here = self.map.here(inputs)
        if state == ():
            possible, target, generator = self.prior.expand(*here.shape, -1), here, self.stream.generator()
        else:
            _, possible, target, generator = state
            landed = self.map.landed(state.here, inputs)[..., None] == self.cell  # [M, B, cells]
            paid = inputs.prev_reward > 0  # [M, B, 1]
            possible = torch.where(paid, landed, possible & ~landed)
        first = inputs.first[:, :, 0]
        if bool(first.any()):
            draw = torch.rand(here.shape, generator=generator, dtype=torch.float64)
            target = torch.where(first, _drawn(possible, draw), target)
        return Output(self.map.towards(here, target)), _Belief(here, possible, target, generator)


def _drawn(possible: Tensor, draw: Tensor) -> Tensor:
    """One of the cells that are `possible` [M, B, cells], all alike, by `draw` [M, B] in [0, 1); any cell where none is."""
    among = possible | ~possible.any(-1, keepdim=True)
    rank = among.long().cumsum(-1)  # [M, B, cells] the how-manieth possible cell each is
    chosen = (draw * rank[..., -1]).long()
    return (rank > chosen[..., None]).long().argmax(-1)
