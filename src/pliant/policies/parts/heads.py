"""Heads: how a policy with memory turns what it knows into an action distribution."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from pliant.policies.parts.layers import Linear

MOST_STD = 2.0
"""Of a squashed Gaussian before the tanh: a wider one only doubles the ends."""


class Layers(nn.Module):
    """Normalised ReLU layers and a linear one, [M, N, F] -> [M, N, out].

    Each hidden layer is brought to mean 0 and deviation 1 before the ReLU (Ba et al. 2016, arXiv:1607.06450), without a gain or
    a bias of its own: what it says does not grow with what it is given.
    """

    def __init__(self, sizes: Sequence[int], gain: float, generator: torch.Generator) -> None:
        super().__init__()
        gains = [math.sqrt(2)] * (len(sizes) - 2) + [gain]
        made = [Linear(i, o, g, generator) for (i, o), g in zip(pairwise(sizes), gains, strict=True)]
        self.layers = nn.ModuleList(made[:-1])
        self.last = made[-1]

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = nn.functional.layer_norm(y := layer(x), y.shape[-1:]).relu()
        out: Tensor = self.last(x)
        return out


class Hyper(nn.Module):
    """A head whose weights the features generate: [M, N, F + X] -> [M, N, out], X numbers of what is seen now.

    features -> normalised layers -> weights of a tanh layer and of a linear one, which read what is seen

    A hypernetwork as in Beck et al. 2022, arXiv:2210.11348, "bias-HyperInit": at first it generates the same weights whatever
    the features are, those that a head of its own would have begun with.
    """

    def __init__(self, sizes: Sequence[int], seen: int, units: int, out: int, gain: float, generator: torch.Generator) -> None:
        super().__init__()
        self.sizes = [units * seen, units, out * units, out]
        self.into = [sizes[0], seen]
        self.trunk = nn.ModuleList([Linear(i, o, math.sqrt(2), generator) for i, o in pairwise(sizes)])
        self.generates = Linear(sizes[-1], sum(self.sizes), 1.0, generator)
        first, last = Linear(seen, units, 1.0, generator), Linear(units, out, gain, generator)
        with torch.no_grad():
            self.generates.weight.zero_()
            self.generates.bias.copy_(torch.cat([p.flatten() for p in (first.weight, first.bias, last.weight, last.bias)]))

    def forward(self, x: Tensor) -> Tensor:
        x, seen = x.split(self.into, dim=-1)
        for layer in self.trunk:
            x = nn.functional.layer_norm(y := layer(x), y.shape[-1:]).relu()
        first, shift, last, bias = self.generates(x).split(self.sizes, dim=-1)  # [M, N, *]
        hidden = ((first.unflatten(-1, (-1, seen.shape[-1])) @ seen.unsqueeze(-1)).squeeze(-1) + shift).tanh()
        out: Tensor = (last.unflatten(-1, (-1, hidden.shape[-1])) @ hidden.unsqueeze(-1)).squeeze(-1) + bias
        return out


def squashed(x: Tensor, init_std: float, min_std: float) -> Tensor:
    """Distribution parameters [M, N, 2A] of a squashed Gaussian whose deviation is the head's to say, step by step.

    The head's second half is a logit of where the log deviation lies between those of `min_std` and MOST_STD; zeros stand for
    `init_std`.
    """
    mean, logit = x.chunk(2, dim=-1)
    low, high, start = math.log(min_std), math.log(MOST_STD), math.log(init_std)
    share = (logit + math.log((start - low) / (high - start))).sigmoid()
    return torch.cat([mean, low + (high - low) * share], dim=-1)
