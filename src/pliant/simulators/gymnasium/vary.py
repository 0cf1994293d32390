"""What varies, as one writes it: `length=0.3:1.5, force_mag=-15:-5|5:15, is_slippery=true|false, seed=0..999`.

Each item is a name and what it may be, alternatives with a bar between them: ranges of numbers `low:high`, or values,
where `first..last` stands for the integers of a range. Values may be numbers, `true` and `false`, or text.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pliant.tasks.base import Parameter

MOST_CHOICES = 100_000
SPLIT_FROM = 10
"""Of so many values or more a fifth is held out for test; fewer are shared by train and test."""
NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
Value = float | bool | str


class Range(NamedTuple):
    """Inclusive."""

    low: float
    high: float


@dataclass(frozen=True)
class Axis:
    """One thing that varies."""

    name: str
    """As written, e.g. "length" or "option.x"."""
    ranges: tuple[Range, ...] = ()
    """In ascending order, none if it has values."""
    values: tuple[Value, ...] = ()

    @property
    def is_text(self) -> bool:
        """Its values are not all numbers: a task then holds the value's index."""
        return any(isinstance(value, str) for value in self.values)

    def numbers(self) -> tuple[float, ...]:
        """What a task holds for each of its values."""
        return tuple(float(i) if self.is_text else float(value) for i, value in enumerate(self.values))

    def value(self, number: float) -> Value:
        """What the number of a task stands for."""
        if not self.values:
            return number
        return self.values[self.numbers().index(number)]


def parse(flag: str, text: str) -> tuple[Axis, ...]:
    """The axes of `text`. Raises ValueError, which names `flag`, the item and what was expected."""
    axes = tuple(_axis(flag, item) for item in _items(text))
    if text and not axes:
        raise ValueError(f"{flag} has {text!r}, which names nothing: expected e.g. length=0.3:1.5")
    names = [_short(axis.name) for axis in axes]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{flag} has {twice[0]} twice: give each name once, its alternatives with a bar between them")
    return axes


def parameter(axis: Axis, shifted: Axis | None, meaning: str) -> Parameter:
    """The parameter of a family for what varies, `shifted` being its axis in the ood split.

    Raises ValueError, which names the flag, if the two do not fit together.
    """
    if axis.values:
        return _choices(axis, shifted, meaning)
    ood = None
    if shifted is not None:
        if shifted.values:
            raise ValueError(f"ood has {shifted.name}={words(shifted)}: expected a range low:high, as vary has")
        if _gaps(shifted) and _gaps(shifted) != _gaps(axis):
            raise ValueError(f"ood has {shifted.name}={words(shifted)}: it must leave out what vary does, {words(axis)}")
        ood = (shifted.ranges[0].low, shifted.ranges[-1].high)
        low, high = axis.ranges[0].low, axis.ranges[-1].high
        if low <= ood[0] and ood[1] <= high:
            raise ValueError(f"ood has {shifted.name}={words(shifted)}: expected a range beyond {words(axis)}")
    train = (axis.ranges[0].low, axis.ranges[-1].high)
    return Parameter(_short(axis.name), train, ood, gaps=_gaps(axis), meaning=meaning)


def _choices(axis: Axis, shifted: Axis | None, meaning: str) -> Parameter:
    ood = None
    if axis.is_text:
        meaning += ": " + ", ".join(f"{i} is {value}" for i, value in enumerate(axis.values))
    if shifted is not None:
        if axis.is_text or shifted.ranges or shifted.is_text:
            raise ValueError(f"ood has {shifted.name}={words(shifted)}: only numbers can be shifted, and values by values")
        ood = shifted.numbers()
        if set(ood) & set(axis.numbers()):
            raise ValueError(f"ood has {shifted.name}={words(shifted)}: expected values that vary does not have")
    split = len(axis.values) >= SPLIT_FROM
    return Parameter(_short(axis.name), choices=axis.numbers(), ood=ood, split=split, meaning=meaning)


def _short(name: str) -> str:
    """The name of a task's parameter: without what says where it goes."""
    return name.partition(".")[2].replace(".", "_") if "." in name else name


def _items(text: str) -> Iterator[str]:
    """Items are separated by commas; an item without a name belongs to nothing and is refused later."""
    return (item.strip() for item in text.split(",") if item.strip())


def _axis(flag: str, item: str) -> Axis:
    name, equals, domain = (part.strip() for part in item.partition("="))
    if not equals or not re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", name):
        raise ValueError(f"{flag} has {item!r}: expected NAME=LOW:HIGH or NAME=VALUE|VALUE, e.g. length=0.3:1.5")
    ranges, values = [], []
    for piece in (piece.strip() for piece in domain.split("|")):
        if not piece:
            raise ValueError(f"{flag} has {item!r}: it names no value; expected e.g. {name}=0.3:1.5 or {name}=1|2|4")
        if found := re.fullmatch(rf"({NUMBER}):({NUMBER})", piece):
            ranges.append(Range(float(found[1]), float(found[2])))
        elif found := re.fullmatch(r"([+-]?\d+)\.\.([+-]?\d+)", piece):
            values.extend(_integers(flag, item, int(found[1]), int(found[2])))
        elif ":" in piece:
            raise ValueError(f"{flag} has {item!r}: {piece!r} is no range of two numbers LOW:HIGH")
        else:
            values.append(_value(piece))
    if name == "seed" and len(ranges) == 1 and not values:
        values, ranges = _integers(flag, item, *_whole(flag, item, ranges[0])), []
    if ranges and values:
        raise ValueError(f"{flag} has {item!r}: expected either ranges or values, not both")
    _check(flag, item, ranges, values)
    if name == "seed" and not all(isinstance(v, float) and v >= 0 and v.is_integer() for v in values):
        raise ValueError(f"{flag} has {item!r}: seeds are integers of at least 0, e.g. seed=0..999")
    return Axis(name, tuple(sorted(ranges)), tuple(values))


def _check(flag: str, item: str, ranges: list[Range], values: list[Value]) -> None:
    for low, high in ranges:
        if not math.isfinite(high - low):
            raise ValueError(f"{flag} has {item!r}: the range {low:g}:{high:g} is too wide; expected finite bounds")
        if not low < high:
            raise ValueError(f"{flag} has {item!r}: the range {low:g}:{high:g} is empty; expected LOW:HIGH with LOW < HIGH")
    ordered = sorted(ranges)
    for one, two in zip(ordered, ordered[1:], strict=False):
        if two.low <= one.high:
            raise ValueError(f"{flag} has {item!r}: its ranges overlap; expected alternatives that are apart")
    if len(set(map(str, values))) < len(values):
        raise ValueError(f"{flag} has {item!r}: a value is there twice")


def _integers(flag: str, item: str, first: int, last: int) -> list[Value]:
    if last < first:
        raise ValueError(f"{flag} has {item!r}: the range {first}..{last} is empty")
    if last - first >= MOST_CHOICES:
        raise ValueError(f"{flag} has {item!r}: expected at most {MOST_CHOICES:,} values")
    return [float(i) for i in range(first, last + 1)]


def _whole(flag: str, item: str, given: Range) -> tuple[int, int]:
    if not (given.low.is_integer() and given.high.is_integer() and given.low >= 0):
        raise ValueError(f"{flag} has {item!r}: seeds are integers of at least 0, e.g. seed=0..999")
    return int(given.low), int(given.high)


def _value(piece: str) -> Value:
    if piece in ("true", "false"):
        return piece == "true"
    return float(piece) if re.fullmatch(NUMBER, piece) else piece


def _gaps(axis: Axis) -> tuple[tuple[float, float], ...]:
    """What lies between the ranges of an axis."""
    return tuple((one.high, two.low) for one, two in zip(axis.ranges, axis.ranges[1:], strict=False))


def words(axis: Axis) -> str:
    return "|".join([f"{low:g}:{high:g}" for low, high in axis.ranges] or [str(value) for value in axis.values[:5]])
