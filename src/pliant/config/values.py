"""Values of settings: text or JSON as a value of a type."""

import dataclasses
import json
import re
import types
import typing
from functools import cache
from typing import Any, Literal, Union

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

from pliant import errors
from pliant.system import given, ranges
from pliant.system.ranges import expected as expected


def field_types(settings: type) -> dict[str, Any]:
    """The type of each field of a settings dataclass, with its range if it gives one."""
    hints = typing.get_type_hints(settings, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(settings) if field.init}


def parse(flag: str, kind: Any, value: Any, typed: bool) -> Any:
    """`value` as the type `kind`: text is read as typed at a prompt unless `typed`, other values must fit exactly."""
    bare = ranges.plain(kind)
    value = value.tolist() if hasattr(value, "tolist") else value  # NumPy's and torch's numbers are numbers
    try:
        if isinstance(value, str) and not typed:
            found = adapter(bare).validate_python(_split(bare, value))
        else:
            found = adapter(bare).validate_json(json.dumps(value), strict=True)
    except (ValidationError, TypeError, ValueError, RecursionError):
        raise errors.UserError(f"{flag} is {given.shown(value)}: expected {expected(kind)}") from None
    if not ranges.holds(kind, found):
        raise errors.UserError(f"{flag} is {given.shown(found)}: expected {ranges.words(kind)}")
    for number in found if isinstance(found, tuple) else (found,):
        if isinstance(number, int) and abs(number) > given.MOST:
            raise errors.UserError(f"{flag} is {given.shown(found)}: expected at most {given.MOST}")
    return found


def _split(kind: Any, text: str) -> Any:
    """Typed text in the shape pydantic takes: a list for a tuple, None for "none"."""
    options = typing.get_args(kind) if _is_union(kind) else (kind,)
    if type(None) in options and text.strip().lower() == "none":
        return None
    if any(typing.get_origin(option) is tuple for option in options):
        within = re.fullmatch(r"\s*(?:\((.*)\)|\[(.*)\])\s*", text, re.DOTALL)
        items = (text if within is None else within[1] or within[2] or "").strip().split(",")
        return [item.strip() for item in (items[:-1] if not items[-1].strip() else items)]
    literals = {str(a): a for option in options if typing.get_origin(option) is Literal for a in typing.get_args(option)}
    return literals.get(text, text)


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(kind, config=ConfigDict(allow_inf_nan=False))
    except PydanticUserError:  # a type that brings its own configuration
        return TypeAdapter(kind)


def _is_union(kind: Any) -> bool:
    return typing.get_origin(kind) in (Union, types.UnionType)
