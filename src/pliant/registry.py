"""Algorithms, families and policies by name. The folder is the registry: one file is one name.

`algorithms/rl2.py` is the algorithm `rl2`, `tasks/half_cheetah_dir.py` the family `half-cheetah-dir`. A name with a dot is
a module outside pliant that exports the same things (`my_project.my_family`, or `my_family.py` in the current folder).
Listing and summaries read file names and docstrings only; a module is imported when it is asked for.
"""

import ast
import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from pliant import errors

Kind = Literal["algorithm", "family", "policy"]

FOLDERS: dict[Kind, str] = {"algorithm": "algorithms", "family": "tasks", "policy": "policies"}
EXPORTS: dict[Kind, tuple[str, ...]] = {
    "algorithm": ("PARTS", "POLICY", "make"),
    "family": ("Settings", "family"),
    "policy": ("Settings", "make"),
}
"""What a module of each kind must define."""

_TRUSTED: set[str] = set()
"""Modules outside pliant that the user named in this process."""
_NOT_NAMES = {"base", "workers"}
_ROOT = Path(__file__).resolve().parent


def names(kind: Kind) -> list[str]:
    """The names that ship with pliant, sorted. Imports nothing."""
    stems = (p.stem for p in (_ROOT / FOLDERS[kind]).glob("*.py"))
    return sorted(stem.replace("_", "-") for stem in stems if not stem.startswith("_") and stem not in _NOT_NAMES)


def source(kind: Kind, name: str) -> Path:
    """The file behind a name that ships with pliant. Raises UserError for an unknown one."""
    if name not in names(kind):
        raise errors.unknown(kind, name, names(kind), f"code of your own has a dot in its name: package.{FOLDERS[kind]}")
    return _ROOT / FOLDERS[kind] / f"{name.replace('-', '_')}.py"


def summary(kind: Kind, name: str) -> str:
    """The first line of the docstring behind a name. Imports nothing."""
    text = ast.get_docstring(ast.parse(source(kind, name).read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


def load(kind: Kind, name: str, only_imported: bool = False) -> ModuleType:
    """The module behind `name`.

    With `only_imported`, code outside pliant must have been imported already: a name that was read from a file never makes us
    run anything. Raises UserError for an unknown name, a missing extra, or a module that lacks an export.
    """
    if is_outside(name):
        module = _imported(kind, name) if only_imported else import_outside(name)
    else:
        path = source(kind, name)
        try:
            module = importlib.import_module(f"pliant.{FOLDERS[kind]}.{path.stem}")
        except ImportError as error:
            raise errors.missing_extra(error, name) or error from error
    if lacking := [export for export in EXPORTS[kind] if not hasattr(module, export)]:
        raise errors.UserError(f"{kind} {name} does not define {lacking[0]}: such a module exports {', '.join(EXPORTS[kind])}")
    return module


def players(name: str) -> ModuleType:
    """The module with the players of a family: `players/NAME.py`, or the family's own module if that is outside pliant.

    Raises UserError if there is none.
    """
    if is_outside(name):
        module = _imported("family", name)
        if hasattr(module, "players"):
            return module
    elif (path := _ROOT / "players" / f"{source('family', name).stem}.py").is_file():
        return importlib.import_module(f"pliant.players.{path.stem}")
    known = [stem.replace("_", "-") for stem in sorted(p.stem for p in (_ROOT / "players").glob("[!_]*.py"))]
    raise errors.UserError(f"family {name} has no players to compare with: those of {', '.join(known)} have")


def is_outside(name: str) -> bool:
    """The name is that of a module outside pliant."""
    return "." in name


def import_outside(name: str) -> ModuleType:
    """Import a module outside pliant, from the current folder or the file's own if need be.

    Raises UserError if there is none of that name, and for a file whose name stands for another module.
    """
    module, here = _module_name(name), str(Path.cwd())
    for folder in (here, str(Path(name).resolve().parent)) if _is_elsewhere(name) else (here,):
        if folder not in sys.path:
            sys.path.append(folder)
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and f"{module}.".startswith(f"{error.name}."):
            if _is_elsewhere(name):
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
    if _module_name(module) not in _TRUSTED:
        raise errors.UserError(
            f"{flag} is {name}, which is code outside pliant: import it first (--import {module}) if you trust it"
        )
    found = getattr(sys.modules[_module_name(module)], last, None)
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


def _is_named(module: str) -> bool:
    """The user has named the module, or imported it; Python's own are in memory without anybody's wish."""
    return module in _TRUSTED or (module in sys.modules and module.partition(".")[0] not in sys.stdlib_module_names)


def _imported(kind: Kind, name: str) -> ModuleType:
    module = _module_name(name)
    if module not in sys.modules:
        raise errors.UserError(
            f"this run uses the {kind} {name}, which is code outside pliant: import it first (--import {name}) if you trust it"
        )
    return sys.modules[module]


def _module_name(name: str) -> str:
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
