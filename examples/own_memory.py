"""A memory of your own: traces of what came in, each fading at a rate of its own that is learned.

trace <- keep * trace + (1 - keep) * tanh(W x)        keep = sigmoid(rate)

pliant train rl2 bandit --policy own_memory.py --policy.size 32 --outer.scale reward
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Unit
from torch import Tensor, nn

from pliant.policies.parts import layers
from pliant.policies.parts.memory import MemoryPolicy, MemorySettings
from pliant.streams import Stream
from pliant.types import Inputs, Spec


@dataclass(frozen=True)
class Settings(MemorySettings):
    """How many traces (`size`), what they see of a step, and how long they last."""

    longest: Annotated[float, Ge(2), Unit("steps")] = 50.0
    """Steps that the slowest trace lasts before training; the fastest lasts 2."""


class Traces(nn.Module):
    """State: the traces, [M, B, H]. What a memory must keep to is said in `pliant.policies.base.Memory`."""

    def __init__(self, size_in: int, settings: Settings, generator: torch.Generator) -> None:
        super().__init__()
        self.size_out = settings.size
        self.into = layers.Linear(size_in, settings.size, 1.0, generator)
        lasts = torch.linspace(2.0, settings.longest, settings.size)  # steps: keep = 1 - 1 / lasts
        self.rate = nn.Parameter((lasts - 1).log())

    def start(self, tasks: int, lanes: int) -> Tensor:
        return self.into.bias.new_zeros(tasks, lanes, self.size_out)

    def forward(self, x: Tensor, inputs: Inputs, state: Tensor) -> tuple[Tensor, Tensor]:
        came = self.into(x.flatten(1, 2)).tanh().unflatten(1, x.shape[1:3])  # [M, B, T, H]
        keep = layers.over_lanes(self.rate.sigmoid(), 1, *x.shape[:2])  # [M, B, H], of shared parameters or of each task's
        seen = []
        for now in came.unbind(2):
            state = torch.lerp(now, state, keep)
            seen.append(state)
        return torch.stack(seen, dim=2), state


def make(spec: Spec, settings: Settings, stream: Stream) -> MemoryPolicy:
    """A freshly initialised policy: the inputs' encoder, these traces, and a head."""
    return MemoryPolicy(spec, settings, lambda size_in, generator: Traces(size_in, settings, generator), stream)
