"""A multi-layer perceptron policy, with a convolutional body for images; parameters are shared or per task, without vmap."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

import torch
from annotated_types import Ge, MinLen
from torch import nn

from pliant.policies.parts import images, layers
from pliant.policies.parts.layers import HeadSettings, Linear
from pliant.streams import Stream
from pliant.types import Inputs, Output, Spec, State


@dataclass(frozen=True)
class Settings(HeadSettings):
    """Size and exploration of the policy."""

    hidden: Annotated[tuple[Annotated[int, Ge(1)], ...], MinLen(1)] = (64, 64)
    """Width of each hidden layer, units."""
    activation: Literal["relu", "tanh"] = "tanh"
    """Nonlinearity of the hidden layers."""
    symlog: bool = False
    """Compress observations to sign(x) log(1 + |x|) first, for simulators whose numbers span orders of magnitude."""


class Mlp(nn.Module):
    """Observation in, distribution parameters out; no memory and no critic."""

    broadcasts = True

    def __init__(self, spec: Spec, settings: Settings, generator: torch.Generator) -> None:
        super().__init__()
        self.images = images.body(spec, generator)
        sizes = (self.images.size_out if self.images else spec.obs_size, *settings.hidden)
        self.hidden = nn.ModuleList([Linear(i, o, 1.0, generator) for i, o in pairwise(sizes)])
        self.head = Linear(sizes[-1], spec.action_size, 1.0, generator)
        self.activation = {"relu": torch.relu_, "tanh": torch.tanh_}[settings.activation]
        self.symlog, self.min_std = settings.symlog, settings.min_std
        self.log_std = layers.initial_log_std(spec, settings)
        self.least = layers.least_of(self.log_std, settings.min_std)

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        lead = inputs.obs.shape[:-1]
        x = inputs.obs.flatten(1, -2)  # [M, B*T, D]
        x = layers.symlog(x) if self.symlog else x
        x = self.images(x) if self.images else x
        for layer in self.hidden:
            x = self.activation(layer(x))
        x = layers.dist_of(self.head(x), self.log_std, self.min_std)  # [M, B*T, P]
        return Output(x.unflatten(1, lead[1:])), state


def make(spec: Spec, settings: Settings, stream: Stream) -> Mlp:
    """A freshly initialised policy."""
    return Mlp(spec, settings, stream.generator())
