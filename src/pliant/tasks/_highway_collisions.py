"""Collisions of rotated rectangles as highway-env 1.12.1 finds them (`RoadObject.handle_collisions`).

Two rectangles that overlap have crashed. Two that will overlap within the next frame, at constant velocities, are pushed apart
along the axis of least overlap; the push is carried out with the next frame, and whoever is pushed has crashed. Overlap is
decided on the normals of all eight edges (separating axes).
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Bodies(NamedTuple):
    """The rectangles of N scenes, all [N, V] but the last."""

    x: Tensor
    y: Tensor
    heading: Tensor
    speed: Tensor
    length: Tensor
    width: Tensor
    solid: Tensor
    """[V] bool: an obstacle, which nothing pushes."""


class Hits(NamedTuple):
    """What came of looking."""

    crashed: Tensor
    """[N, V] bool, overlaps another."""
    pushed: Tensor
    """[N, V] bool, will overlap another."""
    push: Tensor
    """[N, V, 2] the way it is pushed, m."""


def find(bodies: Bodies, pairs: Tensor, seconds: float) -> Hits:
    """Collisions among `pairs` [P, 2] of vehicles, in the order in which they are looked at; the last push counts."""
    shape = bodies.x.shape
    crashed, pushed = (torch.zeros(shape, dtype=torch.bool) for _ in range(2))
    push = torch.zeros(*shape, 2, dtype=torch.float64)
    row, pair = _candidates(bodies, pairs, seconds).nonzero(as_tuple=True)
    if not len(row):
        return Hits(crashed, pushed, push)
    first, second = pairs[pair].unbind(-1)
    overlap, will, way = _separate(bodies, row, first, second, seconds)
    for one in (first, second):
        crashed[row[overlap], one[overlap]] = True
    row, pair, first, second, way = row[will], pair[will], first[will], second[will], way[will]
    # Who takes part in several is pushed by the pair that is looked at last.
    last = torch.full(shape, -1)
    for one in (first, second):
        last = last.flatten().scatter_reduce(0, row * shape[1] + one, pair, "amax").view(shape)
    share = torch.where(bodies.solid[second], 1.0, 0.5)[:, None]
    for one, part in ((first, way * share), (second, -way * share)):
        decides = (last[row, one] == pair) & ~bodies.solid[one]
        push[row[decides], one[decides]] = part[decides]
        pushed[row[decides], one[decides]] = True
    return Hits(crashed, pushed, push)


def _candidates(bodies: Bodies, pairs: Tensor, seconds: float) -> Tensor:
    """Whether each pair is near enough to be worth a look, [N, P]."""
    reach = torch.sqrt(bodies.length.square() + bodies.width.square()) / 2
    first, second = pairs.unbind(-1)
    far = torch.hypot(bodies.x[:, second] - bodies.x[:, first], bodies.y[:, second] - bodies.y[:, first])
    return ~(far > reach[:, first] + reach[:, second] + bodies.speed[:, first] * seconds)


def _separate(bodies: Bodies, row: Tensor, one: Tensor, other: Tensor, seconds: float) -> tuple[Tensor, Tensor, Tensor]:
    """Of C pairs: overlap now [C], will overlap [C], and how the first would get free [C, 2]."""
    a, b = _corners(bodies, row, one), _corners(bodies, row, other)  # [C, 4, 2]
    moved = _displacement(bodies, row, one, seconds) - _displacement(bodies, row, other, seconds)  # [C, 2]
    apart = a.mean(1) - b.mean(1)
    edge = torch.cat([x.roll(-1, 1) - x for x in (a, b)], dim=1)  # [C, 8, 2]
    normal = torch.stack([-edge[..., 1], edge[..., 0]], dim=-1)
    normal = normal / normal.norm(dim=-1, keepdim=True)
    (low_a, high_a), (low_b, high_b) = ((normal @ x.mT).aminmax(dim=-1) for x in (a, b))  # [C, 8] each
    overlap = ~(_gap(low_a, high_a, low_b, high_b) > 0).any(1)
    ahead = (normal @ moved[..., None]).squeeze(-1)
    gap = _gap(low_a + ahead.clamp(max=0), high_a + ahead.clamp(min=0), low_b, high_b)
    least, size = gap.abs().amin(1), gap.abs()
    first = ((size == least[:, None]) * torch.arange(8, 0, -1)).argmax(1)  # of several as small the first
    axis = normal[torch.arange(len(first)), first]
    axis = torch.where(((apart * axis).sum(-1) > 0)[:, None], axis, -axis)
    return overlap, ~(gap > 0).any(1), least[:, None] * axis


def _corners(bodies: Bodies, row: Tensor, one: Tensor) -> Tensor:
    """The corners of vehicle `one` [C] of scene `row`, [C, 4, 2]."""
    half = torch.stack([bodies.length[row, one], bodies.width[row, one]], dim=-1)[:, None] / 2  # [C, 1, 2]
    local = half * torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, 1.0], [1.0, -1.0]], dtype=torch.float64)
    heading = bodies.heading[row, one][:, None]
    cos, sin = heading.cos(), heading.sin()
    x = cos * local[..., 0] - sin * local[..., 1] + bodies.x[row, one][:, None]
    y = sin * local[..., 0] + cos * local[..., 1] + bodies.y[row, one][:, None]
    return torch.stack([x, y], dim=-1)


def _displacement(bodies: Bodies, row: Tensor, one: Tensor, seconds: float) -> Tensor:
    heading = bodies.heading[row, one]
    velocity = bodies.speed[row, one][:, None] * torch.stack([heading.cos(), heading.sin()], dim=-1)
    return velocity * seconds


def _gap(low_a: Tensor, high_a: Tensor, low_b: Tensor, high_b: Tensor) -> Tensor:
    """Between two intervals, below 0 where they overlap."""
    return torch.where(low_a < low_b, low_b - high_a, low_a - high_b)
