"""Two critics of actions that a policy with memory is trained by, and what they know.

The lesser of two independent judgements is what counts: of one alone, an actor finds the errors that flatter it (Fujimoto et
al. 2018, arXiv:1802.09477).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import torch
from annotated_types import Ge, MinLen
from torch import Tensor, nn

from pliant.algorithms.parts.lessons import LessonSettings
from pliant.algorithms.parts.ring import Piece
from pliant.types import Spec

TWO = 2


@dataclass(frozen=True)
class CriticSettings(LessonSettings):
    """What the critic is told, and what shapes the memory."""

    infer: Annotated[float, Ge(0)] = 1.0
    """As in `rl2`: weight of half the mean squared error with which a linear layer reads the task from the features. Needs
    `told`."""
    told: bool = True
    """The critic knows the task, the observation and the time; otherwise the policy's features and the time. The policy never
    sees the task."""
    remembers: bool = False
    """A critic that is told knows the policy's features too: what is still to be found out is worth what it brings (Baisero and
    Amato 2022, arXiv:2105.11674). Without them it has less to learn, and judges by what the policy does there on average."""
    shared: bool = False
    """The loss of a critic that knows the features also shapes the memory."""
    hidden: Annotated[tuple[Annotated[int, Ge(1)], ...], MinLen(1)] = (256, 256)
    """Width of each hidden layer of both critics, units."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.infer and not self.told:
            raise ValueError(f"infer is {self.infer}: expected 0, because the critic is not told the task (--critic.told)")
        if self.shared and not self.features:
            raise ValueError("shared is true: expected false, because the critic does without features (--critic.remembers)")
        if not (self.any or self.shared):
            raise ValueError(f"infer is {self.infer}: expected more, or foresee or predict: something must shape the memory")

    @property
    def features(self) -> bool:
        """The critic knows the policy's features."""
        return self.remembers or not self.told


class Twins(nn.Module):
    """Two networks side by side, [N, in] -> [2, N, out]: normalised ReLU layers, then a linear one."""

    def __init__(self, size_in: int, hidden: Sequence[int], size_out: int, generator: torch.Generator) -> None:
        super().__init__()
        sizes = (size_in, *hidden, size_out)
        self.weights = nn.ParameterList([torch.empty(TWO, i, o) for i, o in pairwise(sizes)])
        self.biases = nn.ParameterList([torch.zeros(TWO, 1, o) for o in sizes[1:]])
        with torch.no_grad():
            for weight in self.weights:
                edge = math.sqrt(6 / (weight.shape[1] + weight.shape[2]))
                weight.uniform_(-edge, edge, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        x = x.expand(TWO, *x.shape)
        # Not by slices of the lists: torch makes new parameters of what a slice holds, and no gradient comes back from those.
        *hidden, last = zip(self.weights, self.biases, strict=True)
        for weight, bias in hidden:
            x = nn.functional.layer_norm(y := torch.baddbmm(bias, x, weight), y.shape[-1:]).relu()
        return torch.baddbmm(last[1], x, last[0])


def critic(features: int, spec: Spec, settings: CriticSettings, generator: torch.Generator) -> Twins:
    """Critics of a policy with so many features: [n, known] -> one number for each discrete action, or with a continuous action
    behind what is known -> one number."""
    knows = 1 + settings.told * (spec.obs_size + spec.task_size) + settings.features * features
    sizes = (knows, spec.action_size) if spec.discrete else (knows + spec.action_size, 1)
    return Twins(sizes[0], settings.hidden, sizes[1], generator)


def known(settings: CriticSettings, piece: Piece, features: Tensor, whole: int) -> Tensor:
    """What critics know at each step of trials of which the policy has features [N, T, F], [N, T, known].

    Observations have unit size; a whole trial has `whole` steps, 0 for as many as there are.
    """
    N, T = piece.reward.shape
    elapsed = torch.arange(T, device=features.device, dtype=features.dtype) / (whole or T)
    told = [piece.obs, piece.task[:, None].expand(N, T, -1)] if settings.told else []
    seen = [features if settings.shared else features.detach()] if settings.features else []
    return torch.cat([elapsed[:, None].expand(N, T, 1), *told, *seen], dim=-1)
