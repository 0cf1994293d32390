"""What a second process brings to one training: two on two cores beside one on one core, in turn, in one run.

    python benchmarks/ranks.py            # about ten minutes; writes benchmarks/results/ranks.json

The same training in two shards, by one process and by two, which find each other by a file and talk over loopback. Rates are
iterations per second of wall time, everything included but the start: those of a long training less those of a short one. The
bar: two processes reach 0.9 of twice the rate of one. Beside it the rate of the same training in one shard, as it runs when
nobody shares it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import recorded

from pliant.system import interpreter, machine

BAR, TURNS = 0.9, 5
STUDIES: dict[str, tuple[list[str], tuple[int, int]]] = {
    "maml half-cheetah-dir": (["maml", "half-cheetah-dir"], (4, 16)),
    "rl2 bandit 100-5": (["rl2", "bandit", "--preset", "100-5"], (3, 9)),
}
"""Words of `pliant train`, and the iterations of a short and of a long training."""


def seconds(words: list[str], shards: int, ranks: int, iterations: int) -> float:
    """Wall time of a training by so many processes, each on a core of its own."""
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        asked = [*words, "--train.shards", str(shards), "--iterations", str(iterations), "--out", f"{folder}/run", "--quiet"]
        command = interpreter.command("-m", "pliant", "train", *asked)
        begin, processes = time.perf_counter(), []
        for rank in range(ranks):
            place = {"RANK": rank, "WORLD_SIZE": ranks, "LOCAL_RANK": rank, "PLIANT_MEET": (Path(folder) / "meet").as_uri()}
            own = interpreter.environment() | {name: str(value) for name, value in place.items()} | {"OMP_NUM_THREADS": "1"}
            own["GLOO_SOCKET_IFNAME"] = "lo"
            only = {cores[rank]}
            processes.append(subprocess.Popen(command, env=own, preexec_fn=lambda only=only: os.sched_setaffinity(0, only)))
        statuses = [process.wait(timeout=1200) for process in processes]
        if any(statuses):
            raise SystemExit(f"{' '.join(asked)} ended with {statuses}")
        return time.perf_counter() - begin


def rate(words: list[str], shards: int, ranks: int, lengths: tuple[int, int]) -> float:
    """Iterations per second."""
    short, long = (seconds(words, shards, ranks, iterations) for iterations in lengths)
    return (lengths[1] - lengths[0]) / (long - short)


def study(name: str, turns: int) -> dict[str, Any]:
    """Medians over turns, in each of which all are timed one after the other."""
    words, lengths = STUDIES[name]
    found = []
    for _ in range(turns):
        alone, one, two = (rate(words, *how, lengths) for how in ((1, 1), (2, 1), (2, 2)))
        found.append({"unshared": alone, "one": one, "two": two, "share": two / (2 * one), "beside unshared": two / alone})
        print(name, {key: round(value, 3) for key, value in found[-1].items()}, flush=True)
    return {key: statistics.median(each[key] for each in found) for key in found[0]} | {"turns": found}


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=TURNS)
    wanted = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("two cores are needed: a second process on the same core brings nothing")
    results = {name: study(name, wanted.turns) for name in STUDIES}
    document = {
        "schema": "pliant.benchmark/1",
        "command": "python benchmarks/ranks.py",
        "machine": machine.described(),
        "bar": BAR,
        "results": results,
    }
    recorded.write("ranks", document)
    print(json.dumps({name: {k: v for k, v in each.items() if k != "turns"} for name, each in results.items()}, indent=1))


if __name__ == "__main__":
    main()
