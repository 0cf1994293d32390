"""Statistics of a study: `score` [S, M], S seeds of training by M tasks, the same tasks for every seed.

Seeds and tasks are both drawn from something larger: another training would give other parameters, another evaluation other
tasks. A score is a mean, an effect of its seed, one of its task, and a rest. The variance of the mean over both is

    var(mean) = var_seed / S + var_task / M + var_rest / (S M) = (MS_seed + MS_task - MS_rest) / (S M)

with the mean squares of a two-way layout without replication. How well few seeds and tasks know either variance is a
chi-squared distribution of its own, and the interval is what remains when both are averaged over: see `pivots`. Where one of
them decides it is Student's t, so that three seeds that differ give wide intervals. For two agents, each with seeds of its own,
it would be too wide; there Satterthwaite's degrees of freedom serve, with what seeds seem to vary by counted whole, and without
the rest in the variance (both measured: benchmarks/coverage.py). For other statistics the two variances come from a bootstrap
over seeds and one over tasks. With one seed everything is over tasks alone, and a reader must be told so.

Where some of the M tasks are the same, a `Layout` says which (see `layouts`): distinct tasks are what varies. Where those leave
nothing to know, intervals and p-values are None. Point statistics as in Agarwal et al. 2021, arXiv:2108.13264.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pliant.maths import layouts, pivots
from pliant.maths.layouts import Layout, Squares
from pliant.maths.pivots import Part

Array = NDArray[np.float64]
Statistic = Callable[[Array], Any]
"""[..., S, M] -> [...]."""
Verdict = Literal["better", "worse", "no difference shown", "too few seeds", "too few tasks"]

ENOUGH_SEEDS = 3
SIGNIFICANCE = 0.05
"""The chance of any false verdict in a table that a reader is to live with."""
RESAMPLES = 1000


# ---- point statistics, of the last two dims


def mean(score: Array) -> Any:
    """Mean over seeds and tasks."""
    return score.mean((-2, -1))


def median(score: Array) -> Any:
    """Median over tasks of the mean over seeds."""
    return np.median(score.mean(-2), axis=-1)


def iqm(score: Array) -> Any:
    """Interquartile mean: of the middle half of all S M scores together."""
    flat = np.sort(score.reshape(*score.shape[:-2], -1), axis=-1)
    cut = flat.shape[-1] // 4
    return flat[..., cut : flat.shape[-1] - cut].mean(-1)


def optimality_gap(score: Array, target: float) -> float:
    """How much of `target` is missing on average; what is above it does not make up for what is below."""
    return float(np.maximum(target - _checked(score), 0.0).mean())


def summary(score: Array, layout: Layout | None = None) -> dict[str, Any]:
    """Mean, median, interquartile mean, and the 95% interval of the mean."""
    x = _checked(score)
    known = {"mean": float(mean(x)), "median": float(median(x)), "iqm": float(iqm(x))}
    return known | {"ci95": study_interval(x, layout=layout)}


# ---- intervals


def study_interval(
    score: Array,
    statistic: Statistic = mean,
    level: float = 0.95,
    seed: int = 0,
    resamples: int = RESAMPLES,
    layout: Layout | None = None,
) -> list[float] | None:
    """Interval of a statistic over both seeds and tasks; see the top of this file."""
    x = _checked(score)
    found = layouts.squares(x, layout)
    if not found.freedom:
        return None
    if statistic is mean:
        return pivots.around(float(mean(x)), _parts_of_mean(found, len(x)), level)
    rng = np.random.default_rng(seed)
    by_task = _bootstrapped_tasks(x, statistic, rng, resamples, layout or layouts.distinct(x.shape[1]))
    parts = [(by_task, float(found.freedom))]
    if (S := len(x)) > 1:
        drawn = x[rng.integers(0, S, (resamples, S))]  # [R, S, M]
        by_seed = float(np.var(statistic(drawn)) * S / (S - 1))
        share = min(1.0, found.rest / found.seed) if found.seed > 0 else 1.0  # of what seeds seem to vary by, the rest's
        parts.append((by_seed * (1 - share), S - 1))
    return pivots.around(float(statistic(x)), parts, level)


def stratified_interval(
    score: Array, statistic: Statistic = mean, level: float = 0.95, seed: int = 0, resamples: int = RESAMPLES
) -> list[float]:
    """Percentile bootstrap that draws seeds anew within each task and keeps the tasks: for benchmarks of fixed tasks.

    Agarwal et al. 2021, section 4.1. Too narrow for three seeds, and says nothing about other tasks.
    """
    x, rng = _checked(score), np.random.default_rng(seed)
    S, M = x.shape
    drawn = x[rng.integers(0, S, (resamples, S, M)), np.arange(M)]
    tail = 50 * (1 - level)
    low, high = np.percentile(statistic(drawn), [tail, 100 - tail])
    return [float(low), float(high)]


def paired_difference(x: Array, y: Array, same_seeds: bool = False, layout: Layout | None = None) -> dict[str, Any]:
    """x [S1, M] - y [S2, M] on common tasks: "mean", "ci95", and the two-sided "p_value" of no difference.

    Tasks are paired, seeds are not, unless `same_seeds` says that both are of the same runs: before and after adaptation.
    On the mean squares of a two-way layout; see the top of this file.
    """
    x, y = _checked(x), _checked(y)
    if x.shape[1] != y.shape[1] or (same_seeds and x.shape != y.shape):
        raise ValueError(f"scores are {list(x.shape)} and {list(y.shape)}: expected the same tasks in the same order")
    if same_seeds:
        found = layouts.squares(x - y, layout)
        parts = _parts_of_mean(found, len(x))
    else:
        found = layouts.squares((x.mean(0) - y.mean(0))[None], layout)
        of_seeds = [part for z in (x, y) for part in _of_seeds(layouts.squares(z, layout), len(z))]
        task = found.task * found.share
        parts = [pivots.satterthwaite([(task, task, found.freedom), *of_seeds])]
    return _tested(_difference(x, y), parts if found.freedom else None)


def gap(x: Array, y: Array, of_x: Layout | None = None, of_y: Layout | None = None) -> dict[str, Any]:
    """x [S, M1] - y [S, M2], the same runs on different tasks, such as two splits: "mean" and "ci95"."""
    x, y = _checked(x), _checked(y)
    if len(x) != len(y):
        raise ValueError(f"scores are of {len(x)} and {len(y)} seeds: expected the same runs")
    S, sides = len(x), [(z, layout, layouts.squares(z, layout)) for z, layout in ((x, of_x), (y, of_y))]
    means = [layouts.squares(z.mean(0, keepdims=True), layout) for z, layout, _ in sides]
    parts: list[Part] = [(found.task * found.share, found.freedom) for found in means]
    if S > 1:
        seeds = float((x.mean(1) - y.mean(1)).var(ddof=1) / S)
        rest = sum(found.rest * found.share / S for _, _, found in sides)
        parts.append((max(0.0, seeds - rest), S - 1))
    found = _tested(_difference(x, y), parts if all(each.freedom for each in means) else None)
    return {"mean": found["mean"], "ci95": found["ci95"]}


# ---- comparisons


def probability_of_improvement(x: Array, y: Array) -> float:
    """How often a run of x does better than one of y on the same task, ties by half, mean over tasks: Mann-Whitney's U."""
    x, y = _checked(x), _checked(y)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"scores are {list(x.shape)} and {list(y.shape)}: expected the same tasks in the same order")
    return float(_improvement(x, y).mean())


def probability_interval(
    x: Array, y: Array, level: float = 0.95, seed: int = 0, resamples: int = RESAMPLES, layout: Layout | None = None
) -> list[float] | None:
    """Interval of `probability_of_improvement` over the seeds of both and over tasks."""
    rng = np.random.default_rng(seed)
    S1, S2 = len(_checked(x)), len(_checked(y))
    value = probability_of_improvement(x, y)
    found = layouts.squares(_improvement(x, y)[None], layout)
    if not found.freedom:
        return None
    parts: list[Part] = [(found.task * found.share, found.freedom)]
    for own, other, S in ((x, y, S1), (y, x, S2)):
        if S > 1:
            drawn = own[rng.integers(0, S, (resamples, S))]  # [R, S, M]
            seeds = float(_improvement(drawn, other).mean(-1).var() * S / (S - 1))
            parts.append((seeds, S - 1))
    low, high = pivots.around(value, parts, level)
    return [max(0.0, low), min(1.0, high)]


def performance_profile(score: Array, thresholds: ArrayLike) -> list[float]:
    """Share of the S M scores that lie above each threshold."""
    x = np.sort(_checked(score), axis=None)
    return [float(1 - np.searchsorted(x, t, side="right") / len(x)) for t in np.atleast_1d(thresholds)]


def profile_interval(score: Array, thresholds: ArrayLike, layout: Layout | None = None) -> list[list[float]] | None:
    """Interval of each of those shares, over seeds and tasks: a share is the mean of what is 1 above the threshold, else 0."""
    x = _checked(score)
    found = [study_interval((x > t).astype(np.float64), layout=layout) for t in np.atleast_1d(thresholds)]
    return None if None in found else [[min(1.0, max(0.0, end)) for end in ends] for ends in found if ends is not None]


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values of several tests, raised so that the chance of any false alarm stays what it says. Holm 1979."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    raised = np.maximum.accumulate(np.minimum(1.0, (len(p) - np.arange(len(p))) * p[order]))
    adjusted = np.empty_like(p)
    adjusted[order] = raised
    return [float(p) for p in adjusted]


def verdict(x: Array, y: Array, p_value: float | None = None, layout: Layout | None = None) -> Verdict:
    """What may be said of x beside y: something only from three seeds, and if the p-value is below 0.05.

    `p_value` is the one that counts, for a pair of several that which `holm` has corrected; by default that of this pair alone.
    """
    if min(len(x), len(y)) < ENOUGH_SEEDS:
        return "too few seeds"
    found = paired_difference(x, y, layout=layout)
    if found["p_value"] is None:
        return "too few tasks"
    if (found["p_value"] if p_value is None else p_value) >= SIGNIFICANCE:
        return "no difference shown"
    return "better" if found["mean"] > 0 else "worse"


def growth_exponent(size: Sequence[float], cost: Sequence[float]) -> dict[str, Any]:
    """k of cost = c size^k, "exponent", by least squares of logarithms, with its 95% t interval, "ci95"."""
    x, y = np.asarray(size, dtype=np.float64), np.asarray(cost, dtype=np.float64)
    if x.shape != y.shape or len(np.unique(x)) < 3 or not (x > 0).all() or not (y > 0).all():
        raise ValueError(f"sizes are {x.tolist()} and costs {y.tolist()}: expected three or more different sizes, all above 0")
    from scipy import stats  # late: it takes half as long to import as torch, and only this function needs it

    fit = stats.linregress(np.log(x), np.log(y))
    half = float(stats.t.ppf(0.975, len(x) - 2) * fit.stderr)
    return {"exponent": float(fit.slope), "ci95": [float(fit.slope) - half, float(fit.slope) + half]}


def _checked(score: Array) -> Array:
    x = np.asarray(score, dtype=np.float64)
    if x.ndim != 2 or not x.size or not np.isfinite(x).all():
        raise ValueError(f"score is {list(x.shape)} with {int((~np.isfinite(x)).sum())} not finite: expected [seeds, tasks]")
    return x


def _parts_of_mean(found: Squares, S: int) -> list[Part]:
    """What the variance of the mean over S seeds and the tasks is made of."""
    return [(found.task * found.share / S, found.freedom), *((v, freedom) for v, _, freedom in _of_seeds(found, S))]


def _of_seeds(found: Squares, S: int) -> list[tuple[float, float, int]]:
    """What seeds add to the variance of the mean, without the rest, which the tasks' part holds already; the same with it."""
    if S < 2:
        return []
    size = S * found.columns
    return [(max(0.0, found.seed - found.rest) / size, found.seed / size, S - 1)]


def _bootstrapped_tasks(x: Array, statistic: Statistic, rng: np.random.Generator, resamples: int, layout: Layout) -> float:
    """Variance of a statistic when tasks are drawn anew, without the bias of few: distinct ones, or trials within each."""
    number, G, M = layout.number, layout.distinct, len(layout.number)
    if layout.is_whole:
        own = [np.flatnonzero(number == g) for g in range(G)]
        columns = np.concatenate([each[rng.integers(0, len(each), (resamples, len(each)))] for each in own], axis=1)  # [R, M]
        return float(np.var(statistic(np.moveaxis(x[:, columns], 1, 0))) * M / (M - G))
    if G == M:
        drawn = np.moveaxis(x[:, rng.integers(0, M, (resamples, M))], 1, 0)  # [R, S, M]
        return float(np.var(statistic(drawn)) * M / (M - 1))
    tasks = [x[:, number == g] for g in range(G)]
    each = [statistic(np.concatenate([tasks[g] for g in chosen], axis=1)) for chosen in rng.integers(0, G, (resamples, G))]
    return float(np.var(each) * G / (G - 1))


def _difference(x: Array, y: Array) -> float:
    """Of two means; 0 where only rounding tells them apart."""
    value = float(x.mean() - y.mean())
    return value if abs(value) > 1e-12 * max(np.abs(x).max(), np.abs(y).max()) else 0.0


def _tested(value: float, parts: Sequence[Part] | None) -> dict[str, Any]:
    """A difference with its interval and p-value; None for both where nothing is known."""
    if parts is None:
        return {"mean": value, "ci95": None, "p_value": None}
    return {"mean": value, "ci95": pivots.around(value, parts), "p_value": pivots.tail(parts)(abs(value))}


def _improvement(x: Array, y: Array) -> Array:
    """Share of pairs of runs in which x is better, [..., M]."""
    over = x[..., :, None, :] - y[..., None, :, :]  # [..., S1, S2, M]
    return np.asarray(((over > 0) + 0.5 * (over == 0)).mean((-3, -2)))
