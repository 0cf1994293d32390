"""Environments in worker processes: how fast beside Gymnasium's AsyncVectorEnv, and what becomes of faults.

    python benchmarks/workers.py speed       # a minute and a half; CartPole-v1, 64 lanes, a policy in the loop
    python benchmarks/workers.py faults      # two minutes; 50 kills, 10 hangs, 10 exceptions, 10 NaNs at random steps

Both write benchmarks/results/workers.json. Contestants take turns in short slices; ratios are medians of ratios within a turn.
Half of the kills come from outside at a random time, everything else happens inside the environment, in a random task at a
random step of an episode. A fault counts as handled if the trial has the same bits as an undisturbed one.
"""

import argparse
import itertools
import json
import multiprocessing
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import recorded
import stepping
import torch

from pliant.families import gymnasium as family_file
from pliant.maths import functional
from pliant.policies import mlp
from pliant.rollout import rollout
from pliant.streams import Stream
from pliant.tasks import pool, workers
from pliant.tasks.base import Family, Parameter
from pliant.types import Inputs, Rollout, Spec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "tasks"))
import faulty

LANES, HIDDEN = 64, (64, 64)
FAULTS = {"kill": 25, "kill from outside": 25, "hang": 10, "raise": 10, "nan": 10}
TIMEOUT, SLOWEST = 2.0, 10.0
BARS = {"asynchronous": 3.0}


def acting(spec: Spec) -> Callable[[Any], Any]:
    """Observations [64, D] to actions, by the policy that all contestants share."""
    policy = mlp.make(spec, mlp.Settings(hidden=HIDDEN), Stream(0))
    act = functional.bound(policy, functional.parameters(policy))
    nothing = torch.zeros(LANES, 1, 1)

    def choose(obs: Any) -> Any:
        with torch.no_grad():
            seen = Inputs(torch.as_tensor(obs, dtype=torch.float32).view(LANES, 1, 1, -1), nothing.long(), nothing, nothing)
            output, _ = act(seen, ())
            return torch.distributions.Categorical(logits=output.dist[:, 0, 0], validate_args=False).sample()

    return choose


def ours(family: Family) -> Callable[[], int]:
    """A step of the pool's 64 lanes, each with its own task."""
    batch = family.batch(family.sample(LANES, "train", Stream(0).rng()), 1, episodes=20)
    choose = acting(family.spec)
    trial, obs = 0, batch.reset(Stream(0))

    def act() -> int:
        nonlocal trial, obs
        if not bool(batch.active.all()):
            trial, obs = trial + 1, batch.reset(Stream(trial))
        obs = batch.step(choose(obs)[:, None]).obs
        return LANES

    return act


def theirs(make: Callable[..., Any], spec: Spec) -> Callable[[], int]:
    """The same with a vector environment of Gymnasium."""
    env = make([partial(gymnasium.make, "CartPole-v1")] * LANES)
    choose = acting(spec)
    obs, _ = env.reset(seed=0)

    def act() -> int:
        nonlocal obs
        obs = env.step(choose(obs).numpy())[0]
        return LANES

    return act


def speed(turns: int, seconds: float) -> dict[str, Any]:
    """Environment steps per second of each contestant, and ratios."""
    torch.set_num_threads(1)
    family = family_file.family(family_file.Settings(env="CartPole-v1", vary="length=0.4:0.6"))
    contestants = {
        "pliant": ours(family),
        "asynchronous": theirs(gymnasium.vector.AsyncVectorEnv, family.spec),
        "synchronous": theirs(gymnasium.vector.SyncVectorEnv, family.spec),
    }
    slices = {name: stepping.timed(act) for name, act in contestants.items()}
    rates: dict[str, list[float]] = {name: [] for name in slices}
    for turn in range(turns):
        for name in sorted(slices, key=lambda n: (list(slices).index(n) + turn) % len(slices)):
            rates[name].append(slices[name](seconds))
    ratios = {n: statistics.median(a / b for a, b in zip(rates["pliant"], rates[n], strict=True)) for n in slices}
    return {
        "environment": "CartPole-v1",
        "lanes": LANES,
        "turns": turns,
        "steps_per_second": {name: statistics.median(values) for name, values in rates.items()},
        "pliant_as_a_multiple_of": {n: round(r, 2) for n, r in ratios.items() if n != "pliant"},
        "bars": BARS,
    }


def walks(orders: tuple[faulty.Order, ...]) -> Family:
    """Walks of the tests, in two workers that obey `orders`."""

    def environment(family: Family, tasks: Any, lanes: int, episodes: int) -> workers.Pooled:
        return workers.Pooled(family, tasks, lanes, episodes, partial(faulty.Walk, orders), 2, TIMEOUT)

    height = Parameter("height", train=(0.5, 3.0))
    return Family("walks", "walk", (height,), Spec(2, 2, False), faulty.HORIZON, environment, "none", episodes=3)


def play(family: Family, trial: int, killer: threading.Thread | None = None) -> Rollout:
    """A trial of 8 tasks x 4 lanes."""
    policy = mlp.make(family.spec, mlp.Settings(hidden=(8,)), Stream(0))
    batch = family.batch(family.sample(8, "train", Stream(trial).rng()), 4, episodes=3)
    if killer:
        killer.start()
    return rollout(batch, Stream(trial), policy, functional.parameters(policy))


def kill_one(delay: float, killed: list[float]) -> None:
    """Kill one of the workers after some seconds."""
    time.sleep(delay)
    children = [p for p in multiprocessing.active_children() if p.name.startswith("pliant-worker")]
    if children and children[0].pid:
        os.kill(children[0].pid, signal.SIGKILL)
        killed.append(time.perf_counter())


def close_idle() -> None:
    while pool._idle:
        pool._idle.pop().close()


def faults(seed: int) -> dict[str, Any]:
    """Every fault, alone in a trial of its own: was the trial as if nothing had happened, and how long did that take?"""
    torch.set_num_threads(1)
    rng = random.Random(seed)
    rows: dict[str, dict[str, Any]] = {}
    before = shared_memory()
    with tempfile.TemporaryDirectory() as folder:
        for kind, times in FAULTS.items():
            trials = (disturbed(kind, trial, rng, Path(folder)) for trial in itertools.count())
            found = list(itertools.islice((one for one in trials if one), times))
            limit = SLOWEST + (TIMEOUT if kind == "hang" else 0.0)
            slowest = max(seconds for _, seconds in found)
            same = sum(as_ever for as_ever, _ in found)
            rows[kind] = {"times": len(found), "as_if_nothing_had_happened": same, "slowest_seconds": slowest, "limit": limit}
    close_idle()
    children = [p.name for p in multiprocessing.active_children()]
    left = {"processes_left": children, "shared_memory_left": sorted(shared_memory() - before)}
    return {"seed": seed, "timeout": TIMEOUT, "kinds": rows} | left


def disturbed(kind: str, trial: int, rng: random.Random, folder: Path) -> tuple[bool, float] | None:
    """A trial with one fault: (the same bits as without, seconds that it took longer); None if the fault did not come about."""
    undisturbed = play(walks(()), trial)
    start = time.perf_counter()
    play(walks(()), trial)
    usual = time.perf_counter() - start
    heights = walks(()).sample(8, "train", Stream(trial).rng()).arrays["height"]
    marker, killed = folder / f"{kind}{trial}", []  # type: ignore[var-annotated]
    order = faulty.Order(kind, float(rng.choice(heights)), rng.randrange(-1, faulty.HORIZON), str(marker))
    killer = threading.Thread(target=kill_one, args=(rng.uniform(0, usual + 0.1), killed))
    close_idle()
    start = time.perf_counter()
    got = play(walks(() if kind.endswith("outside") else (order,)), trial, killer if kind.endswith("outside") else None)
    end = time.perf_counter()
    if kind.endswith("outside"):
        killer.join()
    if not ((killed and killed[0] < end) or marker.exists()):
        return None
    return all(torch.equal(a, b) for a, b in zip(undisturbed, got, strict=True)), end - start - usual


def shared_memory() -> set[str]:
    return set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("speed", "faults"))
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=1.5)
    arguments = parser.parse_args()
    start = time.perf_counter()
    found = speed(arguments.turns, arguments.seconds) if arguments.what == "speed" else faults(0)
    found |= {"command": f"python benchmarks/workers.py {arguments.what}", "seconds": round(time.perf_counter() - start, 1)}
    found |= {"machine": stepping.machine()}
    recorded.write(f"workers/{arguments.what}", found)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
