"""Statistics of a study: `score` [S, M], S seeds of training by M tasks, the same tasks for every seed.

Seeds and tasks are both drawn from something larger: another training would give other parameters, another evaluation other
tasks. A score is a mean, an effect of its seed, one of its task, and a rest. The variance of the mean over both is

    var(mean) = var_seed / S + var_task / M + var_rest / (S M) = (MS_seed + MS_task - MS_rest) / (S M)

with the mean squares of a two-way layout without replication. How well few seeds and tasks know either variance is a
chi-squared distribution of its own, and the interval is what remains when both are averaged over: a generalised interval
(Weerahandi 1993). Where one of them decides it is Student's t, so that three seeds that differ give wide intervals. For two
agents, each with seeds of its own, it would be too wide; there Satterthwaite's degrees of freedom serve, with what seeds seem
to vary by counted whole, and without the rest in the variance (both measured: benchmarks/coverage.py). For other statistics the
two variances come from a bootstrap over seeds and one over tasks. With one seed everything is over tasks alone, and a reader
must be told so. Point statistics as in Agarwal et al. 2021, arXiv:2108.13264.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special, stats

Array = NDArray[np.float64]
Statistic = Callable[[Array], Any]
"""[..., S, M] -> [...]."""
Verdict = Literal["better", "worse", "no difference shown", "too few seeds"]

ENOUGH_SEEDS = 3
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


def summary(score: Array) -> dict[str, Any]:
    """Mean, median, interquartile mean, and the 95% interval of the mean."""
    x = _checked(score)
    return {"mean": float(mean(x)), "median": float(median(x)), "iqm": float(iqm(x)), "ci95": study_interval(x)}


# ---- intervals


def study_interval(
    score: Array, statistic: Statistic = mean, level: float = 0.95, seed: int = 0, resamples: int = RESAMPLES
) -> list[float]:
    """Interval of a statistic over both seeds and tasks; see the top of this file."""
    x = _checked(score)
    if statistic is mean:
        return _around(float(mean(x)), _parts_of_mean(x), level)
    rng = np.random.default_rng(seed)
    S, M = x.shape
    by_task = _bootstrapped(x, statistic, rng, resamples, axis=1)
    parts = [(by_task, M - 1)]
    if S > 1:
        by_seed = _bootstrapped(x, statistic, rng, resamples, axis=0)
        of_seed, _, rest = _mean_squares(x)
        share = min(1.0, rest / of_seed) if of_seed > 0 else 1.0  # of what seeds seem to vary by, what is the rest's
        parts.append((by_seed * (1 - share), S - 1))
    return _around(float(statistic(x)), parts, level)


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


def paired_difference(x: Array, y: Array, same_seeds: bool = False) -> dict[str, Any]:
    """x [S1, M] - y [S2, M] on common tasks: "mean", "ci95", and the two-sided "p_value" of no difference.

    Tasks are paired, seeds are not, unless `same_seeds` says that both are of the same runs: before and after adaptation.
    On the mean squares of a two-way layout; see the top of this file.
    """
    x, y = _checked(x), _checked(y)
    if x.shape[1] != y.shape[1] or (same_seeds and x.shape != y.shape):
        raise ValueError(f"scores are {list(x.shape)} and {list(y.shape)}: expected the same tasks in the same order")
    M = x.shape[1]
    if same_seeds:
        parts = _parts_of_mean(x - y)
    else:
        task = (x.mean(0) - y.mean(0)).var(ddof=1) / M if M > 1 else 0.0
        parts = [_satterthwaite([(task, task, M - 1), *_of_seeds(x), *_of_seeds(y)])]
    return _tested(_difference(x, y), parts)


def gap(x: Array, y: Array) -> dict[str, Any]:
    """x [S, M1] - y [S, M2], the same runs on different tasks, such as two splits: "mean" and "ci95"."""
    x, y = _checked(x), _checked(y)
    if len(x) != len(y):
        raise ValueError(f"scores are of {len(x)} and {len(y)} seeds: expected the same runs")
    parts = [(float(z.mean(0).var(ddof=1) / z.shape[1]), z.shape[1] - 1) for z in (x, y) if z.shape[1] > 1]
    if len(x) > 1:
        seeds = float((x.mean(1) - y.mean(1)).var(ddof=1) / len(x))
        rest = sum(_mean_squares(z)[2] / z.size for z in (x, y))
        parts.append((max(0.0, seeds - rest), len(x) - 1))
    found = _tested(_difference(x, y), parts)
    return {"mean": found["mean"], "ci95": found["ci95"]}


# ---- comparisons


def probability_of_improvement(x: Array, y: Array) -> float:
    """How often a run of x does better than one of y on the same task, ties by half, mean over tasks: Mann-Whitney's U."""
    x, y = _checked(x), _checked(y)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"scores are {list(x.shape)} and {list(y.shape)}: expected the same tasks in the same order")
    return float(_improvement(x, y).mean())


def probability_interval(x: Array, y: Array, level: float = 0.95, seed: int = 0, resamples: int = RESAMPLES) -> list[float]:
    """Interval of `probability_of_improvement` over the seeds of both and over tasks."""
    rng = np.random.default_rng(seed)
    (S1, M), S2 = _checked(x).shape, len(_checked(y))
    value = probability_of_improvement(x, y)
    task = float(_improvement(x, y).var(ddof=1) / M) if M > 1 else 0.0
    parts = [(task, M - 1)]
    for own, other, S in ((x, y, S1), (y, x, S2)):
        if S > 1:
            drawn = own[rng.integers(0, S, (resamples, S))]  # [R, S, M]
            seeds = float(_improvement(drawn, other).mean(-1).var() * S / (S - 1))
            parts.append((seeds, S - 1))
    low, high = _around(value, parts, level)
    return [max(0.0, low), min(1.0, high)]


def performance_profile(score: Array, thresholds: ArrayLike) -> list[float]:
    """Share of the S M scores that lie above each threshold."""
    x = np.sort(_checked(score), axis=None)
    return [float(1 - np.searchsorted(x, t, side="right") / len(x)) for t in np.atleast_1d(thresholds)]


def profile_interval(score: Array, thresholds: ArrayLike) -> list[list[float]]:
    """Interval of each of those shares, over seeds and tasks: a share is the mean of what is 1 above the threshold, else 0."""
    x = _checked(score)
    return [[min(1.0, max(0.0, end)) for end in study_interval((x > t).astype(np.float64))] for t in np.atleast_1d(thresholds)]


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values of several tests, raised so that the chance of any false alarm stays what it says. Holm 1979."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    raised = np.maximum.accumulate(np.minimum(1.0, (len(p) - np.arange(len(p))) * p[order]))
    adjusted = np.empty_like(p)
    adjusted[order] = raised
    return [float(p) for p in adjusted]


def verdict(x: Array, y: Array) -> Verdict:
    """What may be said of x beside y: something only if the interval of the difference leaves out 0, and from three seeds."""
    if min(len(x), len(y)) < ENOUGH_SEEDS:
        return "too few seeds"
    low, high = paired_difference(x, y)["ci95"]
    return "better" if low > 0 else "worse" if high < 0 else "no difference shown"


def growth_exponent(size: Sequence[float], cost: Sequence[float]) -> dict[str, Any]:
    """k of cost = c size^k, "exponent", by least squares of logarithms, with its 95% t interval, "ci95"."""
    x, y = np.asarray(size, dtype=np.float64), np.asarray(cost, dtype=np.float64)
    if x.shape != y.shape or len(np.unique(x)) < 3 or not (x > 0).all() or not (y > 0).all():
        raise ValueError(f"sizes are {x.tolist()} and costs {y.tolist()}: expected three or more different sizes, all above 0")
    fit = stats.linregress(np.log(x), np.log(y))
    half = float(stats.t.ppf(0.975, len(x) - 2) * fit.stderr)
    return {"exponent": float(fit.slope), "ci95": [float(fit.slope) - half, float(fit.slope) + half]}


def _checked(score: Array) -> Array:
    x = np.asarray(score, dtype=np.float64)
    if x.ndim != 2 or not x.size or not np.isfinite(x).all():
        raise ValueError(f"score is {list(x.shape)} with {int((~np.isfinite(x)).sum())} not finite: expected [seeds, tasks]")
    return x


def _mean_squares(x: Array) -> tuple[float, float, float]:
    """Of seeds, of tasks and of the rest; 0 where there is only one."""
    S, M = x.shape
    seed, task, whole = x.mean(1, keepdims=True), x.mean(0, keepdims=True), x.mean()
    of_seed = M * float(((seed - whole) ** 2).sum()) / max(1, S - 1)
    of_task = S * float(((task - whole) ** 2).sum()) / max(1, M - 1)
    rest = float(((x - seed - task + whole) ** 2).sum()) / max(1, (S - 1) * (M - 1))
    return of_seed, of_task, rest


Part = tuple[float, float]
"""A variance that is added to others, and its degrees of freedom."""


def _parts_of_mean(x: Array) -> list[Part]:
    """What the variance of the mean over seeds and tasks is made of."""
    return [(_mean_squares(x)[1] / x.size, x.shape[1] - 1), *((v, freedom) for v, _, freedom in _of_seeds(x))]


def _of_seeds(x: Array) -> list[tuple[float, float, int]]:
    """What seeds add to the variance of the mean, without the rest, which the tasks' part holds already; the same with it."""
    if len(x) < 2:
        return []
    of_seed, _, rest = _mean_squares(x)
    return [(max(0.0, of_seed - rest) / x.size, of_seed / x.size, len(x) - 1)]


def _satterthwaite(parts: Sequence[tuple[float, float, int]]) -> Part:
    """The sum of variances as one; each has the size by which it counts for the degrees of freedom. Satterthwaite 1946."""
    total = sum(variance for variance, _, _ in parts)
    below = sum(size * size / freedom for _, size, freedom in parts if freedom > 0)
    return total, max(1.0, total * total / below) if below > 0 else 0.0


def _tail(parts: Sequence[Part]) -> Callable[[float], float]:
    """P(|error| > d) as a function of d, for an error whose variance is the sum of parts that are known as well as they are.

    With a single part this is Student's t. With several, the normal tail averaged over what the true variances may be, each
    its part over chi-squared / freedom: a generalised pivot, Weerahandi 1993.
    """
    known = [(variance, freedom) for variance, freedom in parts if variance > 0 and freedom > 0]
    if not known:
        return lambda d: float(d == 0)
    if len(known) == 1:
        ((variance, freedom),) = known
        return lambda d: float(2 * stats.t.sf(d / variance**0.5, freedom))
    spread = np.sqrt(sum(variance / _chi_squared(freedom, place) for place, (variance, freedom) in enumerate(known)))
    return lambda d: float(2 * special.ndtr(-d / spread).mean())


@functools.lru_cache(maxsize=256)
def _chi_squared(freedom: float, place: int, draws: int = 4000) -> Array:
    """Chi-squared / freedom, evenly spread over its distribution, in an order of its own for each place in a sum."""
    quantiles = (np.random.default_rng(place).permutation(draws) + 0.5) / draws
    return np.asarray(special.chdtri(freedom, quantiles) / freedom)


def _bootstrapped(x: Array, statistic: Statistic, rng: np.random.Generator, resamples: int, axis: int) -> float:
    """Variance of a statistic when seeds (0) or tasks (1) are drawn anew, without the bias of few."""
    n = x.shape[axis]
    if n < 2:
        return 0.0
    drawn = np.moveaxis(np.take(x, rng.integers(0, n, (resamples, n)), axis=axis), axis, 0)  # the resamples lead
    return float(np.var(statistic(drawn)) * n / (n - 1))


def _around(value: float, parts: Sequence[Part], level: float) -> list[float]:
    tail, most = _tail(parts), sum(variance for variance, freedom in parts if freedom > 0) ** 0.5
    if most == 0:
        return [value, value]
    while tail(most) > 1 - level:
        most *= 2
    half = float(optimize.brentq(lambda d: tail(d) - (1 - level), 0.0, most, xtol=1e-9 * most))
    return [value - half, value + half]


def _difference(x: Array, y: Array) -> float:
    """Of two means; 0 where only rounding tells them apart."""
    value = float(x.mean() - y.mean())
    return value if abs(value) > 1e-12 * max(np.abs(x).max(), np.abs(y).max()) else 0.0


def _tested(value: float, parts: Sequence[Part]) -> dict[str, Any]:
    low, high = _around(value, parts, 0.95)
    return {"mean": value, "ci95": [low, high], "p_value": _tail(parts)(abs(value))}


def _improvement(x: Array, y: Array) -> Array:
    """Share of pairs of runs in which x is better, [..., M]."""
    over = x[..., :, None, :] - y[..., None, :, :]  # [..., S1, S2, M]
    return np.asarray(((over > 0) + 0.5 * (over == 0)).mean((-3, -2)))
