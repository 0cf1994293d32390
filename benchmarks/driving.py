"""Driving: train on the batched twin, then adapt and be measured on the twin and on highway-env itself.

    python benchmarks/driving.py maml                       # train and evaluate three seeds
    python benchmarks/driving.py maml --runs runs/my-run    # evaluate runs that exist
    python benchmarks/driving.py speed                      # policy steps per second of both, in one process

Success is an episode without a crash. Stage 0 is the agent before it has adapted: no gradient step, or the first episode of a
trial. On highway-env the same tasks open with the same traffic, and every lane is an environment of its own.
"""

import argparse
import multiprocessing
import os
import shlex
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import learning
import numpy as np
import recorded
import torch

from pliant.agent import agent
from pliant.config import registry
from pliant.families import driving
from pliant.maths import statistics
from pliant.rollout import rollout
from pliant.running import curve as curves
from pliant.storage import checkpoint
from pliant.streams import Stream

SIMULATORS = ("twin", "highway-env")
SHORT = {"twin": 200, "highway-env": 12}
"""Tasks of an evaluation; highway-env makes some tens of steps a second."""


def trained(algorithm: str, seed: int, cores: set[int]) -> Path:
    """The run of a seed, trained on the twin."""
    path = recorded.runs(f"driving-{algorithm}") / f"{algorithm}-driving-seed{seed}"
    learning.pliant(["train", algorithm, "driving", "--seed", str(seed), "--out", str(path), "--resume"], cores)
    return path


def measured(path: Path, simulator: str, split: str, tasks: int, stages: int | None) -> dict[str, Any]:
    """Crashes and returns by stage of a run on tasks of a split, in one of the simulators; the players beside it."""
    loaded = agent.load(path)
    learner = loaded.learner
    settings = driving.Settings(**(vars(learner.family.settings) | {"simulator": simulator}))
    family = driving.family(settings)
    streams = Stream(0).at("evaluate", split)
    chosen = family.sample(tasks, split, streams.at("tasks").rng())
    schedule = learner.schedule(stages, one_lane=learner.by_episode)
    begin = time.monotonic()
    batch = family.batch(chosen, schedule.lanes, schedule.episodes)
    curve, rollouts = curves.curve_on(learner, batch, schedule.last, streams.at("acts"))
    assert curve.success is not None
    return {
        "simulator": simulator,
        "split": split,
        "tasks": tasks,
        "lanes": schedule.lanes,
        "crashes": [statistics.summary(1 - curve.success[:, s]) for s in range(curve.success.shape[1])],
        "return": [statistics.summary(curve.returns[:, s]) for s in range(curve.returns.shape[1])],
        "steps": sum(r.steps for r in rollouts),
        "minutes": (time.monotonic() - begin) / 60,
    }


def players(split: str, tasks: int) -> dict[str, float]:
    """Share of episodes in which each player crashes, on the twin; on highway-env these tasks are the same episodes."""
    family = driving.family()
    chosen = family.sample(tasks, split, Stream(0).at("evaluate", split).at("tasks").rng())
    crashes = {}
    for name, player in registry.players("driving").players(family, Stream(0)).items():
        played = rollout(family.batch(chosen, 4), Stream(0).at("players"), player, {})
        crashes[name] = 1 - float(played.success.any(-1).double().mean())
    return crashes


def study(path: Path, stages: int | None, tasks: dict[str, int]) -> list[dict[str, Any]]:
    """A run on held-out tasks in both simulators, and on shifted ones on the twin."""
    torch.set_num_threads(1)
    found = checkpoint.load_latest(path / "checkpoints")
    rows = []
    for simulator, split in (("twin", "test"), ("highway-env", "test"), ("twin", "ood")):
        row = measured(path, simulator, split, tasks[simulator], stages)
        rows.append({"run": path.name, "iterations": found.iteration, **row})
        mean = " / ".join(f"{point['mean']:.3f}" for point in row["crashes"])
        print(f"{path.name:28} {simulator:12} {split:5} crashes {mean}   {row['minutes']:.1f} min", flush=True)
    rows[-1]["train_minutes"] = found.facts.get("seconds", 0.0) / 60
    return rows


def speed(lanes: int = 256, originals: int = 4, repeats: int = 5) -> list[dict[str, Any]]:
    """Policy steps per second of processor time on one thread, twin and original in turn, with the same settings."""
    torch.set_num_threads(1)
    rows = []
    cases: list[dict[str, Any]] = [{}, {"vehicles": 50}, {"vehicles": 50, "frequency": 15, "collisions": "all"}]
    for case in [*cases, {"scene": "merge"}]:
        made = [driving.family(driving.Settings(simulator=simulator, **case)) for simulator in SIMULATORS]
        tasks = made[0].sample(lanes, "train", Stream(0).at("tasks").rng())
        batches = [made[0].batch(tasks, 1, 1000), made[1].batch(tasks[:originals], 1, 1000)]
        generator = torch.Generator().manual_seed(0)
        for batch in batches:
            batch.reset(Stream(0))
        spent: list[list[float]] = [[], []]
        for _ in range(repeats):
            for which, (batch, steps) in enumerate(zip(batches, (10, 3), strict=True)):
                begin = time.process_time()
                for _ in range(steps):
                    batch.step(torch.randint(5, batch.shape, generator=generator))
                spent[which].append((time.process_time() - begin) / steps / batch.shape[0])
        twin, original = (1 / float(np.median(x)) for x in spent)
        rows.append({"settings": case, "lanes": lanes, "twin": twin, "highway-env": original, "ratio": twin / original})
        print(f"{case!s:60} {twin:8.0f} {original:6.1f} steps/s, {twin / original:.0f} times", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["maml", "rl2", "speed"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--runs", type=Path, nargs="+", help="runs to evaluate instead of training")
    parser.add_argument("--stages", type=int, help="last stage, 2 for gradients and the trained trial for memories")
    parser.add_argument("--tasks", type=int, nargs=2, default=list(SHORT.values()), help="on the twin, on highway-env")
    parser.add_argument("--jobs", type=int, default=2, help="seeds trained and evaluated side by side")
    wanted = parser.parse_args()
    begin = time.monotonic()
    if wanted.what == "speed":
        result: dict[str, Any] = {"rows": speed()}
    else:
        runs = wanted.runs or learning.side_by_side(wanted.seeds, lambda s, cores: trained(wanted.what, s, cores), wanted.jobs)
        stages = 2 if wanted.stages is None and wanted.what == "maml" else wanted.stages
        tasks = dict(zip(SIMULATORS, wanted.tasks, strict=True))
        with ProcessPoolExecutor(wanted.jobs, multiprocessing.get_context("spawn")) as pool:
            rows = pool.map(study, runs, repeat(stages), repeat(tasks))
            result = {"players": players("test", tasks["highway-env"]), "runs": list(chain.from_iterable(rows))}
    document = {
        "schema": "pliant.driving/1",
        "command": shlex.join(["python", "benchmarks/driving.py", *sys.argv[1:]]),
        "seeds": wanted.seeds,
        "machine": learning.machine(len(os.sched_getaffinity(0))),
        "minutes": (time.monotonic() - begin) / 60,
        **result,
    }
    recorded.write(f"driving-{wanted.what}", document)


if __name__ == "__main__":
    main()
