"""A critic for agents with memory. Training throws it away, so it may be told what no policy sees.

It judges by the policy's features, by how much of the trial is over, and, when told, by the task itself. That removes most of
the noise of a trial's return: how lucky the task is, is no merit of the policy (Pinto et al. 2018, arXiv:1710.06542). What it
is told can also be a lesson: features from which the task can be read are features of somebody who has found it out.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, NamedTuple

import torch
from annotated_types import Ge, MinLen
from torch import Tensor, nn

from pliant.system import ranges
from pliant.types import Spec


@dataclass(frozen=True)
class CriticSettings:
    """What the critic is told, and how much it counts."""

    told: bool = False
    """Tell the critic the task's parameters. The policy never sees them."""
    hidden: Annotated[tuple[Annotated[int, Ge(1)], ...], MinLen(1)] = (64,)
    """Width of each hidden layer, units."""
    weight: Annotated[float, Ge(0)] = 0.5
    """Weight of the value loss, whose targets are standardised."""
    shared: bool = True
    """The value loss also trains the memory."""
    infer: Annotated[float, Ge(0)] = 0.0
    """Weight of half the mean squared error with which a linear layer reads from the features what the critic is told of the
    task: the memory learns to know its task (Humplik et al. 2019, arXiv:1905.06424). Needs `told`."""
    predict: Annotated[float, Ge(0)] = 0.0
    """Weight of half the mean squared error with which the standardised reward of a step is predicted from features and action,
    linear in either: the memory learns what actions bring (a small part of what the decoder of Zintgraf et al. 2020,
    arXiv:1910.08348, does)."""
    foresee: Annotated[float, Ge(0)] = 0.0
    """Weight of half the mean squared error with which standardised reward and next observation, as the policy sees it, of a
    random other step of the trial (of its chunk, if the trial is learned from in chunks) are predicted from the features, and
    what was seen and done there: the memory learns what world it is in."""

    def __post_init__(self) -> None:
        ranges.check(self)
        if self.infer and not self.told:
            raise ValueError(f"infer is {self.infer}: expected 0, because the critic is not told the task (--critic.told)")


class Judgement(NamedTuple):
    """What a critic says of each step."""

    value: Tensor
    """[N, T], standardised."""
    task: Tensor | None
    """[N, T, K] as far as the features know it; None if nobody wants to know."""
    reward: Tensor | None
    """[N, T] of the action taken, standardised, as far as the features know it; None if nobody wants to know."""


class Critic(nn.Module):
    """(features [N, T, F], task [N, K], elapsed [T], action [N, T] int64 or [N, T, A]) -> Judgement.

    The first layer is linear in what changes by step, by trial and by time, so each is mapped where it is small.
    """

    def __init__(self, features: int, spec: Spec, settings: CriticSettings, generator: torch.Generator) -> None:
        super().__init__()
        self.told, self.shared = settings.told and spec.task_size > 0, settings.shared
        self.actions = spec.action_size
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
        self.reads = nn.Linear(features, spec.task_size) if settings.infer and self.told else None
        self.predicts = nn.Linear(features, self.actions + 1) if settings.predict else None
        self.layers = nn.ModuleList([nn.Linear(i, o) for i, o in pairwise((*settings.hidden, 1))])

    def forward(self, features: Tensor, task: Tensor, elapsed: Tensor, action: Tensor) -> Judgement:
        x: Tensor = self.of_features(features if self.shared else features.detach()) + self.of_time(elapsed[:, None])
        if self.of_task is not None:
            x = x + self.of_task(task)[:, None]
        for layer in self.layers:
            x = layer(x.relu())
        read = None if self.reads is None else self.reads(features)
        reward = None if self.predicts is None else (self.predicts(features) * self._acted(action).to(x)).sum(-1)
        return Judgement(x.squeeze(-1), read, reward)

    def _acted(self, action: Tensor) -> Tensor:
        """[N, T, A + 1]: one-hot or as it is, and a constant."""
        action = action if action.is_floating_point() else nn.functional.one_hot(action, self.actions)
        return nn.functional.pad(action, (0, 1), value=1)
