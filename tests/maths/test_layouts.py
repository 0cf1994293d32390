"""Tasks that are there several times: intervals hold the truth as often as they say, or are not there."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from pliant.maths import layouts, statistics, studies
from pliant.maths.layouts import Layout

Array = NDArray[np.float64]
M = 40


Length = Callable[[int, int], int]


def held(found: list[list[float] | None]) -> float:
    """How often intervals hold 0, of those that are there."""
    known = [ends for ends in found if ends is not None]
    return float(np.mean([low <= 0 <= high for low, high in known]))


def repeated(rng: np.random.Generator, distinct: int) -> Layout:
    """40 draws of a few tasks, as chance has it."""
    return Layout(layouts.numbered(rng.integers(0, distinct, M).tolist()))


def test_the_same_task_has_the_same_number() -> None:
    rows = [{"goal": [0.1, 0.2]}, {"goal": [0.1, 0.3]}, {"goal": [0.1, 0.2]}]
    assert layouts.numbered(rows).tolist() == [0, 1, 0] and Layout(layouts.numbered(rows)).distinct == 2


def test_repeats_of_a_task_are_averaged_before_anything_is_said_of_tasks() -> None:
    x, twice = np.random.default_rng(0).normal(size=7), Layout(np.repeat(np.arange(7), 3))
    low, high = stats.t.interval(0.95, 6, loc=x.mean(), scale=stats.sem(x))
    found = statistics.summary(np.repeat(x, 3), twice)
    assert found["ci95"] == pytest.approx([low, high]) and found["std_error"] == pytest.approx(stats.sem(x))
    assert statistics.summary(x) == statistics.summary(x, layouts.distinct(7))
    score = np.random.default_rng(1).normal(size=(3, 7))
    assert studies.study_interval(np.repeat(score, 3, axis=1), layout=twice) == pytest.approx(studies.study_interval(score))


def test_tasks_that_are_all_there_are_count_by_their_trials() -> None:
    one, other = np.random.default_rng(2).normal(size=(2, 20))
    whole = Layout(np.repeat([0, 1], 20), is_whole=True)
    found = statistics.summary(np.concatenate([one, other + 500]), whole)
    pooled = (one.var(ddof=1) + other.var(ddof=1)) / 2
    assert found["std_error"] == pytest.approx((pooled / 40) ** 0.5)
    low, high = stats.t.interval(0.95, 38, loc=found["mean"], scale=found["std_error"])
    assert found["ci95"] == pytest.approx([low, high])


@pytest.mark.parametrize("distinct", [2, 3, 5, 20])
def test_an_interval_over_few_distinct_tasks_holds_the_truth(distinct: int, length: Length) -> None:
    rng = np.random.default_rng(distinct)
    found, naive = [], []
    for _ in range(length(200, 2000)):
        layout = repeated(rng, distinct)
        x = rng.normal(size=distinct)[layout.number] + 0.3 * rng.normal(size=M)
        found.append(statistics.summary(x, layout)["ci95"])
        naive.append(statistics.summary(x)["ci95"])
    assert held(found) >= length(91, 93) / 100  # 95, less what so many studies leave open
    assert distinct > 5 or held(naive) < 0.7  # what counting them as 40 says


@pytest.mark.parametrize("distinct", [2, 3, 5])
def test_an_interval_over_all_tasks_there_are_holds_their_mean(distinct: int, length: Length) -> None:
    rng, level = np.random.default_rng(10 + distinct), np.arange(distinct) * 100.0
    number = np.arange(M) % distinct
    truth = level[number].mean()
    noise = rng.normal(size=(length(200, 2000), M)) * (1 + number)  # trials of some tasks vary more than those of others
    found = [statistics.summary(level[number] - truth + each, Layout(number, is_whole=True))["ci95"] for each in noise]
    assert length(91, 93) / 100 <= held(found) <= 0.99


@pytest.mark.parametrize("distinct", [2, 3, 5])
def test_a_study_over_few_distinct_tasks_holds_the_truth(distinct: int, length: Length) -> None:
    rng = np.random.default_rng(20 + distinct)
    of_mean, of_pair = [], []
    for _ in range(length(100, 1000)):
        layout = repeated(rng, distinct)
        task, other = rng.normal(size=(2, distinct))
        x, y = 0.4 * rng.normal(size=(2, 3, 1)) + 0.3 * rng.normal(size=(2, 3, M)) + task[layout.number]
        of_mean.append(studies.study_interval(x, layout=layout))
        of_pair.append(studies.paired_difference(x + other[layout.number], y, layout=layout)["ci95"])
    assert min(held(of_mean), held(of_pair)) >= length(90, 93) / 100


def test_trainings_that_differ_in_what_they_do_on_each_of_all_tasks_are_held_too(length: Length) -> None:
    rng, number = np.random.default_rng(30), np.arange(M) % 2
    found = []
    for _ in range(length(150, 1500)):
        of_both = rng.normal(size=(5, 2))[:, number]  # a training is good forwards or backwards
        x = np.array([0.0, 300.0])[number] - 150 + of_both + rng.normal(size=(5, M))
        found.append(studies.study_interval(x, layout=Layout(number, is_whole=True)))
    assert length(90, 93) / 100 <= held(found) <= 0.99


def test_bootstraps_draw_distinct_tasks_too() -> None:
    rng = np.random.default_rng(40)
    task, number = rng.normal(size=8), np.repeat(np.arange(8), 5)
    x = task[number] + np.zeros((1, 1))
    few = studies.study_interval(x, studies.median, layout=Layout(number))
    many = studies.study_interval(x, studies.median)
    whole = studies.study_interval(x, studies.median, layout=Layout(number, is_whole=True))
    assert few is not None and many is not None and few[1] - few[0] > 1.5 * (many[1] - many[0])
    assert whole == [pytest.approx(np.median(task))] * 2  # trials of a task do not differ here


def test_nothing_is_said_where_nothing_is_known() -> None:
    assert statistics.summary([3.0]) == {"mean": 3.0, "std_error": None, "iqm": 3.0, "ci95": None}
    x, same = np.random.default_rng(50).normal(size=(3, 6)), Layout(np.zeros(6, dtype=np.int64))
    once = Layout(np.arange(6), is_whole=True)  # one trial of each: how trials differ is unknown
    for layout in (same, once):
        assert studies.summary(x, layout)["ci95"] is None and statistics.summary(x[0], layout)["ci95"] is None
        found = studies.paired_difference(x + 9, x, layout=layout)
        assert (found["ci95"], found["p_value"]) == (None, None) and found["mean"] == pytest.approx(9)
        assert studies.verdict(x + 9, x, layout=layout) == "too few tasks"
        assert studies.gap(x, x, of_y=layout)["ci95"] is None
        assert studies.probability_interval(x, x, layout=layout) is None
        assert studies.profile_interval(x, [0.0], layout) is None
    trials = Layout(np.zeros(6, dtype=np.int64), is_whole=True)  # of the only task there is
    assert statistics.summary(x[0], trials)["ci95"] == pytest.approx(statistics.summary(x[0])["ci95"])


def test_a_share_ends_at_nothing_and_at_all() -> None:
    assert statistics.summary([1.0, 1.0, 0.5], bounds=(0, 1))["ci95"] == [pytest.approx(0.1162, abs=1e-4), 1.0]
    with pytest.raises(ValueError, match="layout is of 2 tasks and the score of 3"):
        statistics.summary([1.0, 2.0, 3.0], layouts.distinct(2))


def test_identical_agents_are_hardly_ever_called_different(length: Length) -> None:
    """Eight agents that do not differ: some false verdict among the 28 in at most 5% of studies."""
    rng, false = np.random.default_rng(60), []
    pairs = [(i, j) for i in range(8) for j in range(i)]
    for _ in range(length(100, 1000)):
        score = 0.5 * rng.normal(size=(8, 3, 1)) + rng.normal(size=(1, 1, M)) + 0.5 * rng.normal(size=(8, 3, M))
        corrected = studies.holm([studies.paired_difference(score[i], score[j])["p_value"] for i, j in pairs])
        closest = int(np.argmin(corrected))
        i, j = pairs[closest]
        false.append(studies.verdict(score[i], score[j], corrected[closest]) in ("better", "worse"))
    assert np.mean(false) <= 0.07
