"""What a check answers, and what it is asked of."""

from collections.abc import Callable
from typing import Any, NamedTuple

from pliant import errors


class Fault(NamedTuple):
    """What is wrong in words, and what to write instead."""

    words: str
    mend: str
    warning: bool = False


Answer = str | Fault
"""A note where all is well ("" for none), or a fault."""

Checks = tuple[tuple[Callable[[Any], Answer], tuple[str, ...]], ...]
"""Checks of one kind of subject, and for each the names of those that must have passed before it."""


class Misasked(errors.UserError):
    """What the user asked for cannot be checked: no finding, but an error."""


def kind_of(value: object) -> str:
    """A value that is not what was expected, in words."""
    return "None" if value is None else f"a {type(value).__name__}"
