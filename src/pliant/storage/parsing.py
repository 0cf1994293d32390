"""JSON that may be damaged or foreign, read with care: what is wrong with it is said in a few words.

What is refused, beside what is not JSON: more bytes than a limit, another encoding than UTF-8, numbers that are not finite or
too large to count with, text that is not Unicode, a name that stands twice in an object, nesting deeper than any document has.
"""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pliant import errors
from pliant.system import files

DEEPEST = 32
"""Objects and lists within each other; no document of ours has more than twelve."""
LARGEST = 2**64
"""No integer in a document is as large: counts, seeds and settings fit into 64 bits."""


class Unreadable(ValueError):
    """What is wrong with some bytes that should be a JSON object, without the file's name: "is not JSON (...)"."""


def read(path: Path, most: int, folder: Path | None = None) -> dict[str, Any]:
    """The JSON object in the file at `path`, of at most `most` bytes, within `folder` if one is given.

    Raises UserError for anything else, in one line.
    """
    data = files.read(path, most, folder)
    try:
        return parsed(data)
    except Unreadable as error:
        raise errors.UserError(f"{path} {error}") from error


def parsed(data: bytes) -> dict[str, Any]:
    """The JSON object that `data` is. Raises Unreadable for anything else."""
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=_not_finite, parse_float=_finite, object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        raise Unreadable(f"is not JSON (byte {error.start} is not UTF-8)") from error
    except RecursionError as error:
        raise Unreadable("is not JSON (nested too deeply)") from error
    except ValueError as error:
        raise Unreadable(f"is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise Unreadable("is not a JSON object")
    _require_sane(value)
    return value


def _not_finite(word: str) -> float:
    raise ValueError(f"{word}: a number that is not finite")


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text[:40]}: a number that is not finite")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(n for n in names if names.count(n) > 1)!r:.60} stands twice in one object")
    return found


def _require_sane(value: Any) -> None:
    """Raise Unreadable for too deep a nesting, for integers that are too large and for text that is not Unicode."""
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _within(outer)]
        if not level:
            return
    raise Unreadable(f"is nested deeper than {DEEPEST} levels: expected a document of pliant")


def _within(value: Any) -> Iterable[Any]:
    """What an object or a list holds, its names too."""
    if isinstance(value, dict):
        return (*value, *value.values())
    if isinstance(value, list):
        return value
    if isinstance(value, int) and abs(value) >= LARGEST:
        raise Unreadable(f"holds the number {str(value)[:20]}..., which is too large")
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Unreadable(f"holds {value[:40]!a}, which is not Unicode text") from None
    return ()
