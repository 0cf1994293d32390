"""How the compute of an adaptation and of a training iteration grows, and what FOMAML saves against MAML.

    python benchmarks/growth.py              # about six minutes on one core; writes benchmarks/results/growth.json

- Growth: k of cost = c size^k, fitted with its 95% interval, of maml, fomaml, reptile and rl2 (gru) on `point`, with the
  number of tasks, of lanes, of steps in an episode (horizon) and of the policy's parameters, each from a common middle. An
  adaptation is two rollouts with a gradient step between them, or a trial of two episodes: of all tasks and lanes, with acting.
  An iteration is that and an outer step of one epoch.
- Costs: floating-point operations as torch's own counter counts them (matrix products, as in `pliant.cost`), seconds, and
  what a call adds to the memory held before it. Seconds are medians over rounds, in which all sizes are timed in turn, with
  one torch thread. With them comes the exponent between the two largest sizes (`top`), where fixed costs weigh least.
- FOMAML beside MAML: one outer step on the same rollouts after 1, 3 and 5 inner steps, timed in turn.
"""

import argparse
import ctypes
import datetime
import gc
import math
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import recorded
import torch
from torch.utils.flop_counter import FlopCounterMode

from pliant.config.config import load_config
from pliant.maths import studies
from pliant.rollout import rollout
from pliant.running import learner as learners
from pliant.running import loop
from pliant.running.learner import Learner
from pliant.system import machine
from pliant.types import Rollout

ALGORITHMS = ("maml", "fomaml", "reptile", "rl2")
SIZES = {
    "tasks": (4, 8, 16, 32),
    "lanes": (4, 8, 16, 32),
    "horizon": (25, 50, 100, 200),
    "parameters": (32, 64, 128, 256),
}
"""Of each axis; that of parameters is given as the width of the layers or of the memory."""
MIDDLE = {"tasks": 8, "lanes": 8, "horizon": 50, "parameters": 64}
INNER_STEPS = (1, 3, 5)
FOREVER = 10**6


class Setting(NamedTuple):
    """What is timed."""

    algorithm: str
    axis: str
    size: int


def settings_of(setting: Setting) -> dict[str, Any]:
    """Flags. Nobody arrives (`radius`), no epoch is left out (`max_kl`): the work depends on the sizes alone."""
    size = MIDDLE | {setting.axis: setting.size}
    common: dict[str, Any] = {
        "train.meta_batch": size["tasks"],
        "train.lanes": size["lanes"],
        "family.horizon": size["horizon"],
        "family.radius": 0.0,
    }
    if setting.algorithm != "reptile":
        common["outer.epochs"] = 1
    if setting.algorithm == "rl2":
        return common | {"train.episodes": 2, "policy.size": size["parameters"], "outer.max_kl": 0.0}
    return common | {"train.episodes": 1, "policy.hidden": (size["parameters"],) * 2, "inner.steps": 1}


def built(setting: Setting) -> Learner:
    """The learner of a setting."""
    return learners.build(load_config(setting.algorithm, "point", settings_of(setting), "none"))


def adapted(learner: Learner, number: int) -> list[Rollout]:
    """One adaptation to new tasks, as an iteration begins."""
    tasks = learner.family.sample(learner.settings.meta_batch, "train", learner.streams.at("tasks", number).rng())
    batch = learner.family.batch(tasks, learner.settings.lanes, learner.episodes)
    return learner.algorithm.adapt(partial(rollout, batch, learner.streams.at("acts", number)))


def operations(act: Callable[[], object]) -> int:
    """Floating-point operations of a call."""
    with FlopCounterMode(display=False) as counter:
        act()
    return int(counter.get_total_flops())


def seconds(act: Callable[[], object]) -> float:
    """Wall time of one call."""
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


# ---- growth


def memory_mb(act: Callable[[], object]) -> float | None:
    """MiB that a call adds at most to the memory resident before it; None where the system does not say."""
    if sys.platform != "linux":
        return None
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)  # what was freed before does not count as held
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak starts anew
    except (OSError, AttributeError):
        return None
    before = _status("VmRSS")
    act()
    return (_status("VmHWM") - before) / 1024


def _status(name: str) -> int:
    """A line of the process's status, KiB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def timed(settings: list[Setting], rounds: int) -> dict[Setting, dict[str, float]]:
    """Median seconds of an adaptation and of an iteration of each setting, all settings in turn."""
    steps = {setting: loop.iterate(built(setting), 0, FOREVER) for setting in settings}
    taken: dict[Setting, list[dict[str, float]]] = {setting: [] for setting in settings}
    for turn in range(rounds + 1):
        for setting in settings:
            parts = next(steps[setting]).seconds
            if turn:  # the first warms up
                whole = sum(parts.values())
                taken[setting].append({"iteration": whole, "adaptation": whole - parts["outer_seconds"]})
    return {
        setting: {what: statistics.median(each[what] for each in found) for what in ("adaptation", "iteration")}
        for setting, found in taken.items()
    }


def counts(setting: Setting) -> dict[str, Any]:
    """Parameters, operations and memory of a setting."""
    learner = built(setting)
    steps = loop.iterate(learner, 0, FOREVER)
    next(steps)
    return {
        "parameters": sum(p.numel() for p in learner.algorithm.policy.parameters()),
        "flops": {
            "adaptation": operations(lambda: adapted(learner, FOREVER)),
            "iteration": operations(lambda: next(steps)),
        },
        "peak_mb": {"adaptation": memory_mb(lambda: adapted(learner, FOREVER)), "iteration": memory_mb(lambda: next(steps))},
    }


def fitted(size: list[int], cost: list[Any]) -> dict[str, Any] | None:
    """The exponent, its interval, and the exponent between the two largest sizes; None for what has none."""
    if not all(x is not None and x > 0 for x in cost):
        return None
    top = math.log(cost[-1] / cost[-2]) / math.log(size[-1] / size[-2])
    return studies.growth_exponent(size, cost) | {"top": top}


def growth(rounds: int) -> list[dict[str, Any]]:
    """One row for every algorithm, axis, and adaptation or iteration."""
    rows = []
    for axis, sizes in SIZES.items():
        settings = [Setting(algorithm, axis, size) for size in sizes for algorithm in ALGORITHMS]
        clock = timed(settings, rounds)
        counted = {setting: counts(setting) for setting in settings}
        for algorithm in ALGORITHMS:
            mine = [setting for setting in settings if setting.algorithm == algorithm]
            size = [counted[s]["parameters"] if axis == "parameters" else s.size for s in mine]
            for what in ("adaptation", "iteration"):
                cost: dict[str, list[Any]] = {
                    "flops": [counted[s]["flops"][what] for s in mine],
                    "seconds": [clock[s][what] for s in mine],
                    "peak_mb": [counted[s]["peak_mb"][what] for s in mine],
                }
                fits = {name: fitted(size, values) for name, values in cost.items()}
                rows.append({"algorithm": algorithm, "axis": axis, "what": what, "size": size, **cost, "fit": fits})
    return rows


# ---- FOMAML beside MAML


def saved(method: str, steps: int, rounds: int) -> dict[str, Any]:
    """One outer step of MAML and of FOMAML on the same rollouts, in turn, from the same parameters."""
    flags = {
        "train.meta_batch": 8,
        "train.lanes": 10,
        "family.radius": 0.0,
        "policy.hidden": (100, 100),
        "inner.steps": steps,
        "outer.method": method,
        "outer.backtracks": 1,
    }
    sides = {name: learners.build(load_config(name, "point", flags, "none")) for name in ("maml", "fomaml")}
    rollouts = adapted(sides["maml"], 0)
    start = {name: side.algorithm.state() for name, side in sides.items()}

    def outer(name: str) -> None:
        sides[name].algorithm.load(start[name])
        sides[name].algorithm.learn(rollouts)

    flops = {name: operations(partial(outer, name)) for name in sides}  # warms up, too
    turns = []
    for turn in range(rounds):
        order = list(sides) if turn % 2 else list(sides)[::-1]
        taken = {name: seconds(partial(outer, name)) for name in order}
        turns.append(taken | {"adapt": seconds(lambda: adapted(sides["maml"], 0))})
    whole = [(t["adapt"] + t["maml"]) / (t["adapt"] + t["fomaml"]) for t in turns]
    return {
        "method": method,
        "inner_steps": steps,
        "flops": flops,
        "seconds": {name: statistics.median(t[name] for t in turns) for name in sides},
        "flops_ratio": flops["maml"] / flops["fomaml"],
        "seconds_ratio": statistics.median(t["maml"] / t["fomaml"] for t in turns),
        "seconds_ratios": [t["maml"] / t["fomaml"] for t in turns],
        "iteration_seconds_ratio": statistics.median(whole),
    }


# ---- tables


def printed(rows: list[dict[str, Any]], savings: list[dict[str, Any]]) -> None:
    """The exponents with their intervals, and what FOMAML saves."""
    print(f"{'':30}{'operations':22}{'seconds':34}{'peak memory'}")
    for row in rows:
        shown = []
        for name in ("flops", "seconds", "peak_mb"):
            fit = row["fit"][name]
            ends = [f"{x:.2f}" for x in fit["ci95"]] if fit else []
            shown.append(f"{fit['exponent']:.2f} [{ends[0]}, {ends[1]}] top {fit['top']:.2f}" if fit else "none")
        print(f"{row['algorithm']:8} {row['what']:11}{row['axis']:11}" + "   ".join(f"{text:30}" for text in shown))
    for row in savings:
        outer = f"operations {row['flops_ratio']:.2f}, seconds {row['seconds_ratio']:.2f}"
        whole = f"iteration: seconds {row['iteration_seconds_ratio']:.2f}"
        print(f"{row['method']:8} {row['inner_steps']} inner steps: MAML / FOMAML, outer step: {outer}; {whole}")


def main() -> None:
    """Measure, write the result, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is timed")
    parser.add_argument("--out", type=Path, help="where the result is written, instead of where it is tracked")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    load, begin = os.getloadavg()[0], time.monotonic()
    savings = [saved(method, steps, wanted.rounds) for method in ("clipped", "trpo") for steps in INNER_STEPS]
    rows = growth(wanted.rounds)
    document = {
        "schema": "pliant.growth/1",
        "command": "python benchmarks/growth.py",
        "date": datetime.date.today().isoformat(),
        "machine": machine.described() | {"load_before": load, "load_after": os.getloadavg()[0]},
        "versions": {"torch": torch.__version__},
        "minutes": (time.monotonic() - begin) / 60,
        "torch_threads": 1,
        "seconds_are": f"medians of {wanted.rounds}, all settings of an axis in turn, on a machine that was not idle",
        "flops_are": "multiplications and additions of matrix products, by torch.utils.flop_counter",
        "peak_mb_is": "MiB that one call adds at most to what was resident before it",
        "middle": MIDDLE,
        "outer_epochs": 1,
        "growth": rows,
        "fomaml": savings,
    }
    recorded.write("growth", document, wanted.out)
    printed(rows, savings)


if __name__ == "__main__":
    main()
