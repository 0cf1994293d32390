"""Code outside pliant: imported only if the user has named it; a name read from a file never makes us run anything."""

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from pliant import errors

_TRUSTED: set[str] = set()
"""Modules outside pliant that the user named in this process."""


def is_outside(name: str) -> bool:
    """The name is that of a module outside pliant."""
    return "." in name


def import_outside(name: str) -> ModuleType:
    """Import a module outside pliant, from the current folder or the file's own if need be.

    Raises UserError if there is none of that name, and for a file whose name stands for another module.
    """
    module, here = module_name(name), str(Path.cwd())
    if not all(part.isidentifier() for part in module.split(".")):
        raise errors.UserError(f"{name!r} names no code: expected package.module, or a file such as my_family.py")
    for folder in (here, str(Path(name).resolve().parent)) if _is_elsewhere(name) else (here,):
        if folder not in sys.path:
            sys.path.append(folder)
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and f"{module}.".startswith(f"{error.name}."):
            if name.endswith(".py"):
                raise errors.UserError(f"there is no file {name}") from error
            raise errors.UserError(f"no module {module!r}: it must be importable from here ({here}) or be installed") from error
        raise
    _require_file(name, found)
    _TRUSTED.add(module)
    return found


def attribute(name: str, flag: str = "--policy.body", what: str = "Factory") -> Any:
    """What `package.module:attribute` names, if the user has named that module too (`import_outside`, `trust`).

    A name that was read from a file never makes us import or call anything: UserError.
    """
    module, colon, last = name.partition(":")
    if not colon or not last:
        raise errors.UserError(f"{flag} is {name!r}: expected package.module:{what}")
    if module_name(module) not in _TRUSTED:
        raise errors.UserError(
            f"{flag} is {name}, which is code outside pliant: import it first (--import {module}) if you trust it"
        )
    found = getattr(sys.modules[module_name(module)], last, None)
    if found is None:
        raise errors.UserError(f"{flag} is {name!r}: {module} has no {last!r}")
    return found


def require_imported(module: str, wanted_by: str) -> None:
    """Raise UserError unless the user has imported a module outside pliant: a name alone never makes us run anything."""
    if not _is_named(module):
        raise errors.UserError(f"{wanted_by} would import the module {module}: add --import {module} if you trust it")


def trust(module: str) -> None:
    """Trust a module that the user names now, if it is imported already."""
    if _is_named(module):
        _TRUSTED.add(module)


def trusted() -> list[str]:
    """The modules outside pliant that the user has named in this process."""
    return sorted(_TRUSTED)


def _is_named(module: str) -> bool:
    """The user has named the module, or imported it; Python's own are in memory without anybody's wish."""
    return module in _TRUSTED or (module in sys.modules and module.partition(".")[0] not in sys.stdlib_module_names)


def module_name(name: str) -> str:
    """`my_family` for `my_family.py` and for a file elsewhere, `folder.my_family` for `folder/my_family.py`."""
    if not name.endswith(".py"):
        return name
    return Path(name).stem if _is_elsewhere(name) else ".".join(Path(name).with_suffix("").parts)


def _is_elsewhere(name: str) -> bool:
    """The name is the path of a file that need not be below the current folder."""
    return name.endswith(".py") and (Path(name).is_absolute() or ".." in Path(name).parts)


def _require_file(name: str, module: ModuleType) -> None:
    """Raise UserError if `name` is a file, and what was imported by its name is another one, such as Python's own `test`."""
    path, found = Path(name), getattr(module, "__file__", None)
    if not name.endswith(".py") or not path.is_file():
        return
    if not found or path.read_bytes() != Path(found).read_bytes():  # a copy will do
        where = found or "it is built in"
        raise errors.UserError(f"{name} is not what Python finds by the name {module.__name__} ({where}): rename the file")
