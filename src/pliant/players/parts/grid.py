"""What reference agents on square grids share: knowing where a step led, walking straight to a cell, and walking at random."""

import torch
from torch import Tensor, nn

from pliant.players.parts import choices
from pliant.simulators import grid
from pliant.tasks.base import Family
from pliant.types import Inputs, Output, State


class Map:
    """The grid as every agent knows it."""

    def __init__(self, size: int) -> None:
        self.destination = grid.destinations(size)  # [cells, actions]
        self.distance = grid.distances(size)  # [cells, cells]

    def here(self, inputs: Inputs) -> Tensor:
        """The agent's cell, [M, B]."""
        return inputs.obs[:, :, 0].argmax(-1)

    def landed(self, before: Tensor, inputs: Inputs) -> Tensor:
        """Where the previous action led from `before` [M, B]; an episode's end hides it from the observation."""
        return self.destination[before, inputs.prev_action[:, :, 0]]

    def towards(self, here: Tensor, target: Tensor) -> Tensor:
        """Logits [M, B, 1, actions] that take the shortest way from `here` to `target` [M, B], all such ways alike."""
        left = self.distance[self.destination[here], target[..., None]]  # [M, B, actions]
        best = left == left.amin(-1, keepdim=True)
        return torch.where(best, 0.0, choices.NEVER).unsqueeze(2)


class Random(nn.Module):
    """All moves alike."""

    broadcasts = True

    def __init__(self, family: Family) -> None:
        super().__init__()
        self.actions = family.spec.action_size

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        return Output(inputs.obs.new_zeros(*inputs.obs.shape[:3], self.actions)), state
