"""What `replay` reaches by environment steps: train every seed, evaluate on the way and at the end, write one tracked document.

    python benchmarks/replay.py half-cheetah-vel              # five seeds
    python benchmarks/replay.py half-cheetah-vel --seeds 0 1 --jobs 1

Held-out tasks, whole trials; at the end by `pliant evaluate`, with actions drawn as in training and with the most likely ones.
Runs live in runs/benchmarks and are continued if they were interrupted. Each job has its own core. Seeds that are not asked for
keep what was measured of them before.
"""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import learning
import numpy as np
import recorded
from scipy import stats


class Study(NamedTuple):
    """What is trained, and on how many tasks it is measured."""

    family: str
    preset: str | None
    tasks: int
    """Test tasks at the end."""
    every: int
    """Iterations between evaluations on the way, of `BETWEEN` test tasks each."""


BETWEEN = 100
STUDIES = {
    "bandit-10-5": Study("bandit", None, 20_000, 40),
    "gridnavi": Study("gridnavi", None, 2_100, 25),
    "half-cheetah-vel": Study("half-cheetah-vel", None, 200, 5),
    "point": Study("point", None, 2_000, 10),
}


def run_seed(name: str, seed: int, cores: set[int]) -> dict[str, Any]:
    """Train and evaluate one seed."""
    study = STUDIES[name]
    path = recorded.runs(f"replay-{name}") / f"replay-{name}-seed{seed}"
    words = ["train", "replay", study.family, *(["--preset", study.preset] if study.preset else []), "--seed", str(seed)]
    words += ["--train.evaluate_every", str(study.every), "--train.evaluate_tasks", str(BETWEEN)]
    learning.pliant([*words, "--out", str(path), "--resume"], cores)
    asked = ["evaluate", str(path), "--tasks", str(study.tasks), "--lanes", "1", "--json"]
    drawn, likely = (json.loads(learning.pliant([*asked, *more], cores)) for more in ([], ["--deterministic"]))
    return {
        "seed": seed,
        **measured(drawn),
        "most_likely": measured(likely),
        "curve": curve(path),
        "iterations": drawn["protocol"]["iteration"],
        "train_env_steps": drawn["cost"]["train_env_steps"],
        "train_minutes": drawn["cost"]["train_seconds"] / 60,
        "cores": len(cores),
        "config": drawn["config"],
        "versions": drawn["versions"],
    }


def measured(document: dict[str, Any]) -> dict[str, Any]:
    """What an evaluation found."""
    return {
        "return": [point["return"]["mean"] for point in document["curve"]],
        "ci95": [point["return"]["ci95"] for point in document["curve"]],
        "success": [point["success"] and point["success"]["mean"] for point in document["curve"]],
        "trial_return": document["trial_return"]["mean"],
        "std_error": document["trial_return"]["std_error"],
    }


def curve(path: Path) -> list[dict[str, float]]:
    """The evaluations on the way: environment steps, and returns of the first and the last episode."""
    lines = map(json.loads, (path / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    found = [(row["env_steps"], [row[name] for name in row if name.startswith("test_return_")]) for row in lines]
    return [{"env_steps": steps, "first": returns[0], "last": returns[-1]} for steps, returns in found if returns]


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over seeds, and half the width of their 95 % intervals, None of a single seed."""
    likely = [row["most_likely"] for row in rows]
    return {
        "seeds": [row["seed"] for row in rows],
        "train_env_steps": float(np.mean([row["train_env_steps"] for row in rows])),
        "train_minutes": float(np.mean([row["train_minutes"] for row in rows])),
        "return": [over_seeds(values) for values in zip(*(row["return"] for row in rows), strict=True)],
        "trial_return": over_seeds([row["trial_return"] for row in rows]),
        "most_likely": [over_seeds(values) for values in zip(*(row["return"] for row in likely), strict=True)],
        "most_likely_trial": over_seeds([row["trial_return"] for row in likely]),
    }


def over_seeds(values: Sequence[float]) -> dict[str, float | None]:
    """Their mean, and half the width of its 95 % interval by Student's t."""
    n, x = len(values), np.array(values)
    half = float(stats.t.ppf(0.975, n - 1) * x.std(ddof=1) / n**0.5) if n > 1 else None
    return {"mean": float(x.mean()), "half": half}


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--jobs", type=int, default=2, help="seeds trained side by side, each on its share of the cores")
    wanted = parser.parse_args()
    name = f"replay-{wanted.study}"
    rows = learning.side_by_side(wanted.seeds, lambda seed, cores: run_seed(wanted.study, seed, cores), wanted.jobs)
    earlier = recorded.read(name) if recorded.is_current(name) else None
    if earlier:
        rows += [row for row in earlier["runs"] if row["seed"] not in wanted.seeds]
    rows.sort(key=lambda row: row["seed"])
    document = {
        "schema": "pliant.replay/1",
        "command": f"python benchmarks/replay.py {wanted.study} --seeds {' '.join(str(row['seed']) for row in rows)}",
        "family": STUDIES[wanted.study].family,
        "tasks": STUDIES[wanted.study].tasks,
        "machine": learning.machine(len(os.sched_getaffinity(0))),
        "minutes": sum(row["train_minutes"] for row in rows),
        "summary": summary(rows),
        "runs": rows,
    }
    recorded.write(name, document)
    print(json.dumps(document["summary"], indent=1))


if __name__ == "__main__":
    main()
