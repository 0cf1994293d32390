"""Environments of POPGym through the family `gymnasium`: four memories, a million steps each.

    python benchmarks/pomdps.py                             # needs POPGym: pip install popgym
    python benchmarks/pomdps.py --environments CountRecallEasy

An episode is a trial, and its reset seed the task: a fifth of the seeds is held out for the test. Nothing but the memory
differs between the agents of an environment; all have 64 units. Measured are final agents on new test seeds; returns lie in
[-1, 1]. Runs live in runs/benchmarks and are continued if they were interrupted; each has its own core (`--jobs 2`).
"""

import argparse
import json
import os
from typing import Any

import learning
import recorded
from replay import over_seeds

ENVIRONMENTS = {
    "RepeatPreviousEasy": 51,
    "AutoencodeEasy": 103,
    "CountRecallEasy": 51,
    "HigherLowerEasy": 51,
    "PositionOnlyCartPoleEasy": 200,
}
"""Of an episode, the most steps."""
MEMORIES = ("gru", "linear-attention", "external", "mean")
STEPS, TRIALS, TASKS = 1_000_000, 128, 1_000
"""Of a training; of an iteration; of an evaluation."""
SETTINGS: dict[str, Any] = {
    "vary": "seed=0..99999",
    "episodes": 1,
    "train.meta_batch": TRIALS,
    "train.lanes": 1,
    "policy.size": 64,
    "outer.lr": 2e-3,
    "outer.entropy": 0.01,
    "outer.entropy_end": 0.001,
}


def run_seed(env: str, memory: str, seed: int, cores: set[int]) -> dict[str, Any]:
    """Train and measure one seed of a memory."""
    path = recorded.runs("popgym") / f"popgym-{env}-{memory}-seed{seed}"
    own = SETTINGS | {"env": f"popgym-{env}-v0", "horizon": ENVIRONMENTS[env], "policy": memory, "seed": seed}
    words = ["train", "rl2", "gymnasium", *(f"--{key}={value}" for key, value in own.items())]
    iterations = -(-STEPS // (TRIALS * ENVIRONMENTS[env]))
    learning.pliant([*words, "--import", "popgym", "--iterations", str(iterations), "--out", str(path), "--resume"], cores)
    asked = ["evaluate", str(path), "--import", "popgym", "--tasks", str(TASKS), "--lanes", "1", "--json"]
    document = json.loads(learning.pliant(asked, cores))
    return {
        "environment": env,
        "memory": memory,
        "seed": seed,
        "return": document["trial_return"]["mean"],
        "std_error": document["trial_return"]["std_error"],
        "train_minutes": document["cost"]["train_seconds"] / 60,
        "train_env_steps": document["cost"]["train_env_steps"],
        "cores": len(cores),
        "config": document["config"],
    }


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environments", nargs="+", choices=ENVIRONMENTS, default=list(ENVIRONMENTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--jobs", type=int, default=2, help="agents trained side by side, each on its share of the cores")
    wanted = parser.parse_args()
    jobs = [(env, memory, seed) for seed in wanted.seeds for env in wanted.environments for memory in MEMORIES]
    rows = learning.side_by_side(jobs, lambda job, cores: run_seed(*job, cores), wanted.jobs)
    earlier = recorded.read("popgym") if recorded.is_current("popgym") else None
    if earlier:
        rows += [row for row in earlier["runs"] if (row["environment"], row["memory"], row["seed"]) not in jobs]
    rows.sort(key=lambda row: (list(ENVIRONMENTS).index(row["environment"]), MEMORIES.index(row["memory"]), row["seed"]))
    summary = [
        {
            "environment": env,
            "memory": memory,
            "return": over_seeds([row["return"] for row in same]),
            "train_minutes": sum(row["train_minutes"] for row in same) / len(same),
        }
        for env in ENVIRONMENTS
        for memory in MEMORIES
        if (same := [row for row in rows if (row["environment"], row["memory"]) == (env, memory)])
    ]
    document = {
        "schema": "pliant.popgym/1",
        "command": "python benchmarks/pomdps.py",
        "tasks": TASKS,
        "machine": learning.machine(len(os.sched_getaffinity(0))),
        "minutes": sum(row["train_minutes"] for row in rows),
        "summary": summary,
        "runs": rows,
    }
    recorded.write("popgym", document)
    for row in summary:
        print(f"{row['environment']:26}{row['memory']:18}{row['return']}  {row['train_minutes']:.1f} min")


if __name__ == "__main__":
    main()
