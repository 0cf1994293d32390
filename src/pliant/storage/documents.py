"""JSON documents on disk: written whole or not at all, sealed by a checksum where numbers must be true."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pliant import errors
from pliant.system import files


def write_json(path: Path, document: Mapping[str, Any]) -> Path:
    """Write `document` to `path`, making its folder: whole or not at all. Raises UserError if the system cannot."""
    path = Path(path)
    files.write(path, json.dumps(document, indent=2, allow_nan=False).encode() + b"\n")
    return path


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`. Raises UserError if it cannot be read or is something else."""
    try:
        document = json.loads(Path(path).read_bytes(), parse_constant=_not_finite)
    except OSError as error:
        raise files.cannot("read", Path(path), error) from error
    except (ValueError, RecursionError) as error:
        raise errors.UserError(f"{path} is not JSON ({error})") from error
    if not isinstance(document, dict):
        raise errors.UserError(f"{path} is not a JSON object")
    return document


def by_episode(document: Mapping[str, Any]) -> bool:
    """The stages of an evaluation are the episodes of an agent with memory, not gradient steps."""
    return bool(document["protocol"]["stage"] == "episode")


def _not_finite(word: str) -> float:
    raise ValueError(f"{word}: a number that is not finite")


def sealed(document: Mapping[str, Any]) -> dict[str, Any]:
    """`document` with its checksum under "sha256": who edits it by hand breaks the seal."""
    content = {name: value for name, value in document.items() if name != "sha256"}
    text = json.dumps(content, sort_keys=True, allow_nan=False)
    return content | {"sha256": hashlib.sha256(text.encode()).hexdigest()}


def read_sealed(path: Path, schema: str) -> dict[str, Any]:
    """The document of a schema in `path`. Raises UserError for another schema, and for one that was edited since."""
    document = read_json(path)
    if document.get("schema") != schema:
        raise errors.UserError(f"{path} has schema {document.get('schema')!r}: expected {schema!r}")
    if sealed(document)["sha256"] != document.get("sha256"):
        raise errors.UserError(f"{path} was edited since it was measured (its checksum does not fit): delete it, measure again")
    return document
