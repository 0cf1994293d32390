"""A critic for agents with memory. Training throws it away, so it may be told what no policy sees.

It judges by the policy's features, by how much of the trial is over, and, when told, by the task itself. That removes most of
the noise of a trial's return: how lucky the task is, is no merit of the policy (Pinto et al. 2018, arXiv:1710.06542).
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class CriticSettings:
    """What the critic is told, and how much it counts."""

    told: bool = False
    """Tell the critic the task's parameters. The policy never sees them."""
    hidden: tuple[int, ...] = (64,)
    """Width of each hidden layer, units."""
    weight: float = 0.5
    """Weight of the value loss, whose targets are standardised."""
    shared: bool = True
    """The value loss also trains the memory."""

    def __post_init__(self) -> None:
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError(f"hidden is {self.hidden}: expected one or more widths of at least 1")
        if self.weight < 0:
            raise ValueError(f"weight is {self.weight}: expected at least 0")


class Critic(nn.Module):
    """(features [N, T, F], task [N, K], elapsed [T]) -> standardised value [N, T]."""

    def __init__(self, features: int, task_size: int, settings: CriticSettings, generator: torch.Generator) -> None:
        super().__init__()
        self.told, self.shared = settings.told, settings.shared
        sizes = (features + 1 + (task_size if settings.told else 0), *settings.hidden, 1)
        self.layers = nn.ModuleList([nn.Linear(i, o) for i, o in pairwise(sizes)])
        for layer in self.layers:
            nn.init.xavier_uniform_(layer.weight, generator=generator)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor, task: Tensor, elapsed: Tensor) -> Tensor:
        N, T = features.shape[:2]
        features = features if self.shared else features.detach()
        parts = [features, elapsed[:, None].expand(N, T, 1)]
        x = torch.cat([*parts, task[:, None].expand(N, T, -1)] if self.told else parts, dim=-1)
        for layer in self.layers[:-1]:
            x = layer(x).tanh()
        value: Tensor = self.layers[-1](x).squeeze(-1)
        return value
