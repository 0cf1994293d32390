"""How a scene opens, what the agent sees of it and what it is paid, as in highway-env 1.12.1's highway and merge scenes."""

import math

import torch
from torch import Tensor

from pliant.simulators.highway.road import SPEED_LIMIT, WIDTH, Merge, Road
from pliant.simulators.highway.state import SPEEDS, Cast, State

SEEN = 5
"""Rows of an observation: the agent's vehicle and the four nearest."""
SIGHT = 200.0
"""How far the agent sees, m."""
FASTEST_SEEN = 80.0
"""Speed that is 1 in an observation, m/s."""
AGENT_SPEED, AGENT_SPACING = 25.0, 1.5
"""How the agent opens on the highway: m/s, and its distance from where the road begins in units of the usual."""
SPEED_SPREAD = 1.5
"""Half the range of the drivers' desired speeds, m/s: highway-env draws from 21 to 24."""
EXPONENT = (3.5, 4.5)
"""Range of the intelligent driver model's exponent."""
RAMP_SPEED, RAMP_START, MERGE_START, MERGE_SPEED = 20.0, 60.0, 30.0, 30.0
"""Of the vehicle on the ramp and of the agent, m/s and m."""
APART, TRIES = 15.0, 10
"""Vehicles of a lane open at least so far apart (m); so many places are tried for each."""
NOWHERE = 1e7
"""Where a vehicle is put for which there was no place, m."""


def highway_noise(vehicles: int) -> int:
    """Uniform numbers that `highway` takes."""
    return 2 + 4 * vehicles


def highway(count: Tensor, density: Tensor, pace: Tensor, noise: Tensor) -> State:
    """N highways as they open: the agent behind everybody, the others one after another on random lanes.

    `Vehicle.create_random`, with speeds around `pace` (m/s). All but `noise` [N, 2 + 4 V] are [N].
    """
    mine, theirs = noise[:, :2], noise[:, 2:].unflatten(1, (-1, 4))  # [N, 2], [N, V, 4]
    lane, jitter = (torch.cat([mine[:, i : i + 1], theirs[..., i]], dim=1) for i in range(2))  # [N, 1+V]
    others = pace[:, None] + SPEED_SPREAD * (2 * theirs[..., 2] - 1)
    speed = torch.cat([torch.full_like(others[:, :1], AGENT_SPEED), others], dim=1)
    spacing = torch.cat([torch.full_like(mine[:, :1], AGENT_SPACING), (1 / density)[:, None].expand_as(others)], dim=1)
    offset = spacing * (12 + speed) * torch.exp(-5 / 40 * count)[:, None]
    x = 3 * offset[:, :1] + (offset * (0.9 + 0.2 * jitter)).cumsum(1)
    y = WIDTH * torch.floor(lane * count[:, None])
    exponent = EXPONENT[0] + (EXPONENT[1] - EXPONENT[0]) * theirs[..., 3]
    exponent = torch.cat([torch.full_like(exponent[:, :1], 4.0), exponent], dim=1)
    return _opened(x, y, speed, speed, exponent, torch.ones_like(x, dtype=torch.bool))


def room(count: Tensor, pace: Tensor) -> Tensor:
    """How many others are on a highway of density 1 that is as long as a merge, on average, [N]."""
    return (Merge.BEFORE + Merge.CONVERGE + Merge.PARALLEL) / ((12 + pace) * torch.exp(-5 / 40 * count))


def merging(count: Tensor, density: Tensor, pace: Tensor) -> Tensor:
    """How many others a merge has, but for want of vehicles: as many as a highway of this density and length, [N]."""
    return torch.round(density * room(count, pace))


def merge_noise(vehicles: int) -> int:
    """Uniform numbers that `merge` takes."""
    return vehicles * (2 * TRIES + 1)


def merge(count: Tensor, density: Tensor, pace: Tensor, noise: Tensor) -> State:
    """N merges as they open: the agent, V others, one on the ramp, and the obstacle at the ramp's end.

    `MergeGenericEnv._make_vehicles`: random places, those too near an earlier one on the same lane are tried again, and whoever
    finds none is left out. There are as many others as on a highway of this density and length, at most V.
    """
    noise = noise.unflatten(1, (-1, 2 * TRIES + 1))  # [N, V, 2 TRIES + 1]
    N, V = noise.shape[:2]
    reach = Merge.BEFORE + Merge.CONVERGE + Merge.PARALLEL
    wanted = merging(count, density, pace)  # [N]
    speed = pace[:, None] + SPEED_SPREAD * (2 * noise[..., -1] - 1)
    x = torch.full((N, 1 + V), torch.inf, dtype=torch.float64)
    lane = torch.full((N, 1 + V), -1.0, dtype=torch.float64)
    x[:, 0], lane[:, 0] = MERGE_START, count - 1.0
    lanes, places = torch.floor(noise[..., 0:-1:2] * count[:, None, None]), reach * noise[..., 1:-1:2]  # [N, V, TRIES]
    for v in range(1, min(V, int(wanted.max())) + 1):
        there, place = lanes[:, v - 1], places[:, v - 1]
        near = (lane[:, None, :v] == there[..., None]) & ((x[:, None, :v] - place[..., None]).abs() <= APART)
        fits = ~near.any(2) & (v <= wanted)[:, None]  # [N, TRIES]
        found, first = fits.max(1, keepdim=True)
        x[:, v] = torch.where(found, place.gather(1, first), torch.inf)[:, 0]
        lane[:, v] = torch.where(found, there.gather(1, first), -1.0)[:, 0]
    there = lane >= 0
    x = torch.where(there, x, NOWHERE + 100.0 * torch.arange(1 + V))
    y = torch.where(there, WIDTH * lane, NOWHERE)
    side, one = (WIDTH * count.double())[:, None], torch.ones(N, 1, dtype=torch.float64)
    x = torch.cat([x, RAMP_START * one, reach * one], dim=1)
    y = torch.cat([y, side + 2 * Merge.AMPLITUDE, side], dim=1)
    speed = torch.where(there, torch.cat([MERGE_SPEED * one, speed], dim=1), 0.0)
    wish = torch.cat([speed, SPEED_LIMIT * one, 0 * one], dim=1)
    speed = torch.cat([speed, RAMP_SPEED * one, 0 * one], dim=1)
    drives = torch.cat([there, one > 0, one < 0], dim=1)
    return _opened(x, y, speed, wish, torch.full_like(x, 4.0), drives)


def _opened(x: Tensor, y: Tensor, speed: Tensor, wish: Tensor, exponent: Tensor, drives: Tensor) -> State:
    """A scene's state, but for the lanes, which the road knows."""
    nothing, none = torch.zeros_like(x, dtype=torch.bool), torch.zeros_like(x, dtype=torch.int64)
    timer = torch.remainder((x + y) * math.pi, 1.0)
    push = torch.zeros(*x.shape, 2, dtype=torch.float64)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return State(x, y, zero, one, zero, speed, none, none, wish, timer, exponent, drives, ~drives, nothing, push)


def observe(state: State, cast: Cast, count: Tensor) -> Tensor:
    """`KinematicObservation`: presence, x, y, vx, vy of the agent and, relative to it, of the nearest four; [N, 25].

    Nobody further behind than two of its own lengths is seen. Scaled to [-1, 1]; rows for nobody are 0.
    """
    vx, vy = state.speed * state.cos, state.speed * state.sin
    features = torch.stack([state.x, state.y, vx, vy], dim=-1)  # [N, V, 4]
    mine, others = features[:, :1], features[:, 1:] - features[:, :1]
    x, y = others[..., 0], others[..., 1]
    visible = (torch.hypot(x, y) < SIGHT) & (-2 * cast.length[:, :1] < x)
    far, order = torch.where(visible, x.abs(), torch.inf).sort(dim=1, stable=True)
    far, order = far[:, : SEEN - 1], order[:, : SEEN - 1]
    nearest = others.gather(1, order[..., None].expand(-1, -1, 4))  # [N, 4, 4]
    scale = torch.tensor([SIGHT, 0.0, FASTEST_SEEN, FASTEST_SEEN], dtype=torch.float64).repeat(len(count), 1)
    scale[:, 1] = WIDTH * count
    seen = torch.cat([mine, nearest], dim=1)
    seen = (-1 + (seen + scale[:, None]) * 2 / (2 * scale[:, None])).clamp(-1, 1)
    seen = torch.cat([torch.ones_like(seen[..., :1]), seen], dim=-1)  # [N, 5, 5]
    missing = torch.cat([torch.zeros_like(far[:, :1], dtype=torch.bool), torch.isinf(far)], dim=1)
    seen = torch.where(missing[..., None], 0.0, seen)
    return torch.nn.functional.pad(seen, (0, 0, 0, SEEN - seen.shape[1])).flatten(1)


def highway_reward(state: State, road: Road, count: Tensor) -> Tensor:
    """`HighwayEnv._reward`, [N]: 0.4 for 30 m/s, 0.1 for wanting the rightmost lane, -1 for a crash, scaled to [0, 1]."""
    lane, agent = state.lane[:, 0], (state.x[:, 0], state.y[:, 0])
    fast = (_fast(state.speed[:, 0] * state.cos[:, 0])).clamp(0, 1)
    right = state.target[:, 0].double() / (count - 1).clamp(min=1)
    reward = -state.crashed[:, 0].double() + 0.1 * right + 0.4 * fast
    on_road = road.offset(torch.arange(len(count)), lane, *agent).abs() <= WIDTH / 2
    return (reward + 1) / 1.5 * on_road


def merge_reward(state: State, road: Merge, action: Tensor) -> Tensor:
    """`MergeEnv._reward`, [N]: as on the highway, less what changing lane costs and what delays those on the third lane of
    section bc, which is the ramp's where the highway has two; scaled to [0, 1], which it may leave a little.
    """
    lane = state.lane
    on_third = (road.section[lane] == Merge.BC) & (road.index[lane] == 2) & state.drives
    delay = torch.where(on_third, (state.wish - state.speed) / state.wish, 0.0).sum(1)
    changes = ((action == 0) | (action == 2)).double()
    reward = -state.crashed[:, 0].double() + 0.1 * road.index[lane[:, 0]].double() + 0.2 * _fast(state.speed[:, 0])
    return (reward - 0.05 * changes - 0.5 * delay + 1.5) / 1.8


def _fast(speed: Tensor) -> Tensor:
    """0 at 20 m/s, 1 at 30."""
    return (speed - SPEEDS[0]) / (SPEEDS[-1] - SPEEDS[0])
