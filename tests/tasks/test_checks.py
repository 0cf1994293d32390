"""Settings of families: what is no integer, not finite or out of its range is refused by name, before anything is made."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from annotated_types import Ge, Gt, Le

from pliant.config import registry
from pliant.config import values as valued
from pliant.errors import UserError
from pliant.tasks import checks


@dataclass(frozen=True)
class Settings:
    steps: Annotated[int, Ge(1)] = 1
    limit: Annotated[int, Ge(2)] | None = None
    share: Annotated[float, Gt(0), Le(1)] = 0.5
    free: float = -1.0
    words: str = ""
    flag: bool = False
    pair: tuple[float, float] = (0.0, math.inf)

    def __post_init__(self) -> None:
        checks.settings(self)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"steps": 0}, "steps is 0: expected at least 1"),
        ({"steps": 2.5}, "steps is 2.5: expected an integer of at least 1"),
        ({"steps": 2.0}, "steps is 2.0: expected an integer of at least 1"),
        ({"steps": True}, "steps is True: expected an integer of at least 1"),
        ({"steps": None}, "steps is None: expected an integer of at least 1"),
        ({"steps": "2"}, "steps is '2': expected an integer of at least 1"),
        ({"limit": 1}, "limit is 1: expected at least 2 or none"),
        ({"limit": 2.0}, "limit is 2.0: expected an integer of at least 2 or none"),
        ({"share": math.nan}, "share is nan: expected a finite number above 0, at most 1"),
        ({"free": math.inf}, "free is inf: expected a finite number"),
        ({"free": False}, "free is False: expected a finite number"),
    ],
)
def test_what_is_not_the_number_that_a_type_says_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:
        Settings(**wrong)
    assert str(error.value) == message


def test_what_fits_is_taken() -> None:
    Settings(steps=1, limit=None, share=1, free=3, flag=True)
    Settings(limit=2)


# ---- every family

BOUNDED = [
    (name, field)
    for name in ("bandit", "binding", "cartpole", "driving", "gridnavi", "hopper-params", "point", "recall", "two-step")
    for field in checks._numbers(registry.load("family", name).Settings)
]


@pytest.mark.parametrize("name, field", BOUNDED)
def test_every_number_of_a_family_has_a_bound_that_its_help_says(name: str, field: str) -> None:
    settings = registry.load("family", name).Settings
    kind = valued.field_types(settings)[field]
    assert "at least" in valued.expected(kind) or "above" in valued.expected(kind) or "between" in valued.expected(kind)
    with pytest.raises(ValueError, match=f"^{field} is -1: expected [^\n]+$"):
        settings(**{field: -1})
    with pytest.raises(UserError, match=f"^--family.{field} is -1"):
        valued.parse(f"--family.{field}", kind, "-1" if "int" in str(kind) else -1.0, typed="int" not in str(kind))
    assert dataclasses.asdict(settings()) == dataclasses.asdict(settings(**{field: getattr(settings(), field)}))
