"""What varies, as one writes it: `length=0.3:1.5, force_mag=-15:-5|5:15, is_slippery=true|false, seed=0..999`.

Each item is a name and what it may be, alternatives with a bar between them: ranges of numbers `low:high`, or values,
where `first..last` stands for the integers of a range. Values may be numbers, `true` and `false`, or text.
"""

import itertools
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

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

    @property
    def types(self) -> set[type]:
        """Of what kind its values are: float, bool, str; ranges are float."""
        return {type(value) for value in self.values} or {float}

    @property
    def is_whole(self) -> bool:
        """Its values are all integers."""
        return bool(self.values) and all(isinstance(value, float) and value.is_integer() for value in self.values)

    def numbers(self) -> tuple[float, ...]:
        """What a task holds for each of its values."""
        return tuple(map(float, range(len(self.values)) if self.is_text else self.values))


def parse(flag: str, text: str) -> tuple[Axis, ...]:
    """The axes of `text`. Raises ValueError, which names `flag`, the item and what was expected."""
    axes = tuple(_axis(flag, item) for item in _items(text))
    if text and not axes:
        raise ValueError(f"{flag} has {text!r}, which names nothing: expected e.g. length=0.3:1.5")
    names = [short(axis.name) for axis in axes]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{flag} has {twice[0]} twice: give each name once, its alternatives with a bar between them")
    return axes


def short(name: str) -> str:
    """The name of a task's parameter: without what says where it goes."""
    return name.partition(".")[2].replace(".", "_") if "." in name else name


def _items(text: str) -> Iterator[str]:
    """Items are separated by commas; an item without a name belongs to nothing and is refused later."""
    return (item.strip() for item in text.split(",") if item.strip())


def _axis(flag: str, item: str) -> Axis:
    try:
        return _read(item)
    except ValueError as error:
        raise ValueError(f"{flag} has {item!r}: {error}") from None


def _read(item: str) -> Axis:
    """An item as an axis. Raises ValueError that says what was expected."""
    name, equals, domain = (part.strip() for part in item.partition("="))
    if not equals or not re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", name):
        raise ValueError("expected NAME=LOW:HIGH or NAME=VALUE|VALUE, e.g. length=0.3:1.5")
    pieces = [piece.strip() for piece in domain.split("|")]
    if not all(pieces):
        raise ValueError(f"it names no value; expected e.g. {name}=0.3:1.5 or {name}=1|2|4")
    found = [each for piece in pieces for each in _alternatives(piece)]
    if name == "seed":
        found = _seeds(found)
    ranges = [each for each in found if isinstance(each, Range)]
    values = [each for each in found if not isinstance(each, Range)]
    if ranges and values:
        raise ValueError("expected either ranges or values, not both")
    if len(set(map(str, values))) < len(values):
        raise ValueError("a value is there twice")
    return Axis(name, _apart(ranges), tuple(values))


FORMS: tuple[tuple[str, Callable[[re.Match[str]], Sequence[Range | Value]]], ...] = (
    (rf"({NUMBER}):({NUMBER})", lambda found: [Range(float(found[1]), float(found[2]))]),
    (r"([+-]?\d+)\.\.([+-]?\d+)", lambda found: _integers(int(found[1]), int(found[2]))),
    (r"true|false", lambda found: [found[0] == "true"]),
    (NUMBER, lambda found: [float(found[0])]),
    (r"[^:]+", lambda found: [found[0]]),
)
"""How alternatives may be written, and what each stands for; the first that fits."""


def _alternatives(piece: str) -> Sequence[Range | Value]:
    for pattern, read in FORMS:
        if found := re.fullmatch(pattern, piece):
            return read(found)
    raise ValueError(f"{piece!r} is no range of two numbers LOW:HIGH")


def _integers(first: int, last: int) -> list[float]:
    if last < first:
        raise ValueError(f"the range {first}..{last} is empty")
    if last - first >= MOST_CHOICES:
        raise ValueError(f"expected at most {MOST_CHOICES:,} values")
    return [float(i) for i in range(first, last + 1)]


def _seeds(found: list[Range | Value]) -> list[Range | Value]:
    """Of seeds a range means its integers."""
    bounds = [x for each in found for x in (each if isinstance(each, Range) else (each,))]
    if not all(isinstance(x, float) and x >= 0 and x.is_integer() for x in bounds):
        raise ValueError("seeds are integers of at least 0, e.g. seed=0..999")
    only = found[0]
    return list(_integers(int(only.low), int(only.high))) if isinstance(only, Range) and len(found) == 1 else found


def _apart(ranges: list[Range]) -> tuple[Range, ...]:
    """Ranges in ascending order. Raises ValueError for one that is empty or without end, and for two that overlap."""
    for low, high in ranges:
        if not math.isfinite(high - low):
            raise ValueError(f"the range {low:g}:{high:g} is too wide; expected finite bounds")
        if not low < high:
            raise ValueError(f"the range {low:g}:{high:g} is empty; expected LOW:HIGH with LOW < HIGH")
    ordered = sorted(ranges)
    if any(two.low <= one.high for one, two in itertools.pairwise(ordered)):
        raise ValueError("its ranges overlap; expected alternatives that are apart")
    return tuple(ordered)


def gaps(axis: Axis) -> tuple[tuple[float, float], ...]:
    """What lies between the ranges of an axis."""
    return tuple((one.high, two.low) for one, two in itertools.pairwise(axis.ranges))


def words(axis: Axis) -> str:
    return "|".join([f"{low:g}:{high:g}" for low, high in axis.ranges] or [str(value) for value in axis.values[:5]])
