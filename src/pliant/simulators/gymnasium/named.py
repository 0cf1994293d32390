"""Code that the user names in settings: wrappers around an environment, and the function that sets values of it."""

import ast
from typing import Any

import gymnasium.wrappers

from pliant import errors
from pliant.simulators.gymnasium.varied import Wrapper
from pliant.system import outside


def function(name: str) -> Any:
    """The function behind "module:function", of a module that the user has imported; None for none."""
    return outside.attribute(name, "--family.apply", "function") if name else None


def wrappers(text: str) -> tuple[Wrapper, ...]:
    """Wrappers as they are written, innermost first: "GrayscaleObservation, FrameStackObservation(4)"."""
    try:
        listed = ast.parse(f"[{text}]", mode="eval").body
        assert isinstance(listed, ast.List)
        return tuple(_wrapper(node) for node in listed.elts)
    except (SyntaxError, AssertionError) as error:
        raise ValueError(f"wrappers is {text!r}: expected names, e.g. FrameStackObservation(4)") from error


def _wrapper(node: ast.expr) -> Wrapper:
    """One wrapper: a name, or a name with constant arguments."""
    call = node if isinstance(node, ast.Call) else ast.Call(node, [], [])
    module, _, name = ast.unparse(call.func).rpartition(".")
    known = [n for n in dir(gymnasium.wrappers) if isinstance(getattr(gymnasium.wrappers, n), type)]
    if not module and name not in known:
        raise errors.unknown("wrapper", name, known)
    found = outside.attribute(f"{module}:{name}", "--wrappers", "Wrapper") if module else getattr(gymnasium.wrappers, name)
    try:
        positional = tuple(ast.literal_eval(argument) for argument in call.args)
        return found, positional, tuple((str(k.arg), ast.literal_eval(k.value)) for k in call.keywords)
    except ValueError as error:
        raise ValueError(f"wrappers has {ast.unparse(node)}: its arguments must be constants") from error
