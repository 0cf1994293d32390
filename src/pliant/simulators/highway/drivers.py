"""What drivers see and how they judge it: the intelligent driver model and MOBIL, as in highway-env 1.12.1 (`IDMVehicle`).

Treiber et al. 2000, doi:10.1103/PhysRevE.62.1805; Kesting et al. 2007, doi:10.3141/1999-10. In highway-env each driver looks
for his neighbours among all others. Here vehicles are sorted along the road once a frame, and running minima over the sorted
list give the next vehicle on each lane. This takes no two vehicles of a scene to have exactly the same x.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from pliant.simulators.highway.road import SPEED_LIMIT, Road
from pliant.simulators.highway.state import BRAKING, GAIN, IMPOSED, JAM, Cast, State, not_zero

_BEGIN, _END = torch.tensor(-1, dtype=torch.int16), torch.tensor(2**14, dtype=torch.int16)
"""Places before the first vehicle and after the last."""


class Seen(NamedTuple):
    """What drivers see of vehicles, all of one shape [*]."""

    x: Tensor
    speed: Tensor
    wish: Tensor
    """Speed it wants and may have, m/s."""
    cos: Tensor
    sin: Tensor
    vx: Tensor
    vy: Tensor
    drives: Tensor
    """1, or 0 for an obstacle and for nobody."""


class View:
    """What drivers see in one frame: who is where, and the vehicles in their order along the road."""

    def __init__(self, road: Road, cast: Cast, state: State) -> None:
        self.cast, self.state = cast, state
        self.V, self.K = state.x.shape[1], road.lanes
        cos, sin = state.cos, state.sin
        wish = state.wish.clamp(0, SPEED_LIMIT)
        self.all = Seen(state.x, state.speed, wish, cos, sin, state.speed * cos, state.speed * sin, state.drives.double())
        seen = torch.stack(self.all, dim=-1)  # [N, V, F]
        self.table = torch.nn.functional.pad(seen, (0, 0, 0, 1)).flatten(0, 1)  # [N (V+1), F], each scene's last is nobody
        order = state.x.argsort(dim=1)  # [N, V]
        place = torch.arange(self.V, dtype=torch.int16)
        self.rank = torch.empty_like(order, dtype=torch.int16).scatter_(1, order, place.expand_as(order))
        self.order = torch.nn.functional.pad(order, (0, 1), value=self.V)  # [N, V+1] by place, the last is nobody
        on = road.near(state.x, state.y).gather(1, order[..., None].expand(-1, -1, self.K))  # [N, V, K] by place
        place, pad = place[:, None], (0, 0, 0, 1)
        ahead = torch.where(on, place, _END).flip(1).cummin(1).values.flip(1)
        behind = torch.where(on, place, _BEGIN).cummax(1).values
        # By place: the place of the next vehicle on each lane from there on, and of the last one up to there.
        self.next = torch.nn.functional.pad(ahead, pad, value=_END.item()).clamp(max=self.V)  # [N, V+1, K]
        self.last = torch.nn.functional.pad(behind, pad, value=_BEGIN.item())  # [N, V+1, K], -1 for nobody and after the end

    def at(self, row: Tensor, one: Tensor) -> Seen:
        """What is seen of vehicles `one` [*] of scenes `row`."""
        flat = (row * (self.V + 1) + one).flatten()
        return Seen(*self.table.index_select(0, flat).view(*one.shape, -1 if flat.numel() else len(Seen._fields)).unbind(-1))

    def neighbours(self, row: Tensor, one: Tensor, lane: Tensor) -> tuple[Tensor, Tensor]:
        """The vehicles ahead of and behind `one` [C] on `lane` [*, C]; V for nobody."""
        place = self.rank[row, one].long()
        ahead, behind = self.next[row, place + 1, lane].long(), self.last[row, place - 1, lane].long()
        return self.order[row, ahead], self.order[row, behind]

    def following(self, lane: Tensor) -> Tensor:
        """Acceleration of every driver behind the vehicle ahead of him on `lane` [N, V]; [N, V] m/s^2."""
        place = self.next.flatten(1).gather(1, (self.rank.long() + 1) * self.K + lane)  # [N, V]
        ahead = self.order.gather(1, place.long())
        led = ahead < self.V
        ahead = torch.where(led, ahead, 0)
        x, vx, vy = (one.gather(1, ahead) for one in (self.all.x, self.all.vx, self.all.vy))
        leader = self.all._replace(x=x, vx=vx, vy=vy)
        return _idm(self.all, leader, led, self.cast.time_gap, self.cast.acceleration, self.state.exponent)

    def acceleration(self, row: Tensor, one: Tensor, follower: Tensor, leader: Tensor) -> Tensor:
        """What driver `one` [C] expects of vehicles `follower` [*, C] behind vehicles `leader`; 0 of nobody. [*, C] m/s^2."""
        cast, seen = self.cast, self.at(row, follower)
        time_gap, acceleration, exponent = cast.time_gap[row, 0], cast.acceleration[row, 0], self.state.exponent[row, one]
        return _idm(seen, self.at(row, leader), leader < self.V, time_gap, acceleration, exponent) * seen.drives

    def mobil(self, row: Tensor, one: Tensor, lane: Tensor) -> Tensor:
        """Whether driver `one` should change to `lane`, all [C]. `IDMVehicle.mobil`, for drivers without a route."""
        ahead, behind = self.neighbours(row, one, torch.stack([lane, self.state.lane[row, one]]))  # [2, C]
        (front, old_front), (rear, old_rear) = ahead, behind
        followers = torch.stack([rear, rear, old_rear, old_rear, one, one])
        leaders = torch.stack([one, front, old_front, one, front, old_front])  # [6, C]
        imposed, spared, closed, left, mine, before = self.acceleration(row, one, followers, leaders)
        gain = mine - before + self.cast.politeness[row, 0] * (imposed - spared + closed - left)
        wins: Tensor = ~(imposed < -IMPOSED) & ~(gain < GAIN)
        return wins


def _idm(follower: Seen, leader: Seen, led: Tensor, time_gap: Tensor, acceleration: Tensor, exponent: Tensor) -> Tensor:
    """The intelligent driver model, m/s^2; 0 m are kept to nobody."""
    free = follower.speed.clamp(min=0) / not_zero(follower.wish).abs()
    kept = desired_gap(follower, leader, time_gap, acceleration) / not_zero(leader.x - follower.x)
    return acceleration * (1 - free.pow(exponent) - kept.square() * led)


def desired_gap(follower: Seen, leader: Seen, time_gap: Tensor, acceleration: Tensor) -> Tensor:
    """`IDMVehicle.desired_gap`: jam distance, time gap, and what braking takes; m."""
    closing = (follower.vx - leader.vx) * follower.cos + (follower.vy - leader.vy) * follower.sin
    return JAM + follower.speed * (time_gap + closing / (2 * torch.sqrt(acceleration * BRAKING)))
