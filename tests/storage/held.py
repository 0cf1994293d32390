"""Documents as commands wrote them, and what tests do to them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pliant import errors
from pliant.storage import documents
from pliant.storage.schema.kind import Kind
from pliant.storage.schema.kinds import KINDS

HELD = sorted((Path(__file__).parent / "documents").glob("*.json"))
"""Documents as commands wrote them, KIND.json or KIND-WHAT.json; "-0.1.0" were written by that version."""


def kind_of(path: Path) -> Kind[Any]:
    return KINDS[path.stem.partition("-")[0]]


def held(name: str) -> dict[str, Any]:
    (path,) = [path for path in HELD if path.stem == name]
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def written(folder: Path, document: dict[str, Any]) -> Path:
    """`document` in a file, with a seal that fits if it has one."""
    sealed = documents.sealed(document) if "sha256" in document else document
    return documents.write_json(folder / "document.json", sealed)


def refused(path: Path, kind: Kind[Any]) -> str:
    """The one line that refuses a document, without its name."""
    with pytest.raises(errors.UserError) as error:
        documents.read(path, kind)
    said = str(error.value)
    assert said.startswith(f"{path}") and len(said.splitlines()) == 1, said
    return said.removeprefix(f"{path}").removeprefix(": ")


def changed(name: str, change: Callable[[Any], object]) -> dict[str, Any]:
    document = held(name)
    change(document)
    return document


def put(where: str, value: Any) -> Callable[[Any], None]:
    """What puts `value` at a place such as "curve.3.return.mean"; what deletes it for Ellipsis."""

    def change(document: Any) -> None:
        *above, last = [int(p) if p.isdigit() else p for p in where.split(".")]
        for place in above:
            document = document[place]
        if value is ...:
            del document[last]
        else:
            document[last] = value

    return change
