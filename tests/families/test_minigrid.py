"""The rooms beside the environments of MiniGrid that they repeat, their layouts, and the game of colours by hand."""

from collections import deque
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from pliant.families import minigrid
from pliant.simulators.minigrid import rooms as room_rules
from pliant.simulators.minigrid import world
from pliant.simulators.minigrid.world import World
from pliant.streams import Stream
from pliant.tasks.base import BatchEnv, Family, Tasks

LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE, DONE = range(7)
STEP = [(1, 0), (0, 1), (-1, 0), (0, -1)]
COLOURS = ["red", "green", "blue", "purple", "yellow", "grey"]
GAMES = ["key-door", "empty", "crossing", "lava", "colours"]
ORIGINALS = [
    ("key-door", 5, "DoorKey-5x5"),
    ("key-door", 6, "DoorKey-6x6"),
    ("key-door", 8, "DoorKey-8x8"),
    ("empty", 6, "Empty-Random-6x6"),
    ("crossing", 9, "SimpleCrossingS9N1"),
    ("lava", 9, "LavaCrossingS9N1"),
]


def family_of(game: str, **settings: Any) -> Family:
    return minigrid.family(minigrid.Settings(game=game, **settings))  # type: ignore[arg-type]


def make(name: str, **settings: Any) -> Any:
    pytest.importorskip("minigrid", exc_type=ImportError)
    return gymnasium.make(f"MiniGrid-{name}-v0", disable_env_checker=True, **settings).unwrapped


def encoded(thing: Any) -> int:
    kind, colour, state = thing.encode() if thing else (1, 0, 0)
    return 18 * kind + 3 * colour + state


def found(env: Any, kind: str) -> list[tuple[int, int]]:
    """Where in an original things of a kind are, x and y."""
    things = [(i % env.width, i // env.width, thing) for i, thing in enumerate(env.grid.grid) if thing is not None]
    return [(x, y) for x, y, thing in things if thing.type == kind]


def task_of(env: Any, game: str, family: Family) -> Tasks:
    """The task whose room is that of an original after its reset."""
    (goal,) = found(env, "goal")
    if game == "key-door":
        ((wall, door),), (key,) = found(env, "door"), found(env, "key")
        digits = [wall, door, *key, goal[1]]
    elif game == "empty":
        digits = [*goal]
    else:
        inside = range(1, env.width - 1)
        barrier = {(x, y) for x, y in found(env, "wall" if game == "crossing" else "lava") if x in inside and y in inside}
        way = 1 if len({x for x, _ in barrier}) == 1 else 2
        ((line,),) = [{place[way - 1] for place in barrier}]
        (opening,) = set(inside) - {place[2 - way] for place in barrier}
        digits = [way, line, opening]
    return family.task({"layout": int("".join(map(str, digits)))})


def joined(tasks: list[Tasks]) -> Tasks:
    return Tasks("minigrid", {name: np.concatenate([each.arrays[name] for each in tasks]) for name in tasks[0].arrays})


def put(batch: Any, envs: list[Any]) -> None:
    """Every lane's agent where that of an original is, one lane a task; in `colours` the room too."""
    cells = [[encoded(env.grid.get(x, y)) for y in range(env.height) for x in range(env.width)] for env in envs]
    room = torch.tensor([[*each, world.WALL] for each in cells])[:, None]
    if batch.right is None:
        assert torch.equal(batch.world.cells, room), "the room is that of the original"
    position = torch.tensor([[int(env.agent_pos[1]) * env.width + int(env.agent_pos[0])] for env in envs])
    direction = torch.tensor([[int(env.agent_dir)] for env in envs])
    batch.world = World(room, position, direction, torch.zeros_like(position))


def way(env: Any, wanted: Any = None) -> list[int]:
    """The shortest way to the goal, or to `wanted` in hand, from where an original is: breadth-first over all states."""
    key, door = next(iter(found(env, "key")), None), next(iter(found(env, "door")), None)
    opened = door is not None and env.grid.get(*door).is_open
    start = (int(env.agent_pos[0]), int(env.agent_pos[1]), int(env.agent_dir), env.carrying is not None, opened)
    before: dict[Any, Any] = {start: None}
    queue = deque([start])
    while queue:
        state = x, y, d, holds, opened = queue.popleft()
        front = (x + STEP[d][0], y + STEP[d][1])
        there = env.grid.get(*front)
        if (there is not None and there is wanted) or (wanted is None and (x, y) in found(env, "goal")):
            actions = [PICKUP] if wanted else []
            while before[state]:
                action, state = before[state]
                actions.append(action)
            return actions[::-1]
        nexts = {LEFT: (x, y, (d - 1) % 4, holds, opened), RIGHT: (x, y, (d + 1) % 4, holds, opened)}
        is_key, is_door = front == key and not env.carrying, front == door
        if there is None or there.type == "goal" or (is_key and holds) or (is_door and opened):
            nexts[FORWARD] = (*front, d, holds, opened)
        if is_key and wanted is None:
            nexts[PICKUP] = (x, y, d, True, opened)
        if is_door and holds:
            nexts[TOGGLE] = (x, y, d, holds, True)
        for action, after in nexts.items():
            if after not in before:
                before[after] = (action, state)
                queue.append(after)
    return []


# ---- beside the original


@pytest.mark.slow
@pytest.mark.parametrize("game, size, name", ORIGINALS)
def test_an_episode_is_that_of_minigrid(game: str, size: int, name: str) -> None:
    """24 rooms, all seven actions at random or the shortest way: everything until the goal, a death or the last step."""
    family = family_of(game, size=size, horizon=30, all_actions=True)
    envs, rng = [make(name, max_steps=30) for _ in range(24)], np.random.default_rng(0)
    for seed, env in enumerate(envs):
        env.reset(seed=seed)
    batch: Any = family.batch(joined([task_of(env, game, family) for env in envs]), 1)
    batch.reset(Stream(0))
    put(batch, envs)
    ends = {"goal": 0, "lava": 0, "time": 0}
    while bool(batch.active.any()):
        action = [int(rng.integers(7)) for _ in envs]
        for m, env in enumerate(envs):
            if m % 3 and batch.active[m, 0] and rng.random() < 0.9:
                action[m] = (way(env) or [FORWARD])[0]
        active = batch.active[:, 0].tolist()
        step, image = batch.step(torch.tensor(action)[:, None]), batch.image()[:, 0].numpy()
        for m in np.flatnonzero(active):
            obs, reward, terminated, truncated, _ = envs[m].step(action[m])
            assert float(step.reward[m, 0]) == reward and bool(step.success[m, 0]) == (reward > 0)
            assert bool(step.terminated[m, 0]) == terminated
            assert bool(step.truncated[m, 0]) == (truncated and not terminated)
            assert np.array_equal(image[m], obs["image"]) and int(batch.world.direction[m, 0]) == obs["direction"]
            assert int(batch.world.carried[m, 0]) == (encoded(envs[m].carrying) if envs[m].carrying else 0)
            ends["goal" if reward else "lava" if terminated else "time"] += terminated or truncated
    assert ends["goal"] >= 8 and ends["time"] >= (0 if game == "lava" else 1) and (ends["lava"] > 0) == (game == "lava")


@pytest.mark.slow
def test_colours_are_played_as_minigrids_fetch(length: Callable[[int, int], int]) -> None:
    """Rooms of Fetch with its own target as the right one: the right one in hand pays, another one ends the episode."""
    family, rng = family_of("colours", horizon=30, all_actions=True), np.random.default_rng(0)
    envs = [make("Fetch-6x6-N2", max_steps=30) for _ in range(length(20, 40))]
    for seed, env in enumerate(envs):
        env.reset(seed=seed)
    wanted = [(world.KEY if e.targetType == "key" else world.BALL, COLOURS.index(e.targetColor)) for e in envs]
    tasks = [family.task({"kind": kind, "colour": colour}) for kind, colour in wanted]
    batch: Any = family.batch(joined(tasks), 1)
    batch.reset(Stream(0))
    put(batch, envs)
    things = [[thing for thing in env.grid.grid if thing is not None and thing.type in ("key", "ball")] for env in envs]
    aims = [each[rng.integers(2)] for each in things]
    ends = {"right": 0, "wrong": 0, "time": 0}
    while bool(batch.active.any()):
        action = [int(rng.integers(7)) for _ in envs]
        for m, env in enumerate(envs):
            if m % 4 and batch.active[m, 0]:
                action[m] = (way(env, aims[m]) or [DONE])[0]
        active = batch.active[:, 0].tolist()
        step = batch.step(torch.tensor(action)[:, None])
        for m in np.flatnonzero(active):
            _, reward, terminated, truncated, _ = envs[m].step(action[m])
            assert float(step.reward[m, 0]) == reward and bool(step.success[m, 0]) == (reward > 0)
            assert bool(step.terminated[m, 0]) == terminated
            assert bool(step.truncated[m, 0]) == (truncated and not terminated)
            ends["right" if reward else "wrong" if terminated else "time"] += terminated or truncated
    assert min(ends.values()) >= length(1, 2) and ends["right"] >= length(4, 8) and ends["wrong"] >= length(2, 5), ends


# ---- layouts


@pytest.mark.slow
@pytest.mark.parametrize("size, expected", [(5, 6), (6, 36), pytest.param(8, 300, marks=pytest.mark.whole)])
def test_minigrids_own_doorkey_rooms_are_all_tasks_and_in_small_rooms_these_are_all(size: int, expected: int) -> None:
    family, env = family_of("key-door", size=size), make(f"DoorKey-{size}x{size}")
    grid = minigrid.grid_of(family.settings)
    seen = set()
    for seed in range(400 if size < 8 else 200):
        env.reset(seed=seed)
        task = task_of(env, "key-door", family)
        assert family.split_of(task)[0] in ("train", "test")
        cells, begins = room_rules.cells("key-door", grid, task.arrays["layout"])
        assert cells[0, :-1].tolist() == [encoded(env.grid.get(x, y)) for y in range(size) for x in range(size)]
        assert bool(begins[0, int(env.agent_pos[1]) * size + int(env.agent_pos[0])])
        seen.add(int(task.arrays["layout"][0]))
    here, shifted = room_rules.layouts("key-door", size)
    assert len(here) == expected and not set(here) & set(shifted)
    assert seen == set(here) if size < 8 else len(seen) > 100


@pytest.mark.slow
@pytest.mark.parametrize("game, name", [("crossing", "SimpleCrossingS9N1"), ("lava", "LavaCrossingS9N1")])
def test_the_layouts_of_crossings_are_those_of_minigrid(game: str, name: str) -> None:
    family, env = family_of(game), make(name)
    seen = set()
    for seed in range(400):
        env.reset(seed=seed)
        seen.add(int(task_of(env, game, family).arrays["layout"][0]))
    assert seen == set(room_rules.layouts(game, 9)[0]) and len(seen) == 42


def drawn(family: Family, layout: int) -> list[str]:
    """A room as letters: wall, key, locked door, goal, lava; lower case b where an episode may open."""
    size = family.settings.side
    cells, begins = room_rules.cells(family.settings.game, minigrid.grid_of(family.settings), np.array([float(layout)]))
    letter = {2: "#", 5: "K", 4: "D", 8: "G", 9: "L", 1: "."}
    places = [letter[c // 18] for c in cells[0, :-1].tolist()]
    begin = begins[0].tolist()
    assert all(place == "." for place, b in zip(places, begin, strict=True) if b)
    marked = ["b" if b else place for place, b in zip(places, begin, strict=True)]
    return ["".join(marked[size * y : size * (y + 1)]) for y in range(size)]


def test_rooms_by_hand() -> None:
    six = family_of("key-door", size=6)
    assert drawn(six, 31124) == ["######", "#bbD.#", "#Kb#.#", "#bb#.#", "#bb#G#", "######"]
    assert drawn(six, 22141) == ["######", "#b#.G#", "#bD..#", "#b#..#", "#K#..#", "######"], "a shifted goal"
    assert drawn(family_of("empty", size=5), 21) == ["#####", "#bGb#", "#bbb#", "#bbb#", "#####"]
    assert drawn(family_of("crossing", size=7), 145)[1:6] == ["#b..#.#"] + ["#...#.#"] * 3 + ["#....G#"]
    assert drawn(family_of("lava", size=7), 221)[1:3] == ["#b....#", "#.LLLL#"]


@pytest.mark.parametrize("game", GAMES)
def test_a_fifth_of_the_tasks_is_held_out(game: str) -> None:
    family = family_of(game)
    drawn = {split: family.sample(600, split, Stream(0).at(split).rng()) for split in ("train", "test", "ood")}
    rows = {split: {tuple(row.values()) for row in tasks.rows()} for split, tasks in drawn.items()}
    assert not (rows["train"] & rows["test"] or rows["train"] & rows["ood"] or rows["test"] & rows["ood"])
    for split, tasks in drawn.items():
        assert set(family.split_of(tasks)) == {split}
    share = len(rows["test"]) / len(rows["test"] | rows["train"])
    assert 0.15 < share < 0.3, "of 12 right ones two, of 300 rooms sixty"
    with pytest.raises(ValueError, match="is outside minigrid"):
        family.task({"kind": 4, "colour": 1} if game == "colours" else {"layout": 7})


@pytest.mark.parametrize("size", [5, 6, 8, 11])
def test_every_layout_of_key_door_can_be_solved(size: int) -> None:
    """A search over cells alone: the key can be reached without crossing the wall, the goal through the door."""
    family = family_of("key-door", size=size)
    here, shifted = room_rules.layouts("key-door", size)
    numbers = np.array(here + shifted, dtype=np.float64)
    numbers = numbers[np.linspace(0, len(numbers) - 1, min(len(numbers), 500)).astype(int)]
    cells, begins = room_rules.cells("key-door", minigrid.grid_of(family.settings), numbers)
    kind = cells[:, :-1].view(-1, size, size) // 18

    def reached(walkable: torch.Tensor, begin: torch.Tensor) -> torch.Tensor:
        for _ in range(size * size):
            near = torch.nn.functional.max_pool2d(begin[:, None].float(), (3, 1), 1, (1, 0))[:, 0] > 0
            near |= torch.nn.functional.max_pool2d(begin[:, None].float(), (1, 3), 1, (0, 1))[:, 0] > 0
            begin = begin | (near & walkable)
        return begin

    starts = begins.view(-1, size, size)
    assert bool((starts.flatten(1).sum(1) > 0).all()) and bool(((kind == world.DOOR).flatten(1).sum(1) == 1).all())
    first = reached((kind == 1) | (kind == world.KEY), starts)
    assert bool((first & (kind == world.KEY)).flatten(1).any(1).all())
    assert not bool((first & (kind == world.GOAL)).any()), "without the door there is no way"
    through = reached(kind != world.WALL_TYPE, starts)
    assert bool((through & (kind == world.GOAL)).flatten(1).any(1).all())


# ---- episodes


def act(batch: BatchEnv, *actions: int) -> list[Any]:
    return [batch.step(torch.full(batch.shape, action)) for action in actions]


def test_a_solved_room_by_hand() -> None:
    # Wall in column 3, door in row 1, key below the start, goal in the corner. Actions: left, right, forward, pickup, toggle.
    family = family_of("key-door", size=6, horizon=20, subgoals=0.25)
    batch: Any = family.batch(family.task({"layout": 31124}), 2)
    batch.reset(Stream(0))
    batch.world = batch.world._replace(position=torch.full((1, 2), 7), direction=torch.zeros(1, 2, dtype=torch.int64))
    steps = act(batch, 1, 3, 3, 0, 2, 4, 4, 4, 2, 2, 1, 2, 2, 2)
    expected = [0, 0.25, 0, 0, 0, 0.25, *[0] * 7, 1 - 0.9 * 14 / 20]
    assert [float(step.reward[0, 0]) for step in steps] == pytest.approx(expected)
    assert [bool(step.terminated.all()) for step in steps] == [False] * 13 + [True] and bool(steps[-1].success.all())


def test_a_trial_opens_every_episode_in_the_same_place_unless_it_is_drawn_anew() -> None:
    for start, same in (("same", True), ("random", False)):
        family = family_of("key-door", start=start, horizon=3)
        batch: Any = family.batch(family.sample(30, "train", Stream(0).rng()), 20, 3)
        batch.reset(Stream(0))
        opened = [(batch.world.position, batch.world.direction)]
        for _ in range(2):
            act(batch, 2, 2, 1)
            opened.append((batch.world.position, batch.world.direction))
        equal = [(a[0] == b[0]) & (a[1] == b[1]) for a, b in zip(opened, opened[1:], strict=False)]
        assert all(bool(each.all()) == same for each in equal)
        assert len(set(opened[0][1].flatten().tolist())) == 4 and len(set(opened[0][0][:, 0].tolist())) > 4


def test_every_start_is_as_likely_as_any_other() -> None:
    family = family_of("key-door", size=5)
    batch: Any = family.batch(family.task({"layout": 21113}), 9000)
    batch.reset(Stream(3))
    count = torch.bincount((4 * batch.world.position + batch.world.direction).flatten(), minlength=100)
    here = [4 * cell + direction for cell, direction in product((11, 16), range(4))]  # below the key, in column 1
    assert count.nonzero().flatten().tolist() == here
    assert bool(((count[here] - 1125).abs() < 5 * np.sqrt(9000 * 7 / 64)).all())


def test_rooms_of_colours_are_new_every_episode_and_always_hold_the_right_one() -> None:
    family = family_of("colours", horizon=2)
    tasks = joined([family.task({"kind": kind, "colour": colour}) for kind in (5, 6, 7) for colour in range(6)])
    batch: Any = family.batch(tasks, 200, 2)
    batch.reset(Stream(0))
    rooms, right = [batch.world.cells], room_rules.right_one(tasks)[:, None, None]
    act(batch, 0, 0)
    rooms.append(batch.world.cells)
    assert not torch.equal(*rooms)
    for room in rooms:
        bare = (room == world.EMPTY) | (room == world.WALL)
        things = room.masked_fill(bare, 0).sort(dim=-1, descending=True).values
        assert bool((things[..., 3] > 0).all()) and bool((things[..., 4] == 0).all()), "four things"
        assert bool((things[..., :3] > things[..., 1:4]).all()), "all different"
        assert bool(((room == right).sum(-1) == 1).all())
        others = torch.bincount(things[..., :4][things[..., :4] != right].flatten(), minlength=180)
        assert int((others > 0).sum()) == 18, "anything may lie beside it"
        free = room.gather(-1, batch.world.position[..., None])
    assert bool((free == world.EMPTY).all()), "the agent stands on a free cell"


# ---- what is told


@pytest.mark.parametrize("game, width", [("key-door", 8), ("empty", 3), ("crossing", 3), ("lava", 4), ("colours", 11)])
def test_the_observation_says_what_the_image_says(game: str, width: int) -> None:
    family, size = family_of(game), 49 * width + 4
    batch: Any = family.batch(family.sample(20, "train", Stream(0).rng()), 5)
    obs = batch.reset(Stream(0))
    assert obs.shape == (20, 5, size) and family.spec.obs_size == size
    for action in (0, 2, 0, 1, 2, 2, 0):
        image = batch.image().flatten(2, 3)  # [M, B, 49, 3]
        kind, colour, state = image.unbind(-1)
        types = [1, *minigrid.GAMES[game].types]
        told = obs[..., :-4].unflatten(-1, (49, -1))
        assert torch.equal(told[..., : len(types)], (kind[..., None] == torch.tensor(types)).double())
        if game == "colours":
            portable = ((kind >= 5) & (kind <= 7))[..., None]
            assert torch.equal(told[..., len(types) :], ((colour[..., None] == torch.arange(6)) & portable).double())
        if game == "key-door":
            assert torch.equal(told[..., 5:], ((state[..., None] == torch.arange(3)) & (kind == 4)[..., None]).double())
        assert torch.equal(obs[..., -4:].argmax(-1), batch.world.direction)
        obs = act(batch, action)[0].obs


def test_a_critic_is_told_the_layout_or_what_is_right() -> None:
    family = family_of("key-door", size=6)
    assert np.allclose(family.described(family.task({"layout": 31124}))[0], [0.2, -0.6, -0.6, -0.2, 0.6])
    family = family_of("colours")
    assert family.described(family.task({"kind": 6, "colour": 2}))[0].tolist() == [0, 1, 0, 0, 0, 1, 0, 0, 0]


# ---- settings


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"game": "doorkey"}, "game is 'doorkey': expected key-door, empty"),
        ({"size": 4}, "size is 4: expected a number of cells from 5 to 11 for key-door, or 0"),
        ({"game": "lava", "size": 8}, "size is 8: expected an odd number of cells from 7 to 11"),
        ({"size": 12}, "size is 12: expected"),
        ({"size": 6.0}, "size is 6.0: expected an integer of at least 0"),
        ({"horizon": -1}, "horizon is -1: expected"),
        ({"view": 4}, "view is 4: expected 3, 5 or 7"),
        ({"start": "anew"}, "start is 'anew': expected same or random"),
        ({"subgoals": -0.1}, "subgoals is -0.1: expected"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:
        minigrid.Settings(**wrong)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_the_family_needs_no_minigrid() -> None:
    for module in (minigrid, room_rules, world):
        lines = Path(module.__file__).read_text().splitlines()
        words = [line.split() for line in lines]
        assert not [line for line in words if line[:1] in (["import"], ["from"]) and line[1].startswith("minigrid")]
