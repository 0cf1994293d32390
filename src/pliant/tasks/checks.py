"""Checks of settings: each raises a one-line ValueError that says what was got and what was expected."""

import dataclasses
import functools
import math
import numbers
import typing
from types import NoneType, UnionType
from typing import Any

from pliant.system import ranges


def settings(given: Any) -> None:
    """Refuse a settings dataclass whose fields are not what their types say: integers, finite numbers, in their range.

    Ranges stand beside the fields (`ranges`); this is the whole `__post_init__` of settings without contradictions.
    """
    own: Any = type(given)
    for name, (kind, said) in _numbers(own).items():
        value = getattr(given, name)
        if not _is_a(kind, value):
            raise ValueError(f"{name} is {value!r}: expected {said}")
    ranges.check(given)


def interval(name: str, value: tuple[float, float], above: float = -math.inf) -> None:
    """`value` must be (low, high), finite, low <= high, and low > `above`."""
    if len(value) != 2 or not (all(map(math.isfinite, value)) and above < value[0] <= value[1]):
        floor = f" above {above:g}" if above > -math.inf else ""
        raise ValueError(f"{name} is {value!r}: expected (low, high) with finite low <= high{floor}")


def shifted(name: str, value: tuple[float, float], train: tuple[float, float]) -> None:
    """The interval `value` must hold something that lies outside `train`."""
    if train[0] <= value[0] and value[1] <= train[1]:
        raise ValueError(f"{name} is {value!r}: expected a range that reaches outside the training range {train!r}")


@functools.cache
def _numbers(settings: type) -> dict[str, tuple[set[Any], str]]:
    """The fields of a dataclass that are numbers, or none: what may stand there, and in words."""
    words, found = {int: "an integer", float: "a finite number"}, {}
    hints = typing.get_type_hints(settings, include_extras=True)
    for field in dataclasses.fields(settings):
        plain = ranges.plain(hints[field.name])
        kind = set(typing.get_args(plain)) if isinstance(plain, UnionType) else {plain}
        if field.init and len(number := kind & words.keys()) == 1 and kind <= number | {NoneType}:
            found[field.name] = kind, ranges.noun(words[number.pop()], ranges.words(hints[field.name]))
    return found


def _is_a(kind: set[Any], value: Any) -> bool:
    if value is None:
        return NoneType in kind
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return False
    return isinstance(value, int) if int in kind else math.isfinite(value)
