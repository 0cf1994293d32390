"""The batched traffic beside highway-env itself, frame by frame from the same state.

Tolerance 1e-9: sums and sines are rounded differently here and there, a few 1e-16 at a time. Lanes, crashes and pushes must be
equal. In merges the twin takes over the original's state before every action, because near standstill the steering (its gain is
1 / speed) multiplies what was rounded by several powers of ten within a few frames. On highways vehicles hardly ever stand, and
whole episodes agree to 1e-9 as they are.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from pliant.families import driving
from pliant.simulators.highway.road import Merge, Straight
from pliant.streams import Stream
from pliant.tasks.base import Tasks

pytest.importorskip("highway_env")

LEFT, IDLE, RIGHT, FASTER, SLOWER = range(5)
SECTIONS = [("a", "b"), ("b", "c"), ("c", "d"), ("j", "k"), ("k", "b")]
ATOL = 1e-9


def batch_of(split: str, n: int, seed: int, episodes: int = 1, **settings: Any) -> Any:
    """Environments of highway-env and, in the same object, the twin's state from which they were opened."""
    family = driving.family(driving.Settings(simulator="highway-env", **settings))
    batch = family.batch(family.sample(n, split, Stream(seed).rng()), 1, episodes)
    batch.reset(Stream(seed))
    return batch


def name_of(road: Any, lane: int) -> tuple[str, str, int]:
    """A lane as highway-env names it."""
    if isinstance(road, Straight):
        return "0", "1", lane
    return *SECTIONS[int(road.section[lane])], int(road.index[lane])


def vehicles(batch: Any, n: int) -> list[tuple[int, Any]]:
    """The number of each driving vehicle in the twin, and the original."""
    there = batch.state.drives[n].nonzero().flatten().tolist()
    return list(zip(there, batch.envs[n].road.vehicles, strict=True))


def copy_state(batch: Any) -> None:
    """Take over the originals' state. (Lanes, targets, flags and timers have just been found to be the same.)"""
    state = batch.state
    for name in ("x", "y", "heading", "speed", "timer", "push"):
        setattr(state, name, getattr(state, name).clone())
    for n in range(len(batch.envs)):
        for v, vehicle in vehicles(batch, n):
            state.x[n, v], state.y[n, v] = vehicle.position
            state.heading[n, v], state.speed[n, v] = float(vehicle.heading), float(vehicle.speed)
            if v:
                state.timer[n, v] = float(vehicle.timer)
            if vehicle.impact is not None:
                state.push[n, v] = torch.tensor(vehicle.impact)
    state.cos, state.sin = state.heading.cos(), state.heading.sin()


def compare(batch: Any, tally: dict[str, int]) -> None:
    """Every vehicle of every scene, in the twin and in the original."""
    state, road = batch.state, batch.road
    for n in range(len(batch.envs)):
        for v, vehicle in vehicles(batch, n):
            twin = [float(x[n, v]) for x in (state.x, state.y, state.heading, state.speed, state.wish)]
            original = [*vehicle.position, vehicle.heading, vehicle.speed, vehicle.target_speed]
            assert np.allclose(twin, original, rtol=0, atol=ATOL), (n, v, twin, original)
            if v:
                assert float(state.timer[n, v]) == pytest.approx(vehicle.timer, abs=ATOL)
            assert name_of(road, int(state.lane[n, v])) == tuple(vehicle.lane_index)
            assert name_of(road, int(state.target[n, v])) == tuple(vehicle.target_lane_index)
            assert bool(state.crashed[n, v]) == vehicle.crashed
            assert bool(state.pushed[n, v]) == (vehicle.impact is not None)
            if vehicle.impact is not None:
                assert np.allclose(state.push[n, v].numpy(), vehicle.impact, rtol=0, atol=ATOL)
            tally["frames"] += 1
            tally["changing"] += vehicle.lane_index != vehicle.target_lane_index
            tally["crashed"] += vehicle.crashed
            tally["pushed"] += vehicle.impact is not None


def drive(batch: Any, steps: int, rng: np.random.Generator, follow: bool) -> dict[str, int]:
    """Random actions, each frame compared; with `follow`, the twin starts every action from the original's state."""
    tally = dict.fromkeys(("frames", "changing", "crashed", "pushed", "aborted"), 0)
    for _ in range(steps):
        pressed = torch.tensor(rng.integers(0, 5, len(batch.envs)))
        if follow:
            copy_state(batch)
        batch.traffic.command(pressed)
        for env, action in zip(batch.envs, pressed.tolist(), strict=True):
            env.action_type.act(action)
        for _ in range(batch.frames):
            before = batch.state.target
            changing = before != batch.state.lane
            batch.traffic.frame()
            tally["aborted"] += int((changing & (batch.state.target != before))[:, 1:].sum())
            for env in batch.envs:
                drawn = env.np_random.bit_generator.state
                env.road.act()
                env.road.step(1 / batch.frames)
                assert env.np_random.bit_generator.state == drawn, "highway-env draws no random number while driving"
            compare(batch, tally)
    return tally


@pytest.mark.slow
@pytest.mark.parametrize("collisions", ["agent", "all"])
@pytest.mark.parametrize("split, seed", [pytest.param("train", 1, marks=pytest.mark.whole), ("ood", 2)])
def test_highway_agrees_with_the_original_frame_by_frame(
    collisions: str, split: str, seed: int, length: Callable[[int, int], int]
) -> None:
    steps = length(6, 14)
    batch = batch_of(split, 5, seed, collisions=collisions, vehicles=18)
    tally = drive(batch, steps, np.random.default_rng(seed), follow=False)
    assert tally["frames"] == 5 * steps * 5 * 19 and tally["changing"] > length(50, 100)
    assert tally["crashed"] > length(10, 20) and tally["pushed"] > length(10, 20)


@pytest.mark.slow
@pytest.mark.parametrize(
    "frequency, collisions, split, seed",
    [(5, "agent", "train", 3), pytest.param(15, "all", "ood", 4, marks=pytest.mark.whole)],
)
def test_merge_agrees_with_the_original_frame_by_frame(frequency: int, collisions: str, split: str, seed: int) -> None:
    batch = batch_of(split, 6, seed, scene="merge", collisions=collisions, frequency=frequency, vehicles=14)
    tally = drive(batch, 14 if frequency == 5 else 8, np.random.default_rng(seed), follow=True)
    assert tally["frames"] > 3000 and tally["changing"] > 200 and tally["crashed"] > 30 and tally["pushed"] > 30
    assert tally["aborted"] > 0, "somebody stayed because another was changing into the same lane"


@pytest.mark.slow
def test_fifteen_frames_a_second_agree_too(length: Callable[[int, int], int]) -> None:
    batch = batch_of("train", 3, 7, frequency=15, collisions="all", vehicles=14)
    steps = length(2, 6)
    tally = drive(batch, steps, np.random.default_rng(7), follow=False)
    assert tally["frames"] == 3 * steps * 15 * 15 and tally["pushed"] >= length(0, 1)


def random_poses(rng: np.random.Generator, n: int) -> list[np.ndarray]:
    x, y = rng.uniform(-20, 480, n), rng.uniform(-6, 22, n)
    return [x, y, rng.uniform(-0.6, 0.6, n)]


@pytest.mark.parametrize("scene", ["highway", "merge"])
@pytest.mark.parametrize("lanes", [2.0, 4.0])
def test_a_roads_geometry_is_the_originals(scene: str, lanes: float) -> None:
    """Nearest lane, offset, heading, what is reachable, what comes next, at 300 random poses on and off the road."""
    family = driving.family(driving.Settings(scene=scene, simulator="highway-env", vehicles=1))  # type: ignore[arg-type]
    row = family.sample(1, "train", Stream(0).rng()).rows()[0] | {"lanes": lanes}
    batch: Any = family.batch(family.task(row), 1)
    batch.reset(Stream(0))
    road, network = batch.road, batch.envs[0].road.network
    poses = random_poses(np.random.default_rng(1), 300)
    x, y, heading = (torch.tensor(p)[None] for p in poses)
    nearest = road.closest(x, y, heading)
    names = {name_of(road, k): k for k in range(road.lanes) if bool(road.exists[0, k])}
    assert len(names) == len(network.lanes_list())
    everywhere = torch.zeros_like(nearest)
    for i, (px, py, angle) in enumerate(zip(*poses, strict=True)):
        position = np.array([px, py])
        if scene == "merge" or px >= 0:  # the highway's twin does not know where the road begins
            assert name_of(road, int(nearest[0, i])) == network.get_closest_lane_index(position, angle)
    for name, k in names.items():
        lane, at = network.get_lane(name), everywhere + k
        offset, direction = road.offset(everywhere, at, x, y)[0], road.heading(at, x)[0]
        reachable = batch.traffic._reachable(everywhere, at, x, y)[0]
        following = road.following(at, x, everywhere)[0]
        for i, (px, py, _) in enumerate(zip(*poses, strict=True)):
            position = np.array([px, py])
            s, r = lane.local_coordinates(position)
            assert float(offset[i]) == pytest.approx(r, abs=1e-12)
            assert float(direction[i]) == pytest.approx(lane.heading_at(s), abs=1e-12)
            assert bool(reachable[i]) == lane.is_reachable_from(position)
            after = network.next_lane(name, position=position) if lane.after_end(position) else name
            assert name_of(road, int(following[i])) == tuple(after)


def put(batch: Any, n: int, poses: list[tuple[float, float, float, float]]) -> None:
    """Vehicles of scene n at (x, y, heading, speed), here and there."""
    state = batch.state
    for (v, vehicle), (x, y, heading, speed) in zip(vehicles(batch, n), poses, strict=True):
        state.x[n, v], state.y[n, v], state.heading[n, v], state.speed[n, v] = x, y, heading, speed
        vehicle.position, vehicle.heading, vehicle.speed = np.array([x, y]), heading, speed
    state.cos, state.sin = state.heading.cos(), state.heading.sin()
    state.lane = batch.road.closest(state.x, state.y, state.heading)
    for _, vehicle in vehicles(batch, n):
        vehicle.on_state_update()


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 1, 2)])
def test_who_changes_lane_sees_what_those_before_him_in_the_list_decided(order: tuple[int, ...]) -> None:
    """Three at 5 m/s, 10 m apart, change to the middle lane; each wants 10 + 5 m to the one ahead, less than 20 m to the next.

    The second stays because of the third. The first stays only if he decides before the second does.
    """
    family = driving.family(driving.Settings(simulator="highway-env", vehicles=3))
    row = family.sample(1, "train", Stream(0).rng()).rows()[0] | {"lanes": 3.0, "time_gap": 1.0}
    batch: Any = family.batch(family.task(row), 1)
    batch.reset(Stream(0))
    rear_to_front = [(300.0, 0.0, 0.0, 5.0), (310.0, 8.0, 0.0, 5.0), (320.0, 0.0, 0.0, 5.0)]
    put(batch, 0, [(100.0, 4.0, 0.0, 20.0), *(rear_to_front[k] for k in order)])
    batch.state.target = torch.tensor([[1, 1, 1, 1]])
    for vehicle in batch.envs[0].road.vehicles:
        vehicle.target_lane_index = ("0", "1", 1)
    batch.traffic.frame()
    batch.envs[0].road.act()
    batch.envs[0].road.step(0.2)
    compare(batch, dict.fromkeys(("frames", "changing", "crashed", "pushed"), 0))
    stayed = batch.state.target[0, 1:] != 1
    by_place = [bool(stayed[order.index(k)]) for k in range(3)]
    assert by_place == ([True, True, False] if order[0] == 0 else [False, True, False])


@pytest.mark.slow
@pytest.mark.parametrize("collisions", ["agent", "all"])
def test_piles_of_vehicles_collide_as_in_the_original(collisions: str, length: Callable[[int, int], int]) -> None:
    """Seven vehicles and an obstacle on 20 x 10 m, turned anyhow: who has crashed, who is pushed, and where to."""
    from pliant.simulators.highway import collisions as collision_rules

    scenes = length(12, 40)
    batch = batch_of("train", scenes, 9, scene="merge", collisions=collisions, vehicles=5)
    rng, twice = np.random.default_rng(9), 0
    for n, env in enumerate(batch.envs):
        count = len(env.road.vehicles)
        poses = np.stack([rng.uniform(300, 320, count), rng.uniform(2, 12, count), rng.uniform(-3, 3, count)], axis=1)
        put(batch, n, [(*pose, speed) for pose, speed in zip(poses.tolist(), rng.uniform(0, 30, count).tolist(), strict=True)])
        for i, vehicle in enumerate(env.road.vehicles):
            for other in [*env.road.vehicles[i + 1 :], *env.road.objects]:
                before = vehicle.impact, other.impact
                vehicle.handle_collisions(other, 0.2)
                twice += any(b is not None and b is not a.impact for b, a in zip(before, (vehicle, other), strict=True))
    state, cast = batch.state, batch.traffic.cast
    breadth = cast.breadth.expand_as(state.x)
    bodies = collision_rules.Bodies(state.x, state.y, state.cos, state.sin, state.speed, cast.length, breadth, cast.still)
    hits = collision_rules.find(bodies, batch.traffic.turn, 0.2)
    tally = dict.fromkeys(("frames", "changing", "crashed", "pushed"), 0)
    for n in range(len(batch.envs)):
        for v, vehicle in vehicles(batch, n):
            assert bool(hits.crashed[n, v]) == vehicle.crashed and bool(hits.pushed[n, v]) == (vehicle.impact is not None)
            if vehicle.impact is not None:
                assert np.allclose(hits.push[n, v].numpy(), vehicle.impact, rtol=0, atol=ATOL)
            tally["crashed"] += vehicle.crashed
            tally["pushed"] += vehicle.impact is not None
    assert tally["crashed"] > scenes and tally["pushed"] > 1.5 * scenes and twice > scenes / 2, "many are pushed more than once"


@pytest.mark.parametrize("scene", ["highway", "merge"])
def test_neighbours_are_the_originals(scene: str) -> None:
    """On every lane, for vehicles strewn at random: the sorted search against highway-env's search through all."""
    from pliant.simulators.highway.drivers import View

    batch = batch_of("train", 4, 5, scene=scene, vehicles=14)
    rng, found = np.random.default_rng(5), 0
    for n, env in enumerate(batch.envs):
        for v, vehicle in vehicles(batch, n):
            x, y, heading = (float(p[0]) for p in random_poses(rng, 1))
            x = abs(x)
            vehicle.position, vehicle.heading = np.array([x, y]), heading
            batch.state.x[n, v], batch.state.y[n, v], batch.state.heading[n, v] = x, y, heading
        everybody = dict(vehicles(batch, n)) | ({batch.state.x.shape[1] - 1: env.road.objects[0]} if scene == "merge" else {})
        everybody[batch.state.x.shape[1]] = None
        view = View(batch.road, batch.traffic.cast, batch.state)
        for k in (k for k in range(batch.road.lanes) if bool(batch.road.exists[n, k])):
            for v, vehicle in vehicles(batch, n):
                one = torch.tensor([v])
                twin = view.neighbours(torch.tensor([n]), one, torch.tensor([k]))
                original = env.road.neighbour_vehicles(vehicle, name_of(batch.road, k))
                assert [everybody[int(t)] for t in twin] == list(original)
                found += sum(x is not None for x in original)
    assert found > 100


def test_the_merge_has_the_originals_sections() -> None:
    road = Merge(torch.tensor([2, 3]))
    assert road.lanes == 3 + 4 + 3 + 2 and road.exists.sum(1).tolist() == [2 + 3 + 2 + 2, 3 + 4 + 3 + 2] and road.END == 370


def test_tasks_reach_the_originals_vehicles() -> None:
    batch = batch_of("ood", 3, 8, vehicles=4)
    tasks: Tasks = batch.tasks
    for env, row in zip(batch.envs, tasks.rows(), strict=True):
        agent, *others = env.road.vehicles
        assert (agent.KP_A, agent.KP_LATERAL, agent.LENGTH) == (row["speed_gain"], row["lateral_gain"], row["length"])
        assert len(env.road.network.lanes_list()) == row["lanes"] and len(others) == 4
        for other in others:
            assert (other.TIME_WANTED, other.POLITENESS) == (row["time_gap"], row["politeness"])
            assert other.COMFORT_ACC_MAX == row["acceleration"] and 3.5 <= other.DELTA <= 4.5
            assert abs(other.target_speed - row["traffic_speed"]) <= 1.5
