"""The measures by which agents are judged, as functions of numbers; `docs/evaluation.md` says the same in words.

Learning speed    area under the adaptation curve; experience until a fraction of what can be reached
Sample efficiency meta-training steps until a target is reached after adaptation, and stays
Generalisation    gaps between splits are differences of means (`statistics`); the shift sweep is in `sweep`
Compute           `cost`; growth with size is `statistics.growth_exponent`
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
WINDOW = 10
"""Iterations over which a training curve is averaged before it is asked when it reached a target."""


def area(steps: Array, value: Array, end: float, low: float = 0.0, high: float = 1.0) -> Array:
    """Area under adaptation curves, as a share of the area of an agent that has `high` from the first step.

        (1 / end) integral from 0 to end of (value(n) - low) / (high - low) dn

    `steps` [..., S] are what is seen of a task before each stage and begin with 0, `value` [..., S] the returns there. A stage
    has its value until the next begins, and the last one from then on: between two of them nobody acted otherwise. `end` is in
    steps, `low` counts as 0 and `high` as 1. Raises ValueError if there is no room between low and high, or none up to `end`.
    """
    if not high != low or not end > 0:
        raise ValueError(f"low is {low}, high {high} and end {end}: expected low and high to differ and end to be above 0")
    steps, value = np.broadcast_arrays(np.asarray(steps, np.float64), np.asarray(value, np.float64))
    ends = np.concatenate([steps[..., 1:], np.full((*steps.shape[:-1], 1), np.inf)], axis=-1)
    width = np.minimum(ends, end) - np.minimum(steps, end)
    return np.asarray(((width * value).sum(-1) / end - low) / (high - low))


def reached(x: Array, value: Array, target: float) -> float | None:
    """The first of ascending `x` [S] at which `value` [S] has `target`; None if it never does."""
    hit = np.flatnonzero(np.asarray(value) >= target)
    return float(x[hit[0]]) if len(hit) else None


def train_steps_to(env_steps: Array, value: Array, target: float, window: int = WINDOW) -> float | None:
    """Environment steps of meta-training until the running mean of `value` [N] reaches `target` and stays there; None if never.

    `env_steps` [N] are counted from the first one and include those of adaptation; `value` is the return after adaptation of
    each iteration, averaged over the `window` iterations up to it.
    """
    if not len(value):
        return None
    sums = np.cumsum(np.insert(np.asarray(value, np.float64), 0, 0.0))
    first = np.maximum(np.arange(1, len(value) + 1) - window, 0)
    mean = (sums[1:] - sums[first]) / (np.arange(1, len(value) + 1) - first)
    below = np.flatnonzero(mean < target)
    at = int(below[-1]) + 1 if len(below) else 0
    return float(env_steps[at]) if at < len(value) else None


def target(low: float, high: float, fraction: float) -> float:
    """The return that is `fraction` of the way from `low` to `high`."""
    return low + fraction * (high - low)
