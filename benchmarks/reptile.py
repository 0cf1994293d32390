"""Why Reptile adapts or does not: how much of its move is the plain joint gradient, for several inner loops, on `point`.

    python benchmarks/reptile.py                 # a few minutes; writes benchmarks/results/reptile.json

With inner rates a_1 .. a_K on fresh rollouts the expected move is, to second order, e1 (-g) + e2 H g: e1 = sum of a_k, e2 = sum
over j < k of a_j a_k, g the gradient of what all tasks together lose without adaptation, and H g the direction in which the
tasks' own gradients agree (Nichol et al. 2018, arXiv:1803.02999, section 5). Only the second has to do with adaptation; e2 / e1
is its share by the rates alone. Measured beside it, after a short training with the same inner loop: the cosine between the
move and -g, and the standard error of the mean move over tasks, as a share of its length.
"""

import math
import time
from typing import Any

import recorded
import stepping
import torch
from torch import Tensor

from pliant.algorithms.parts.inner import Inner, constants
from pliant.algorithms.parts.outer import Problem
from pliant.config import config
from pliant.running import learner as learners
from pliant.running import loop
from pliant.running.learner import Learner

LOOPS: dict[str, tuple[int, float, float]] = {
    "0.1, 0.04, 0.016": (2, 0.1, 0.4),
    "3 x 0.1": (2, 0.1, 1.0),
    "5 x 0.1": (4, 0.1, 1.0),
    "5 x 0.2": (4, 0.2, 1.0),
    "10 x 0.1": (9, 0.1, 1.0),
    "7 from 0.2 by 0.8": (6, 0.2, 0.8),
    "7 from 0.4 by 0.6": (6, 0.4, 0.6),
}
"""Steps before the last rollout, first rate, and factor from each step to the next; the last rollout makes a step too."""
ITERATIONS, MEASURED, TASKS = 20, 4, 20


def by_rates(steps: int, lr: float, decay: float) -> tuple[float, float]:
    """(e2 / e1, e2 over the root of the sum of squares: how it stands to the noise of the gradients)."""
    rates = [lr * decay**k for k in range(steps + 1)]
    e2 = (sum(rates) ** 2 - sum(a * a for a in rates)) / 2
    return e2 / sum(rates), e2 / math.sqrt(sum(a * a for a in rates))


def moves(learner: Learner, iteration: int) -> tuple[Tensor, Tensor]:
    """(the moves [M, n] of each task all the way, the joint gradient [n]) on tasks of their own."""
    inner: Any = learner.algorithm.inner  # type: ignore[attr-defined]
    assert isinstance(inner, Inner)
    before = dict(inner.meta)
    rollouts = next(loop.iterate(learner, iteration, iteration + 1)).rollouts
    inner.meta = before
    adapted = inner.constants_after(rollouts)
    found = torch.cat([(adapted[name] - p).flatten(1) for name, p in inner.meta.items()], dim=1)
    first = Problem(inner, inner.experience(rollouts[:1]), second_order=False)
    return found, first.gradient(constants(inner.meta)).gradient


def row(name: str) -> dict[str, Any]:
    """What a short training with one inner loop comes to."""
    steps, lr, decay = LOOPS[name]
    flags = {"inner.steps": steps, "inner.lr": lr, "inner.decay": decay, "outer.lr": 1.0, "train.iterations": ITERATIONS}
    learner = learners.build(config.load_config("reptile", "point", flags | {"train.meta_batch": TASKS}))
    for _ in loop.iterate(learner, 0, ITERATIONS):
        pass
    cosines, noise = [], []
    for iteration in range(ITERATIONS, ITERATIONS + MEASURED):
        found, gradient = moves(learner, iteration)
        mean = found.mean(0)
        cosines.append(float(-(mean @ gradient) / (mean.norm() * gradient.norm())))
        noise.append(float((found.var(0).sum() / len(found)).sqrt() / mean.norm()))
    share, signal = by_rates(steps, lr, decay)
    return {
        "rates": name,
        "e2_over_e1": share,
        "signal_to_noise": signal,
        "cosine": sum(cosines) / MEASURED,
        "cosines": cosines,
        "noise": sum(noise) / MEASURED,
        "iterations": ITERATIONS,
    }


def main() -> None:
    begin, rows = time.perf_counter(), []
    for name in LOOPS:
        rows.append(each := row(name))
        print(
            f"{name:18} e2/e1 {each['e2_over_e1']:.3f}  signal {each['signal_to_noise']:.2f}"
            f"  cosine with the joint gradient {each['cosine']:5.2f}  noise {each['noise']:.2f}",
            flush=True,
        )
    document = {"command": "python benchmarks/reptile.py", "machine": stepping.machine(), "tasks": TASKS, "seed": 0}
    recorded.write("reptile", document | {"seconds": time.perf_counter() - begin, "rows": rows})


if __name__ == "__main__":
    main()
