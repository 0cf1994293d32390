"""What an iteration of training takes on a machine that others use.

    python benchmarks/busy.py                # every preset, about an hour; writes benchmarks/results/busy.json
    python benchmarks/busy.py --only maml-point rl2-bandit --turns 3

Beside no, one and two processes that compute all the time: an iteration that takes T seconds alone, and C seconds of processor
time of all its processes, has its fair share of P cores beside n others if it takes r max(T, C (n + 1) / P) seconds. Cores
themselves are slower when all of them work (cache, clock, what a virtual machine shares): the same piece of work on one thread,
after every iteration, takes r times the processor time that it takes alone.
Two trainings side by side, on all cores both, and then on half of the cores each: what sharing costs.
Loads take turns, an iteration each, so that all see the same machine; medians count.
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
BAR, PAIR_BAR = 1.3, 1.1
PRESETS = recorded.ROOT / "src" / "pliant" / "presets"
PAIRS = ("maml-point", "maml-half-cheetah-vel", "maml-motor", "rl2-bandit", "rl2-point", "rl2-half-cheetah-vel")
SPIN = "while True: pass"


class Spent(NamedTuple):
    """What one iteration took."""

    wall: float
    """Seconds."""
    processor: float
    """Seconds of all threads and processes together."""
    ruler: float
    """Seconds of processor time of the piece of work that is always the same."""


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
        begin, processor = time.perf_counter(), time.process_time() + of_workers()
        list(loop.iterate(learner, number, number + 1))
        print(time.perf_counter() - begin, time.process_time() + of_workers() - processor, ruler(), flush=True)


def ruler() -> float:
    """Processor seconds of a piece of work on one thread, of the kind that a training does."""
    import torch

    from pliant.system import threads

    with threads.one(), torch.no_grad():
        batch, weight = torch.ones(256, 64), torch.full((64, 64), 1 / 64)
        begin = time.thread_time()
        for _ in range(1500):
            batch = torch.tanh(batch @ weight)
        return time.thread_time() - begin


def of_workers() -> float:
    """Seconds of processor time of all processes that this one began, and that those began."""
    parents, spent, tick = dict[int, int](), dict[int, int](), os.sysconf("SC_CLK_TCK")
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # one that has just ended
            fields = stat.read_text().rpartition(")")[2].split()
            parents[int(stat.parent.name)], spent[int(stat.parent.name)] = int(fields[1]), int(fields[11]) + int(fields[12])
    ours = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return sum(spent[pid] for pid in ours - {os.getpid()}) / tick


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
    found: dict[int, list[Spent]] = {load: [] for load in LOADS}
    with others(max(LOADS)) as busy, training(name) as child:
        for _ in range(turns):
            for load in LOADS:
                for process in busy[:load]:
                    process.send_signal(signal.SIGCONT)
                found[load].append(child.iteration())
                for process in busy[:load]:
                    process.send_signal(signal.SIGSTOP)
    return judged(found)


def side_by_side(name: str, turns: int) -> dict[str, Any]:
    """The iterations of two trainings of a preset at once: on all cores both, and on half of them each."""
    cores = sorted(os.sched_getaffinity(0))
    halves = set(cores[: len(cores) // 2]), set(cores[len(cores) // 2 :])
    whole: dict[str, str] = {}
    each = {"OMP_NUM_THREADS": str(max(1, len(cores) // 2))}  # as `--seeds` begins them
    plans = {
        "alone": [(half, each) for half in halves],
        "by_hand": [(set(cores), whole)] * 2,
        "by_seeds": [(set(cores), each)] * 2,
    }
    with contextlib.ExitStack() as stack:
        pairs = {plan: [stack.enter_context(training(name, *kind)) for kind in kinds] for plan, kinds in plans.items()}
        found: dict[str, list[float]] = {plan: [] for plan in plans}
        for _ in range(turns):
            for plan, pair in pairs.items():
                for child in pair:
                    child.ask()
                found[plan].append(statistics.mean(child.answer().wall for child in pair))
    seconds = {plan: statistics.median(walls) for plan, walls in found.items()}
    return {"seconds": seconds, "times_half": {plan: seconds[plan] / seconds["alone"] for plan in plans}}


class Child:
    """A training in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin and process.stdout
        self.asked, self.said = process.stdin, process.stdout

    def ask(self) -> None:
        """Let an iteration begin."""
        self.asked.write("\n")
        self.asked.flush()

    def answer(self) -> Spent:
        """What it took, once it is over."""
        line = self.said.readline()
        if not line:
            raise SystemExit("the training ended: run it by `pliant train` to see why")
        return Spent(*map(float, line.split()))

    def iteration(self) -> Spent:
        """One iteration."""
        self.ask()
        return self.answer()


@contextlib.contextmanager
def training(name: str, cores: set[int] | None = None, environment: dict[str, str] | None = None) -> Iterator[Child]:
    """A training of a preset whose first iteration, which fills caches, is over."""
    before = os.sched_getaffinity(0)
    command = [sys.executable, __file__, "--train", name]
    os.sched_setaffinity(0, cores or before)  # what a process begins inherits it
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | (environment or {})
        )
    finally:
        os.sched_setaffinity(0, before)
    with process:
        try:
            child = Child(process)
            child.iteration()
            yield child
        finally:
            process.kill()


def judged(found: dict[int, list[Spent]]) -> dict[str, Any]:
    """Medians by load, and how many times its fair share each takes."""
    wall = {load: statistics.median(spent.wall for spent in each) for load, each in found.items()}
    processor = statistics.median(spent.processor for spent in found[0])
    slower = {load: statistics.median(spent.ruler for spent in found[load]) for load in LOADS}
    slower = {load: max(1.0, seconds / slower[0]) for load, seconds in slower.items()}
    fair = {load: slower[load] * max(wall[0], processor * (load + 1) / stepping.CORES) for load in LOADS}
    return {
        "seconds": {str(load): wall[load] for load in LOADS},
        "processor_seconds": processor,
        "cores_slower": {str(load): slower[load] for load in LOADS},
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
    pairs = {}
    for name in wanted.only or PAIRS:
        pairs[name] = side_by_side(name, wanted.turns)
        ratios = pairs[name]["times_half"]
        said = "  ".join(f"{plan} {pairs[name]['seconds'][plan]:6.2f} s, {ratio:4.2f} x" for plan, ratio in ratios.items())
        print(f"two of {name:21} {said}  {'met' if max(ratios.values()) <= PAIR_BAR else 'MISSED'}", flush=True)
    import pliant  # noqa: F401 (it says how long threads look out for work, unless somebody has said it)

    facts = {"command": "python benchmarks/busy.py", "machine": stepping.machine() | {"load_before": load}}
    document = facts | {"spin_count": os.environ.get("GOMP_SPINCOUNT")}
    found = {"bars": {"beside": BAR, "two": PAIR_BAR}, "beside": results, "two": pairs}
    recorded.write("busy", document | {"turns": wanted.turns} | found, wanted.out)


if __name__ == "__main__":
    main()
