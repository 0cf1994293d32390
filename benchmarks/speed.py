"""How long a whole meta-iteration takes, as ratios to references timed in the same run; memory; start-up.

    python benchmarks/speed.py               # about three minutes; writes benchmarks/results/speed.json

- `point`: 20 tasks x 20 episodes x 100 steps x 2 rollouts, MLP 100-100, second order, with TRPO (10 conjugate-gradient
  steps) and with the clipped surrogate (5 epochs). Reference: one forward and backward pass of the same network over the
  same number of samples (80,000), timed between the iterations.
- `half-cheetah`: 20 x 20 x 200 x 2 with either outer step. Reference: bare `mj_step` on all cores (stepping.py), between the
  iterations; the figure is the share of the bare rate that a whole meta-iteration reaches.
- Peak memory of a `half-cheetah-dir` iteration at meta-batch 40 x 20 x 200, in a fresh process.
- `pliant --help`, as a whole process.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import recorded
import stepping
import torch

from pliant.config.config import load_config
from pliant.running import learner as learners
from pliant.running import loop
from pliant.system import machine

BARS = {
    "point trpo seconds": 0.6,
    "point clipped seconds": 0.9,
    "half-cheetah share of bare": 0.6,
    "peak MiB": 2048,
    "help seconds": 0.4,
}
POINT = {
    "train.meta_batch": 20,
    "train.lanes": 20,
    "policy.hidden": (100, 100),
    "policy.activation": "relu",
    "inner.steps": 1,
    "outer.epochs": 5,
    "outer.cg_steps": 10,
}
MEMORY = """
import resource, sys
from pliant.config.config import load_config
from pliant.running import learner, loop
from pliant.system import machine
machine.keep_memory()
config = load_config("maml", "half-cheetah-dir", {"train.meta_batch": 40, "train.lanes": 20, "outer.method": sys.argv[1]})
list(loop.iterate(learner.build(config), 0, 1))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def iterations(algorithm: str, family: str, settings: dict[str, Any]) -> Callable[[], dict[str, float]]:
    """A function that runs the next meta-iteration and returns its times."""
    learner = learners.build(load_config(algorithm, family, settings, preset="none"))
    steps = loop.iterate(learner, 0, 10**6)
    return lambda: next(steps).seconds


def reference(samples: int, sizes: tuple[int, ...]) -> Callable[[], None]:
    """One forward and backward pass of a ReLU network over `samples` rows."""
    pairs = list(zip(sizes[:-1], sizes[1:], strict=True))
    layers = [m for a, b in pairs for m in (torch.nn.Linear(a, b), torch.nn.ReLU())][:-1]
    net, x = torch.nn.Sequential(*layers), torch.randn(samples, sizes[0])

    def run() -> None:
        net.zero_grad()
        net(x).square().mean().backward()

    return run


def seconds(act: Callable[[], Any]) -> float:
    """Wall time of one call."""
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def point(method: str, turns: int) -> dict[str, float]:
    """Medians of the meta-iteration and of the reference, in turn."""
    act, base = iterations("maml", "point", POINT | {"outer.method": method}), reference(80_000, (2, 100, 100, 2))
    act(), base()
    pairs = [(seconds(act), seconds(base)) for _ in range(turns)]
    return {
        "seconds": statistics.median(a for a, _ in pairs),
        "reference_seconds": statistics.median(b for _, b in pairs),
        "ratio": statistics.median(a / b for a, b in pairs),
    }


def half_cheetah(method: str, turns: int) -> dict[str, float]:
    """Environment steps per second of a whole meta-iteration, as a share of bare `mj_step`'s."""
    size = {"train.meta_batch": 20, "train.lanes": 20, "policy.hidden": (64, 64), "outer.method": method}
    act = iterations("maml", "half-cheetah-dir", size)
    with stepping.bare_processes("HalfCheetah") as bare:
        act(), bare(0.3)
        pairs = []
        for _ in range(turns):
            before = bare(0.7)
            taken = act()
            pairs.append((160_000 / sum(taken.values()), (before + bare(0.7)) / 2, taken["outer_seconds"]))
    return {
        "seconds": 160_000 / statistics.median(ours for ours, _, _ in pairs),
        "learn_seconds": statistics.median(learn for _, _, learn in pairs),
        "steps_per_second": statistics.median(ours for ours, _, _ in pairs),
        "bare_steps_per_second": statistics.median(base for _, base, _ in pairs),
        "share_of_bare": statistics.median(ours / base for ours, base, _ in pairs),
    }


def output(*command: str) -> str:
    """Standard output of a Python process."""
    return subprocess.run([sys.executable, *command], check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Measure, print, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=7, help="how often everything is timed")
    parser.add_argument("--out", type=Path, help="where the result is written, instead of where it is tracked")
    wanted = parser.parse_args()
    load = os.getloadavg()[0]
    machine.keep_memory()  # as `pliant train` does
    result: dict[str, Any] = {f"point {method}": point(method, wanted.turns) for method in ("trpo", "clipped")}
    result |= {f"half-cheetah {method}": half_cheetah(method, wanted.turns) for method in ("trpo", "clipped")}
    result["peak_mib"] = {method: float(output("-c", MEMORY, method)) for method in ("clipped", "trpo")}
    result["help_seconds"] = statistics.median(seconds(lambda: output("-m", "pliant", "--help")) for _ in range(wanted.turns))
    for name, value in result.items():
        text = ", ".join(f"{k} {v:.3g}" for k, v in value.items()) if isinstance(value, dict) else f"{value:.3g}"
        print(f"{name:16} {text}")
    document = {"command": "python benchmarks/speed.py", "machine": stepping.machine() | {"load_before": load}}
    document |= {"turns": wanted.turns, "bars": BARS, "results": result}
    recorded.write("speed", document, wanted.out)


if __name__ == "__main__":
    main()
