"""Bounds beside fields: what lies outside is refused by name, and the same bounds are the words of help."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from annotated_types import Ge, Gt, Interval, Le, Lt, MinLen, Unit

from pliant.config import values
from pliant.errors import UserError
from pliant.system import ranges


@dataclass(frozen=True)
class Settings:
    steps: Annotated[int, Ge(1)] = 1
    rate: Annotated[float, Gt(0)] = 0.1
    share: Annotated[float, Gt(0), Le(1)] = 0.5
    gamma: Annotated[float, Interval(ge=0, le=1)] = 0.9
    angle: Annotated[float, Ge(0), Lt(1)] = 0.0
    hold: Annotated[float, Ge(1), Unit("step")] = 1.0
    method: Literal["sgd", "adam"] = "sgd"
    hidden: Annotated[tuple[Annotated[int, Ge(1)], ...], MinLen(1)] = (64,)
    widths: tuple[Annotated[int, Ge(1)], ...] = ()
    limit: Annotated[float, Gt(0)] | None = None
    span: tuple[Annotated[float, Ge(0)], Annotated[float, Ge(0)]] = (0.0, 1.0)
    free: int = -5
    plain: float = 0.0
    flag: bool = False
    name: str = ""
    both: tuple[int, float] = (1, 1.0)

    def __post_init__(self) -> None:
        ranges.check(self)


@dataclass(frozen=True)
class More(Settings):
    lanes: Annotated[int, Ge(2)] = 2


WRONG: list[tuple[str, Any, str]] = [
    ("steps", 0, "steps is 0: expected at least 1"),
    ("rate", 0.0, "rate is 0.0: expected above 0"),
    ("rate", math.nan, "rate is nan: expected above 0"),
    ("share", 1.5, "share is 1.5: expected above 0, at most 1"),
    ("gamma", -0.1, "gamma is -0.1: expected between 0 and 1"),
    ("gamma", math.nan, "gamma is nan: expected between 0 and 1"),
    ("angle", 1.0, "angle is 1.0: expected at least 0, below 1"),
    ("hold", 0.5, "hold is 0.5: expected at least 1 step"),
    ("method", "x", "method is 'x': expected sgd or adam"),
    ("hidden", (), "hidden is (): expected one or more numbers of at least 1"),
    ("hidden", (3, 0), "hidden is (3, 0): expected one or more numbers of at least 1"),
    ("widths", (0,), "widths is (0,): expected numbers of at least 1"),
    ("limit", 0.0, "limit is 0.0: expected above 0 or none"),
    ("steps", 2.5, "steps is 2.5: expected an integer of at least 1"),
    ("steps", 2.0, "steps is 2.0: expected an integer of at least 1"),
    ("steps", True, "steps is True: expected an integer of at least 1"),
    ("steps", "3", "steps is '3': expected an integer of at least 1"),
    ("steps", None, "steps is None: expected an integer of at least 1"),
    ("rate", True, "rate is True: expected a number above 0"),
    ("rate", "0.1", "rate is '0.1': expected a number above 0"),
    ("rate", 1j, "rate is 1j: expected a number above 0"),
    ("limit", "none", "limit is 'none': expected a number above 0 or none"),
    ("hidden", 3, "hidden is 3: expected one or more integers of at least 1 separated by commas"),
    ("hidden", [3], "hidden is [3]: expected one or more integers of at least 1 separated by commas"),
    ("hidden", (3.0,), "hidden is (3.0,): expected one or more integers of at least 1 separated by commas"),
    ("span", (0.0,), "span is (0.0,): expected 2 numbers of at least 0 separated by commas"),
    ("free", 0.5, "free is 0.5: expected an integer"),
    ("plain", math.inf, "plain is inf: expected a finite number"),
    ("flag", 1, "flag is 1: expected true or false"),
    ("name", 1, "name is 1: expected text"),
    ("span", (0.0, -1.0), "span is (0.0, -1.0): expected numbers of at least 0"),
]


@pytest.mark.parametrize(("name", "value", "message"), WRONG)
@pytest.mark.parametrize("settings", [Settings, More])
def test_what_is_out_of_range_is_refused_by_name(settings: type, name: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError) as error:
        settings(**{name: value})
    assert str(error.value) == message


def test_bounds_themselves_are_in_range_or_not_as_they_say() -> None:
    Settings(share=1.0, gamma=1.0, angle=0.0, method="adam", limit=0.1, free=-100)
    Settings(rate=1, plain=np.float32(0.5), limit=None)
    Settings(gamma=0.0, hidden=(1,), widths=(), span=(0.0, 0.0))
    More(lanes=2)
    with pytest.raises(ValueError, match="lanes is 1: expected at least 2"):
        More(lanes=1)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Annotated[int, Ge(1)], "an integer of at least 1"),
        (Annotated[float, Gt(0)], "a number above 0"),
        (Annotated[float, Gt(0), Le(1)], "a number above 0, at most 1"),
        (Annotated[float, Interval(ge=0, le=1)], "a number between 0 and 1"),
        (Annotated[float, Ge(1), Unit("step")], "a number of at least 1 step"),
        (Annotated[float, Gt(0)] | None, "a number above 0 or none"),
        (tuple[Annotated[int, Ge(1)], ...], "integers of at least 1 separated by commas"),
        (Annotated[tuple[Annotated[int, Ge(1)], ...], MinLen(1)], "one or more integers of at least 1 separated by commas"),
        (tuple[Annotated[float, Ge(0)], float], "2 numbers of at least 0 separated by commas"),
        (Literal["sgd", "adam"], "one of sgd, adam"),
        (int, "an integer"),
    ],
)
def test_help_says_the_range(kind: Any, said: str) -> None:
    assert values.expected(kind) == said


def test_a_value_out_of_range_is_refused_where_it_is_read() -> None:
    kind = values.field_types(Settings)["steps"]
    assert values.parse("--inner.steps", kind, "3", typed=False) == 3
    for given, typed, message in (
        ("0", False, "--inner.steps is 0: expected at least 1"),
        (0, True, "--inner.steps is 0: expected at least 1"),
        ("x", False, "--inner.steps is 'x': expected an integer of at least 1"),
    ):
        with pytest.raises(UserError) as error:
            values.parse("--inner.steps", kind, given, typed)
        assert str(error.value) == message
    assert values.parse("--inner.limit", values.field_types(Settings)["limit"], "none", typed=False) is None


def test_a_type_without_its_ranges() -> None:
    assert ranges.plain(Annotated[tuple[Annotated[int, Ge(1)], ...], MinLen(1)]) == tuple[int, ...]
    assert ranges.plain(Annotated[float, Gt(0)] | None) == float | None
    assert ranges.plain(Literal["a"]) == Literal["a"]
