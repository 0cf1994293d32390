"""Whether a document is what its kind says, and everything that is wrong with it in one line."""

import json
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pliant.storage.schema.kind import D, Kind

MOST_SAID = 3
"""Faults that are said one by one; the rest are counted."""

_EXPECTED = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "finite_number": "a number that is finite",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "an object",
    "typed_dict_type": "an object",
    "none_required": "null",
}
"""What was expected, by pydantic's type of error."""


def faults(kind: Kind[D], document: Mapping[str, Any]) -> str:
    """Everything that is wrong with `document`, in one line without the file's name; empty if nothing is."""
    try:
        adapter(kind).validate_python(document)
    except ValidationError as error:
        return _line(_said(error))
    return _line(kind.faults(typing.cast(D, document)))


@cache
def adapter(kind: Kind[Any]) -> TypeAdapter[Any]:
    """The validator of a kind's type."""
    return TypeAdapter(kind.type)


def _line(said: Iterable[str]) -> str:
    every = list(islice(said, 1000))
    more = f"; and {len(every) - MOST_SAID} more" if len(every) > MOST_SAID else ""
    return "; ".join(every[:MOST_SAID]) + more


def _said(error: ValidationError) -> Iterator[str]:
    """Each fault that pydantic found, in our words."""
    for place, found in _by_place(error).items():
        name, one = _named(place), found[0]
        if one["type"] == "missing":
            yield f"{name} is missing"
        elif one["type"] == "extra_forbidden":
            yield f"{name} is unknown: expected no such field"
        else:
            expected = " or ".join(dict.fromkeys(_expected(each) for each in found))
            yield f"{name} is {shown(one['input'])}: expected {expected}"


def _by_place(error: ValidationError) -> dict[tuple[int | str, ...], list[Any]]:
    """Errors by the place in the document; alternatives of a union are errors at the same place."""
    found: dict[tuple[int | str, ...], list[Any]] = {}
    for each in error.errors(include_url=False):
        place = tuple(p for p in each["loc"] if not (isinstance(p, str) and p in _ALTERNATIVES))
        found.setdefault(place, []).append(each)
    return found


_ALTERNATIVES = {"int", "float", "str", "list[any]"}
"""How pydantic names the alternatives of a union in the place of an error."""


def _named(place: Sequence[int | str]) -> str:
    """`curve.3.return.mean`; what a name of ours would not be is quoted."""
    parts = [
        str(p) if isinstance(p, int) or (p.replace("_", "").replace("-", "").isalnum() and p.isascii()) else shown(p)
        for p in place
    ]
    return ".".join(parts) or "it"


def _expected(error: Mapping[str, Any]) -> str:
    """What was expected, in words."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in _EXPECTED:
        return _EXPECTED[kind]
    if kind == "literal_error":
        return str(context["expected"])
    if kind in ("greater_than_equal", "less_than", "less_than_equal"):
        words = {"greater_than_equal": "at least", "less_than": "below", "less_than_equal": "at most"}[kind]
        return f"{words} {next(iter(context.values()))}"
    if kind in ("too_short", "string_too_short"):
        return f"a length of at least {context.get('min_length')}"
    if kind in ("too_long", "string_too_long"):
        return f"a length of at most {context.get('max_length')}"
    return " ".join(str(error["msg"]).split())


def shown(value: object) -> str:
    """A value as it stands in the file, shortened; always one line."""
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
