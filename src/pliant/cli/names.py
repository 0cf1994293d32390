"""The names of settings, for completion and for errors that name the nearest flag.

Only the modules themselves know their settings, and importing them takes seconds. The names are kept in the user's cache folder
until a file of pliant changes. Code outside pliant is imported for a family that is typed in a command that is run, never here
for completion.
"""

import contextlib
import dataclasses
import json
import os
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pliant import errors
from pliant.config import registry
from pliant.system import files, outside
from pliant.version import VERSION

_ROOT = Path(__file__).resolve().parent.parent
_Kind = registry.Kind | Literal["train"]


def of_family(family: str) -> list[str]:
    """The settings of a family that is typed in a command, which is imported if it is code outside pliant."""
    if ":" in family:
        return []  # an attribute of a module has no settings
    if outside.is_outside(family):
        return fields(registry.load("family", family).Settings)
    return list(_tables([("family", family)])[0].get("fields", []))


def of_pair(algorithm: str, family: str) -> list[str]:
    """The dotted names of every setting of a pair with its default policy; of pliant's own modules only."""
    own, task = _tables([("algorithm", algorithm), ("family", family)])
    train, policy = _tables([("train", ""), ("policy", own.get("policy", ""))])
    parts = {"train": train.get("fields", []), **own.get("parts", {})}
    parts |= {"policy": policy.get("fields", []), "family": task.get("fields", [])}
    return [f"{part}.{name}" for part, names in parts.items() for name in names]


def fields(settings: type) -> list[str]:
    """The names of the fields of a settings dataclass."""
    return [field.name for field in dataclasses.fields(settings) if field.init]


def _tables(wanted: Sequence[tuple[_Kind, str]]) -> list[dict[str, Any]]:
    """What is kept of each of `wanted`; what is missing or out of date is read anew. Empty for an unknown name."""
    stamp, path = _stamp(), _path()
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        kept = dict(kept["tables"]) if kept["stamp"] == stamp else {}
    except (OSError, ValueError, KeyError, TypeError):  # there is none yet, or it is not ours
        kept = {}
    new = {f"{kind} {name}": table for kind, name in wanted if f"{kind} {name}" not in kept and (table := _read(kind, name))}
    if new:
        with contextlib.suppress(errors.UserError):  # where nothing may be written nothing is kept
            files.write(path, json.dumps({"stamp": stamp, "tables": kept | new}).encode())
    return [(kept | new).get(f"{kind} {name}", {}) for kind, name in wanted]


def _read(kind: _Kind, name: str) -> dict[str, Any]:
    """The settings of a module of pliant's own; empty for an unknown one, and for one whose extra is not installed."""
    with contextlib.redirect_stdout(sys.stderr):  # whatever a simulator says while it is imported
        if kind == "train":
            from pliant.config import training

            return {"fields": fields(training.Settings)}
        if name not in registry.names(kind):
            return {}
        try:
            module = registry.load(kind, name)
        except errors.UserError:
            return {}
    if kind == "algorithm":
        return {"policy": module.POLICY, "parts": {part: fields(settings) for part, settings in module.PARTS.items()}}
    return {"fields": fields(module.Settings)}


def _path() -> Path:
    """One file for each place where pliant is installed."""
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder) / "pliant" / f"settings-{zlib.crc32(str(_ROOT).encode()):08x}.json"


def _stamp() -> list[Any]:
    """What changes when a setting does: the version, and how many files there are and when the last one changed."""
    times = [path.stat().st_mtime_ns for path in _ROOT.rglob("*.py")]
    return [VERSION, len(times), max(times)]
