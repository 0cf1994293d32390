"""Collisions of rotated rectangles as highway-env 1.12.1 finds them (`RoadObject.handle_collisions`).

Two rectangles that overlap have crashed. Two that will overlap within the next frame, at constant velocities, are pushed apart
along the axis of least overlap; the push is carried out with the next frame, and whoever is pushed has crashed. Overlap is
decided on the normals of all eight edges (separating axes).
"""

from typing import NamedTuple

import torch
from torch import Tensor

_ALONG = torch.tensor([-1.0, -1.0, 1.0, 1.0], dtype=torch.float64)
_ACROSS = torch.tensor([-1.0, 1.0, 1.0, -1.0], dtype=torch.float64)
"""A rectangle's corners, in the order of highway-env."""


class Bodies(NamedTuple):
    """The rectangles of N scenes, all [N, V] but the last."""

    x: Tensor
    y: Tensor
    cos: Tensor
    """Of the heading."""
    sin: Tensor
    speed: Tensor
    length: Tensor
    breadth: Tensor
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


def find(bodies: Bodies, turn: Tensor, seconds: float) -> Hits:
    """Collisions of pairs of vehicles. `turn` [V, V] says when each pair is looked at, first vehicle first; -1 for never.

    The last push counts.
    """
    shape = bodies.x.shape
    crashed, pushed = (torch.zeros(shape, dtype=torch.bool) for _ in range(2))
    push = torch.zeros(*shape, 2, dtype=torch.float64)
    row, first, second = _candidates(bodies, turn, seconds)
    if not len(row):
        return Hits(crashed, pushed, push)
    pair = turn[first, second]
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


def _candidates(bodies: Bodies, turn: Tensor, seconds: float) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs near enough to be worth a look: scenes, first and second vehicles, [C] each.

    Who stands next, next but one, and so on along the road, until nobody is near any more.
    """
    reach = torch.hypot(bodies.length, bodies.breadth) / 2
    x, order = bodies.x.sort(dim=1)
    most = 2 * float(reach.max()) + float(bodies.speed.abs().max()) * seconds + 1e-6
    found = []
    for apart in range(1, x.shape[1]):
        row, place = (x[:, apart:] - x[:, :-apart] <= most).nonzero(as_tuple=True)
        if not len(row):
            break
        found.append(torch.stack([row, order[row, place], order[row, place + apart]]))
    row, one, other = torch.cat(found, dim=1) if found else torch.zeros(3, 0, dtype=torch.int64)
    first, second = torch.minimum(one, other), torch.maximum(one, other)
    looked = turn[first, second] >= 0
    row, first, second = row[looked], first[looked], second[looked]
    far = torch.hypot(bodies.x[row, second] - bodies.x[row, first], bodies.y[row, second] - bodies.y[row, first])
    near = ~(far > reach[row, first] + reach[row, second] + bodies.speed[row, first] * seconds)
    return row[near], first[near], second[near]


def _separate(bodies: Bodies, row: Tensor, one: Tensor, other: Tensor, seconds: float) -> tuple[Tensor, Tensor, Tensor]:
    """Of C pairs: overlap now [C], will overlap [C], and how the first would get free [C, 2]."""
    table = torch.stack(bodies[:-1], dim=-1)  # [N, V, 7]
    ours, theirs = table[row, one], table[row, other]  # [C, 7]
    a, b = _corners(ours), _corners(theirs)  # [C, 4, 2]
    moved = ours[:, 4:5] * seconds * ours[:, 2:4] - theirs[:, 4:5] * seconds * theirs[:, 2:4]  # [C, 2]
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


def _corners(body: Tensor) -> Tensor:
    """The corners of C bodies, [C, 4, 2]."""
    x, y, cos, sin, _, length, breadth = body[:, :, None].unbind(1)  # [C, 1]
    along, across = length / 2 * _ALONG, breadth / 2 * _ACROSS  # [C, 4]
    return torch.stack([cos * along - sin * across + x, sin * along + cos * across + y], dim=-1)


def _gap(low_a: Tensor, high_a: Tensor, low_b: Tensor, high_b: Tensor) -> Tensor:
    """Between two intervals, below 0 where they overlap."""
    return torch.where(low_a < low_b, low_b - high_a, low_a - high_b)
