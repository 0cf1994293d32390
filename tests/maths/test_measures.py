"""The measures, on made-up curves whose answers are known."""

import numpy as np
import pytest

from pliant.maths import measures


def a(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def test_the_area_of_a_constant_curve_is_its_height() -> None:
    assert measures.area(a(0, 10, 30), a(0.4, 0.4, 0.4), end=20) == pytest.approx(0.4)


def test_the_area_of_a_curve_is_that_of_its_stairs() -> None:
    """Nobody acted otherwise between two gradient steps: a stage counts until the next begins."""
    assert measures.area(a(0, 10), a(0, 1), end=10) == pytest.approx(0)
    assert measures.area(a(0, 10), a(0, 1), end=20) == pytest.approx(10 / 20)
    assert measures.area(a(0, 10), a(0.5, 1), end=5) == pytest.approx(0.5)
    assert measures.area(a(0, 4, 10), a(0, 1, 0.5), end=12) == pytest.approx((0 + 6 + 1) / 12)


def test_the_area_counts_low_as_nothing_and_high_as_all() -> None:
    assert measures.area(a(0, 10), a(-50, -50), end=10, low=-50, high=-10) == pytest.approx(0)
    assert measures.area(a(0, 10), a(-50, -10), end=20, low=-50, high=-10) == pytest.approx(0.5)


def test_the_area_takes_many_curves_and_stages_that_add_no_steps() -> None:
    steps, value = np.array([[0, 10.0], [0, 20]]), np.array([[0, 1.0], [1, 1]])
    assert measures.area(steps, value, end=20) == pytest.approx([0.5, 1.0])
    assert measures.area(a(0, 0, 10), a(0, 1, 1), end=10) == pytest.approx(1.0)
    assert measures.area(a(0), a(0.3), end=10) == pytest.approx(0.3)  # one stage only


def test_the_area_needs_room() -> None:
    for wrong in ({"end": 0.0}, {"end": 5.0, "low": 1.0, "high": 1.0}):
        with pytest.raises(ValueError, match="expected low and high to differ"):
            measures.area(a(0, 1), a(0, 1), **wrong)


def test_a_target_is_reached_at_a_stage_and_never_between_two() -> None:
    x, value = a(0, 100, 200), a(0.0, 0.5, 1.0)
    assert [measures.reached(x, value, target) for target in (0.0, 0.25, 0.5, 0.9, 1.1)] == [0, 100, 100, 200, None]
    assert measures.reached(x, a(0.0, 1.0, 0.2), 0.5) == 100  # the first time counts


def test_training_must_reach_the_target_and_stay() -> None:
    steps = 100.0 * np.arange(1, 9)
    assert measures.train_steps_to(steps, a(0, 1, 0, 0, 1, 1, 1, 1), 0.5, window=1) == 500
    assert measures.train_steps_to(steps, a(1, 1, 1, 1, 1, 1, 1, 0), 0.5, window=1) is None
    assert measures.train_steps_to(steps, np.ones(8), 0.5, window=1) == 100
    assert measures.train_steps_to(steps, a(0, 0, 0, 0, 1, 1, 1, 1), 0.5, window=4) == 600  # 2 of 4
    assert measures.train_steps_to(a(), a(), 0.5) is None


def test_the_target_is_a_fraction_of_the_way() -> None:
    assert measures.target(-60.0, -10.0, 0.9) == pytest.approx(-15.0)
