"""Means with their uncertainty. Everywhere the unit that varies is the task (or the seed), never the episode."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from scipy import stats

RESAMPLES = 2000


class Summary(TypedDict):
    """A sample in four numbers."""

    mean: float
    std_error: float
    iqm: float
    ci95: list[float]


def interquartile_mean(values: NDArray[np.float64]) -> float:
    """Mean of the middle half. Agarwal et al. 2021, arXiv:2108.13264."""
    return float(stats.trim_mean(values, 0.25))


def interval(values: NDArray[np.float64], seed: int = 0) -> list[float]:
    """95% percentile-bootstrap interval of the mean of `values` [N]; a single value has an interval of no width."""
    if len(values) < 2:
        return [float(values[0])] * 2
    rng = np.random.default_rng(seed)
    means = values[rng.integers(0, len(values), (RESAMPLES, len(values)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return [float(low), float(high)]


def summary(values: Sequence[float] | NDArray[np.float64]) -> Summary:
    """Mean, its standard error, interquartile mean and 95% interval of one value per task or seed.

    Raises ValueError for an empty or non-finite sample.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or not len(x) or not np.isfinite(x).all():
        raise ValueError(f"sample has shape {x.shape} and {np.isnan(x).sum()} NaN: expected one finite value per task")
    error = float(x.std(ddof=1) / np.sqrt(len(x))) if len(x) > 1 else 0.0
    return Summary(mean=float(x.mean()), std_error=error, iqm=interquartile_mean(x), ci95=interval(x))
