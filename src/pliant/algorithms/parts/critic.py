"""A critic for agents with memory. Training throws it away, so it may be told what no policy sees.

It judges by the policy's features, by how much of the trial is over, and, when told, by the task itself. That removes most of
the noise of a trial's return: how lucky the task is, is no merit of the policy (Pinto et al. 2018, arXiv:1710.06542). What it
is told can also be a lesson (`lessons`).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import torch
from annotated_types import Ge, MinLen
from torch import Tensor, nn

from pliant.algorithms.parts.lessons import LessonSettings
from pliant.types import Spec


@dataclass(frozen=True)
class CriticSettings(LessonSettings):
    """What the critic is told, how much it counts, and what else shapes the memory."""

    told: bool = False
    """Tell the critic the task's parameters. The policy never sees them."""
    hidden: Annotated[tuple[Annotated[int, Ge(1)], ...], MinLen(1)] = (64,)
    """Width of each hidden layer, units."""
    weight: Annotated[float, Ge(0)] = 0.5
    """Weight of the value loss, whose targets are standardised."""
    shared: bool = True
    """The value loss also trains the memory."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.infer and not self.told:
            raise ValueError(f"infer is {self.infer}: expected 0, because the critic is not told the task (--critic.told)")


class Critic(nn.Module):
    """(features [N, T, F], task [N, K], elapsed [T]) -> value [N, T], standardised.

    The first layer is linear in what changes by step, by trial and by time, so each is mapped where it is small.
    """

    def __init__(self, features: int, spec: Spec, settings: CriticSettings, generator: torch.Generator) -> None:
        super().__init__()
        self.told, self.shared = settings.told and spec.task_size > 0, settings.shared
        with torch.random.fork_rng(devices=[]):  # torch's layers draw where everybody draws; what they draw is replaced below
            self._layers(features, spec, settings)
        for name, p in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(p)
            else:
                nn.init.xavier_uniform_(p, generator=generator)

    def _layers(self, features: int, spec: Spec, settings: CriticSettings) -> None:
        first = settings.hidden[0]
        self.of_features, self.of_time = nn.Linear(features, first), nn.Linear(1, first, bias=False)
        self.of_task = nn.Linear(spec.task_size, first, bias=False) if self.told else None
        self.layers = nn.ModuleList([nn.Linear(i, o) for i, o in pairwise((*settings.hidden, 1))])

    def forward(self, features: Tensor, task: Tensor, elapsed: Tensor) -> Tensor:
        x: Tensor = self.of_features(features if self.shared else features.detach()) + self.of_time(elapsed[:, None])
        if self.of_task is not None:
            x = x + self.of_task(task)[:, None]
        for layer in self.layers:
            x = layer(x.relu())
        return x.squeeze(-1)
