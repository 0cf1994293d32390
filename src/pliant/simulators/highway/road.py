"""The roads of highway-env in batches: a straight highway, and a highway that a ramp joins.

Repeats `RoadNetwork`, `StraightLane` and `SineLane` of highway-env 1.12.1 (Leurent 2018), for N scenes at once whose number of
lanes differs. All lanes run along x, so the coordinate along any of them is x less where it begins. A lane is a number below
`lanes`; what that number means is the road's own business. x, y are m, headings rad.
"""

import copy
import math

import torch
from torch import Tensor

WIDTH = 4.0
"""Of a lane, m."""
MARGIN = 5.0
"""Lanes reach this far beyond both ends, m (`AbstractLane.VEHICLE_LENGTH`)."""
SPEED_LIMIT = 30.0
"""Of every lane, m/s."""


def wrapped(angle: Tensor) -> Tensor:
    """An angle in [-pi, pi)."""
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi


class Straight:
    """N highways side by side, each with `count` [N] lanes of 10 km along x; lane k lies at y = 4 k."""

    LENGTH = 10_000.0

    def __init__(self, count: Tensor) -> None:
        self.count = count
        self.lanes = int(count.max())
        self.centre = WIDTH * torch.arange(self.lanes, dtype=torch.float64)  # [K]
        self.exists = torch.arange(self.lanes) < count[:, None]  # [N, K]

    def part(self, rows: Tensor) -> "Straight":
        """Some of them."""
        return Straight(self.count[rows])

    def closest(self, x: Tensor, y: Tensor, heading: Tensor) -> Tensor:
        """The lane nearest to each vehicle, [N, V]; of two as near the first."""
        nearest = torch.ceil(y / WIDTH - 0.5).long().clamp(min=0)
        return torch.minimum(nearest, self.count[:, None] - 1)

    def near(self, x: Tensor, y: Tensor) -> Tensor:
        """Whether vehicles [N, V] count as neighbours on each lane, [N, V, K]: within 1 m of it.

        A lane that a scene does not have may get some, but nobody asks for them.
        """
        return (y[..., None] - self.centre).abs() <= WIDTH / 2 + 1

    def offset(self, row: Tensor, lane: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """How far right of a lane's middle a vehicle is, m. `row` says in which scene; all of one shape."""
        return y - WIDTH * lane

    def heading(self, lane: Tensor, x: Tensor) -> Tensor:
        """Of a lane."""
        return torch.zeros_like(x)

    def along(self, lane: Tensor, x: Tensor, before: float) -> Tensor:
        """Whether x lies on a lane or beyond its ends: at most `before` m before it, less than `MARGIN` after it."""
        return (x >= -before) & (x < self.LENGTH + MARGIN)

    def beside(self, row: Tensor, lane: Tensor, right: bool) -> tuple[Tensor, Tensor]:
        """The lane to one side and whether there is one; where there is none, the lane itself."""
        exists = lane < self.count[row] - 1 if right else lane > 0
        return torch.where(exists, lane + (1 if right else -1), lane), exists

    def open(self, row: Tensor, lane: Tensor) -> Tensor:
        """Whether a lane may be changed to."""
        return torch.ones_like(lane, dtype=torch.bool)

    def following(self, lane: Tensor, x: Tensor, row: Tensor) -> Tensor:
        """The lane to go on in, where the end of `lane` is near: the same, the highway has no end that matters."""
        return lane

    def number(self, lane: Tensor) -> Tensor:
        """Which lane of its section it is, from the left."""
        return lane

    def same_section(self, one: Tensor, other: Tensor) -> Tensor:
        """Whether two lanes belong to the same section of the road."""
        return torch.ones_like(one, dtype=torch.bool)


class Merge:
    """N highways of `count` [N] lanes that a ramp joins from the right; merge-generic-v1's road, with its default lengths.

    Sections, in the order in which highway-env searches them: ab before the merge (count lanes), bc beside the ramp (count
    lanes and the ramp's last stretch), cd after it (count lanes), jk the ramp, kb where it bends towards the highway.
    Whoever drives on the next or the previous section counts as a neighbour too: that is new in version 1.
    """

    BEFORE, CONVERGE, PARALLEL, AFTER = 150.0, 80.0, 80.0, 150.0
    END = BEFORE + CONVERGE + PARALLEL + AFTER - 90.0
    """Where an episode ends, m."""
    AMPLITUDE, PULSATION, PHASE = 3.25, 2 * math.pi / (2 * CONVERGE), math.pi / 2
    """Of the sine by which section kb bends."""
    AB, BC, CD, JK, KB = range(5)

    def __init__(self, count: Tensor) -> None:
        self.count, most = count, int(count.max())
        section = [self.AB] * most + [self.BC] * (most + 1) + [self.CD] * most + [self.JK, self.KB]
        number = [*range(most), *range(most + 1), *range(most), 0, 0]
        self.lanes = len(section)
        self.section, self.index = torch.tensor(section), torch.tensor(number)  # [K]
        begins = torch.tensor([0.0, self.BEFORE + self.CONVERGE, self.BEFORE + self.CONVERGE + self.PARALLEL, 0.0, self.BEFORE])
        lengths = torch.tensor([self.BEFORE + self.CONVERGE, self.PARALLEL, self.AFTER, self.BEFORE, self.CONVERGE])
        self.begin, self.length = begins.double()[self.section], lengths.double()[self.section]  # [K]
        self.first = torch.tensor([0, most, 2 * most + 1, 3 * most + 1, 3 * most + 2])  # of each section
        one = torch.ones_like(count)
        self.size = torch.stack([count, count + 1, count, one, one], dim=1)  # [N, 5] lanes of each section
        self.exists = self.index < self.size[:, self.section]  # [N, K]
        side = WIDTH * count[:, None]  # [N, 1] where the ramp joins
        ramp = torch.where(self.section == self.JK, side + 2 * self.AMPLITUDE, side + self.AMPLITUDE)
        self.centre = torch.where(self.section >= self.JK, ramp.double(), WIDTH * self.index.double())  # [N, K]
        self.bends = self.section == self.KB  # the last lane alone
        self.near_centre = torch.where(self.exists, self.centre, math.inf)  # nobody is near a lane that is not there
        self.connection = self._connection().float()

    def part(self, rows: Tensor) -> "Merge":
        """Some of them."""
        other = copy.copy(self)
        for name in ("count", "size", "exists", "centre", "near_centre", "connection"):
            setattr(other, name, getattr(self, name)[rows])
        return other

    def closest(self, x: Tensor, y: Tensor, heading: Tensor) -> Tensor:
        """The lane nearest to each vehicle in position and heading, [N, V]; of two as near the first."""
        nearest = torch.ceil(y / WIDTH - 0.5).long().clamp(min=0)[..., None]
        nearest = torch.minimum(nearest, self.size[:, None] - 1)  # [N, V, 5] of each section
        centre = WIDTH * nearest.double()
        centre[..., self.JK :] = self.centre[:, None, self.first[self.JK] :]
        along, offset = x[..., None] - self.begin[self.first], y[..., None] - centre
        offset[..., self.KB] -= self._sine(along[..., self.KB])
        outside = (along - self.length[self.first]).clamp(min=0) + (-along).clamp(min=0)
        turned = wrapped(heading)[..., None].repeat(1, 1, len(self.first))
        turned[..., self.KB] = wrapped(heading - self._slope(along[..., self.KB]))
        section = (offset.abs() + outside + turned.abs()).argmin(-1, keepdim=True)
        return (self.first + nearest).gather(2, section).squeeze(2)

    def near(self, x: Tensor, y: Tensor) -> Tensor:
        """Whether vehicles [N, V] count as neighbours on each lane, [N, V, K]: within 1 m of it or of one that it leads to."""
        along, offset = x[..., None] - self.begin[self.first], y[..., None] - self.near_centre[:, None]
        offset[..., -1] -= self._sine(along[..., self.KB])
        inside = (along >= -MARGIN) & (along < self.length[self.first] + MARGIN)  # [N, V, 5]
        on = (offset.abs() <= WIDTH / 2 + 1) & inside.index_select(2, self.section)
        return (on.float() @ self.connection.mT) > 0

    def offset(self, row: Tensor, lane: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """How far right of a lane's middle a vehicle is, m. `row` says in which scene; all of one shape."""
        return y - self.centre[row, lane] - self._bend(x - self.begin[lane], self.bends[lane])

    def heading(self, lane: Tensor, x: Tensor) -> Tensor:
        """Of a lane, at x."""
        return self._heading(x - self.begin[lane], self.bends[lane])

    def along(self, lane: Tensor, x: Tensor, before: float) -> Tensor:
        """Whether x lies on a lane or beyond its ends: at most `before` m before it, less than `MARGIN` after it."""
        s = x - self.begin[lane]
        return (s >= -before) & (s < self.length[lane] + MARGIN)

    def beside(self, row: Tensor, lane: Tensor, right: bool) -> tuple[Tensor, Tensor]:
        """The lane to one side in the same section and whether there is one; where there is none, the lane itself."""
        exists = self.index[lane] < self.size[row, self.section[lane]] - 1 if right else self.index[lane] > 0
        return torch.where(exists, lane + (1 if right else -1), lane), exists

    def open(self, row: Tensor, lane: Tensor) -> Tensor:
        """Whether a lane may be changed to: the ramp may not."""
        section = self.section[lane]
        return (section < self.JK) & ~((section == self.BC) & (self.index[lane] == self.count[row]))

    def following(self, lane: Tensor, x: Tensor, row: Tensor) -> Tensor:
        """The lane to go on in: the next section's nearest one from 2.5 m before the end of `lane`."""
        section, index, count = self.section[lane], self.index[lane], self.count[row]
        ahead = torch.tensor([self.BC, self.CD, self.CD, self.KB, self.BC])[section]
        beside = torch.where(section == self.KB, count, torch.minimum(index, torch.where(section == self.BC, count - 1, index)))
        after = torch.where(section == self.CD, lane, self.first[ahead] + beside)
        return torch.where(x - self.begin[lane] > self.length[lane] - MARGIN / 2, after, lane)

    def number(self, lane: Tensor) -> Tensor:
        """Which lane of its section it is, from the left."""
        return self.index[lane]

    def same_section(self, one: Tensor, other: Tensor) -> Tensor:
        """Whether two lanes belong to the same section of the road."""
        return self.section[one] == self.section[other]

    def _connection(self) -> Tensor:
        """Whose drivers are neighbours of a lane [N, K, K]: its own, those of the next sections and of the previous ones.

        On a section with fewer lanes, highway-env then looks at the first.
        """
        after = {self.AB: [self.BC], self.BC: [self.CD], self.CD: [], self.JK: [self.KB], self.KB: [self.BC]}
        connection = torch.eye(self.lanes, dtype=torch.bool).repeat(len(self.count), 1, 1)
        for lane, section in enumerate(self.section.tolist()):
            linked = after[section] + [other for other, ahead in after.items() if section in ahead]
            for other in linked:
                index = torch.where(self.index[lane] < self.size[:, other], self.index[lane], 0)  # [N]
                connection[torch.arange(len(self.count)), lane, self.first[other] + index] = True
        return connection

    def _bend(self, along: Tensor, bends: Tensor) -> Tensor:
        return torch.where(bends, self._sine(along), 0.0)

    def _heading(self, along: Tensor, bends: Tensor) -> Tensor:
        return torch.where(bends, self._slope(along), 0.0)

    def _sine(self, along: Tensor) -> Tensor:
        """Of section kb, m."""
        return self.AMPLITUDE * torch.sin(self.PULSATION * along + self.PHASE)

    def _slope(self, along: Tensor) -> Tensor:
        """Of section kb, rad."""
        return (self.AMPLITUDE * self.PULSATION * torch.cos(self.PULSATION * along + self.PHASE)).atan()


Road = Straight | Merge
