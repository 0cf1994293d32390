"""Checks of settings: each raises a one-line ValueError that says what was got and what was expected."""

import math


def positive_int(name: str, value: int) -> None:
    """`value` must be an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} is {value!r}: expected an integer of at least 1")


def not_negative(name: str, value: float) -> None:
    """`value` must be finite and at least 0."""
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} is {value!r}: expected a finite number of at least 0")


def interval(name: str, value: tuple[float, float], above: float = -math.inf) -> None:
    """`value` must be (low, high), finite, low <= high, and low > `above`."""
    if len(value) != 2 or not (all(map(math.isfinite, value)) and above < value[0] <= value[1]):
        floor = f" above {above:g}" if above > -math.inf else ""
        raise ValueError(f"{name} is {value!r}: expected (low, high) with finite low <= high{floor}")


def shifted(name: str, value: tuple[float, float], train: tuple[float, float]) -> None:
    """The interval `value` must hold something that lies outside `train`."""
    if train[0] <= value[0] and value[1] <= train[1]:
        raise ValueError(f"{name} is {value!r}: expected a range that reaches outside the training range {train!r}")
