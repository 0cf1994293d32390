"""What drivers see and how they judge it: the intelligent driver model and MOBIL, as in highway-env 1.12.1 (`IDMVehicle`).

Treiber et al. 2000, doi:10.1103/PhysRevE.62.1805; Kesting et al. 2007, doi:10.3141/1999-10. In highway-env each driver looks
for his neighbours among all others. Here vehicles are sorted along the road once a frame, and running minima over the sorted
list give the next vehicle on each lane. This takes no two vehicles of a scene to have exactly the same x.
"""

import torch
from torch import Tensor

from pliant.tasks._highway_road import SPEED_LIMIT, Road
from pliant.tasks._highway_state import BRAKING, GAIN, IMPOSED, JAM, Cast, State, not_zero

X, SPEED, WISH, COS, SIN, VX, VY, DRIVES = range(8)
"""Columns of what drivers see of a vehicle."""


class View:
    """What drivers see in one frame: who is where, and the vehicles in their order along the road."""

    def __init__(self, road: Road, cast: Cast, state: State) -> None:
        self.cast, self.state = cast, state
        self.V = state.x.shape[1]
        cos, sin = state.heading.cos(), state.heading.sin()
        wish = state.wish.clamp(0, SPEED_LIMIT)
        drives = state.drives.double()
        columns = [state.x, state.speed, wish, cos, sin, state.speed * cos, state.speed * sin, drives]
        seen = torch.stack(columns, dim=-1)  # [N, V, F]
        self.seen = torch.cat([seen, torch.zeros_like(seen[:, :1])], dim=1)  # [N, V+1, F], the last is nobody
        order = state.x.argsort(dim=1)  # [N, V]
        place = torch.arange(self.V)
        self.rank = torch.empty_like(order).scatter_(1, order, place.expand_as(order))
        self.order = torch.cat([order, torch.full_like(order[:, :1], self.V)], dim=1)  # [N, V+1] of places, the last is nobody
        on = road.near(state.x, state.y).gather(1, order[..., None].expand(-1, -1, road.lanes))  # [N, V, K]
        place = place[:, None]
        ahead = torch.where(on, place, self.V).flip(1).cummin(1).values.flip(1)
        behind = torch.where(on, place, -1).cummax(1).values
        nobody = torch.full_like(ahead[:, :1], self.V)
        self.next = torch.cat([ahead[:, 1:], nobody], dim=1)  # [N, V, K] place of the first one further ahead
        behind = torch.cat([nobody, behind[:, :-1]], dim=1)
        self.last = torch.where(behind < 0, self.V, behind)

    def at(self, row: Tensor, one: Tensor) -> Tensor:
        """What is seen of vehicles [*], [*, F]."""
        flat = (row * (self.V + 1) + one).flatten()
        return self.seen.flatten(0, 1).index_select(0, flat).view(*one.shape, self.seen.shape[2])

    def at_row(self, row: Tensor) -> Tensor:
        """What is seen of all vehicles of some scenes, [C, V, F]."""
        return self.seen[row, : self.V]

    def ahead(self, lane: Tensor) -> Tensor:
        """The vehicle ahead of each on `lane` [N, V], or V for nobody; [N, V]."""
        K = self.next.shape[2]
        place = self.next.flatten(1).gather(1, self.rank * K + lane)  # [N, V]
        return self.order.gather(1, place)

    def neighbours(self, row: Tensor, one: Tensor, lane: Tensor) -> tuple[Tensor, Tensor]:
        """The vehicles ahead of and behind `one` on `lane`, all [C]; V for nobody."""
        place = self.rank[row, one]
        return self.order[row, self.next[row, place, lane]], self.order[row, self.last[row, place, lane]]

    def following(self, ahead: Tensor) -> Tensor:
        """Acceleration of every driver behind the vehicles `ahead` [N, V]; [N, V] m/s^2."""
        cast, row = self.cast, torch.arange(len(ahead))[:, None]
        return _idm(
            self.seen[:, : self.V], self.at(row, ahead), ahead < self.V, cast.time_gap, cast.acceleration, self.state.exponent
        )

    def acceleration(self, row: Tensor, one: Tensor, follower: Tensor, leader: Tensor) -> Tensor:
        """What driver `one` [C] expects of vehicles `follower` [*, C] behind vehicles `leader`; 0 of nobody. [*, C] m/s^2."""
        cast, seen = self.cast, self.at(row, follower)
        time_gap, acceleration, exponent = cast.time_gap[row, 0], cast.acceleration[row, 0], self.state.exponent[row, one]
        return _idm(seen, self.at(row, leader), leader < self.V, time_gap, acceleration, exponent) * seen[..., DRIVES]

    def mobil(self, row: Tensor, one: Tensor, lane: Tensor) -> Tensor:
        """Whether driver `one` should change to `lane`, all [C]. `IDMVehicle.mobil`, for drivers without a route."""
        front, rear = self.neighbours(row, one, lane)
        old_front, old_rear = self.neighbours(row, one, self.state.lane[row, one])
        followers = torch.stack([rear, rear, old_rear, old_rear, one, one])
        leaders = torch.stack([one, front, old_front, one, front, old_front])  # [6, C]
        imposed, spared, closed, left, mine, before = self.acceleration(row, one, followers, leaders)
        gain = mine - before + self.cast.politeness[row, 0] * (imposed - spared + closed - left)
        wins: Tensor = ~(imposed < -IMPOSED) & ~(gain < GAIN)
        return wins


def _idm(
    follower: Tensor, leader: Tensor, led: Tensor, time_gap: Tensor, acceleration: Tensor, exponent: Tensor
) -> Tensor:
    """The intelligent driver model, m/s^2: what is seen of `follower` and `leader` is [*, F], the rest [*]."""
    free = follower[..., SPEED].clamp(min=0) / not_zero(follower[..., WISH]).abs()
    kept = desired_gap(follower, leader, time_gap, acceleration) / not_zero(leader[..., X] - follower[..., X])
    return acceleration * (1 - free.pow(exponent)) - torch.where(led, acceleration * kept.square(), 0.0)


def desired_gap(follower: Tensor, leader: Tensor, time_gap: Tensor, acceleration: Tensor) -> Tensor:
    """`IDMVehicle.desired_gap`: jam distance, time gap, and what braking takes; m."""
    speed = follower[..., SPEED]
    closing = (follower[..., VX] - leader[..., VX]) * follower[..., COS]
    closing = closing + (follower[..., VY] - leader[..., VY]) * follower[..., SIN]
    return JAM + speed * time_gap + speed * closing / (2 * torch.sqrt(acceleration * BRAKING))
