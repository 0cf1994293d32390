"""Sine-wave regression: every method, three seeds, mean squared error on 1,000 new waves from 5 points.

    python benchmarks/sinusoid.py            # writes benchmarks/results/sinusoid.json

Published (Finn et al. 2017, Table 2): MAML 0.67 / 0.38 / 0.35 after 1 / 5 / 10 steps, pretrained 2.41 / 2.23 / 2.19.
"""

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import get_args

import numpy as np
import recorded
import stepping
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))
import sinusoid

ITERATIONS, SEEDS, STEPS = 30_000, (0, 1, 2), (1, 5, 10)


def run(job: tuple[sinusoid.Method, int]) -> tuple[list[float], float]:
    """(errors after 0..10 steps, training seconds) of one method and seed."""
    torch.set_num_threads(1)
    begin = time.perf_counter()
    meta = sinusoid.train(job[0], ITERATIONS, job[1])
    errors, seconds = sinusoid.evaluate(meta), time.perf_counter() - begin
    print(f"{job[0]:9} seed {job[1]}", " / ".join(f"{errors[k]:.2f}" for k in STEPS), f"{seconds:.0f} s", flush=True)
    return errors, seconds


def main() -> None:
    jobs = [(method, seed) for method in get_args(sinusoid.Method) for seed in SEEDS]
    with ProcessPoolExecutor(stepping.CORES) as pool:
        done = list(pool.map(run, jobs))
    runs = [{"method": m, "seed": s, "mse": e, "seconds": t} for (m, s), (e, t) in zip(jobs, done, strict=True)]
    summary = {}
    for method in get_args(sinusoid.Method):
        errors = np.array([row["mse"] for row in runs if row["method"] == method])[:, STEPS]
        summary[method] = {"mse": errors.mean(0).tolist(), "worst_seed": errors.max(0).tolist()}
        print(f"{method:9}", " / ".join(f"{value:.2f}" for value in summary[method]["mse"]))
    document = {"command": "python benchmarks/sinusoid.py", "machine": stepping.machine(), "iterations": ITERATIONS}
    recorded.write("sinusoid", document | {"steps": STEPS, "summary": summary, "runs": runs})


if __name__ == "__main__":
    main()
