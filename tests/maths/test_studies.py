"""Statistics of studies: numbers worked by hand, by scipy and by simulation."""

import time

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from pliant.maths import studies

Array = NDArray[np.float64]
FEW = np.array([[1.0, 2.0, 6.0], [3.0, 4.0, 8.0]])  # [2 seeds, 3 tasks]


def simulated(rng: np.random.Generator, S: int, M: int, seed: float, task: float, rest: float, studies: int = 1) -> Array:
    """Scores with mean 0: standard deviations of seeds, tasks and the rest."""
    a, b, c = rng.normal(size=(studies, S, 1)), rng.normal(size=(studies, 1, M)), rng.normal(size=(studies, S, M))
    return np.asarray(seed * a + task * b + rest * c)


def test_point_statistics_by_hand() -> None:
    assert studies.mean(FEW) == pytest.approx(4.0)
    assert studies.median(FEW) == pytest.approx(3.0)  # tasks have 2, 3 and 7
    assert studies.iqm(FEW) == pytest.approx((2 + 3 + 4 + 6) / 4)  # one of six is cut on either side
    assert studies.optimality_gap(FEW, 4.0) == pytest.approx((3 + 2 + 0 + 1 + 0 + 0) / 6)


def test_the_interquartile_mean_is_that_of_scipy() -> None:
    x = np.random.default_rng(0).normal(size=(5, 41))
    assert studies.iqm(x) == pytest.approx(stats.trim_mean(x, 0.25, axis=None))


def test_one_seed_gives_the_t_interval_over_tasks() -> None:
    x = np.random.default_rng(1).normal(size=(1, 12))
    low, high = stats.t.interval(0.95, 11, loc=x.mean(), scale=stats.sem(x[0]))
    assert studies.study_interval(x) == pytest.approx([low, high])
    assert studies.summary(x)["ci95"] == pytest.approx([low, high])


def test_tasks_that_do_not_differ_give_the_t_interval_over_seeds() -> None:
    x = np.repeat(np.array([[1.0], [2.0], [4.0]]), 5, axis=1)
    low, high = stats.t.interval(0.95, 2, loc=x.mean(), scale=stats.sem(x[:, 0]))
    assert studies.study_interval(x) == pytest.approx([low, high])


def test_the_variance_is_that_of_a_two_way_layout() -> None:
    # Column means 2, 3, 7: variance 7, over 3 tasks. Row means 3 and 5: variance 2, over 2 seeds. There is no rest.
    low, high = studies.study_interval(FEW)
    assert (low + high) / 2 == pytest.approx(4)
    rng = np.random.default_rng(0)
    normal, two, one = rng.standard_normal(400_000), rng.chisquare(2, 400_000), rng.chisquare(1, 400_000)
    error = np.abs(normal) * np.sqrt(7 / 3 / (two / 2) + 2 / 2 / one)
    assert np.mean(error > high - 4) == pytest.approx(0.05, abs=0.002)


@pytest.mark.parametrize(("seeds", "tasks"), [(3, 40), (5, 40), (10, 20)])
def test_intervals_cover_the_truth(seeds: int, tasks: int) -> None:
    each = simulated(np.random.default_rng(seeds), seeds, tasks, 0.5, 1.0, 0.5, studies=1000)
    hits = [low <= 0 <= high for low, high in map(studies.study_interval, each)]
    assert 0.92 <= np.mean(hits) <= 0.98  # 0.95, give or take what a thousand studies leave open


def test_intervals_of_other_statistics_cover_the_truth() -> None:
    each = simulated(np.random.default_rng(7), 5, 30, 0.5, 1.0, 0.5, studies=250)
    for statistic in (studies.iqm, studies.median):
        found = [studies.study_interval(x, statistic, resamples=200, seed=i) for i, x in enumerate(each)]
        assert 0.90 <= np.mean([low <= 0 <= high for low, high in found]) <= 0.99


def test_resampling_seeds_alone_is_too_narrow_and_that_is_why_it_is_not_used() -> None:
    each = simulated(np.random.default_rng(5), 3, 20, 0.5, 1.0, 0.5, studies=200)
    found = [studies.stratified_interval(x, resamples=200, seed=i) for i, x in enumerate(each)]
    assert np.mean([low <= 0 <= high for low, high in found]) < 0.6


def test_the_stratified_interval_has_the_variance_of_resampled_seeds() -> None:
    x = np.random.default_rng(2).normal(size=(10, 50))
    low, high = studies.stratified_interval(x, resamples=20_000)
    half = 1.96 * np.sqrt(x.var(axis=0).mean() / 10 / 50)  # means of 10 draws from each column
    assert (low, high) == pytest.approx((x.mean() - half, x.mean() + half), abs=0.02)


def test_intervals_are_deterministic_and_quick() -> None:
    x = np.random.default_rng(3).normal(size=(10, 400))
    assert studies.study_interval(x, studies.iqm) == studies.study_interval(x, studies.iqm)
    begin = time.process_time()
    for _ in range(20):
        studies.study_interval(x)
    assert time.process_time() - begin < 1.0


def test_before_and_after_are_compared_run_by_run() -> None:
    x = np.random.default_rng(4).normal(size=(3, 10))
    found = studies.paired_difference(x + 1.0, x, same_seeds=True)
    assert (found["mean"], found["ci95"]) == (pytest.approx(1.0), pytest.approx([1.0, 1.0]))
    one = studies.paired_difference(x[:1], 0 * x[:1])
    assert one["p_value"] == pytest.approx(stats.ttest_1samp(x[0], 0.0).pvalue)


def test_a_difference_of_two_agents_is_found_as_often_as_it_should_be() -> None:
    rng = np.random.default_rng(6)
    task = rng.normal(size=(600, 1, 30))
    x, y = (simulated(rng, S, 30, 0.5, 0.3, 0.5, studies=600) + task for S in (5, 3))
    equal = np.mean([studies.paired_difference(a, b)["p_value"] < 0.05 for a, b in zip(x, y, strict=True)])
    assert 0.02 <= equal <= 0.08
    moved = np.mean([studies.paired_difference(a + 3, b)["p_value"] < 0.05 for a, b in zip(x, y, strict=True)])
    assert moved > 0.9


def test_a_gap_between_splits_pairs_the_runs() -> None:
    rng = np.random.default_rng(8)
    seed = rng.normal(size=(3, 1)) * 100  # the same for both, so it must not matter
    low, high = studies.gap(seed + rng.normal(size=(3, 40)), seed + rng.normal(size=(3, 30)) + 2)["ci95"]
    assert low <= -2 <= high and high - low < 2


def test_probability_of_improvement_by_hand_and_by_mann_whitney() -> None:
    x, y = np.array([[1.0, 5.0], [3.0, 5.0]]), np.array([[2.0, 5.0], [0.0, 7.0]])
    assert studies.probability_of_improvement(x, y) == pytest.approx(((0 + 1 + 1 + 1) / 4 + (0.5 + 0 + 0.5 + 0) / 4) / 2)
    a, b = (np.random.default_rng(i).normal(size=(7, 1)) for i in (0, 1))
    assert studies.probability_of_improvement(a, b) == pytest.approx(stats.mannwhitneyu(a, b).statistic[0] / 49)
    low, high = studies.probability_interval(x, y)
    assert 0 <= low <= studies.probability_of_improvement(x, y) <= high <= 1


def test_profiles_holm_and_exponents() -> None:
    assert studies.performance_profile(FEW, [0, 2, 5, 8]) == pytest.approx([1, 4 / 6, 2 / 6, 0])
    assert studies.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    size = np.array([1.0, 2, 4, 8])
    found = studies.growth_exponent(size, 3 * size**1.5)
    assert (found["exponent"], found["ci95"]) == (pytest.approx(1.5), pytest.approx([1.5, 1.5]))


def test_rounding_is_no_difference() -> None:
    one, two = np.full((3, 13), 0.1), np.full((7, 13), 0.1)
    assert studies.verdict(one, two) == "no difference shown" and studies.paired_difference(one, two)["p_value"] == 1


def test_nothing_is_called_better_without_an_interval_and_three_seeds() -> None:
    rng = np.random.default_rng(9)
    x = rng.normal(size=(3, 40))
    assert studies.verdict(x + 10, x) == "better"
    assert studies.verdict(x - 10, x) == "worse"
    assert studies.verdict(x, rng.normal(size=(3, 40))) == "no difference shown"
    assert studies.verdict(x[:2] + 10, x) == "too few seeds"


@pytest.mark.parametrize("wrong", [np.zeros(3), np.zeros((0, 4)), np.array([[np.nan, 1.0]])])
def test_what_is_no_study_is_refused(wrong: Array) -> None:
    with pytest.raises(ValueError, match=r"expected \[seeds, tasks\]"):
        studies.summary(wrong)
    with pytest.raises(ValueError, match="expected the same tasks"):
        studies.paired_difference(FEW, FEW[:, :2])
    with pytest.raises(ValueError, match="expected the same runs"):
        studies.gap(FEW, FEW[:1])
    with pytest.raises(ValueError, match="three or more different sizes"):
        studies.growth_exponent([1, 2, 2], [1, 2, 3])


def test_numbers_are_those_of_rliable() -> None:
    """rliable 1.2.0 (with pandas 2.3.3) on the same scores; its median is over tasks, of means over runs, as ours."""
    x, y = (np.random.default_rng(seed).normal(size=(runs, 20)) for seed, runs in ((10, 10), (11, 6)))
    assert studies.iqm(x) == pytest.approx(-0.2417170582524638)  # metrics.aggregate_iqm
    assert studies.median(x) == pytest.approx(-0.1858278717653179)  # metrics.aggregate_median
    assert studies.optimality_gap(x, 1.0) == pytest.approx(1.2867877974437016)  # metrics.aggregate_optimality_gap
    assert studies.probability_of_improvement(x, y) == pytest.approx(0.4133333333333333)
    theirs = [-0.36532942718214734, -0.11698763016361194]  # library.get_interval_estimates, reps=20_000
    assert studies.stratified_interval(x, resamples=20_000) == pytest.approx(theirs, abs=0.005)
