"""Reference agents for binding: memories that keep the last so many pairs, exactly."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pliant.families import binding
from pliant.players.parts import choices
from pliant.streams import Stream
from pliant.tasks.base import Family, Tasks
from pliant.types import Inputs, Output, State


class Memory(nn.Module):
    """Answers from the last `capacity` pairs that it was shown, and spreads evenly over all labels otherwise."""

    broadcasts = True

    def __init__(self, settings: binding.Settings, capacity: int) -> None:
        super().__init__()
        self.settings, self.capacity = settings, capacity

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        s, obs = self.settings, inputs.obs[:, :, 0]  # [M, B, D]
        symbol = ((obs[..., : s.bits] > 0) * 2 ** torch.arange(s.bits)).sum(-1, keepdim=True)  # [M, B, 1]
        label = obs[..., s.bits : s.bits + s.labels]
        key, value = state if state != () else self._empty(symbol)
        is_shown = label.sum(-1, keepdim=True) > 0  # [M, B, 1]
        key = torch.where(is_shown, torch.cat([key[..., 1:], symbol], -1), key)  # [M, B, capacity]
        value = torch.where(is_shown, torch.cat([value[..., 1:], label.argmax(-1, keepdim=True)], -1), value)
        match = (key == symbol).long()
        answer = value.gather(-1, match.argmax(-1, keepdim=True))  # [M, B, 1]
        against = (torch.arange(s.labels) != answer) & match.any(-1, keepdim=True)  # [M, B, labels]
        return Output((against * choices.NEVER).unsqueeze(2)), (key, value)

    def _empty(self, symbol: Tensor) -> tuple[Tensor, Tensor]:
        key = torch.full((*symbol.shape[:2], self.capacity), -1)
        return key, torch.zeros_like(key)


class Random(nn.Module):
    """Gives every label equally often."""

    broadcasts = True

    def __init__(self, settings: binding.Settings) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        return Output(torch.zeros(*inputs.first.shape, self.settings.labels)), state


def players(family: Family, stream: Stream) -> dict[str, nn.Module]:
    """`perfect` remembers every pair, `last` only the last one shown, `random` none."""
    s: binding.Settings = family.settings
    return {"perfect": Memory(s, s.pairs), "last": Memory(s, 1), "random": Random(s)}


def ceiling(family: Family, tasks: Tasks, episodes: int) -> NDArray[np.float64]:
    """Expected return of a trial of an agent that knows the labels: every answer is right, [M]."""
    return np.full(len(tasks), float(episodes * family.settings.asked))


def optimum(family: Family, episodes: int) -> float:
    """Expected return of a trial of the Bayes-optimal agent: every answer is right.

    What is asked has been shown in the same episode and codes differ, so that a perfect memory reaches the ceiling.
    """
    return float(episodes * family.settings.asked)
