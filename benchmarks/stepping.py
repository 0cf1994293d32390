"""How fast MuJoCo families step, beside bare `mj_step`, Gymnasium's AsyncVectorEnv and EnvPool, in one run.

    python benchmarks/stepping.py            # under two minutes; writes benchmarks/results/stepping.json

All contestants take turns in short slices, in an order that rotates, and wall-clock ratios are medians of ratios within a
turn. Rates are environment steps per second, frame skip included, with random actions; episodes restart after 200 steps or
when the robot is unhealthy. Where a contestant has several sensible set-ups, all of them run and its best one counts.

Wall-clock ratios hold only on a quiet machine: on a busy one each slice gets whatever share of the cores the scheduler
grants, and we have seen "1.24 times bare mj_step", which is impossible. So the share of the cores that each contestant
really had is measured too; if bare `mj_step`, which never waits, had less than 90 % of them, wall-clock bars are
"unsettled". Rates per CPU second do not depend on the share, but do not see idle cores either: they leave out that one
core waits while the other prepares our next call, so they are an upper bound of ours against bare.

Bare `mj_step` is the bar of what this machine can do: nothing but `mj_step` with new random controls every `frame_skip`
substeps, on all cores, as the best of processes and threads (one MjData each, driven from Python) and one
`mujoco.rollout` call for 5 control steps (no Python in between, so nobody could act).
"""

import argparse
import datetime
import importlib
import multiprocessing
import os
import platform
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import gymnasium
import mujoco  # type: ignore[import-untyped]
import mujoco.rollout  # type: ignore[import-untyped]
import numpy as np
import recorded
import torch

from pliant.streams import Stream

ROBOTS = {"HalfCheetah": ("half_cheetah.xml", "half_cheetah_vel"), "Ant": ("ant.xml", "ant_dir")}
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
FRAME_SKIP, HORIZON, LANES = 5, 200, 20
BARS = {"bare": 0.75, "gymnasium": 5.0, "envpool: 64 lanes": 1.3}
"""What our rate must at least be, as a multiple of each contestant's on HalfCheetah."""
QUIET = 0.9
"""Share of the cores that bare `mj_step` must have had for wall-clock ratios to count."""
Slice = Callable[[float], float]
"""(seconds) -> environment steps per second over about that time."""


def timed(act: Callable[[], int]) -> Slice:
    """A slice that calls `act`, which returns the steps it took, until the time is over."""

    def run(seconds: float) -> float:
        steps, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            steps += act()
        return steps / (time.perf_counter() - start)

    return run


# ---- bare mj_step


def load(robot: str) -> Any:
    """The robot's MjModel, from Gymnasium's XML."""
    folder = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets"
    return mujoco.MjModel.from_xml_path(str(folder / ROBOTS[robot][0]))


def bare_worker(robot: str, seed: int) -> Callable[[], int]:
    """A function that takes 200 control steps with one MjData of its own."""
    model, rng = load(robot), np.random.default_rng(seed)
    data = mujoco.MjData(model)
    controls = rng.uniform(-1, 1, (HORIZON, model.nu))
    noise = rng.uniform(-0.1, 0.1, (HORIZON, model.nq))
    age = HORIZON

    def act() -> int:
        nonlocal age
        for t in range(HORIZON):
            fallen = robot == "Ant" and not 0.2 <= data.qpos[2] <= 1.0
            if age >= HORIZON or fallen:
                mujoco.mj_resetData(model, data)
                data.qpos[:] += noise[t]
                age = 0
            data.ctrl[:] = controls[t]
            mujoco.mj_step(model, data, FRAME_SKIP)
            age += 1
        return HORIZON

    return act


@contextmanager
def bare_processes(robot: str) -> Iterator[Slice]:
    """One process per core."""

    def serve(pipe: Any, seed: int) -> None:
        run = timed(bare_worker(robot, seed))
        while (seconds := pipe.recv()) is not None:
            pipe.send(run(seconds))

    context = multiprocessing.get_context("fork")
    pipes, workers = [], []
    for seed in range(CORES):
        ours, theirs = context.Pipe()
        workers.append(context.Process(target=serve, args=(theirs, seed), daemon=True))
        workers[-1].start()
        pipes.append(ours)

    def run(seconds: float) -> float:
        for pipe in pipes:
            pipe.send(seconds)
        return float(sum(pipe.recv() for pipe in pipes))

    yield run
    for pipe, worker in zip(pipes, workers, strict=True):
        pipe.send(None)
        worker.join()


@contextmanager
def bare_threads(robot: str) -> Iterator[Slice]:
    """One thread per core; `mj_step` releases the interpreter lock."""
    runs = [timed(bare_worker(robot, seed)) for seed in range(CORES)]

    def run(seconds: float) -> float:
        rates = [0.0] * CORES

        def work(core: int) -> None:
            rates[core] = runs[core](seconds)

        threads = [threading.Thread(target=work, args=(core,)) for core in range(CORES)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(rates)

    yield run


@contextmanager
def bare_rollout(robot: str) -> Iterator[Slice]:
    """400 lanes, 5 control steps per call of `mujoco.rollout`."""
    model, rng, held = load(robot), np.random.default_rng(0), 5
    lanes = LANES * LANES
    start = np.zeros((lanes, 1 + model.nq + model.nv))
    start[:, 1 : 1 + model.nq] = model.qpos0 + rng.uniform(-0.1, 0.1, (lanes, model.nq))
    controls = rng.uniform(-1, 1, (lanes, held, model.nu)).repeat(FRAME_SKIP, axis=1)
    data = [mujoco.MjData(model) for _ in range(CORES)]
    state, age = start.copy(), rng.integers(0, HORIZON, lanes)
    pool = mujoco.rollout.Rollout(nthread=CORES)
    out = np.empty((lanes, held * FRAME_SKIP, start.shape[1]))

    def act() -> int:
        pool.rollout([model] * lanes, data, state, controls, skip_checks=True, nstep=held * FRAME_SKIP, state=out)
        state[:] = out[:, -1]
        age[:] += held
        over = age >= HORIZON
        if robot == "Ant":
            over |= (state[:, 3] < 0.2) | (state[:, 3] > 1.0)
        state[over], age[over] = start[over], 0
        return lanes * held

    yield timed(act)
    pool.close()


# ---- environments


@contextmanager
def ours(robot: str) -> Iterator[Slice]:
    """20 tasks x 20 lanes of a family."""
    family = importlib.import_module(f"pliant.families.{ROBOTS[robot][1]}").family()
    stream = Stream(0)
    env = family.batch(family.sample(LANES, "train", stream.at("tasks").rng()), LANES, episodes=100)
    actions = 2 * stream.at("act").uniform(LANES, LANES, 100, family.spec.action_size) - 1
    count = 0

    def act() -> int:
        nonlocal count
        if count == 0 or not bool(env.active.all()):
            env.reset(stream)
        env.step(actions[:, :, count % 100])
        count += 1
        return LANES * LANES

    yield timed(act)


@contextmanager
def asynchronous(robot: str, workers: int) -> Iterator[Slice]:
    """Gymnasium's AsyncVectorEnv, one environment per worker process."""
    settings = {"include_cfrc_ext_in_observation": False} if robot == "Ant" else {}
    make = [lambda: gymnasium.make(f"{robot}-v5", max_episode_steps=HORIZON, **settings)] * workers
    env = gymnasium.vector.AsyncVectorEnv(make)
    env.reset(seed=0)
    actions = np.random.default_rng(0).uniform(-1, 1, (100, *(env.action_space.shape or ()))).astype(np.float32)
    count = 0

    def act() -> int:
        nonlocal count
        env.step(actions[count % 100])
        count += 1
        return workers

    yield timed(act)
    env.close()


@contextmanager
def pooled(robot: str, lanes: int) -> Iterator[Slice]:
    """EnvPool, one thread per core."""
    import envpool

    settings = {"use_contact_force": False} if robot == "Ant" else {}
    env = envpool.make(
        f"{robot}-v4", env_type="gymnasium", num_envs=lanes, num_threads=CORES, max_episode_steps=HORIZON, **settings
    )
    env.reset()
    actions = np.random.default_rng(0).uniform(-1, 1, (100, lanes, *env.action_space.shape))
    count = 0

    def act() -> int:
        nonlocal count
        env.step(actions[count % 100])
        count += 1
        return lanes

    yield timed(act)
    env.close()


# ---- the run


def contestants(robot: str) -> dict[str, Any]:
    """Every set-up by name; "group: detail"."""
    found = {
        "bare: processes": bare_processes(robot),
        "bare: threads": bare_threads(robot),
        "bare: rollout": bare_rollout(robot),
        "gymnasium: 2 workers": asynchronous(robot, 2),
        "gymnasium: 8 workers": asynchronous(robot, 8),
    }
    if importlib.util.find_spec("envpool"):
        found |= {f"envpool: {n} lanes": pooled(robot, n) for n in (64, 400)}
    return found | {"pliant: 400 lanes": ours(robot)}


def cpu_seconds() -> float:
    """CPU time used so far by this process, its threads and its living children (the latter to 0.01 s, Linux only)."""
    used, tick = time.process_time(), os.sysconf("SC_CLK_TCK")
    for child in multiprocessing.active_children():
        stat = Path(f"/proc/{child.pid}/stat")
        if stat.exists():
            fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
            used += (int(fields[11]) + int(fields[12])) / tick
    return used


def measure(robot: str, turns: int, seconds: float) -> dict[str, list[tuple[float, float, float]]]:
    """(steps per second, wall seconds, CPU seconds) of every set-up in every turn."""
    with ExitStack() as stack:
        slices = {name: stack.enter_context(made) for name, made in contestants(robot).items()}
        taken: dict[str, list[tuple[float, float, float]]] = {name: [] for name in slices}
        for run in slices.values():
            run(seconds / 3)  # warm up
        names = list(slices)
        for turn in range(turns):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                wall, cpu = time.perf_counter(), cpu_seconds()
                rate = slices[name](seconds)
                taken[name].append((rate, time.perf_counter() - wall, cpu_seconds() - cpu))
    return taken


def summarise(taken: dict[str, list[tuple[float, float, float]]]) -> dict[str, Any]:
    """Medians, shares of the cores, and ours against the best set-up of each group."""
    medians = {name: round(statistics.median(rate for rate, _, _ in values)) for name, values in taken.items()}
    share, per_cpu = {}, {}
    for name, values in taken.items():
        wall, cpu = sum(w for _, w, _ in values), sum(c for _, _, c in values)
        share[name] = round(cpu / wall / CORES, 3)
        per_cpu[name] = round(sum(rate * w for rate, w, _ in values) / cpu * CORES)
    mine, ratio, cpu_ratio = "pliant: 400 lanes", {}, {}
    for group in (*BARS, "envpool"):
        setups = [name for name in taken if name == group or name.startswith(group + ":")]
        if not setups:
            continue
        best = max(setups, key=lambda name: medians[name])
        ratio[group] = round(statistics.median(a[0] / b[0] for a, b in zip(taken[mine], taken[best], strict=True)), 3)
        cpu_ratio[group] = round(per_cpu[mine] / max(per_cpu[name] for name in setups), 3)
    return {
        "steps_per_second": medians,
        "share_of_cores": share,
        "steps_per_cpu_second_times_cores": per_cpu,
        "ours_as_multiple_of": ratio,
        "ours_as_multiple_of_per_cpu_second": cpu_ratio,
        "quiet": max(share[name] for name in share if name.startswith("bare:")) >= QUIET,
    }


def show(robot: str, result: dict[str, Any]) -> None:
    """One robot's table."""
    print(f"\n{robot:24s}{'steps/s':>10s}{'share':>8s}{'steps/cpu-s x cores':>22s}")
    for name, rate in result["steps_per_second"].items():
        print(f"  {name:22s}{rate:10,d}", end="")
        print(f"{result['share_of_cores'][name]:8.2f}{result['steps_per_cpu_second_times_cores'][name]:22,d}")
    for group, ratio in result["ours_as_multiple_of"].items():
        per_cpu = result["ours_as_multiple_of_per_cpu_second"][group]
        print(f"  pliant / {group:17s}{ratio:8.2f} wall{per_cpu:10.2f} per cpu second")


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    model = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
    versions = {"python": platform.python_version()}
    for package in ("torch", "numpy", "mujoco", "gymnasium", "envpool"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {"cpu": model, "cores": CORES, "versions": versions, "date": datetime.date.today().isoformat()}


def main() -> None:
    """Measure, print a table, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=12, help="how often every contestant runs")
    parser.add_argument("--seconds", type=float, default=0.3, help="length of a slice")
    parser.add_argument("--out", type=Path, help="where the result is written, instead of where it is tracked")
    args = parser.parse_args()
    torch.set_num_threads(1)  # the cores belong to the physics; tensors of 400 rows do not gain from a second thread
    load_before = os.getloadavg()[0]
    robots = {robot: summarise(measure(robot, args.turns, args.seconds)) for robot in ROBOTS}
    for robot, result in robots.items():
        show(robot, result)
    cheetah = robots["HalfCheetah"]
    for group, bar in BARS.items():
        ratio = cheetah["ours_as_multiple_of"].get(group)
        if ratio is None:
            print(f"bar on HalfCheetah, {group} >= {bar:g} wall: not measured, not installed")
            continue
        verdict = (
            ("met" if ratio >= bar else "MISSED") if cheetah["quiet"] else "unsettled, the machine is busy"
        )
        print(f"bar on HalfCheetah, {group} >= {bar:g} wall: {verdict}")
    document = {"command": "python benchmarks/stepping.py", "machine": machine() | {"load_before": load_before}}
    document |= {"turns": args.turns, "seconds": args.seconds, "bars": BARS, "robots": robots}
    recorded.write("stepping", document, args.out)


if __name__ == "__main__":
    main()
