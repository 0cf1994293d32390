"""The rules beside MiniGrid itself, step by step."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from torch import Tensor

from pliant.simulators.minigrid import world as grid_world
from pliant.simulators.minigrid.world import Grid, World

pytest.importorskip("minigrid", exc_type=ImportError)
from minigrid.core import world_object as objects
from minigrid.minigrid_env import MiniGridEnv

LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE, DONE = range(7)
ROOMS = ["DoorKey-5x5", "DoorKey-6x6", "DoorKey-8x8", "Empty-Random-6x6", "SimpleCrossingS9N1", "SimpleCrossingS9N3"]
ROOMS += ["LavaCrossingS9N1", "UnlockPickup", "BlockedUnlockPickup", "Fetch-8x8-N3", "KeyCorridorS4R3"]


def make(name: str, **settings: Any) -> Any:
    return gymnasium.make(f"MiniGrid-{name}-v0", disable_env_checker=True, **settings).unwrapped


def encoded(thing: Any) -> int:
    """The code of one of MiniGrid's objects."""
    kind, colour, state = thing.encode()
    return 18 * kind + 3 * colour + state


def cells_of(env: Any) -> Tensor:
    """Its grid, column by column in MiniGrid and row by row in ours, and the wall behind it."""
    kind, colour, state = env.grid.encode().astype(np.int64).transpose(2, 1, 0)  # each [H, W]
    return torch.tensor([*(18 * kind + 3 * colour + state).flatten(), grid_world.WALL])


def world_of(envs: list[Any]) -> World:
    """The state of originals as one world [1, B]."""
    position = [int(env.agent_pos[1]) * env.width + int(env.agent_pos[0]) for env in envs]
    carried = [encoded(env.carrying) if env.carrying else 0 for env in envs]
    state = (torch.tensor([x]) for x in (position, [int(env.agent_dir) for env in envs], carried))
    return World(torch.stack([cells_of(env) for env in envs])[None], *state)


def likely(env: Any, rng: np.random.Generator) -> int:
    """An action that does something interesting here, half of the time."""
    there = env.grid.get(*env.front_pos)
    if rng.random() < 0.5:
        return int(rng.choice([LEFT, RIGHT, FORWARD, FORWARD, PICKUP, DROP, TOGGLE, DONE]))
    if there is None:
        return int(rng.choice([FORWARD, FORWARD, DROP]))
    return TOGGLE if there.type == "door" else int(rng.choice([PICKUP, TOGGLE])) if there.can_pickup() else FORWARD


def act_in_both(grid: Grid, world: World, envs: list[Any], action: list[int]) -> tuple[World, list[bool]]:
    """One action in each lane of both, with everything compared: the world after it, and which lanes terminated."""
    world, entered = grid_world.act(grid, world, torch.tensor([action]))
    steps = [MiniGridEnv.step(env, a) for env, a in zip(envs, action, strict=True)]
    compare(grid, world, envs, [step[0] for step in steps])
    for kind, (_, reward, terminated, _, _) in zip((entered[0] // 18).tolist(), steps, strict=True):
        assert terminated == (kind in (grid_world.GOAL, grid_world.LAVA)) and (reward > 0) == (kind == grid_world.GOAL)
    return world, [step[2] for step in steps]


def compare(grid: Grid, world: World, envs: list[Any], obs: list[Any]) -> None:
    """What the agents see, and the whole state."""
    image = grid_world.image(grid, world)[0].numpy()
    for b, env in enumerate(envs):
        assert np.array_equal(image[b], obs[b]["image"]), env.pprint_grid()
        assert obs[b]["direction"] == int(world.direction[0, b])
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(world, world_of(envs), strict=True))


# ---- the rules


@pytest.mark.slow
@pytest.mark.parametrize("name, view", [*((name, 7) for name in ROOMS), ("DoorKey-8x8", 3), ("KeyCorridorS4R3", 5)])
def test_the_rules_are_those_of_minigrid_in_its_rooms(name: str, view: int, length: Callable[[int, int], int]) -> None:
    """8 lanes x 20 or 80 steps of the base rules in each room, without the mission's own endings: objects are carried."""
    envs = [make(name, agent_view_size=view) for _ in range(8)]
    obs = [env.reset(seed=b)[0] for b, env in enumerate(envs)]
    grid = Grid(envs[0].width, envs[0].height, envs[0].see_through_walls, view)
    world, rng = world_of(envs), np.random.default_rng(0)
    compare(grid, world, envs, obs)
    for step in range(length(20, 80)):
        world, _ = act_in_both(grid, world, envs, [likely(env, rng) for env in envs])
        if step % 40 == 39:
            for env in envs:
                env.reset()
            world = world_of(envs)


def thing(rng: np.random.Generator) -> Any:
    """Any object of MiniGrid."""
    colour = str(rng.choice(["red", "green", "blue", "purple", "yellow", "grey"]))
    doors = [objects.Door(colour), objects.Door(colour, is_open=True), objects.Door(colour, is_locked=True)]
    others = [objects.Key(colour), objects.Ball(colour), objects.Box(colour), objects.Floor(colour), objects.Goal(colour)]
    made = [*doors, *others, objects.Wall(colour), objects.Lava()]
    return made[rng.integers(len(made))]


def strew(env: Any, width: int, height: int, rng: np.random.Generator) -> None:
    """A new room of another size with things everywhere, and perhaps a key in hand; walls hide what is behind them."""
    env.reset(seed=int(rng.integers(1000)))
    env.width, env.height, env.grid, env.see_through_walls = width, height, type(env.grid)(width, height), False
    env.grid.wall_rect(0, 0, width, height)
    env.agent_pos = (int(rng.integers(1, width - 1)), int(rng.integers(1, height - 1)))
    env.carrying = objects.Key(str(rng.choice(["red", "blue"]))) if rng.random() < 0.5 else None
    for x in range(1, width - 1):
        for y in range(1, height - 1):
            if rng.random() < 0.4 and (x, y) != env.agent_pos:
                env.grid.set(x, y, thing(rng))


@pytest.mark.slow
def test_the_rules_are_those_of_minigrid_among_all_its_objects_at_random() -> None:
    """16 lanes x 200 steps in grids of 9x6 strewn with everything there is, anew every 20 steps."""
    rng, width, height = np.random.default_rng(0), 9, 6
    envs = [make("Fetch-8x8-N3") for _ in range(16)]
    grid, seen, carried, did = Grid(width, height), set(), set(), set()
    for step in range(200):
        if step % 20 == 0:
            for env in envs:
                strew(env, width, height, rng)
            world = world_of(envs)
        action = [likely(env, rng) for env in envs]
        before = [env.grid.get(*env.front_pos) for env in envs]
        locked = [getattr(each, "is_locked", False) for each in before]
        world, terminated = act_in_both(grid, world, envs, action)
        seen |= set(grid_world.image(grid, world)[..., 0].flatten().tolist())
        carried |= set((world.carried // 18).flatten().tolist())
        for b, each in enumerate(before):
            did |= {"unlocked"} if locked[b] and not each.is_locked else set()
            did |= {"stayed locked"} if locked[b] and each.is_locked and action[b] == TOGGLE else set()
            did |= {each.type} if terminated[b] else set()
    assert seen == set(range(10)), "unseen, and every type of object"
    assert carried == {0, grid_world.KEY, grid_world.BALL, grid_world.BOX}
    assert did == {"unlocked", "stayed locked", "goal", "lava"}


def test_numbers_are_those_of_minigrid() -> None:
    from minigrid.core import actions, constants

    types = ("UNSEEN", "EMPTY_TYPE", "WALL_TYPE", "FLOOR", "DOOR", "KEY", "BALL", "BOX", "GOAL", "LAVA")
    names = [name.removesuffix("_TYPE").lower() for name in types]
    assert [constants.OBJECT_TO_IDX[name] for name in names] == [getattr(grid_world, name) for name in types]
    for table, names in (
        (constants.COLOR_TO_IDX, ("RED", "GREEN", "BLUE", "PURPLE", "YELLOW", "GREY")),
        (constants.STATE_TO_IDX, ("OPEN", "CLOSED", "LOCKED")),
        (actions.Actions.__members__, ("LEFT", "RIGHT", "FORWARD", "PICKUP", "DROP", "TOGGLE", "DONE")),
    ):
        theirs = {name.upper(): number for name, number in table.items()}
        assert [theirs[name] for name in names] == [getattr(grid_world, name) for name in names]
    assert [tuple(step) for step in constants.DIR_TO_VEC] == list(grid_world.STEP)


def test_light_by_hand() -> None:
    # The agent looks up at a wall with one gap; behind the gap a short passage, then an open room.
    grid = Grid(9, 9)
    cells = grid.walled().view(1, 1, -1)
    cells[0, 0, 9 * 5 + 1 : 9 * 5 + 8] = cells[0, 0, 9 * 4 + 4] = cells[0, 0, 9 * 4 + 6] = grid_world.WALL
    cells[0, 0, 9 * 5 + 5] = grid_world.EMPTY
    world = World(cells, torch.tensor([[9 * 7 + 4]]), torch.tensor([[3]]), torch.tensor([[0]]))
    letter = {0: "?", grid_world.EMPTY: ".", grid_world.WALL: "#"}

    def drawn() -> list[str]:
        rows = grid_world.view(grid, world).view(7, 7).T  # from far to near
        return ["".join(letter[c] for c in row) for row in rows.tolist()]

    # Light goes through the gap on to the passage's walls, and beyond them it spreads to both sides.
    assert drawn() == [".......", ".......", ".......", "???#.#?", "####.##", ".......", "......."]
    cells[0, 0, 9 * 5 + 5] = grid_world.WALL
    assert drawn() == ["???????", "???????", "???????", "???????", "#######", ".......", "......."]
