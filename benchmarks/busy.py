"""What an iteration of training takes on a machine that others use: beside no, one and two processes that compute all the time.

    python benchmarks/busy.py                # every preset, about twenty minutes; writes benchmarks/results/busy.json
    python benchmarks/busy.py --only maml-point rl2-bandit --turns 3

An iteration that takes T seconds alone, and C seconds of processor time, has its fair share of P cores beside n others if it
takes max(T, C (n + 1) / P) seconds. Loads take turns, an iteration each, so that all see the same machine; medians count.
"""

import argparse
import contextlib
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import recorded
import stepping

LOADS = (0, 1, 2)
BAR = 1.3
PRESETS = recorded.ROOT / "src" / "pliant" / "presets"
SPIN = "while True: pass"


class Spent(NamedTuple):
    """What one iteration took."""

    wall: float
    """Seconds."""
    processor: float
    """Seconds of all threads together."""


def train(name: str) -> None:
    """In a process of its own: an iteration of a preset for each line of stdin, and what it took."""
    from pliant.config import config
    from pliant.running import learner as learners
    from pliant.running import loop
    from pliant.system import machine

    machine.keep_memory()
    algorithm, _, rest = name.partition("-")
    family, _, preset = rest.partition("@")
    learner = learners.build(config.load_config(algorithm, family, preset=preset or None))
    for number, _ in enumerate(sys.stdin):
        begin, processor = time.perf_counter(), time.process_time()
        list(loop.iterate(learner, number, number + 1))
        print(time.perf_counter() - begin, time.process_time() - processor, flush=True)


@contextlib.contextmanager
def others(most: int) -> Iterator[Sequence["subprocess.Popen[bytes]"]]:
    """So many processes that compute all the time, stopped at first."""
    processes = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(most)]
    try:
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def beside(name: str, turns: int) -> dict[str, Any]:
    """The iterations of a preset under every load."""
    command = [sys.executable, __file__, "--train", name]
    found: dict[int, list[Spent]] = {load: [] for load in LOADS}
    pipe = subprocess.PIPE
    with others(max(LOADS)) as busy, subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as child:
        try:
            _iteration(child)  # the first one fills caches
            for _ in range(turns):
                for load in LOADS:
                    for process in busy[:load]:
                        process.send_signal(signal.SIGCONT)
                    found[load].append(_iteration(child))
                    for process in busy[:load]:
                        process.send_signal(signal.SIGSTOP)
        finally:
            child.kill()
    return judged(found)


def _iteration(child: "subprocess.Popen[str]") -> Spent:
    assert child.stdin and child.stdout
    child.stdin.write("\n")
    child.stdin.flush()
    line = child.stdout.readline()
    if not line:
        raise SystemExit("the training ended: run it by `pliant train` to see why")
    return Spent(*map(float, line.split()))


def judged(found: dict[int, list[Spent]]) -> dict[str, Any]:
    """Medians by load, and how many times its fair share each takes."""
    wall = {load: statistics.median(spent.wall for spent in each) for load, each in found.items()}
    processor = statistics.median(spent.processor for spent in found[0])
    fair = {load: max(wall[0], processor * (load + 1) / stepping.CORES) for load in LOADS}
    return {
        "seconds": {str(load): wall[load] for load in LOADS},
        "processor_seconds": processor,
        "times_fair_share": {str(load): wall[load] / fair[load] for load in LOADS},
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", help="these presets")
    parser.add_argument("--turns", type=int, default=5, help="iterations under each load")
    parser.add_argument("--out", type=Path, help="where the result is written, instead of where it is tracked")
    parser.add_argument("--train", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.train:
        train(wanted.train)
        return
    load, results = os.getloadavg()[0], {}
    for name in wanted.only or sorted(path.stem for path in PRESETS.glob("*.toml")):
        results[name] = beside(name, wanted.turns)
        times = results[name]["times_fair_share"]
        said = "  ".join(f"{n} others {results[name]['seconds'][n]:6.2f} s, {times[n]:4.2f} x" for n in times)
        print(f"{name:28} {said}  {'met' if max(times.values()) <= BAR else 'MISSED'}", flush=True)
    document = {"command": "python benchmarks/busy.py", "machine": stepping.machine() | {"load_before": load}}
    recorded.write("busy", document | {"turns": wanted.turns, "bar": BAR, "results": results}, wanted.out)


if __name__ == "__main__":
    main()
