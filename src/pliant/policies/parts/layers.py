"""What the policies share: layers that take shared or per-task parameters, and the head that turns features into actions."""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Gt
from torch import Tensor, nn

from pliant.maths import functional
from pliant.system import ranges
from pliant.types import Spec


@dataclass(frozen=True)
class HeadSettings:
    """Exploration of a continuous policy; a discrete one has none of it.

    Data that the settings of policies extend.
    """

    init_std: Annotated[float, Gt(0)] = 1.0
    """Standard deviation of a continuous policy before training, in units of the action range [-1, 1]."""
    min_std: Annotated[float, Gt(0)] = 0.05
    """Standard deviation a continuous policy cannot fall below, same units."""

    def __post_init__(self) -> None:
        ranges.check(self)
        if not self.min_std <= self.init_std:
            raise ValueError(f"min_std is {self.min_std} and init_std {self.init_std}: expected min_std <= init_std")


class Linear(nn.Module):
    """Affine map [M, N, in] -> [M, N, out] with weight [out, in] and bias [out], or both stacked per task."""

    def __init__(self, size_in: int, size_out: int, gain: float, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(size_out, size_in))
        self.bias = nn.Parameter(torch.zeros(size_out))
        nn.init.xavier_uniform_(self.weight, gain=gain, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        return affine(x, self.weight, self.bias)


def affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """[M, N, in] -> [M, N, out] with weight [out, in] and bias [out], or both stacked per task."""
    if weight.dim() == 2:
        return nn.functional.linear(x, weight, bias)
    return torch.baddbmm(bias.unsqueeze(-2), x, weight.mT)


def initial_log_std(spec: Spec, settings: HeadSettings) -> nn.Parameter | None:
    """The learned log standard deviation [A] of a continuous policy, None for a discrete one."""
    return None if spec.discrete else nn.Parameter(torch.full((spec.action_size,), math.log(settings.init_std)))


def least_of(log_std: nn.Parameter | None, min_std: float) -> dict[str, float]:
    """What an update keeps of a policy's parameters: its log standard deviation, if it has one, at that of `min_std`."""
    return {} if log_std is None else {"log_std": math.log(min_std)}


def dist_of(x: Tensor, log_std: Tensor | None, min_std: float) -> Tensor:
    """What a policy's last layer says, [M, N, A], as distribution parameters [M, N, P]."""
    if log_std is None:
        return x
    log_std = functional.within(log_std, low=math.log(min_std)).unsqueeze(-2)
    return torch.cat([x, log_std.expand(x.shape)], dim=-1)


def symlog(x: Tensor) -> Tensor:
    """sign(x) log(1 + |x|), with the derivative 1 at 0: a product with the sign would have none there."""
    return torch.where(x < 0, -(-x.clamp(max=0)).log1p(), x.clamp(min=0).log1p())


def over_lanes(p: Tensor, own_dims: int, tasks: int, lanes: int) -> Tensor:
    """A parameter [*s], or stacked [M, *s], as the same value in every lane: [M, B, *s]. `own_dims` is the length of s."""
    shape = p.shape[-own_dims:]
    return (p if p.dim() == own_dims else p.unsqueeze(1)).expand(tasks, lanes, *shape)
