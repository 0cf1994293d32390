"""JSON documents on disk: written whole or not at all, read only if they are what their kind says.

    evaluation = documents.read(path, schema.evaluation.KIND)     # typed, sealed, every number finite, or a UserError

Kinds with numbers that must be true are sealed by a checksum of themselves.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from pliant import errors
from pliant.storage import parsing
from pliant.storage.schema import kinds
from pliant.storage.schema.kind import MIB, D, Kind
from pliant.system import files

M = TypeVar("M", bound=Mapping[str, Any])

MOST = 256 * MIB
"""Bytes above which a JSON file is not ours."""


def write_json(path: Path, document: Mapping[str, Any], folder: Path | None = None) -> Path:
    """Write `document` to `path`, making its folder: whole or not at all, as `files.write` does."""
    path = Path(path)
    files.write(path, json.dumps(document, indent=2, allow_nan=False).encode() + b"\n", folder)
    return path


def keep(path: Path, document: Mapping[str, Any], folder: Path) -> None:
    """`write_json` of a result into its run; where that cannot be it is said, and what was measured is not lost for it."""
    try:
        write_json(path, document, folder)
    except errors.UserError as error:
        errors.warn(f"{error}; the result is not kept in the run")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`. Raises UserError if it cannot be read or is something else."""
    return parsing.read(Path(path), MOST)


def by_episode(document: Mapping[str, Any]) -> bool:
    """The stages of an evaluation are the episodes of an agent with memory, not gradient steps."""
    return bool(document["protocol"].get("stage") == "episode")


def sealed(document: M) -> M:
    """`document` with its checksum under "sha256": who edits it by hand breaks the seal."""
    content = {name: value for name, value in document.items() if name != "sha256"}
    text = json.dumps(content, sort_keys=True, allow_nan=False)
    return cast(M, content | {"sha256": hashlib.sha256(text.encode()).hexdigest()})


def read(path: Path, kind: Kind[D], unsealed: bool = False, folder: Path | None = None) -> D:
    """The document of a kind in `path`, exactly as it was written; within `folder` if one is given.

    With `unsealed`, one of a version that did not seal its kind yet is read too, which is said. Raises UserError, which says in
    one line what is wrong: it cannot be read, is too long, no JSON object, of another schema, edited since it was written, or
    does not hold what its kind holds.
    """
    path = Path(path)
    document = parsing.read(path, kind.most, folder)
    if document.get("schema") != kind.schema:
        raise errors.UserError(f"{path} has schema {document.get('schema')!r:.60}: expected {kind.schema!r}")
    require_seal(path, kind, document, unsealed)
    return checked(path, kind, document)


def require_seal(path: Path, kind: Kind[D], document: Mapping[str, Any], unsealed: bool = False) -> None:
    """Raise UserError if a document's checksum does not fit, or is missing and its kind has one; `unsealed` as in `read`."""
    if kind.sealed == "never":
        return
    if kind.sealed == "since 0.2" and unsealed and "sha256" not in document:
        _say_unsealed(path)
    elif sealed(document)["sha256"] != document.get("sha256"):
        raise errors.UserError(f"{path} {kind.edited}")


@cache
def _say_unsealed(path: Path) -> None:
    """Once for each file."""
    errors.warn(f"{path} has no checksum, as those of pliant 0.1.0: it is taken as it is")


def read_sealed(path: Path, schema: str, folder: Path | None = None) -> dict[str, Any]:
    """The document of a schema, such as "pliant.sweep/1", in `path`: `read` for who knows the kind by its name only."""
    kind = next(kind for kind in kinds.KINDS.values() if kind.schema == schema)
    return dict(read(path, kind, folder=folder))


def checked(path: Path, kind: Kind[D], document: Mapping[str, Any]) -> D:
    """`document` itself, if it holds what its kind holds. Raises UserError in the name of `path` if not."""
    from pliant.storage import validation  # late: pydantic takes a while to import

    if wrong := validation.faults(kind, document):
        raise errors.UserError(f"{path}: {wrong}")
    return cast(D, document)
