"""Learning results: meta-train every seed, evaluate final agents on held-out tasks, write one tracked document.

    python benchmarks/learning.py point                 # maml and fomaml, three seeds each, and reptile, five
    python benchmarks/learning.py half-cheetah-dir --jobs 1

Runs live in runs/benchmarks and are continued if they were interrupted. Each job has its own core (`--jobs 2`, the default on
two cores) or all cores (`--jobs 1`). Evaluated are the final parameters, by `pliant evaluate`, and beside them the same
adaptation of an untrained policy. Seeds and algorithms that are not asked for keep what was measured of them before.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import recorded

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

STUDIES: dict[str, dict[str, Any]] = {
    "point": {
        "algorithms": ["maml", "fomaml", "reptile"],
        "splits": ["test", "ood"],
        "stages": 6,
        "seeds": {"reptile": 5},
        "tasks": 400,  # of 40 the mean return after a step is known to 1.5 only
    },
    "half-cheetah-dir": {"algorithms": ["maml"], "splits": ["test", "ood"]},
    "half-cheetah-vel": {"algorithms": ["maml"], "splits": ["test", "ood"]},
    "cartpole": {"algorithms": ["maml"], "splits": ["test", "ood"]},
    "motor": {"algorithms": ["maml"], "splits": ["test", "ood"], "players": True},
}
TASKS, STAGES, SEEDS = 40, 3, 3


def pliant(arguments: list[str], cores: set[int]) -> str:
    """Run the command line on some cores; its standard output."""
    command = [sys.executable, "-m", "pliant", *arguments]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, preexec_fn=lambda: os.sched_setaffinity(0, cores)
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with status {done.returncode}")
    return done.stdout


def run_seed(algorithm: str, family: str, seed: int, cores: set[int]) -> list[dict[str, Any]]:
    """Train and evaluate one seed, trained and untrained; one row per split."""
    study = STUDIES[family]
    runs = recorded.runs(family)
    trained = runs / f"{algorithm}-{family}-seed{seed}"
    pliant(["train", algorithm, family, "--seed", str(seed), "--out", str(trained), "--resume"], cores)
    untrained = runs / f"untrained-{algorithm}-{family}-seed{seed}"
    if not untrained.exists():
        save = "import sys, pliant; pliant.Agent(sys.argv[1], sys.argv[2], seed=int(sys.argv[3])).save(sys.argv[4])"
        subprocess.run([sys.executable, "-c", save, algorithm, family, str(seed), str(untrained)], check=True)
    asked = study.get("players", False), study.get("stages", STAGES), study.get("tasks", TASKS)
    return [
        {"algorithm": name, "seed": seed, "split": split, **measured(path, split, cores, *asked), "cores": len(cores)}
        for split in study["splits"]
        for name, path in ((algorithm, trained), (f"untrained {algorithm}", untrained))
    ]


def measured(
    path: Path, split: str, cores: set[int], players: bool = False, stages: int = STAGES, tasks: int = TASKS
) -> dict[str, Any]:
    """A run's adaptation curve on tasks of a split, and what it cost; with `players`, what they make of the same tasks."""
    asked = ["--split", split, "--tasks", str(tasks), "--stages", str(stages), "--json", *(["--players"] if players else [])]
    document = json.loads(pliant(["evaluate", str(path), *asked], cores))
    others = document["players"] if players else {"episodes": 1, "each": {}}
    return {
        "return": [point["return"]["mean"] for point in document["curve"]],
        "ci95": [point["return"]["ci95"] for point in document["curve"]],
        "success": [point["success"] and point["success"]["mean"] for point in document["curve"]],
        "steps_seen": [point["steps_seen"] for point in document["curve"]],
        "by_task": _by_choice(document),
        "players": {name: each["trial_return"]["mean"] / others["episodes"] for name, each in others["each"].items()},
        "train_minutes": (document["cost"]["train_seconds"] or 0) / 60,
        "train_env_steps": document["cost"]["train_env_steps"],
        "iterations": document["protocol"]["iteration"],
        "config": document["config"],
        "versions": document["versions"],
    }


def _by_choice(document: dict[str, Any]) -> dict[str, list[float]] | None:
    """Mean curve of each distinct task, where there are only a few."""
    groups: dict[str, list[list[float]]] = {}
    for row in document["per_task"]:
        groups.setdefault(json.dumps(row["task"]), []).append(row["return"])
    return {task: np.mean(curves, axis=0).tolist() for task, curves in groups.items()} if len(groups) <= 4 else None


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean over seeds, and their standard deviation, of every algorithm and split."""
    out = []
    for key in dict.fromkeys((row["algorithm"], row["split"]) for row in rows):
        same = [row for row in rows if (row["algorithm"], row["split"]) == key]
        returns = np.array([row["return"] for row in same])
        out.append(
            {
                "algorithm": key[0],
                "split": key[1],
                "seeds": [row["seed"] for row in same],
                "return": returns.mean(0).tolist(),
                "sd_over_seeds": returns.std(0, ddof=1).tolist() if len(same) > 1 else None,
                "train_minutes": float(np.mean([row["train_minutes"] for row in same])),
            }
        )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", choices=STUDIES)
    parser.add_argument("--seeds", type=int, nargs="+", help="instead of the study's own, three or five")
    parser.add_argument("--algorithms", nargs="+", help="only these")
    parser.add_argument("--jobs", type=int, default=2, help="seeds trained side by side, each on its share of the cores")
    wanted = parser.parse_args()
    study = STUDIES[wanted.family]
    cores = sorted(os.sched_getaffinity(0))
    algorithms, own = wanted.algorithms or study["algorithms"], study.get("seeds", {})
    jobs = [(a, s) for a in algorithms for s in wanted.seeds or range(own.get(a, SEEDS))]
    begin = time.monotonic()
    def work(job: tuple[str, int], mine: set[int]) -> list[dict[str, Any]]:
        return run_seed(job[0], wanted.family, job[1], mine)

    rows = [row for rows in side_by_side(jobs, work, wanted.jobs) for row in rows]
    earlier = recorded.read(wanted.family)
    if earlier and recorded.is_current(wanted.family):  # what was measured before and not again stays
        rows = [r for r in earlier["runs"] if (r["algorithm"].removeprefix("untrained "), r["seed"]) not in jobs] + rows
    document = {
        "schema": "pliant.learning/1",
        "command": f"python benchmarks/learning.py {wanted.family}",
        "family": wanted.family,
        "tasks": study.get("tasks", TASKS),
        "machine": machine(len(cores)),
        "minutes": (time.monotonic() - begin) / 60,
        "summary": summary(rows),
        "runs": rows,
    }
    recorded.write(wanted.family, document)
    for row in document["summary"]:
        curve = " / ".join(f"{value:.2f}" for value in row["return"])
        print(f"{row['algorithm']:18} {row['split']:5} {curve}   {row['train_minutes']:.1f} min")


def side_by_side(jobs: list[Any], work: Callable[[Any, set[int]], Any], at_once: int) -> list[Any]:
    """`work(job, cores)` for every job, `at_once` at a time, each on its share of the cores."""
    cores = sorted(os.sched_getaffinity(0))
    free = [set(cores[i::at_once]) or set(cores) for i in range(at_once)]

    def run(job: Any) -> Any:
        mine = free.pop()
        try:
            return work(job, mine)
        finally:
            free.append(mine)

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(run, jobs))


def machine(cores: int) -> dict[str, Any]:
    """What a result ran on."""
    return {"processor": _processor(), "cores": cores, "system": platform.system()}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


if __name__ == "__main__":
    main()
