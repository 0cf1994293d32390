"""Learning results of agents with memory: train every seed, play whole trials of held-out tasks, write one tracked document.

    python benchmarks/trials.py bandit-10-5          # three seeds
    python benchmarks/trials.py gridnavi --jobs 1

Evaluated are the final parameters, by `pliant evaluate --players`: classical players and exact bounds stand beside the agent on
the same tasks, where the family has any. Runs live in runs/benchmarks and are continued if they were interrupted. Each job has
its own core (`--jobs 2`, the default on two cores) or all cores (`--jobs 1`).
"""

import argparse
import json
import os
import time
from typing import Any

import learning
import numpy as np
import recorded

STUDIES: dict[str, dict[str, Any]] = {
    "bandit-10-5": {"family": "bandit", "preset": None, "tasks": 20_000},
    "bandit-10-10": {"family": "bandit", "preset": "10-10", "tasks": 20_000},
    "bandit-100-5": {"family": "bandit", "preset": "100-5", "tasks": 20_000},
    "bandit-100-10": {"family": "bandit", "preset": "100-10", "tasks": 20_000},
    "bandit-500-5": {"family": "bandit", "preset": "500-5", "tasks": 20_000},
    "tabular": {"family": "tabular", "preset": None, "tasks": 2_000},
    "gridnavi": {"family": "gridnavi", "preset": None, "tasks": 2_100},
    "point": {"family": "point", "preset": None, "tasks": 400, "players": False},
    "reactor": {"family": "reactor", "preset": None, "tasks": 1_000},
    "minigrid": {"family": "minigrid", "preset": None, "tasks": 2_000},
}


def run_seed(study: dict[str, Any], name: str, seed: int, cores: set[int]) -> dict[str, Any]:
    """Train and evaluate one seed."""
    path = recorded.runs(f"rl2-{name}") / f"rl2-{name}-seed{seed}"
    preset = ["--preset", study["preset"]] if study["preset"] else []
    learning.pliant(["train", "rl2", study["family"], *preset, "--seed", str(seed), "--out", str(path), "--resume"], cores)
    asked = ["--tasks", str(study["tasks"]), "--lanes", "1", "--json"]
    if study.get("players", True):
        asked.append("--players")
    document = json.loads(learning.pliant(["evaluate", str(path), *asked], cores))
    return {
        "seed": seed,
        "trial_return": document["trial_return"],
        "return": [point["return"]["mean"] for point in document["curve"]],
        "success": [point["success"] and point["success"]["mean"] for point in document["curve"]],
        "steps_seen": [point["steps_seen"] for point in document["curve"]],
        "players": document.get("players"),
        "train_minutes": document["cost"]["train_seconds"] / 60,
        "train_env_steps": document["cost"]["train_env_steps"],
        "iterations": document["protocol"]["iteration"],
        "cores": len(cores),
        "config": document["config"],
        "versions": document["versions"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2, help="seeds trained side by side, each on its share of the cores")
    wanted = parser.parse_args()
    study, begin = STUDIES[wanted.study], time.monotonic()
    rows = learning.side_by_side(
        wanted.seeds, lambda seed, cores: run_seed(study, wanted.study, seed, cores), wanted.jobs
    )
    trial = np.array([row["trial_return"]["mean"] for row in rows])
    players = rows[0]["players"] or {"optimum": None, "ceiling": None, "each": {}}
    summary = {
        "trial_return": float(trial.mean()),
        "sd_over_seeds": float(trial.std(ddof=1)) if len(trial) > 1 else None,
        "std_error_over_tasks": float(np.mean([row["trial_return"]["std_error"] for row in rows])),
        "return": np.mean([row["return"] for row in rows], axis=0).tolist(),
        "success": np.mean([row["success"] for row in rows], axis=0).tolist() if rows[0]["success"][0] is not None else None,
        "steps_seen": np.mean([row["steps_seen"] for row in rows], axis=0).tolist(),
        "optimum": players["optimum"],
        "ceiling": players["ceiling"],
        "players": {name: each["trial_return"]["mean"] for name, each in players["each"].items()},
        "train_minutes": float(np.mean([row["train_minutes"] for row in rows])),
    }
    document = {
        "schema": "pliant.trials/1",
        "command": f"python benchmarks/trials.py {wanted.study}",
        "family": study["family"],
        "tasks": study["tasks"],
        "machine": learning.machine(len(os.sched_getaffinity(0))),
        "minutes": (time.monotonic() - begin) / 60,
        "summary": summary,
        "runs": rows,
    }
    recorded.write(f"rl2-{wanted.study}", document)
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
