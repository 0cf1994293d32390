"""Does TRPO learn as well when Fisher products see a fifth or a tenth of the samples? MAML on `point`, three seeds each.

    python benchmarks/fisher.py --jobs 2          # about an hour on two cores; writes benchmarks/results/fisher.json

Runs live in runs/benchmarks and are continued if they were interrupted. Compared are the return after adaptation over the
last ten iterations of training, and on held-out goals.
"""

import argparse
import json
import os
import statistics
from typing import Any

import learning
import recorded

FRACTIONS = (1.0, 0.2, 0.1)
ITERATIONS = 60


def run(fraction: float, seed: int, cores: set[int]) -> dict[str, Any]:
    """Train and evaluate one seed."""
    folder = recorded.runs("fisher") / f"fisher-{fraction:g}-seed{seed}"
    size = ["--iterations", str(ITERATIONS), "--outer.cg_steps", "10", "--outer.fisher_fraction", str(fraction)]
    learning.pliant(["train", "maml", "point", "--seed", str(seed), *size, "--out", str(folder), "--resume"], cores)
    curve = [json.loads(line)["return_2"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    measured = learning.measured(folder, "test", cores)
    return {"fraction": fraction, "seed": seed, "return_last_ten": statistics.mean(curve[-10:]), "curve": curve, **measured}


def main() -> None:
    """Train what is missing, print, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2, help="runs side by side, each on its share of the cores")
    wanted = parser.parse_args()
    jobs = [(fraction, seed) for seed in wanted.seeds for fraction in FRACTIONS]
    rows = learning.side_by_side(jobs, lambda job, cores: run(*job, cores), wanted.jobs)
    for fraction in FRACTIONS:
        same = [row for row in rows if row["fraction"] == fraction]
        last = statistics.mean(row["return_last_ten"] for row in same)
        curve = " / ".join(f"{statistics.mean(values):.2f}" for values in zip(*(row["return"] for row in same), strict=True))
        print(f"fraction {fraction:4g}  last ten iterations {last:.2f}  held-out {curve}")
    document = {
        "command": "python benchmarks/fisher.py",
        "machine": learning.machine(len(os.sched_getaffinity(0))),
        "iterations": ITERATIONS,
        "runs": rows,
    }
    recorded.write("fisher", document)


if __name__ == "__main__":
    main()
