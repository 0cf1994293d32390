"""Where each number of a task goes in an environment, and what may stand there."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, cast, get_args

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec

from pliant import errors
from pliant.simulators.gymnasium import varied
from pliant.simulators.gymnasium import vary as varying
from pliant.simulators.gymnasium.varied import Place, Where

PREFIXES = set(get_args(Where)) - {"seed"}
"""What may stand before the dot in the name of what varies: where it goes."""


EMPTY = inspect.Parameter.empty
"""The value of a constructor argument that has no default."""


class Kind(NamedTuple):
    """A kind of value that an environment has in a place now."""

    types: tuple[type, ...]
    accepts: Callable[[varying.Axis, Where], bool]
    """Whether what varies may stand in such a place."""
    words: str
    """What is expected, for errors."""


KINDS = (
    Kind((str,), lambda axis, where: axis.types == {str}, "text"),
    Kind((bool, np.bool_), lambda axis, where: axis.types == {bool}, "true or false"),
    Kind(
        (int, np.integer),
        # An attribute may be anything between integers: it is set, not declared.
        lambda axis, where: axis.types == {float} and (axis.is_whole or where != "argument"),
        "integers, e.g. 1..5",
    ),
    Kind((float, np.generic), lambda axis, where: axis.types == {float}, "numbers"),
)
"""In the order in which they are asked: true and false are integers too, in Python."""


def place(axis: varying.Axis, spec: EnvSpec, env: "gymnasium.Env[Any, Any]", called: str, is_applied: bool) -> Place:
    """Where the numbers of an axis go, with the type that the environment `called` so has there now.

    `is_applied`: a function of the user's takes what stands under apply. Raises UserError for a name that the environment does
    not know, and for values of a kind that does not belong there.
    """
    if axis.name == "seed":
        return Place("seed", "seed", "int")
    given, inner = arguments(spec), env.unwrapped
    where, name = _where(axis.name, given)
    if where == "attribute" and not _has(inner, name):
        raise _unknown(name, given, inner, called)
    if where == "apply" and not is_applied:
        raise errors.UserError(f"--vary has {axis.name}, but no function to apply it: give one with --apply module:function")
    now = getattr(*varied.owner_of(inner, name)) if where == "attribute" else given.get(name) if where == "argument" else None
    _require_kind(axis, where, now, called)
    if axis.types != {float}:
        return Place(where, name, "value", tuple(zip(axis.numbers(), axis.values, strict=True)))
    return Place(where, name, "int" if axis.is_whole and not isinstance(now, float) else "float")


def arguments(spec: EnvSpec) -> dict[str, Any]:
    """Constructor arguments of an environment, with their values."""
    named = inspect.signature(varied.creator(spec)).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {p.name: p.default for p in named if p.kind in kinds and p.name != "self"} | spec.kwargs


def _where(name: str, given: dict[str, Any]) -> tuple[Where, str]:
    """Where a number goes, and its name there: where a prefix says, else to the argument of that name, or to the attribute."""
    prefix, _, rest = name.partition(".")
    if prefix in PREFIXES and rest:
        return cast(Where, prefix), rest
    return "argument" if name in given else "attribute", name


def _require_kind(axis: varying.Axis, where: Where, now: Any, called: str) -> None:
    """Raise UserError unless what varies may stand where `now` does; None and an argument of an unusual type take anything."""
    kind = next((kind for kind in KINDS if isinstance(now, kind.types)), None)
    if kind is None and now is not None and where == "attribute":
        what = type(now).__name__
        raise errors.UserError(f"--vary has {axis.name}, a {what} in {called}: expected an attribute that is a number")
    if kind is not None and not kind.accepts(axis, where):
        got = f"{axis.name}={varying.words(axis)}"
        raise errors.UserError(f"--vary has {got}, which is {now!r} in {called}: expected {kind.words}")


def _unknown(name: str, given: dict[str, Any], inner: Any, called: str) -> errors.UserError:
    numbers = {n for n, value in vars(inner).items() if isinstance(value, (bool, int, float)) and n[0] != "_"}
    hint = "prefixes: argument., attribute., option., apply."
    return errors.unknown(
        f"name in --vary, no constructor argument or attribute of {called}:", name, sorted({*given, *numbers}), hint
    )


def _has(env: Any, name: str) -> bool:
    try:
        return hasattr(*varied.owner_of(env, name))
    except AttributeError:
        return False
