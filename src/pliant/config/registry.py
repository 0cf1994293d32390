"""Algorithms, families and policies by name. The folder is the registry: one file is one name.

`algorithms/rl2.py` is the algorithm `rl2`, `families/half_cheetah_dir.py` the family `half-cheetah-dir`. A name with a dot is
a module outside pliant that exports the same things (`my_project.my_family`, or `my_family.py` in the current folder).
Listing and summaries read file names and docstrings only; a module is imported when it is asked for.
"""

import ast
import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Literal

from pliant import errors
from pliant.system import outside

Kind = Literal["algorithm", "family", "policy"]

FOLDERS: dict[Kind, str] = {"algorithm": "algorithms", "family": "families", "policy": "policies"}
EXPORTS: dict[Kind, tuple[str, ...]] = {
    "algorithm": ("PARTS", "POLICY", "make"),
    "family": ("Settings", "family"),
    "policy": ("Settings", "make"),
}
"""What a module of each kind must define."""

_NOT_NAMES = {"base"}
_ROOT = Path(__file__).resolve().parent.parent


def names(kind: Kind) -> list[str]:
    """The names that ship with pliant, sorted. Imports nothing."""
    stems = (p.stem for p in (_ROOT / FOLDERS[kind]).glob("*.py"))
    return sorted(stem.replace("_", "-") for stem in stems if not stem.startswith("_") and stem not in _NOT_NAMES)


def source(kind: Kind, name: str) -> Path:
    """The file behind a name that ships with pliant. Raises UserError for an unknown one."""
    if name not in names(kind):
        hint = f"`pliant list` names all; code of your own has a dot in its name: package.{FOLDERS[kind]}"
        raise errors.unknown(kind, name, names(kind), hint)
    return _ROOT / FOLDERS[kind] / f"{name.replace('-', '_')}.py"


def text(kind: Kind, name: str) -> str:
    """The docstring behind a name. Imports nothing."""
    return ast.get_docstring(ast.parse(source(kind, name).read_text(encoding="utf-8"))) or ""


def summary(kind: Kind, name: str) -> str:
    """The first line of the docstring behind a name. Reads no further, and imports nothing."""
    with source(kind, name).open(encoding="utf-8") as file:
        return file.readline().strip().removeprefix('"""').removesuffix('"""')


def load(kind: Kind, name: str, only_imported: bool = False) -> ModuleType:
    """The module behind `name`.

    With `only_imported`, code outside pliant must have been imported already: a name that was read from a file never makes us
    run anything. Raises UserError for an unknown name, a missing extra, or a module that lacks an export.
    """
    if outside.is_outside(name):
        module = _imported(kind, name) if only_imported else outside.import_outside(name)
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
    if outside.is_outside(name):
        module = _imported("family", name)
        if hasattr(module, "players"):
            return module
    elif (path := _ROOT / "players" / f"{source('family', name).stem}.py").is_file():
        return importlib.import_module(f"pliant.players.{path.stem}")
    known = [stem.replace("_", "-") for stem in sorted(p.stem for p in (_ROOT / "players").glob("[!_]*.py"))]
    raise errors.UserError(f"family {name} has no players to compare with: those of {', '.join(known)} have")


def _imported(kind: Kind, name: str) -> ModuleType:
    module = outside.module_name(name)
    if module not in sys.modules:
        raise errors.UserError(
            f"this run uses the {kind} {name}, which is code outside pliant: import it first (--import {name}) if you trust it"
        )
    return sys.modules[module]
