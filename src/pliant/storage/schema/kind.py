"""A kind of document: its name on disk, its type, and what must hold beyond the type."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

D = TypeVar("D")
T = TypeVar("T")

Sealed = Literal["always", "since 0.2", "never"]
"""Whether documents of a kind hold a checksum of themselves; "since 0.2": older ones have none, and one that is there fits."""

MIB = 2**20


SETTINGS_EDITED = (
    "was changed since it was written (its checksum does not fit): restore it from a copy,"
    " or take its sha256 out to use it as it is"
)
"""Of documents that say what to do, not what was measured."""


def nothing(document: object) -> Iterable[str]:
    """No fault: the type says all."""
    return ()


@dataclass(frozen=True)
class Kind(Generic[D]):
    """How documents of one kind are known, and read by `documents.read`."""

    schema: str
    """What stands under "schema", such as "pliant.sweep/1"; empty for what has no such field."""
    type: type[D]
    """The TypedDict of a whole document."""
    faults: Callable[[D], Iterable[str]] = nothing
    """What is wrong with a document whose type is right: "curve has 3 entries: expected 4"."""
    sealed: Sealed = "never"
    most: int = 16 * MIB
    """Bytes above which a document is not ours."""
    edited: str = "was edited since it was measured (its checksum does not fit): delete it, measure again"
    """What is said of one whose checksum does not fit."""

    @property
    def name(self) -> str:
        """ "sweep" of "pliant.sweep/1"."""
        return self.schema.removeprefix("pliant.").partition("/")[0]


def strict(extra: Literal["forbid", "allow"] = "forbid") -> Callable[[type[T]], type[T]]:
    """Marks a TypedDict, and those within it, to be validated to the letter: no number that is text, no unknown name."""
    config = {"strict": True, "extra": extra, "allow_inf_nan": False, "use_attribute_docstrings": True}

    def marked(cls: type[T]) -> type[T]:
        setattr(cls, "__pydantic_config__", config)  # noqa: B010 (mypy knows no such attribute)
        return cls

    return marked


class Meaning:
    """The description of a field whose name is a word of Python and that therefore has no docstring."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __get_pydantic_json_schema__(self, core: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return {**handler(core), "description": self.text}


def differing(name: str, found: object, expected: object, why: str) -> Iterable[str]:
    """The fault that two things which must agree do not; nothing if they do."""
    if found != expected:
        yield f"{name} is {_short(found)}: expected {_short(expected)}, {why}"


def counted(name: str, values: Iterable[object] | None, expected: int, why: str) -> Iterable[str]:
    """The fault that a list has another length than it must have; nothing if it has, or is null."""
    if values is not None and (count := len(list(values))) != expected:
        yield f"{name} has {count} entries: expected {expected}, {why}"


def ordered(name: str, low: float, high: float) -> Iterable[str]:
    """The fault that an interval ends before it begins."""
    if low > high:
        yield f"{name} is {low!r} to {high!r}: expected the lower end first"


def averaged(name: str, mean: float, values: Sequence[float], why: str) -> Iterable[str]:
    """The fault that a mean is not that of its numbers; nothing if it is, up to the rounding of another order of summing."""
    expected = math.fsum(values) / len(values)
    if abs(mean - expected) > 1e-6 * max(1.0, *(abs(value) for value in values)):
        yield f"{name} is {mean!r}: expected {expected!r}, {why}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
