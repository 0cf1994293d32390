"""Where code outside pliant stood when it raised, in words."""

import inspect
import linecache
import traceback
from pathlib import Path

_HERE = Path(__file__).resolve().parent.parent
_PYTHON = Path(inspect.__file__).resolve().parent
_CHECKED = ("families", "algorithms", "policies")
"""Rooms of pliant whose lines are under check where none outside pliant is."""


def said(error: BaseException) -> str:
    """`file:line: kind: message` of where the code under check stood when it raised."""
    where = _where(error)
    place = f"{_short(where.filename)}:{where.lineno}: " if where else ""
    return flat(f"{place}{type(error).__name__}: {error}")


def line(error: BaseException) -> str:
    """The line itself."""
    where = _where(error)
    return linecache.getline(where.filename, where.lineno or 0).strip() if where else type(error).__name__


def flat(text: str) -> str:
    """The same words on one line."""
    return " ".join(text.split())


def _where(error: BaseException) -> traceback.FrameSummary | None:
    """The innermost frame outside pliant, installed packages and Python itself, else the innermost of what is under check."""
    if isinstance(error, SyntaxError) and error.filename:
        return traceback.FrameSummary(error.filename, error.lineno or 0, "")
    frames = traceback.extract_tb(error.__traceback__)
    outside = [f for f in frames if not _is_within(f, _HERE) and not _is_installed(f.filename)]
    checked = [f for f in frames if any(_is_within(f, _HERE / room) for room in _CHECKED)]
    found = outside or checked or list(frames)
    return found[-1] if found else None


def _is_within(frame: traceback.FrameSummary, folder: Path) -> bool:
    return folder in Path(frame.filename).resolve().parents


def _is_installed(filename: str) -> bool:
    path = Path(filename)
    return filename.startswith("<") or "site-packages" in path.parts or path.resolve().is_relative_to(_PYTHON)


def _short(filename: str) -> str:
    path = Path(filename)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else path.name
