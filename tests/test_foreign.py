"""Simulators of others through the family `gymnasium`, each beside the bare environment: equal in every number.

Skipped where they are not installed; how to bring each is said in docs/families/gymnasium.md, in the words of `CASES`.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import pytest
import torch

from pliant.families import gymnasium as family_file
from pliant.streams import Stream
from pliant.system import outside
from pliant.tasks import pool
from pliant.tasks.base import BatchEnv, Family

pytestmark = [pytest.mark.whole, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

EXAMPLE = Path(__file__).parent.parent / "examples" / "other_simulators.py"
TASKS, LANES, EPISODES = 2, 2, 2
KEPT = ("next_obs", "reward", "terminated", "truncated", "success")


def vector(obs: Any) -> Any:
    """Numbers as they are."""
    return np.asarray(obs, np.float64).ravel()


def picture(obs: Any) -> Any:
    """Channels first, as shares of full brightness."""
    return np.moveaxis(np.asarray(obs, np.float64), -1, 0).ravel() / 255


def one_hot(n: int) -> Callable[[Any], Any]:
    return lambda obs: np.eye(n)[int(obs)]


def parts(*names: str) -> Callable[[Any], Any]:
    return lambda obs: np.concatenate([vector(obs[name]) for name in names])


class Case(NamedTuple):
    """A simulator: the module to import, the settings of the family, and what the bare environment is by hand."""

    needs: str
    imports: str
    env: str
    vary: str
    see: Callable[[Any], Any]
    more: Mapping[str, Any] = MappingProxyType({})
    set: Callable[[Any, dict[str, float]], None] = lambda env, task: None
    made: tuple[str, ...] = ()
    """What of the task is a constructor argument."""
    steps: int = 40
    """Of an episode, at most."""
    reports: bool = False
    """Success, in its info."""


def attribute(name: str) -> Callable[[Any, dict[str, float]], None]:
    return lambda env, task: setattr(env.unwrapped, name, task[name])


def whole(name: str) -> Callable[[Any, dict[str, float]], None]:
    return lambda env, task: setattr(env.unwrapped, name, int(task[name]))


def pole(env: Any, task: dict[str, float]) -> None:
    env.unwrapped.length = task["length"]
    env.unwrapped.polemass_length = env.unwrapped.masspole * task["length"]


def step_of_time(env: Any, task: dict[str, float]) -> None:
    env.unwrapped._env.physics.model.opt.timestep = task["_env_physics_model_opt_timestep"]


GOALS = {"wrappers": "FilterObservation(['observation', 'achieved_goal'])"}
CASES = {
    "popgym": Case("popgym", "popgym", "popgym-RepeatPreviousEasy-v0", "k=1..8", one_hot(4), {}, whole("k")),
    "popgym, control": Case(
        "popgym", "popgym", "popgym-PositionOnlyCartPoleEasy-v0", "length=0.3:1.0", vector, {}, pole
    ),
    "panda-gym": Case(
        "panda_gym", "panda_gym", "PandaReach-v3", "seed=0..999", parts("achieved_goal", "observation"), GOALS, reports=True
    ),
    "gymnasium-robotics": Case(
        "gymnasium_robotics",
        "gymnasium_robotics",
        "FetchReach-v4",
        "seed=0..999",
        parts("achieved_goal", "observation"),
        GOALS,
        reports=True,
    ),
    "gym-anm": Case("gym_anm", "gym_anm", "ANM6Easy-v0", "lamb=100:2000", vector, {}, attribute("lamb"), steps=20),
    "pc-gym": Case("pcgym", str(EXAMPLE), "TankReactor-v0", "UA=40000:60000", vector, made=("UA",)),
    "crafter": Case("crafter", str(EXAMPLE), "Crafter-v0", "seed=0..999", picture, steps=5),  # does not repeat itself for long
    "miniworld": Case("miniworld", "miniworld", "MiniWorld-Hallway-v0", "seed=0..999", picture, steps=15),
    "memory-gym": Case(
        "memory_gym",
        "memory_gym",
        "MysteryPath-Grid-v0",
        "seed=0..999",
        picture,
        {"success": "success"},
        steps=150,
        reports=True,
    ),
    "dm_control": Case(
        "dm_control",
        "shimmy",
        "dm_control/cartpole-swingup-v0",
        "attribute._env.physics.model.opt.timestep=0.005:0.015",
        parts("position", "velocity"),
        {},
        step_of_time,
    ),
}
"""Every simulator in one of its environments, with what varies."""


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SDL_AUDIODRIVER", "dummy")
    monkeypatch.setenv("PYGLET_HEADLESS", "1")  # MiniWorld without a display
    yield
    while pool._idle:
        pool._idle.pop().close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", CASES)
def test_a_simulator_of_others_is_the_bare_environment(name: str) -> None:
    case = CASES[name]
    pytest.importorskip(case.needs)
    outside.import_outside(case.imports)
    family = family_file.family(family_file.Settings(env=case.env, vary=case.vary, horizon=case.steps, workers=2, **case.more))
    assert bool(family.success) is case.reports
    batch = family.batch(family.sample(TASKS, "train", Stream(0).rng()), LANES, EPISODES)
    action = actions(family, batch.max_steps)
    played = play(batch, action)
    starts = (Stream(0).at("reset").uniform(TASKS, LANES, EPISODES, 1, dtype=torch.float64)[..., 0] * 2**31).long().tolist()
    for m, task in enumerate(batch.tasks.rows()):
        for lane in range(LANES):
            expected = by_hand(case, task, starts[m][lane], action[m, :, lane].numpy(), family)
            assert len(expected) == len(played[m][lane]) > EPISODES
            for t, (one, two) in enumerate(zip(played[m][lane], expected, strict=True)):
                for what in one:
                    assert np.array_equal(one[what], two[what]), f"{what} at step {t} of task {task}, lane {lane}"


def actions(family: Family, steps: int) -> torch.Tensor:
    """Actions at random, [M, T, B] of choices or [M, T, B, A]."""
    spec = family.spec
    if spec.discrete:
        return (Stream(1).uniform(TASKS, steps, LANES) * spec.action_size).long()
    return 2 * Stream(1).uniform(TASKS, steps, LANES, spec.action_size) - 1


def play(batch: BatchEnv, action: torch.Tensor) -> list[list[list[dict[str, Any]]]]:
    """What each lane of each task saw, step by step."""
    lanes: list[list[list[dict[str, Any]]]] = [[[] for _ in range(LANES)] for _ in range(TASKS)]
    obs, t = batch.reset(Stream(0)), 0
    while bool(batch.active.any()):
        active, step = batch.active, batch.step(action[:, t])
        for m, lane in active.nonzero().tolist():
            seen = {name: getattr(step, name)[m, lane].numpy() for name in KEPT}
            lanes[m][lane].append({"before": obs[m, lane].numpy()} | seen)
        obs, t = step.obs, t + 1
    return lanes


def by_hand(case: Case, task: dict[str, float], starts: list[int], action: Any, family: Family) -> list[dict[str, Any]]:
    """The same lane in the environment as its makers made it."""
    env = gymnasium.make(case.env, disable_env_checker=True, **{name: task[name] for name in case.made})
    seen, t, space = [], 0, env.action_space
    for start in starts:
        case.set(env, task)
        obs, _ = env.reset(seed=int(task.get("seed", start)))
        for step in range(1, case.steps + 1):
            before = case.see(obs)
            if family.spec.discrete:
                given = int(action[t]) + int(space.start)
            else:
                share = (action[t].astype(np.float64).reshape(space.shape) + 1) / 2
                wide = space.low.astype(np.float64) + share * (space.high.astype(np.float64) - space.low)
                given = np.clip(wide.astype(space.dtype), space.low, space.high)
            obs, reward, terminated, truncated, info = env.step(given)
            t, is_cut = t + 1, bool(truncated or step == case.steps) and not terminated
            succeeded = bool(info.get("is_success", info.get("success", False)))
            after = {"next_obs": case.see(obs), "reward": float(reward), "terminated": terminated, "truncated": is_cut}
            seen.append({"before": before} | after | {"success": succeeded})
            if terminated or truncated:
                break
    env.close()
    return seen
