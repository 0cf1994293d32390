"""Means with their uncertainty. Everywhere the unit that varies is the task (or the seed), never the episode.

Intervals are Student's, over distinct tasks: see `layouts`.
"""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from pliant.maths import layouts, pivots
from pliant.maths.layouts import Layout

FEW_TASKS = 5
"""Distinct tasks below which an interval knows little of how tasks differ, and a reader is told so."""


class Summary(TypedDict):
    """A sample in four numbers."""

    mean: float
    std_error: float | None
    iqm: float
    ci95: list[float] | None


def interquartile_mean(values: NDArray[np.float64]) -> float:
    """Mean of the middle half. Agarwal et al. 2021, arXiv:2108.13264."""
    cut = len(values) // 4
    return float(np.partition(values, (cut, len(values) - cut - 1))[cut : len(values) - cut].mean())


def summary(
    values: Sequence[float] | NDArray[np.float64],
    layout: Layout | None = None,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Summary:
    """Mean, its standard error, interquartile mean and 95% interval of one value per task or seed.

    `layout` says which of them are of the same task; without it no two are. Standard error and interval are None where nothing
    is known of either, as for a single value. The interval ends at the `bounds` of what a mean can be. Raises ValueError for an
    empty or non-finite sample.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or not len(x) or not np.isfinite(x).all():
        raise ValueError(f"sample has shape {x.shape} and {np.isnan(x).sum()} NaN: expected one finite value per task")
    mean, found = float(x.mean()), layouts.squares(x[None], layout)
    if not found.freedom:
        return Summary(mean=mean, std_error=None, iqm=interquartile_mean(x), ci95=None)
    variance = found.task * found.share
    ends = [min(max(end, bounds[0]), bounds[1]) for end in pivots.around(mean, [(variance, found.freedom)])]
    return Summary(mean=mean, std_error=variance**0.5, iqm=interquartile_mean(x), ci95=ends)
