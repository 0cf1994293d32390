"""The code that a name under check stands for: pliant's own, a module outside it, or one attribute of such a module."""

from types import ModuleType
from typing import Any

from torch import nn

from pliant import errors
from pliant.checking import blame
from pliant.config import registry
from pliant.system import outside
from pliant.tasks.base import Family


def find(kind: registry.Kind, name: str) -> Any:
    """The module that `name` stands for: one of pliant's names, `my_code.py` or `package.module`.

    What `module:attribute` names is the attribute: of a family a Family or a function that returns one, of a policy a body,
    which is a function or class that returns a torch module. What is named is imported: it is the user's to trust.

    Raises UserError if there is nothing of that name, and if it cannot be imported.
    """
    module, colon, attribute = name.partition(":")
    if not colon:
        return imported(name) if outside.is_outside(name) else registry.load(kind, name)
    if not module or not attribute or kind == "algorithm":
        also = {"algorithm": "", "family": " or module:attribute", "policy": " or module:Factory"}[kind]
        raise errors.UserError(f"{name!r} names no {kind}: expected my_{kind}.py, package.module{also}")
    found = imported(module)
    fits = _makes_family if kind == "family" else _makes_body
    if not hasattr(found, attribute):
        known = [n for n, value in vars(found).items() if not n.startswith("_") and fits(value) and _is_of(value, found)]
        raise errors.unknown(f"attribute of {module}", attribute, known)
    value = getattr(found, attribute)
    if not fits(value):
        what = f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"
        wanted = "a Family, or a function that returns one"
        if kind == "policy":
            wanted = "a function or class that takes the size of an observation and returns a torch.nn.Module"
        raise errors.UserError(f"{name} is {what}: expected {wanted}")
    return value


def imported(module: str) -> ModuleType:
    """A module outside pliant. What it raises while it is imported is one line that says where."""
    try:
        return outside.import_outside(module)
    except errors.UserError:
        raise
    except ImportError as error:
        if extra := errors.missing_extra(error, module):
            raise extra from error
        raise errors.UserError(f"{module} cannot be imported: {blame.said(error)}") from error
    except (Exception, SystemExit) as error:
        raise errors.UserError(f"{module} cannot be imported: {blame.said(error)}") from error


def _makes_family(value: Any) -> bool:
    return isinstance(value, Family) or (callable(value) and not isinstance(value, type))


def _makes_body(value: Any) -> bool:
    return callable(value) and not isinstance(value, nn.Module)


def _is_of(value: Any, module: ModuleType) -> bool:
    """The value was made in the module, not imported into it."""
    return isinstance(value, Family) or getattr(value, "__module__", "") == module.__name__
