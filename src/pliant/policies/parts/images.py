"""A small convolutional body for observations that are images; its weights are shared, or stacked per task."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pliant.types import Spec

CHANNELS = (16, 32, 32, 32, 32)
"""Of each layer; a layer halves height and width."""
SMALL = 8
"""Layers are added until no side is longer, pixels."""


class Convolution(nn.Module):
    """ReLU of a 3x3 convolution of stride 2, [M, N, C, H, W] -> [M, N, O, H/2, W/2] rounded up."""

    def __init__(self, size_in: int, size_out: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(size_out, size_in, 3, 3))
        self.bias = nn.Parameter(torch.zeros(size_out))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu", generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        M, N = x.shape[:2]
        if self.weight.dim() == 4:
            shared = F.conv2d(x.flatten(0, 1), self.weight, self.bias, stride=2, padding=1)  # [M*N, O, H, W]
            return torch.relu(shared.unflatten(0, (M, N)))
        weight, bias = self.weight.flatten(0, 1), self.bias.flatten()  # [M*O, C, 3, 3], [M*O]
        stacked = F.conv2d(x.transpose(0, 1).flatten(1, 2), weight, bias, stride=2, padding=1, groups=M)  # [N, M*O, H, W]
        return torch.relu(stacked.unflatten(1, (M, -1)).transpose(0, 1))


class Body(nn.Module):
    """Observations [M, N, D] that are images of `spec` -> features [M, N, F]."""

    def __init__(self, spec: Spec, generator: torch.Generator) -> None:
        super().__init__()
        assert spec.image is not None
        self.image = spec.image
        channels, height, width = spec.image
        layers: list[nn.Module] = []
        for size in CHANNELS:
            if layers and max(height, width) <= SMALL:
                break
            layers.append(Convolution(channels, size, generator))
            channels, height, width = size, (height + 1) // 2, (width + 1) // 2
        self.layers = nn.Sequential(*layers)
        self.size_out = channels * height * width

    def forward(self, obs: Tensor) -> Tensor:
        x: Tensor = self.layers(obs.unflatten(-1, self.image))  # [M, N, C, H, W]
        return x.flatten(2)  # [M, N, F]


def body(spec: Spec, generator: torch.Generator) -> Body | None:
    """The body for images, None for observations that are vectors."""
    return Body(spec, generator) if spec.image else None
