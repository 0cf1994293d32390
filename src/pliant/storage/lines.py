"""The lines of metrics.jsonl: one JSON object an iteration, each with a checksum of itself under "clock".

A line ends with `"crc32": "0123abcd"}}`, the CRC-32 of the bytes before it. One that was damaged is named and left out, and
nobody removes it; one that was cut off while it was written has no end of line, and counts for nothing. Files of pliant 0.1.0
have no checksums; where one line has one, all must.
"""

import json
import os
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pliant.storage import parsing
from pliant.system import files

MOST = 2**30
"""Bytes of metrics above which they are not ours."""
MOST_NAMED = 8

_END = re.compile(rb'"crc32": "([0-9a-f]{8})"\}\}')
_LENGTH = len(b'"crc32": "01234567"}}')


class Line(NamedTuple):
    """One line of the file."""

    data: bytes
    row: dict[str, Any] | None
    """What it says, without its checksum; None for one that is damaged."""


def encoded(row: Mapping[str, Any]) -> bytes:
    """A row as its line, checksum and end of line included."""
    clock = {**row.get("clock", {}), "crc32": "01234567"}
    before = json.dumps({**row, "clock": clock}, allow_nan=False).encode()[:-_LENGTH]
    return before + b'"crc32": "%08x"}}\n' % zlib.crc32(before)


def read(path: Path, folder: Path) -> list[Line]:
    """Every line of the file at `path`, but for one at the end that was cut off; [] without a file."""
    if not os.path.lexists(path):
        return []
    *whole, last = files.read(path, MOST, folder).split(b"\n")
    if last and (_fits(last) or _fits(last[:-1])):  # the end of the line is what is missing, or damaged
        whole.append(last)
    has_sums = any(map(_fits, whole))
    return [Line(data, _row(data, has_sums)) for data in whole]


def rows(found: Sequence[Line], path: Path, warn: Callable[[str], None]) -> list[dict[str, Any]]:
    """What lines say; the damaged ones are named to `warn`."""
    if damaged := [str(number) for number, line in enumerate(found, 1) if line.row is None]:
        many = f"lines {', '.join(damaged[:MOST_NAMED])}" if len(damaged) > 1 else f"line {damaged[0]}"
        more = f" and {len(damaged) - MOST_NAMED} more" if len(damaged) > MOST_NAMED else ""
        warn(f"{path}: {many}{more} {'are' if len(damaged) > 1 else 'is'} damaged: left out, and kept as found")
    return [line.row for line in found if line.row is not None]


def before(found: Sequence[Line], iteration: int) -> tuple[list[bytes], list[bytes]]:
    """(the lines of iterations before `iteration`, damaged ones that belong to no such place); ends of line included.

    A damaged line stays where a line that is kept follows it, or where its place says that it is of an earlier iteration.
    """
    earlier = [n for n, line in enumerate(found) if line.row is not None and line.row["iteration"] < iteration]
    kept, damaged = list[bytes](), list[bytes]()
    for n, (data, row) in enumerate(found):
        if row is None:
            (kept if n < max(iteration, max(earlier, default=0)) else damaged).append(data + b"\n")
        elif row["iteration"] < iteration:
            kept.append(data + b"\n" if _fits(data) else encoded(row))
    return kept, damaged


def _fits(data: bytes) -> bool:
    """The line ends with its checksum."""
    end = _END.fullmatch(data[-_LENGTH:])
    return end is not None and int(end[1], 16) == zlib.crc32(data[:-_LENGTH])


def _row(data: bytes, has_sums: bool) -> dict[str, Any] | None:
    """What a line says; None for one that is damaged."""
    if has_sums and not _fits(data):
        return None
    try:
        row = parsing.parsed(data)
    except parsing.Unreadable:
        return None
    clock = row.get("clock", {})
    if type(row.get("iteration")) is not int or row["iteration"] < 0 or not isinstance(clock, dict):
        return None
    if clock.pop("crc32", None) is not None and not has_sums:
        return None
    if not clock:
        row.pop("clock", None)
    is_flat = not any(isinstance(value, (dict, list)) for name, value in row.items() if name != "clock")
    return row if is_flat and all(value is None or isinstance(value, (int, float)) for value in clock.values()) else None
