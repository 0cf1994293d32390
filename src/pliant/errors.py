"""Errors that are the user's to mend, and how they become one line.

An expected error is a message: what was got, what was expected, what to do. At the command line it is one line and exit
status 2. Everything else is a bug of ours and keeps its traceback. Nothing heavy is imported here.
"""

import difflib
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

EXTRAS = {
    "mujoco": "mujoco",
    "metaworld": "metaworld",
    "minigrid": "games",
    "ale_py": "games",
    "highway_env": "driving",
    "gym_electric_motor": "industry",
    "imageio": "video",
    "imageio_ffmpeg": "video",
    "tensorboard": "tensorboard",
    "optuna": "optuna",
}
"""Optional modules and the extra of pliant that installs each."""

MOST_NAMED = 24
"""An error lists the known names up to this many."""

_HERE = Path(__file__).resolve().parent


class UserError(ValueError):
    """An expected error: its message is one line that says what was got, what was expected and what to do."""


class Stopped(Exception):
    """A run that was asked to stop by a signal and has saved; the message says where and how to go on."""

    def __init__(self, message: str, number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.number = int(number)


def unknown(kind: str, got: object, known: Iterable[str], hint: str = "") -> UserError:
    """The error for a name nobody knows: the nearest one, and the known ones while they are few."""
    names = sorted(known)
    near = difflib.get_close_matches(str(got), names, n=1, cutoff=0.5)
    message = f"unknown {kind} {str(got)!r}"
    if near:
        message += f": did you mean {near[0]!r}?"
    if not names:
        message += ": there is none"
    elif len(names) <= MOST_NAMED:
        message += (" Known: " if near else ": known are ") + ", ".join(names)
    return UserError(f"{message} ({hint})" if hint else message)


def missing_extra(error: ImportError, wanted_by: str = "") -> UserError | None:
    """The error that names the extra to install, or None if `error` is not about one."""
    module = (error.name or "").partition(".")[0]
    if module not in EXTRAS:
        return None
    subject = f"{wanted_by} needs" if wanted_by else "this needs"
    return UserError(f"{subject} the package {module}, which is not installed: pip install 'pliant[{EXTRAS[module]}]'")


def one_line(error: BaseException) -> str | None:
    """What the command line says for an expected error, or None for a bug.

    Expected are: a `UserError`; a ValueError or non-finite number raised by a line of pliant itself (its settings and families
    explain themselves that way), not by a library below it; a missing extra; what the operating system refuses.
    """
    if isinstance(error, ImportError):
        extra = missing_extra(error)
        return str(extra) if extra else None
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return _flat(f"{where}{error.strerror.lower()}")
    ours = isinstance(error, (ValueError, FloatingPointError)) and _raised_here(error)
    return _flat(str(error)) if isinstance(error, (UserError, Stopped)) or ours else None


def status_of(error: BaseException) -> int:
    """The exit status for an expected error: 2, or 128 plus the signal that stopped the run."""
    return 128 + error.number if isinstance(error, Stopped) else 2


def warn(message: str) -> None:
    """One line of warning on stderr."""
    print(f"pliant: warning: {_flat(message)}", file=sys.stderr, flush=True)


def _flat(message: str) -> str:
    return " ".join(message.split())


def _raised_here(error: BaseException) -> bool:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return bool(trace) and _HERE in Path(trace.tb_frame.f_code.co_filename).resolve().parents if trace else False
