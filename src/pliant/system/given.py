"""What a caller gives: each check raises one line that says what was got and what was expected, before anything is changed."""

import operator
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pliant import errors

MOST_SHOWN = 80
"""Letters of a value in an error."""
MOST = 2**63 - 1
"""The largest integer that an array may be told."""


def integer(name: str, value: Any, least: int = 0, most: int = MOST) -> int:
    """An integer from `least` to `most`; NumPy's are integers, True is none."""
    try:
        found = operator.index(value)
    except TypeError:
        found = None
    if found is None or isinstance(value, bool) or type(value).__name__ == "bool":
        raise errors.UserError(f"{name} is {shown(value)}: expected an integer of at least {least}")
    if not least <= found <= most:
        limit = f"at least {least}" if found < least else f"at most {most}"
        raise errors.UserError(f"{name} is {shown(value)}: expected {limit}")
    return found


def flag(name: str, value: Any) -> bool:
    """True or false; NumPy's too."""
    if not isinstance(value, bool) and type(value).__name__ != "bool":
        raise errors.UserError(f"{name} is {shown(value)}: expected True or False")
    return bool(value)


def text(name: str, value: Any) -> str:
    """Text."""
    if not isinstance(value, str):
        raise errors.UserError(f"{name} is {shown(value)}: expected text")
    return value


def place(name: str, value: Any) -> Path:
    """The path of a file or a folder, whether there is one or not."""
    try:
        written = os.fspath(value)
    except TypeError:
        written = None
    if not isinstance(written, str) or not written.strip() or "\0" in written:
        raise errors.UserError(f"{name} is {shown(value)}: expected a path")
    try:
        os.stat(written)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise errors.UserError(f"{name} is {shown(value)}: {(error.strerror or str(error)).lower()}") from error
    return Path(written)


def names(name: str, value: Any, of: str) -> Mapping[str, Any]:
    """A mapping from names to values."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise errors.UserError(f"{name} is {shown(value)}: expected a dict from names to values, {of}")
    return value


def device(name: str, value: Any) -> None:
    """A device that torch can use here."""
    import torch

    try:
        found = torch.device(text(name, str(value) if isinstance(value, torch.device) else value))
        if found.type == "cpu" and found.index:
            raise RuntimeError("there is one cpu: its threads are --train.threads")
        torch.ones(1, device=found).item()  # a device without numbers, such as meta, has none to give
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        reason = str(error).partition("\n")[0].partition(". ")[0].rstrip(".")
        raise errors.UserError(f"{name} is {shown(value)}: torch cannot use it ({reason})") from error


def shown(value: Any) -> str:
    """A value in one line, not too long."""
    line = " ".join(repr(value).split())
    return line if len(line) <= MOST_SHOWN else f"{line[: MOST_SHOWN - 1]}…"
