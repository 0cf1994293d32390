"""A critic for agents with memory. Training throws it away, so it may be told what no policy sees.

It judges by the policy's features, by how much of the trial is over, and, when told, by the task itself. That removes most of
the noise of a trial's return: how lucky the task is, is no merit of the policy (Pinto et al. 2018, arXiv:1710.06542). What it
is told can also be a lesson: features from which the task can be read are features of somebody who has found it out.
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
    infer: float = 0.0
    """Weight of half the mean squared error with which a linear layer reads from the features what the critic is told of the
    task: the memory learns to know its task (Humplik et al. 2019, arXiv:1905.06424). Needs `told`."""

    def __post_init__(self) -> None:
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError(f"hidden is {self.hidden}: expected one or more widths of at least 1")
        for name in ("weight", "infer"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}: expected at least 0")
        if self.infer and not self.told:
            raise ValueError(f"infer is {self.infer}: expected 0, because the critic is not told the task (--critic.told)")


class Critic(nn.Module):
    """(features [N, T, F], task [N, K], elapsed [T]) -> standardised value [N, T], and the task it reads from them [N, T, K].

    The first layer is linear in what changes by step, by trial and by time, so each is mapped where it is small.
    """

    def __init__(self, features: int, task_size: int, settings: CriticSettings, generator: torch.Generator) -> None:
        super().__init__()
        self.told, self.shared = settings.told and task_size > 0, settings.shared
        first = settings.hidden[0]
        self.of_features, self.of_time = nn.Linear(features, first), nn.Linear(1, first, bias=False)
        self.of_task = nn.Linear(task_size, first, bias=False) if self.told else None
        self.reads = nn.Linear(features, task_size) if settings.infer and self.told else None
        self.layers = nn.ModuleList([nn.Linear(i, o) for i, o in pairwise((*settings.hidden, 1))])
        for name, p in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(p)
            else:
                nn.init.xavier_uniform_(p, generator=generator)

    def forward(self, features: Tensor, task: Tensor, elapsed: Tensor) -> tuple[Tensor, Tensor | None]:
        x: Tensor = self.of_features(features if self.shared else features.detach()) + self.of_time(elapsed[:, None])
        if self.of_task is not None:
            x = x + self.of_task(task)[:, None]
        for layer in self.layers:
            x = layer(x.relu())
        return x.squeeze(-1), None if self.reads is None else self.reads(features)
