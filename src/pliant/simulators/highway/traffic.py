"""Traffic of highway-env in batches: the agent's vehicle and drivers who follow, keep their distance and change lanes.

Repeats, for N scenes of V vehicles at once, what highway-env 1.12.1 (Leurent 2018, github.com/Farama-Foundation/HighwayEnv)
does with one: `MDPVehicle` for the agent, `IDMVehicle` for the others, the kinematic bicycle of `Vehicle.step`. No random
number is drawn while driving.

    for each frame:
        act     the agent steers; every driver, in the order of the list, changes lane or not, steers and accelerates
        step    all move; then all pairs are looked at for collisions

Only MOBIL's decisions, once a second for each driver, and lane changes under way are worked out one by one.
"""

import math

import torch
from torch import Tensor

from pliant.simulators.highway import collisions as collisions
from pliant.simulators.highway.drivers import Seen, View, desired_gap
from pliant.simulators.highway.road import WIDTH, Road, wrapped
from pliant.simulators.highway.state import (
    DELAY,
    FASTER,
    FASTEST,
    HARDEST,
    HEADING_GAIN,
    LATERAL_GAIN,
    LEFT,
    PREVIEW,
    RIGHT,
    SLOWER,
    SPEEDS,
    STEEPEST,
    Cast,
    State,
    not_zero,
)

MOST_SLIP = math.sin(math.atan(math.tan(STEEPEST) / 2))
"""Sine of the slip angle of wheels at their steepest."""


class Traffic:
    """N scenes of one kind of road."""

    def __init__(self, road: Road, cast: Cast, state: State, frequency: int, all_collide: bool) -> None:
        self.road, self.cast, self.state, self.seconds = road, cast, state, 1 / frequency
        self.frequency, self.all_collide = frequency, all_collide
        self.V = state.x.shape[1]
        still = cast.still.nonzero().flatten().tolist()
        pairs = [(i, j) for i in range(self.V) for j in range(i + 1, self.V)]
        pairs = [p for p in pairs if p[0] not in still and (all_collide or p[0] == 0 or p[1] in still)]
        self.turn = torch.full((self.V, self.V), -1)  # at which a pair is looked at for collisions
        self.turn[tuple(zip(*pairs, strict=True))] = torch.arange(len(pairs))
        self.row = torch.arange(len(state.x))[:, None]  # [N, 1]
        self.others = torch.arange(self.V) > 0
        self.lateral_gain = torch.where(self.others, LATERAL_GAIN, cast.lateral_gain[:, None])  # [N, V]

    def part(self, rows: Tensor) -> "Traffic":
        """Some of the scenes."""
        road, cast, state = self.road.part(rows), self.cast.part(rows), self.state.part(rows)
        return Traffic(road, cast, state, self.frequency, self.all_collide)

    def command(self, action: Tensor) -> None:
        """The agent's wish [N]: a lane or a speed, from the speed it has. Like `MDPVehicle.act`."""
        state, row, agent = self.state, self.row[:, 0], slice(0, 1)
        steps = torch.round((state.speed[:, 0] - SPEEDS[0]) / (SPEEDS[-1] - SPEEDS[0]) * (len(SPEEDS) - 1))
        steps = steps.clamp(0, len(SPEEDS) - 1) + (action == FASTER).double() - (action == SLOWER).double()
        speed = torch.tensor(SPEEDS, dtype=torch.float64)[steps.clamp(0, len(SPEEDS) - 1).long()]
        wish = torch.where((action == FASTER) | (action == SLOWER), speed, state.wish[:, 0])
        state.wish = torch.cat([wish[:, None], state.wish[:, 1:]], dim=1)
        target = self.road.following(state.target[:, agent], state.x[:, agent], self.row)[:, 0]
        for side, right in ((LEFT, False), (RIGHT, True)):
            lane, _ = self.road.beside(row, target, right)
            chosen = (action == side) & self._reachable(row, lane, state.x[:, 0], state.y[:, 0])
            target = torch.where(chosen, lane, target)
        state.target = torch.cat([target[:, None], state.target[:, 1:]], dim=1)

    def frame(self) -> None:
        """One frame of the simulation."""
        slip, acceleration = self._act()
        self._step(slip, acceleration)

    def _act(self) -> tuple[Tensor, Tensor]:
        """What everybody does in this frame: sine of the slip angle and acceleration, [N, V]; new lanes to go to."""
        state, cast = self.state, self.cast
        before = state.target
        followed = self.road.following(before, state.x, self.row)
        thinks = state.drives & self.others & ~state.crashed
        state.target = torch.where(thinks | ~self.others, followed, before)
        view = View(self.road, cast, state)
        elsewhere = state.lane != state.target
        state.target = self._abort(view, thinks & elsewhere, self._decide(view, thinks & ~elsewhere), before)
        acceleration = view.following(state.lane)
        row, one = (thinks & (state.lane != state.target)).nonzero(as_tuple=True)
        ahead, _ = view.neighbours(row, one, state.target[row, one])
        there = view.acceleration(row, one, one, ahead)
        acceleration[row, one] = torch.minimum(acceleration[row, one], there)
        acceleration = acceleration.clamp(-HARDEST, HARDEST)
        acceleration[:, 0] = cast.speed_gain * (state.wish[:, 0] - state.speed[:, 0])
        return self._slip(), acceleration

    def _decide(self, view: View, idle: Tensor) -> Tensor:
        """MOBIL for those whose turn it is, once a second: the lanes everybody wants, [N, V]."""
        state = self.state
        fires = idle & (state.timer > DELAY)
        row, one = fires.nonzero(as_tuple=True)
        state.timer = torch.where(fires, 0.0, state.timer)
        lanes, exist = zip(*(self.road.beside(row, state.lane[row, one], right) for right in (False, True)), strict=True)
        row, one, lane, exists = row.repeat(2), one.repeat(2), torch.cat(lanes), torch.cat(exist)
        exists &= self._reachable(row, lane, state.x[row, one], state.y[row, one]) & (state.speed[row, one].abs() >= 1)
        row, one, lane = row[exists], one[exists], lane[exists]
        right = lane > state.lane[row, one]
        better, target = view.mobil(row, one, lane), state.target
        for chosen in (better & ~right, better & right):  # who would go either way goes right, which is tried last
            target = target.index_put((row[chosen], one[chosen]), lane[chosen])
        return target

    def _abort(self, view: View, changing: Tensor, target: Tensor, before: Tensor) -> Tensor:
        """Who is changing lane stays if somebody close ahead is changing into the same lane: the lanes wanted, [N, V].

        A driver sees what those before him in the list have just decided, and what those after him wanted before. As decisions
        depend on earlier ones only, repeating until nothing changes gives what going through the list gives.
        """
        lane, x = self.state.lane, self.state.x
        same = self.road.same_section(lane, target)
        row, one = (changing & same).nonzero(as_tuple=True)
        if not len(row):
            return target
        wanted = target[row, one][:, None]  # [C, 1]
        me = Seen(*(seen[:, None] for seen in view.at(row, one)))  # [C, 1]
        all_here = Seen(*(seen[row] for seen in view.all))  # [C, V]
        gap = desired_gap(me, all_here, self.cast.time_gap[row], self.cast.acceleration[row])  # [C, V]
        ahead = x[row] - x[row, one][:, None]
        close = (lane[row] != wanted) & self.state.drives[row] & (0 < ahead) & (ahead < gap)
        earlier = torch.arange(self.V) < one[:, None]
        result = target
        while True:
            theirs = torch.where(earlier, result[row], before[row])
            stays = (close & (theirs == wanted)).any(1)
            new = target.index_put((row, one), torch.where(stays, lane[row, one], target[row, one]))
            if torch.equal(new, result):
                return result
            result = new

    def _slip(self) -> Tensor:
        """Sine of the slip angle of wheels that steer towards the wanted lane, [N, V]. `ControlledVehicle.steering_control`.

        There a steering angle is worked out from a slip angle, limited, and turned back: tan(steering) = 2 tan(slip).
        """
        state, cast = self.state, self.cast
        lane, speed = state.target, not_zero(state.speed)
        heading = self.road.heading(lane, state.x + state.speed * PREVIEW)
        offset = self.road.offset(self.row.expand_as(lane), lane, state.x, state.y)
        aim = torch.asin((-self.lateral_gain * offset / speed).clamp(-1, 1)).clamp(-math.pi / 4, math.pi / 4)
        rate = HEADING_GAIN * wrapped(heading + aim - state.heading)
        return (cast.length / 2 / speed * rate).clamp(-MOST_SLIP, MOST_SLIP)

    def _step(self, slip: Tensor, acceleration: Tensor) -> None:
        """Everybody moves for one frame, as `Vehicle.step`; then collisions. `slip` is the sine of the slip angle, [N, V]."""
        state, cast, dt = self.state, self.cast, self.seconds
        speed = state.speed
        slip = torch.where(state.crashed, 0.0, slip)
        acceleration = torch.where(state.crashed, -speed, acceleration)
        if bool((speed.abs() > FASTEST).any()):
            acceleration = torch.where(speed > FASTEST, torch.minimum(acceleration, FASTEST - speed), acceleration)
            acceleration = torch.where(speed < -FASTEST, torch.maximum(acceleration, -FASTEST - speed), acceleration)
        straight, way = torch.sqrt(1 - slip.square()), speed * dt  # cosine of the slip angle; it moves along heading + slip
        state.x = state.x + way * (state.cos * straight - state.sin * slip) + state.push[..., 0]  # 0 where nobody is pushed
        state.y = state.y + way * (state.sin * straight + state.cos * slip) + state.push[..., 1]
        state.crashed = state.crashed | state.pushed
        state.heading = state.heading + way * slip / (cast.length / 2)
        state.cos, state.sin = state.heading.cos(), state.heading.sin()
        state.speed = speed + acceleration * dt
        state.lane = self.road.closest(state.x, state.y, state.heading)
        state.timer = state.timer + dt
        bodies = collisions.Bodies(
            state.x, state.y, state.cos, state.sin, state.speed, cast.length, cast.breadth.expand_as(state.x), cast.still
        )
        hits = collisions.find(bodies, self.turn, dt)
        state.crashed, state.pushed, state.push = state.crashed | hits.crashed, hits.pushed, hits.push

    def _reachable(self, row: Tensor, lane: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """`AbstractLane.is_reachable_from`."""
        near = self.road.offset(row, lane, x, y).abs() <= 2 * WIDTH
        return near & self.road.along(lane, x, 0.0) & self.road.open(row, lane)
