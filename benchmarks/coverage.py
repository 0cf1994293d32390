"""Do 95% intervals of studies hold the truth in 95 of 100 studies, and how often is a true difference found?

    python benchmarks/coverage.py            # about six minutes on one core; writes benchmarks/results/coverage.json

A study is simulated as score[s, m] = seed[s] + task[m] + rest[s, m], with the three variances in given shares of their sum,
from few seeds that differ much to many tasks that do. Effects are normal, or those of tasks (and seeds) are log-normal with a
skewness of 3.3. The truth is that of infinitely many seeds and tasks. Beside ours stand what is common: resampling seeds and
tasks (percentiles), and resampling seeds within each task, as rliable does by default. For that one the truth is also taken as
if these tasks were all there are (`fixed tasks`). The bar is a coverage of 93 to 97 %; every setting says whether it is inside,
below (the interval is too narrow) or above (too wide).
"""

import argparse
import datetime
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import recorded
from numpy.typing import NDArray
from scipy import special, stats

from pliant.maths import statistics, studies
from pliant.maths.layouts import Layout
from pliant.system import machine

FEW = ((3, 10), (3, 40), (5, 40))
SIZES = (*FEW, (3, 100), (10, 10), (10, 40))
"""Seeds and tasks; intervals that resample have only the few."""
SHARES = {
    "seeds": (0.8, 0.1, 0.1),
    "equal": (1 / 3, 1 / 3, 1 / 3),
    "both": (0.2, 0.5, 0.3),
    "tasks": (0.05, 0.8, 0.15),
    "tasks only": (0.0, 0.7, 0.3),
    "rest": (0.05, 0.05, 0.9),
}
"""Shares of the variance of one score between seeds, between tasks, and the rest."""
REPEATED = {"drawn": (5, 10, 20), "all there are": (2, 5)}
"""Distinct tasks among 40: drawn from something larger, or all that there are."""
KINDS = {"normal": (False, False), "skewed tasks": (False, True), "skewed seeds and tasks": (True, True)}
BAND = (0.93, 0.97)
SIGMA = 0.75
"""Of the logarithm of a skewed effect."""
RESAMPLES = 200
"""Of every interval that resamples; users get 1,000."""
SHIFTS = (0.5, 1.0)
"""True differences whose discovery is counted, standard deviations of a score."""
Array = NDArray[np.float64]
Found = tuple[list[float], float]
"""An interval and the truth."""


class Case(NamedTuple):
    """Studies of one kind."""

    seeds: int
    tasks: int
    share: str
    kind: str


def cases(kind: str, sizes: Iterable[tuple[int, int]]) -> list[Case]:
    """Every share of the variances in studies of these sizes."""
    return [Case(s, m, share, kind) for share in SHARES for s, m in sizes]


def effect(rng: np.random.Generator, shape: tuple[int, ...], share: float, skewed: bool) -> Array:
    """Effects of mean 0 and variance `share`."""
    x = rng.standard_normal(shape)
    if skewed:
        square = np.exp(SIGMA**2)
        x = (np.exp(SIGMA * x) - square**0.5) / (square * (square - 1)) ** 0.5
    return x * share**0.5


def simulated(rng: np.random.Generator, case: Case) -> tuple[Array, float]:
    """A study's scores [S, M], and the mean effect of its tasks."""
    shares, skewed = SHARES[case.share], KINDS[case.kind]
    seed = effect(rng, (case.seeds, 1), shares[0], skewed[0])
    task = effect(rng, (case.tasks,), shares[1], skewed[1])
    return seed + task + effect(rng, (case.seeds, case.tasks), shares[2], False), float(task.mean())


def truth(case: Case, statistic: studies.Statistic) -> float:
    """What a statistic of infinitely many seeds and tasks would be; the median is one of means over the case's seeds."""
    if statistic is studies.mean or case.kind == "normal":
        return 0.0
    rng, n, shares, skewed = np.random.default_rng(1), 1_000_000, SHARES[case.share], KINDS[case.kind]
    task = effect(rng, (n,), shares[1], skewed[1])
    if statistic is studies.median:
        return float(np.median(task + effect(rng, (n,), shares[2] / case.seeds, False)))
    pooled = task + effect(rng, (n,), shares[0], skewed[0]) + effect(rng, (n,), shares[2], False)
    return statistics.interquartile_mean(pooled)


def crossed_percentile(score: Array) -> list[float]:
    """Seeds and tasks resampled, percentiles of the mean. Owen 2007, the pigeonhole bootstrap."""
    (seeds, tasks), rng = score.shape, np.random.default_rng(0)
    by_seed = rng.multinomial(seeds, np.full(seeds, 1 / seeds), RESAMPLES)
    by_task = rng.multinomial(tasks, np.full(tasks, 1 / tasks), RESAMPLES)
    means = ((by_seed @ score) * by_task).sum(1) / score.size
    return [float(x) for x in np.quantile(means, [0.025, 0.975])]


# ---- one study


def counted(interval: str, case: Case, found: Iterable[Found]) -> dict[str, Any]:
    """How often an interval held the truth, in many studies."""
    low, high, true = np.array([(*ends, t) for ends, t in found]).T
    coverage = float(((low <= true) & (true <= high)).mean())
    return {
        "interval": interval,
        **case._asdict(),
        "studies": len(true),
        "coverage": coverage,
        "bar": "below" if coverage < BAND[0] else "above" if coverage > BAND[1] else "inside",
        "too_high": float((low > true).mean()),
        "too_low": float((high < true).mean()),
        "median_width": float(np.median(high - low)),
    }


def ours(n: int) -> Iterator[dict[str, Any]]:
    """Coverage of `study_interval`, of three statistics."""
    named: dict[str, studies.Statistic] = {"mean": studies.mean, "interquartile mean": studies.iqm, "median": studies.median}
    for name, statistic in named.items():
        for kind in KINDS if name == "mean" else ("normal", "skewed tasks"):
            for case in cases(kind, SIZES if name == "mean" else FEW):
                rng, true = np.random.default_rng(0), truth(case, statistic)
                drawn = (simulated(rng, case)[0] for _ in range(n))
                yield counted(name, case, [(studies.study_interval(x, statistic, resamples=RESAMPLES), true) for x in drawn])


def common(n: int) -> Iterator[dict[str, Any]]:
    """Coverage of what others do, of the mean."""
    for case in cases("normal", FEW):
        rng = np.random.default_rng(0)
        drawn = [simulated(rng, case) for _ in range(n)]
        yield counted("common: seeds and tasks resampled, mean", case, [(crossed_percentile(x), 0.0) for x, _ in drawn])
        found = [(studies.stratified_interval(x, resamples=RESAMPLES), task) for x, task in drawn]
        yield counted("stratified, mean", case, [(ends, 0.0) for ends, _ in found])
        yield counted("stratified, mean, fixed tasks", case, found)


def successes(n: int) -> Iterator[dict[str, Any]]:
    """Success in one episode per seed and task, logits normal: mean 0 or 2.5 (half and nine tenths succeed)."""
    for logit, share in ((0.0, "success 50%"), (2.5, "success 90%")):
        nodes, weights = special.roots_hermitenorm(80)
        true = float((weights * special.expit(logit + nodes * (0.3**2 + 1) ** 0.5)).sum() / weights.sum())
        for case in [Case(s, m, share, "binary") for s, m in SIZES]:
            rng, found = np.random.default_rng(0), []
            for _ in range(n):
                given = logit + 0.3 * rng.standard_normal((case.seeds, 1)) + rng.standard_normal(case.tasks)
                score = (rng.random(given.shape) < special.expit(given)).astype(np.float64)
                found.append((studies.profile_interval(score, [0.5])[0], true))
            yield counted("share above a threshold", case, found)


# ---- two studies


def two(rng: np.random.Generator, seeds: tuple[int, int], tasks: int, share: str, kind: str) -> tuple[Array, Array]:
    """Two equal studies on the same tasks. Half of the task effects' variance is the algorithm's own."""
    shares, skewed = SHARES[share], KINDS[kind]
    given = effect(rng, (tasks,), shares[1] / 2, skewed[1])
    sides = []
    for n in seeds:
        own = effect(rng, (tasks,), shares[1] / 2, skewed[1]) + effect(rng, (n, 1), shares[0], skewed[0])
        sides.append(given + own + effect(rng, (n, tasks), shares[2], False))
    return sides[0], sides[1]


def differences(n: int) -> Iterator[dict[str, Any]]:
    """Coverage of the difference of two equal studies, and how often a shift is found: the interval shifts with it."""
    for kind in ("normal", "skewed tasks"):
        for case in [*cases(kind, SIZES), *(Case(1, m, "tasks only", kind) for m in (10, 40))]:
            rng = np.random.default_rng(0)
            pairs = (two(rng, (case.seeds, case.seeds), case.tasks, case.share, kind) for _ in range(n))
            ends = [studies.paired_difference(x, y)["ci95"] for x, y in pairs]
            power = {f"{by:g}": float(np.mean([low + by > 0 or high + by < 0 for low, high in ends])) for by in SHIFTS}
            yield counted("difference", case, [(e, 0.0) for e in ends]) | {"power": power}


def uneven(n: int) -> Iterator[dict[str, Any]]:
    """Coverage of the difference of 3 seeds and 10, of the same runs before and after, and of the gap between two splits."""
    for case in cases("normal", ((3, 40),)):
        rng = np.random.default_rng(0)
        pairs = (two(rng, (3, 10), case.tasks, case.share, case.kind) for _ in range(n))
        yield counted("difference to 10 seeds", case, [(studies.paired_difference(x, y)["ci95"], 0.0) for x, y in pairs])
    for case in cases("normal", FEW):
        rng, same, gaps = np.random.default_rng(0), [], []
        for _ in range(n):
            change, seed = simulated(rng, case)[0], rng.standard_normal((case.seeds, 1))
            before = seed + rng.standard_normal((case.seeds, case.tasks))
            same.append((studies.paired_difference(before + change, before, same_seeds=True)["ci95"], 0.0))
            other = seed + effect(rng, (20,), SHARES[case.share][1], False) + rng.standard_normal((case.seeds, 20)) / 2
            gaps.append((studies.gap(change + seed, other)["ci95"], 0.0))
        yield counted("difference, same runs", case, same)
        yield counted("gap to 20 other tasks", case, gaps)


def improvements(n: int) -> Iterator[dict[str, Any]]:
    """Coverage of the interval of the probability of improvement, x better by half a standard deviation."""
    for case in cases("normal", FEW):
        seeds, tasks, rest = SHARES[case.share]
        true = float(stats.norm.cdf(0.5 / (2 * seeds + tasks + 2 * rest) ** 0.5))
        rng = np.random.default_rng(0)
        pairs = (two(rng, (case.seeds, case.seeds), case.tasks, case.share, "normal") for _ in range(n))
        found = [(studies.probability_interval(x + 0.5, y, resamples=RESAMPLES), true) for x, y in pairs]
        yield counted("probability of improvement", case, found)


def repeated(n: int) -> Iterator[dict[str, Any]]:
    """Coverage of the mean and of the difference where some of 40 tasks are the same: distinct tasks count once."""
    for law, numbers in REPEATED.items():
        for distinct in numbers:
            layout = Layout(np.arange(40) % distinct, law == "all there are")
            for case in cases("normal", ((3, 40), (5, 40))):
                rng, means, gaps = np.random.default_rng(0), list[Found](), list[Found]()
                for _ in range(n):
                    (x, of_x), (y, of_y) = (_of_repeated(rng, case, layout) for _ in range(2))
                    means.append((studies.study_interval(x, layout=layout), of_x))
                    gaps.append((studies.paired_difference(x, y, layout=layout)["ci95"], of_x - of_y))
                yield counted(f"mean, {distinct} distinct tasks, {law}", case, means)
                yield counted(f"difference, {distinct} distinct tasks, {law}", case, gaps)


def _of_repeated(rng: np.random.Generator, case: Case, layout: Layout) -> tuple[Array, float]:
    """A study's scores [S, M], and the truth: of all tasks, or of these if they are all there are."""
    shares = SHARES[case.share]
    task = effect(rng, (layout.distinct,), shares[1], False)[layout.number]
    seed = effect(rng, (case.seeds, 1), shares[0], False)
    score = seed + task + effect(rng, (case.seeds, case.tasks), shares[2], False)
    return score, float(task.mean()) if layout.is_whole else 0.0


# ---- the table


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By interval and kind of effects: settings inside, below and above the bar, least, mean and largest coverage."""
    out = []
    for key in dict.fromkeys((row["interval"], row["kind"]) for row in rows):
        same = [row for row in rows if (row["interval"], row["kind"]) == key]
        values, bars = [row["coverage"] for row in same], [row["bar"] for row in same]
        out.append(
            {
                "interval": key[0],
                "kind": key[1],
                "settings": len(same),
                **{bar: bars.count(bar) for bar in ("inside", "below", "above")},
                "least": min(values),
                "mean": float(np.mean(values)),
                "largest": max(values),
                "outside": {f"{r['share']}, {r['seeds']} x {r['tasks']}": r["coverage"] for r in same if r["bar"] != "inside"},
            }
        )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000, help="simulated studies of each setting")
    parser.add_argument("--out", type=Path, help="where the result is written, instead of where it is tracked")
    wanted = parser.parse_args()
    load, begin = os.getloadavg()[0], time.monotonic()
    rows = []
    for part in (ours, common, successes, differences, uneven, improvements, repeated):
        rows += list(part(wanted.studies))
        print(f"{part.__name__:14} {(time.monotonic() - begin) / 60:.1f} min", flush=True)
    document = {
        "schema": "pliant.coverage/1",
        "command": "python benchmarks/coverage.py",
        "date": datetime.date.today().isoformat(),
        "machine": machine.described() | {"load_before": load},
        "minutes": (time.monotonic() - begin) / 60,
        "level": 0.95,
        "studies": wanted.studies,
        "standard_error": (0.95 * 0.05 / wanted.studies) ** 0.5,
        "band": BAND,
        "shares": SHARES,
        "resamples": RESAMPLES,
        "summary": summary(rows),
        "intervals": rows,
    }
    recorded.write("coverage", document, wanted.out)
    for row in document["summary"]:
        counts = f"{row['inside']:3} of {row['settings']:3} inside, {row['below']:3} below, {row['above']:3} above"
        print(f"{row['interval'] + ': ' + row['kind']:52} {counts}   {row['least']:.3f} to {row['largest']:.3f}")
        for name, value in sorted(row["outside"].items(), key=lambda item: item[1]):
            print(f"    {name:24} {value:.3f}")


if __name__ == "__main__":
    main()
