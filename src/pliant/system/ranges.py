"""Ranges of settings: a bound stands beside the field that it belongs to, and one place reads it.

    @dataclass(frozen=True)
    class Settings:
        steps: Annotated[int, Ge(1)] = 1
        clip: Annotated[float, Gt(0), Le(1)] = 0.2
        hold: Annotated[float, Ge(1), Unit("step")] = 1.0
        hidden: Annotated[tuple[Annotated[int, Ge(1)], ...], MinLen(1)] = (64, 64)

        def __post_init__(self) -> None:
            ranges.check(self)

Bounds are those of `annotated_types`, `Interval` among them. A class that extends such settings inherits their check.
"""

import dataclasses
import functools
import math
import numbers
import operator
import types
import typing
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from annotated_types import Ge, GroupedMetadata, Gt, Le, Lt, MinLen, Unit

NOUNS = {int: "an integer", float: "a number", bool: "true or false", str: "text", type(None): "none", Path: "a path"}
PLURALS = {int: "integers", float: "numbers", str: "words"}

def check(settings: Any) -> None:
    """Refuse a settings dataclass one of whose fields is not of its type, not finite, or out of the range that its type gives.

    Raises ValueError, "NAME is VALUE: expected RANGE", for the first such field. True is no integer, and 2.0 is none.
    """
    own: Any = type(settings)
    for name, kind in _kinds(own).items():
        value = getattr(settings, name)
        if not fits(kind, value):
            raise ValueError(f"{name} is {value!r}: expected {expected(kind)}")
        if not holds(kind, value):
            raise ValueError(f"{name} is {value!r}: expected {words(kind)}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name} is {value!r}: expected a finite number")


def fits(kind: Any, value: Any) -> bool:
    """Whether `value` is of the type `kind`, whatever its range. Types that no setting of pliant has fit everything."""
    if _is_union(kind):
        return any(fits(option, value) for option in typing.get_args(kind))
    kind = _parts(kind)[0]
    if kind is type(None):
        return value is None
    if typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind)
        sized = isinstance(value, tuple) and (inner[-1:] == (...,) or len(value) == len(inner))
        return sized and all(fits(item, each) for item, each in _items(kind, value))
    if kind in (int, float):
        return isinstance(value, int if kind is int else numbers.Real) and not isinstance(value, bool)
    return isinstance(value, kind) if kind in (bool, str) else True


def holds(kind: Any, value: Any) -> bool:
    """Whether `value`, of the type `kind`, lies in its range. NaN lies in none; where there is no range, everything does."""
    if _is_union(kind):
        options = typing.get_args(kind)
        if value is None and type(None) in options:
            return True
        return any(holds(option, value) for option in options if option is not type(None))
    if typing.get_origin(kind) is Literal:
        return value in typing.get_args(kind)
    kind, bounds, _ = _parts(kind)
    if not all(_within(bound, value) for bound in bounds):
        return False
    return all(holds(item, each) for item, each in _items(kind, value))


def expected(kind: Any) -> str:
    """A type and its range in words, for errors and help."""
    if _is_union(kind):
        return " or ".join(expected(option) for option in typing.get_args(kind))
    bare = plain(kind)
    arguments = typing.get_args(bare)
    if typing.get_origin(bare) is Literal:
        return "one of " + ", ".join(str(argument) for argument in arguments)
    if typing.get_origin(bare) is tuple:
        many = how_many(kind) if arguments[-1:] == (...,) else f"{len(arguments)} "
        plural = noun(PLURALS.get(arguments[0], f"{getattr(arguments[0], '__name__', arguments[0])}s"), words(_inner(kind)[0]))
        return f"{many}{plural} separated by commas"
    return noun(NOUNS.get(bare, getattr(bare, "__name__", str(bare))), words(kind))


def words(kind: Any) -> str:
    """The range of a type: "at least 1", "above 0, at most 1", "one or more numbers of at least 1"; "" for none."""
    if _is_union(kind):
        options = typing.get_args(kind)
        found = [each for option in options if (each := words(option))]
        return " or ".join([*found, *(["none"] if found and type(None) in options else [])])
    if typing.get_origin(kind) is Literal:
        *others, last = (str(each) for each in typing.get_args(kind))
        return f"{', '.join(others)} or {last}" if others else last
    inner, bounds, unit = _parts(kind)
    if typing.get_origin(inner) is tuple:
        many = how_many(kind)
        each = next((said for item in typing.get_args(inner) if item is not ... and (said := words(item))), "")
        return f"{many}{noun('numbers', each)}" if many or each else ""
    text = _said(bounds)
    return f"{text} {unit}" if text and unit else text


def noun(name: str, said: str) -> str:
    """A noun with a range behind it: "an integer of at least 1", "a number above 0"."""
    return f"{name} of {said}" if said.startswith("at ") else f"{name} {said}".rstrip()


def how_many(kind: Any) -> str:
    """The least number of items of a tuple in words, "one or more " or "2 or more "; "" where it may be empty."""
    least = max((bound.min_length for bound in _parts(kind)[1] if isinstance(bound, MinLen)), default=0)
    return {0: "", 1: "one or more "}.get(least, f"{least} or more ")


def plain(kind: Any) -> Any:
    """The type without its ranges: `Annotated[int, Ge(1)]` as int, also within a tuple or a union."""
    if typing.get_origin(kind) is Annotated:
        return plain(typing.get_args(kind)[0])
    if _is_union(kind):
        return functools.reduce(operator.or_, (plain(option) for option in typing.get_args(kind)))
    if typing.get_origin(kind) is tuple:
        return tuple[tuple(plain(item) if item is not ... else ... for item in typing.get_args(kind))]  # type: ignore[misc]
    return kind


@functools.cache
def _kinds(settings: type) -> dict[str, Any]:
    """The fields of a dataclass with their types."""
    hints = typing.get_type_hints(settings, include_extras=True)
    return {f.name: hints[f.name] for f in dataclasses.fields(settings) if f.init}


def _inner(kind: Any) -> tuple[Any, ...]:
    """The types of a tuple's items, with their ranges."""
    return typing.get_args(_parts(kind)[0])


def _parts(kind: Any) -> tuple[Any, list[Any], str]:
    """(the type, its bounds, its unit) of a type that may be annotated; what else it is annotated with is not ours to read."""
    if typing.get_origin(kind) is not Annotated:
        return kind, [], ""
    inner, *given = typing.get_args(kind)
    bounds: list[Any] = []
    for each in given:
        bounds += list(each) if isinstance(each, GroupedMetadata) else [each]
    unit = next((each.unit for each in bounds if isinstance(each, Unit)), "")
    return inner, [each for each in bounds if isinstance(each, Ge | Gt | Le | Lt | MinLen)], unit


def _within(bound: Any, value: Any) -> bool:
    tests: dict[type, Callable[[], Any]] = {
        Ge: lambda: value >= bound.ge,
        Gt: lambda: value > bound.gt,
        Le: lambda: value <= bound.le,
        Lt: lambda: value < bound.lt,
        MinLen: lambda: len(value) >= bound.min_length,
    }
    return bool(tests[type(bound)]())


def _items(kind: Any, value: Any) -> Iterable[tuple[Any, Any]]:
    """(type, value) of what a tuple holds; nothing for another type."""
    if typing.get_origin(kind) is not tuple:
        return []
    inner = typing.get_args(kind)
    return [(inner[0], each) for each in value] if inner[-1:] == (...,) else list(zip(inner, value, strict=False))


def _said(bounds: Iterable[Any]) -> str:
    """Bounds of a number in words."""
    found = {type(bound): bound for bound in bounds}
    if Ge in found and Le in found:
        return f"between {found[Ge].ge} and {found[Le].le}"
    said = [f"at least {found[Ge].ge}"] if Ge in found else []
    said += [f"above {found[Gt].gt}"] if Gt in found else []
    said += [f"at most {found[Le].le}"] if Le in found else []
    said += [f"below {found[Lt].lt}"] if Lt in found else []
    return ", ".join(said)


def _is_union(kind: Any) -> bool:
    return typing.get_origin(kind) in (Union, types.UnionType)
