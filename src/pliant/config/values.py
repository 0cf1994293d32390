"""Values of settings: what a type is called, and text or JSON as a value of it."""

import dataclasses
import json
import types
import typing
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

from pliant import errors
from pliant.system import ranges


def expected(kind: Any) -> str:
    """A type and its range in words, for errors and help."""
    if _is_union(kind):
        return " or ".join(expected(a) for a in typing.get_args(kind))
    bare = ranges.plain(kind)
    arguments = typing.get_args(bare)
    if typing.get_origin(bare) is Literal:
        return "one of " + ", ".join(str(a) for a in arguments)
    if typing.get_origin(bare) is tuple:
        many = ranges.how_many(kind) if arguments[-1:] == (...,) else f"{len(arguments)} "
        plural = ranges.noun(_plural(arguments[0]), ranges.words(_inner(kind)[0]))
        return f"{many}{plural} separated by commas"
    words = {int: "an integer", float: "a number", bool: "true or false", str: "text", type(None): "none", Path: "a path"}
    return ranges.noun(words.get(bare, getattr(bare, "__name__", str(bare))), ranges.words(kind))


def field_types(settings: type) -> dict[str, Any]:
    """The type of each field of a settings dataclass, with its range if it gives one."""
    hints = typing.get_type_hints(settings, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(settings) if field.init}


def parse(flag: str, kind: Any, value: Any, typed: bool) -> Any:
    """`value` as the type `kind`: text is read as typed at a prompt unless `typed`, other values must fit exactly."""
    bare = ranges.plain(kind)
    try:
        if isinstance(value, str) and not typed:
            found = adapter(bare).validate_python(_split(bare, value))
        else:
            found = adapter(bare).validate_json(json.dumps(value), strict=True)
    except (ValidationError, TypeError, ValueError):
        raise errors.UserError(f"{flag} is {value!r}: expected {expected(kind)}") from None
    if not ranges.holds(kind, found):
        raise errors.UserError(f"{flag} is {found!r}: expected {ranges.words(kind)}")
    return found


def _split(kind: Any, text: str) -> Any:
    """Typed text in the shape pydantic takes: a list for a tuple, None for "none"."""
    options = typing.get_args(kind) if _is_union(kind) else (kind,)
    if type(None) in options and text.strip().lower() == "none":
        return None
    if any(typing.get_origin(option) is tuple for option in options):
        items = text.strip().strip("()[]").split(",")
        return [item.strip() for item in (items[:-1] if not items[-1].strip() else items)]
    literals = {str(a): a for option in options if typing.get_origin(option) is Literal for a in typing.get_args(option)}
    return literals.get(text, text)


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(kind, config=ConfigDict(allow_inf_nan=False))
    except PydanticUserError:  # a type that brings its own configuration
        return TypeAdapter(kind)


def _inner(kind: Any) -> tuple[Any, ...]:
    """The types of a tuple's items, with their ranges."""
    arguments = typing.get_args(kind)
    return _inner(arguments[0]) if typing.get_origin(kind) is Annotated else arguments


def _is_union(kind: Any) -> bool:
    return typing.get_origin(kind) in (Union, types.UnionType)


def _plural(kind: Any) -> str:
    return {int: "integers", float: "numbers", str: "words"}.get(kind, f"{getattr(kind, '__name__', kind)}s")
