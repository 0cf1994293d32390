"""The MuJoCo families against Gymnasium's v5 originals, and what every batch of them must hold.

Twins step side by side: before each step the original is put into the lane's state, keeping its own warm start of the
solver, then both take the same action. With --whole each robot does so for 1,200 steps (7,200 in all), with random kicks on the
velocities and, where tasks differ in the body, with the same changes made to the original's model by hand.
"""

import math
import multiprocessing
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pliant.streams import Stream
from pliant.system import machine
from pliant.tasks import base

mujoco = pytest.importorskip("mujoco")
gymnasium = pytest.importorskip("gymnasium")
_mujoco = import_module("pliant.simulators.mujoco.batch")

NAMES = ["half_cheetah_dir", "half_cheetah_vel", "ant_dir", "ant_goal", "walker2d_params", "hopper_params"]
ANT = {"include_cfrc_ext_in_observation": False, "contact_cost_weight": 0.0}
ORIGINAL: dict[str, tuple[str, dict[str, Any]]] = {
    "half_cheetah_dir": ("HalfCheetah-v5", {"ctrl_cost_weight": 0.05}),
    "half_cheetah_vel": ("HalfCheetah-v5", {"ctrl_cost_weight": 0.05}),
    "ant_dir": ("Ant-v5", ANT),
    "ant_goal": ("Ant-v5", ANT | {"ctrl_cost_weight": 0.005, "healthy_reward": 4.05}),
    "walker2d_params": ("Walker2d-v5", {}),
    "hopper_params": ("Hopper-v5", {}),
}
TOLERANCE = 1e-9
"""Of observations; the largest difference measured over 21,600 steps is 2.4e-12."""
HORIZON = 40


def family(name: str, horizon: int = HORIZON) -> base.Family:
    module = import_module(f"pliant.families.{name}")
    made: base.Family = module.family(module.Settings(horizon=horizon))
    return made


def tasks_of(made: base.Family, n: int, split: str = "train", seed: int = 0) -> base.Tasks:
    return made.sample(n, split, Stream(seed).at("tasks").rng())


def both_splits(made: base.Family) -> base.Tasks:
    """Three tasks of training and three of the shifted split."""
    parts = [tasks_of(made, 3, split) for split in ("train", "ood")]
    return base.Tasks(made.name, {k: np.concatenate([p.arrays[k] for p in parts]) for k in parts[0].arrays})


def batch(made: base.Family, tasks: base.Tasks, lanes: int, episodes: int = 1) -> Any:
    """A `MujocoBatch`, of which tests also read and write position and velocity."""
    return made.batch(tasks, lanes, episodes)


def actions(*shape: int, seed: int = 0) -> Tensor:
    return 2 * torch.rand(*shape, generator=Stream(seed).at("act").generator(), dtype=torch.float64) - 1


def play(env: base.BatchEnv, steps: int, seed: int = 0) -> list[base.Transition]:
    env.reset(Stream(seed))
    M, B = env.shape
    acts = actions(steps, env.spec.action_size, seed=seed)
    return [env.step(act.expand(M, B, -1)) for act in acts]


# ---- twins


def original(name: str, task: dict[str, Any]) -> Any:
    """Gymnasium's environment with the task's body."""
    gym_id, settings = ORIGINAL[name]
    env = gymnasium.make(gym_id, max_episode_steps=HORIZON, disable_env_checker=True, **settings)
    model = env.unwrapped.model
    if name == "half_cheetah_dir":
        torso = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, "torso")
        model.body_mass[torso] *= task["mass_scale"]
        model.body_inertia[torso] *= task["mass_scale"]
    if name == "ant_dir":
        model.actuator_gear[:, 0] *= task["motor_scale"]
    if name.endswith("params"):
        model.body_mass[:] *= task["mass_scale"]
        model.body_inertia[:] *= task["inertia_scale"]
        model.dof_damping[:] *= task["damping_scale"]
        model.geom_friction[:] *= task["friction_scale"]
    mujoco.mj_setConst(model, env.unwrapped.data)
    env.reset(seed=0)
    return env


def wanted_reward(name: str, task: dict[str, Any], info: dict[str, float], velocity: Any, place: Any) -> float:
    """The reward from the original's own terms; `velocity` and `place` are differences and values of its qpos."""
    terms = info["reward_ctrl"] + info.get("reward_survive", 0.0)
    if name == "half_cheetah_dir":
        return float(task["direction"] * info["x_velocity"] + terms)
    if name == "half_cheetah_vel":
        return float(-abs(info["x_velocity"] - task["velocity"]) + terms)
    if name == "ant_dir":
        return float(velocity[0] * math.cos(task["angle"]) + velocity[1] * math.sin(task["angle"]) + terms)
    if name == "ant_goal":
        return float(-np.abs(place - np.array(task["goal"])).sum() + terms)
    return float(info["reward_forward"] + terms)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_twin_equals_gymnasium(name: str, length: Callable[[int, int], int]) -> None:
    made = family(name)
    tasks = both_splits(made)
    steps = length(40, 100)
    env = batch(made, tasks, lanes=2, episodes=steps)
    env.reset(Stream(0))
    originals = [[original(name, row) for _ in range(2)] for row in tasks.rows()]
    acts = actions(steps, 6, 2, made.spec.action_size)
    kicks = Stream(0).at("kick").normal(steps, 6, 2, env.velocity.shape[-1], dtype=torch.float64)
    seen = 0
    for t in range(steps):
        if t % 10 == 5:
            env.velocity.add_(kicks[t])
        before, speed = env.position.clone(), env.velocity.clone()
        step = env.step(acts[t])
        for m, row in enumerate(tasks.rows()):
            for b in range(2):
                twin = originals[m][b]
                twin.unwrapped.set_state(before[m, b].numpy(), speed[m, b].numpy())
                obs, reward, terminated, truncated, info = twin.step(acts[t, m, b].numpy())
                after = twin.unwrapped.data.qpos
                velocity = (after[:2] - before[m, b, :2].numpy()) / twin.unwrapped.dt
                np.testing.assert_allclose(step.next_obs[m, b].numpy(), obs, rtol=0, atol=TOLERANCE)
                wanted = wanted_reward(name, row, info, velocity, after[:2])
                assert abs(float(step.reward[m, b]) - wanted) < 1e-10
                if not name.startswith("ant") and not name.startswith("half"):
                    assert abs(wanted - reward) < 1e-10
                assert bool(step.terminated[m, b]) == terminated
                assert bool(step.truncated[m, b]) == (truncated and not terminated)
                assert bool(step.first[m, b]) == (terminated or truncated)
                if terminated or truncated:
                    twin.reset()
                seen += 1
    assert seen == 12 * steps


def test_ant_speed_differs_from_gymnasium_only_by_its_stale_torso(length: Callable[[int, int], int]) -> None:
    """Ant-v5 reads `xpos`, which MuJoCo leaves where the last Runge-Kutta stage put it; ours is the true displacement.

    The position of that stage is off by about one substep's worth of the change in velocity. Measured over 2,000 free-running
    steps with random actions: 0.052 m/s at worst, 0.031 at the 99th percentile, 0.005 on average.
    """
    env = gymnasium.make("Ant-v5", disable_env_checker=True, terminate_when_unhealthy=False, **ANT)
    env.reset(seed=0)
    acts = actions(length(300, 2000), 8).numpy()
    gaps = []
    for act in acts:
        before = env.unwrapped.data.qpos[:2].copy()
        info = env.step(act)[4]
        true = (env.unwrapped.data.qpos[:2] - before) / env.unwrapped.dt
        gaps.append(np.abs(true - [info["x_velocity"], info["y_velocity"]]).max())
    assert 0 < max(gaps) < 0.1
    assert np.mean(gaps) < 0.01


# ---- starts and ends


@pytest.mark.parametrize("name", NAMES)
def test_starts_are_drawn_as_gymnasiums(name: str) -> None:
    made = family(name)
    env = batch(made, tasks_of(made, 4), lanes=500)
    obs = env.reset(Stream(3))
    twin = gymnasium.make(ORIGINAL[name][0], disable_env_checker=True).unwrapped
    scale = twin._reset_noise_scale
    position = (env.position - torch.from_numpy(twin.init_qpos)) / scale
    assert position.abs().max() <= 1
    torch.testing.assert_close(position.std((0, 1)), torch.full_like(position[0, 0], 3**-0.5), atol=0.03, rtol=0)
    normal = name.startswith(("half", "ant"))
    spread = 1.0 if normal else 3**-0.5
    velocity = env.velocity / scale
    assert bool((velocity.abs().max() > 1) == normal)
    torch.testing.assert_close(velocity.std((0, 1)), torch.full_like(velocity[0, 0], spread), atol=0.08, rtol=0)
    assert obs.shape == (4, 500, made.spec.obs_size)


@pytest.mark.parametrize("name", ["half_cheetah_vel", "ant_dir", "hopper_params", "walker2d_params"])
def test_ended_lanes_restart_near_the_rest_pose(name: str) -> None:
    made = family(name)
    env = batch(made, tasks_of(made, 3), lanes=4, episodes=3)
    rest = env.position[0, 0].clone()
    restarts = 0
    for step in play(env, 3 * HORIZON):
        ended = step.terminated | step.truncated
        assert not bool((step.first & ~ended).any())
        hidden = made.spec.obs_size - env.velocity.shape[-1]
        near = (step.obs[..., :hidden] - rest[-hidden:]).abs().amax(-1) <= 0.1
        assert bool(near[step.first].all())
        restarts += int(step.first.sum())
    assert restarts == 3 * 4 * 2
    assert not bool(env.active.any())


def test_lanes_that_are_done_stay_as_they_are() -> None:
    made = family("hopper_params")
    env = batch(made, tasks_of(made, 4), lanes=3)
    env.reset(Stream(0))
    acts = actions(HORIZON, 4, 3, 3)
    frozen = 0
    for act in acts:
        idle, before = ~env.active, env._state.clone().view(4, 3, -1)
        env.step(act)
        assert torch.equal(env._state.view(4, 3, -1)[idle], before[idle])
        frozen += int(idle.sum())
    assert frozen > 0


# ---- what a lane experiences is its own


@pytest.mark.parametrize("name", ["half_cheetah_dir", "ant_dir", "ant_goal", "hopper_params"])
def test_a_lane_is_the_same_bits_in_any_batch(name: str) -> None:
    made = family(name)
    tasks = both_splits(made)
    env = batch(made, tasks, lanes=3)
    env.reset(Stream(0))
    alone = {(m, b): batch(made, tasks[m], lanes=1) for m, b in [(0, 0), (2, 1), (5, 2)]}
    for (m, b), single in alone.items():
        single.reset(Stream(9))
        single.position[0, 0] = env.position[m, b]
        single.velocity[0, 0] = env.velocity[m, b]
    for act in actions(30, 6, 3, made.spec.action_size):
        active = env.active.clone()
        step = env.step(act)
        for (m, b), single in alone.items():
            lonely = single.step(act[m : m + 1, b : b + 1])
            if active[m, b]:
                assert torch.equal(lonely.next_obs[0, 0], step.next_obs[m, b])
                assert torch.equal(lonely.reward[0, 0], step.reward[m, b])
                assert torch.equal(lonely.terminated[0, 0], step.terminated[m, b])


@pytest.mark.parametrize("name", NAMES)
def test_same_stream_same_bits_on_any_number_of_threads(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_mujoco, "LANES_PER_THREAD", 5)
    made = family(name, horizon=15)
    tasks = tasks_of(made, 3)
    played = []
    for threads in (1, 2, 2, 3):
        for free in ("cores", "free_cores"):
            monkeypatch.setattr(machine, free, lambda threads=threads: threads)
        played.append(play(batch(made, tasks, lanes=5, episodes=2), 20))
    for other in played[1:]:
        for one, two in zip(played[0], other, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    different = play(batch(made, tasks, lanes=5), 1, seed=1)[0]
    assert not torch.equal(different.next_obs, played[0][0].next_obs)


@pytest.mark.parametrize(("free", "expected"), [(3, [1, 1, 2, 3]), (2, [1, 1, 2, 2]), (1, [1, 1, 1, 1])])
def test_few_lanes_take_one_thread_and_many_as_many_as_there_are_free(
    free: int, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, pool = family("half_cheetah_vel", horizon=15), _mujoco._pool
    monkeypatch.setattr(machine, "cores", lambda: 3)
    monkeypatch.setattr(machine, "free_cores", lambda: free)
    used = []

    def watched(threads: int) -> Any:
        used.append(threads)
        return pool(threads)

    monkeypatch.setattr(_mujoco, "_pool", watched)
    each = _mujoco.LANES_PER_THREAD
    for lanes in (1, 2 * each - 1, 2 * each, 5 * each):
        play(batch(made, tasks_of(made, 1), lanes=lanes), 1)
    assert used == expected


@pytest.mark.parametrize("name", ["half_cheetah_dir", "half_cheetah_vel", "ant_dir", "ant_goal"])
def test_the_goal_shows_in_the_reward_only(name: str) -> None:
    made = family(name)
    env = batch(made, tasks_of(made, 6), lanes=1)
    env.reset(Stream(0))
    env.position[:] = env.position[:1].clone()
    env.velocity[:] = env.velocity[:1].clone()
    step = env.step(actions(made.spec.action_size).expand(6, 1, -1))
    assert torch.equal(step.next_obs, step.next_obs[:1].expand_as(step.next_obs))
    assert len(set(step.reward.flatten().tolist())) > 1


@pytest.mark.parametrize("name", ["half_cheetah_dir", "ant_dir", "hopper_params", "walker2d_params"])
def test_the_shifted_split_moves_differently(name: str) -> None:
    made = family(name)
    env = batch(made, both_splits(made), lanes=1)
    env.reset(Stream(0))
    env.position[:] = env.position[:1].clone()
    env.velocity[:] = env.velocity[:1].clone()
    step = env.step(actions(made.spec.action_size).expand(6, 1, -1))
    assert bool(((step.next_obs[3:] - step.next_obs[:1]).abs().amax(-1) > 1e-4).all())


def test_ant_goal_succeeds_within_the_radius() -> None:
    made = family("ant_goal")
    env = batch(made, made.task({"goal": [2.0, -1.0]}), lanes=2)
    env.reset(Stream(0))
    env.position[0, :, :2] = torch.tensor([[2.0, -0.7], [2.0, -0.3]], dtype=torch.float64)
    env.velocity[:] = 0
    assert env.step(torch.zeros(1, 2, 8)).success.tolist() == [[True, False]]


# ---- diverged simulations


@pytest.mark.parametrize("cause", ["velocity", "nan velocity", "action"])
def test_a_diverged_lane_shows_nan_alone_and_until_its_next_episode(
    cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # MuJoCo writes a log of its warnings where it runs
    made = family("half_cheetah_vel")
    tasks = tasks_of(made, 2)
    env, sound = batch(made, tasks, lanes=3, episodes=2), batch(made, tasks, lanes=3, episodes=2)
    env.reset(Stream(0))
    sound.reset(Stream(0))
    if cause != "action":
        env.velocity[1, 1] = torch.nan if "nan" in cause else 1e9
    others = torch.ones(2, 3, dtype=torch.bool)
    others[1, 1] = False
    for t, act in enumerate(actions(HORIZON + 5, 2, 3, 6)):
        twin = sound.step(act)
        if t == 0 and cause == "action":
            act[1, 1, 2] = torch.nan
        step = env.step(act)
        assert torch.equal(step.next_obs[others], twin.next_obs[others])
        assert torch.equal(step.reward[others], twin.reward[others])
        if t < HORIZON:
            assert bool(step.next_obs[1, 1].isnan().all())
            assert bool(step.reward[1, 1].isnan())
        else:
            assert torch.equal(step.next_obs, twin.next_obs)


# ---- tasks and settings


@pytest.mark.parametrize("name", NAMES)
def test_splits_are_disjoint_and_known(name: str) -> None:
    made = family(name)
    for seed in range(20):
        for split in base.SPLITS:
            choices = name == "half_cheetah_dir" and split == "test"
            tasks = tasks_of(made, 10, split, seed)
            assert set(made.split_of(tasks)) == {"train" if choices else split}
            assert made.task(tasks.rows()[0]).rows() == tasks[0].rows()


@pytest.mark.parametrize("name", ["hopper_params", "walker2d_params"])
def test_scales_have_the_ranges_of_their_source(name: str) -> None:
    ranges = {p.name: (p.train, p.ood) for p in import_module(f"pliant.families.{name}").family().parameters}
    wide, narrow = ((1.5**-3, 1.5**3), (1.5**3, 1.5**4)), ((1.3**-3, 1.3**3), (1.3**3, 1.3**4))
    assert ranges == {"mass_scale": wide, "inertia_scale": wide, "damping_scale": narrow, "friction_scale": wide}


@pytest.mark.parametrize(
    ("name", "changed", "said"),
    [
        ("half_cheetah_vel", {"horizon": 0}, "horizon is 0: expected at least 1"),
        ("half_cheetah_vel", {"velocity": (2.0, 1.0)}, "expected \\(low, high\\)"),
        ("half_cheetah_dir", {"control_cost": -1.0}, "control_cost is -1.0: expected at least 0"),
        ("half_cheetah_dir", {"ood_mass_scale": (1.0, 1.0)}, "reaches outside the training range"),
        ("ant_dir", {"ood_motor_scale": (0.0, 0.5)}, "above 0"),
        ("ant_goal", {"ood_reach": 2.0}, "reaches outside the training range"),
        ("hopper_params", {"healthy_reward": float("nan")}, "healthy_reward is nan"),
        ("walker2d_params", {"scale": (-1.0, 2.0)}, "above 0"),
        ("hopper_params", {"damping": (-1.0, 2.0)}, "damping is .* above 0"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(name: str, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        import_module(f"pliant.families.{name}").Settings(**changed)
    assert "\n" not in str(caught.value)


# ---- processes


def test_without_mujoco_settings_and_tasks_work_and_the_error_names_the_extra(forked: Any) -> None:
    code = """
import sys
sys.modules["mujoco"] = None
import numpy
from pliant.families import ant_dir
made = ant_dir.family(ant_dir.Settings(horizon=3))
tasks = made.sample(2, "train", numpy.random.default_rng(0))
try:
    made.batch(tasks, 2)
except ValueError as error:
    print(error)
"""
    answer = forked.run(code)
    assert answer.stdout.startswith("ant-dir needs")
    assert "pip install 'pliant[mujoco]'" in answer.stdout


def _play_in_child() -> None:
    made = family("half_cheetah_vel")
    play(batch(made, tasks_of(made, 2), lanes=_mujoco.LANES_PER_THREAD), 3)  # two threads, where there are two cores


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_thread_pool_survives_a_fork() -> None:
    _play_in_child()
    child = multiprocessing.get_context("fork").Process(target=_play_in_child)
    child.start()
    child.join(timeout=20)
    assert child.exitcode == 0
    _play_in_child()
