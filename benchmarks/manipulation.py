"""Meta-World by its published protocol: 10 episodes to adapt, then 3 that count, 40 goals a test class.

    python benchmarks/manipulation.py reach         # ML1 reach-v3, RL^2 and MAML, 2 million steps each; also push
    python benchmarks/manipulation.py ml10          # a short run of ML10: its rates, no claim
    python benchmarks/manipulation.py speed         # steps of an environment beside Meta-World's own, one process and two

Training episodes are shorter than the protocol's (`family.horizon` of the preset); the evaluation has the protocol's 500 steps.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium
import learning
import numpy as np
import recorded
import stepping
import torch

from pliant.families import metaworld_ml1
from pliant.maths import functional
from pliant.policies import gru
from pliant.rollout import rollout
from pliant.simulators.metaworld import benchmark, goals
from pliant.streams import Stream
from pliant.tasks import worker, workers

STUDIES: dict[str, list[tuple[str, str, list[str]]]] = {
    "reach": [("rl2", "metaworld-ml1", ["--preset", "reach"]), ("maml", "metaworld-ml1", ["--preset", "reach"])],
    "push": [("rl2", "metaworld-ml1", ["--task", "push-v3"])],
    "ml10": [("rl2", "metaworld-ml10", [])],
}
BARS = {"workers": 1.7, "quick": 2.0}
LANES, STEPS, WARM, TURNS = 64, 100, 2, 25


def study(name: str, seed: int, cores: set[int]) -> list[dict[str, Any]]:
    """Train every algorithm of a study; evaluate by protocol."""
    rows = []
    for algorithm, family, flags in STUDIES[name]:
        path = recorded.runs(f"metaworld/{name}") / f"{algorithm}-{name}-seed{seed}"
        learning.pliant(["train", algorithm, family, *flags, "--seed", str(seed), "--out", str(path), "--resume"], cores)
        document = json.loads(learning.pliant(["evaluate", str(path), "--protocol", "--json"], cores))
        rows.append(
            {
                "algorithm": algorithm,
                "seed": seed,
                "headline": document["headline"],
                "success": [point["success"]["mean"] for point in document["curve"]],
                "return": [point["return"]["mean"] for point in document["curve"]],
                "tasks": document["tasks"],
                "train_env_steps": document["cost"]["train_env_steps"],
                "train_minutes": document["cost"]["train_seconds"] / 60,
                "cores": len(cores),
                "config": document["config"],
                "versions": document["versions"],
            }
        )
        print(algorithm, name, rows[-1]["headline"], f"{rows[-1]['train_minutes']:.1f} minutes", flush=True)
    return rows


def originals(name: str) -> Any:
    """Meta-World's own environment of a class, with a training goal."""
    from metaworld import env_dict

    env = env_dict.ALL_V3_ENVIRONMENTS[name]()
    env._set_task_called, env._freeze_rand_vec, env._partially_observable = True, True, True
    env._last_rand_vec = goals.goals(name)[0].copy()
    env.reset()
    return env


def quick(name: str) -> tuple[float, float]:
    """Milliseconds a step of Meta-World's environment and of ours, in turn, medians; processor time."""
    from pliant.simulators.metaworld import env as simulator

    rng = np.random.default_rng(0)
    theirs, ours = originals(name), simulator.Lane(10_000)
    ours.begin(np.array([1000.0 * benchmark.CLASSES.index(name)]), 0)
    spent: dict[str, list[float]] = {"theirs": [], "ours": []}
    for _ in range(7):
        acts = rng.uniform(-1, 1, (60, 4))
        for which, act in (("theirs", lambda a: theirs.step(a)), ("ours", ours.advance)):
            begin = time.process_time()
            for a in acts:
                act(a)
            spent[which].append((time.process_time() - begin) / len(acts) * 1e3)
        theirs.reset()
    return statistics.median(spent["theirs"]), statistics.median(spent["ours"])


class Here:
    """What a pool of workers does, done by the process that asks for it."""

    def __init__(self, make: Callable[[], worker.Remote], layout: worker.Layout) -> None:
        self.board = worker.Board(bytearray(worker.Board.bytes(layout)), layout)
        self.chunk = worker._Chunk(make, self.board, 0)

    def open(self, task: Any, seed: Any, horizon: int, name: Callable[[int], str]) -> None:
        lanes = len(task)
        self.chunk.open(worker.Trial(0, task, seed, horizon, np.zeros(lanes, np.int64), [np.empty((0, 4))] * lanes))

    def step(self, action: Any, seen: Any) -> None:
        self.board.action[:] = action
        self.chunk.step()


class Synchronous(Here):
    """Meta-World's own environments in Gymnasium's SyncVectorEnv, likewise."""

    def __init__(self, make: Callable[[], worker.Remote], layout: worker.Layout) -> None:
        self.board = worker.Board(bytearray(worker.Board.bytes(layout)), layout)
        make_one = partial(gymnasium.wrappers.TimeLimit, max_episode_steps=STEPS)
        made = [lambda: make_one(originals("reach-v3"))] * layout.lanes
        self.envs = gymnasium.vector.SyncVectorEnv(made, autoreset_mode="SameStep")

    def open(self, task: Any, seed: Any, horizon: int, name: Callable[[int], str]) -> None:
        self.board.obs[:], _ = self.envs.reset()

    def step(self, action: Any, seen: Any) -> None:
        self.board.next_obs[:], self.board.reward[:], *_ = self.envs.step(action)
        self.board.obs[:] = self.board.next_obs


class OneProcess(workers.Pooled):
    """The lanes of a pool, stepped by the process that acts: the same code without workers and messages."""

    def __init__(self, pooled: workers.Pooled, here: type[Here] = Here) -> None:
        super().__init__(pooled.family, pooled.tasks, pooled.lanes, pooled.episodes, pooled._make, workers=1)
        self.here = here(self._make, self._layout)

    def _take(self) -> Any:
        return self.here

    def _release(self) -> None:
        self._pool = None


def batches() -> dict[str, workers.Pooled]:
    """64 lanes of ML1 reach-v3 by one process, Gymnasium's and our code, by one worker, and by a worker per core."""

    def lanes(n: int) -> Any:
        family = metaworld_ml1.family(metaworld_ml1.Settings(workers=n, horizon=STEPS))
        return family.batch(family.sample(LANES, "train", Stream(0).rng()), 1, 1)

    return {
        "SyncVectorEnv": OneProcess(lanes(1), Synchronous),
        "one process": OneProcess(lanes(1)),
        "one worker": lanes(1),
        "worker per core": lanes(stepping.CORES),
    }


def speed() -> dict[str, Any]:
    """The environments one by one, then 64 lanes with a policy in the loop."""
    torch.set_num_threads(1)
    each = {name: quick(name) for name in benchmark.CLASSES}
    ratios = {name: theirs / ours for name, (theirs, ours) in each.items()}
    batch = batches()
    rates: dict[str, list[float]] = {how: [] for how in batch}
    policy = gru.make(batch["one process"].spec, gru.Settings(size=96), Stream(0))
    for turn in range(WARM + TURNS):
        for how in list(batch)[:: -1 if turn % 2 else 1]:
            begin = time.perf_counter()
            steps = rollout(batch[how], Stream(turn), policy, functional.parameters(policy)).steps
            rates[how].append(steps / (time.perf_counter() - begin))
    rates = {how: rate[WARM:] for how, rate in rates.items()}
    most = rates.pop("worker per core")
    gain = {how: [a / b for a, b in zip(most, rate, strict=True)] for how, rate in rates.items()}
    found = {
        "milliseconds_a_step": {name: [round(x, 4) for x in pair] for name, pair in each.items()},
        "times_as_fast": {name: round(ratios[name], 2) for name in ratios},
        "mean_times_as_fast": round(sum(theirs for theirs, _ in each.values()) / sum(ours for _, ours in each.values()), 2),
        "median_times_as_fast": round(statistics.median(ratios.values()), 2),
        "steps_per_second": {how: round(statistics.median(r)) for how, r in (rates | {"worker per core": most}).items()},
        "worker_per_core_times": {how: round(statistics.median(gain[how]), 2) for how in gain},
    }
    print(json.dumps({k: v for k, v in found.items() if k not in ("milliseconds_a_step", "times_as_fast")}, indent=1))
    return {**found, "bars": BARS, "machine": stepping.machine()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=[*STUDIES, "speed"])
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    cores = set(os.sched_getaffinity(0))
    found = {"rows": study(wanted.what, wanted.seed, cores)} if wanted.what in STUDIES else speed()
    facts = {"command": f"python benchmarks/manipulation.py {wanted.what}", "machine": learning.machine(len(cores))}
    recorded.write(f"metaworld/{wanted.what}", facts | found)


if __name__ == "__main__":
    main()
