"""Standard streams that are closed, full or cannot write every letter: a command goes on, and says in one line what is lost."""

import contextlib
import errno
import io
import os
import sys
import traceback
from types import TracebackType

from pliant import errors

FULL = (errno.ENOSPC, errno.EFBIG, errno.EIO, errno.EDQUOT)
"""What a system says of a file that takes no more."""


def prepare() -> None:
    """Make the standard streams usable for a command.

    One that is closed leads nowhere: else the next file that is opened would take its number, and what anybody prints would be
    written into that. Letters that a stream's encoding lacks are escaped.
    """
    is_closed = sys.stdout is None
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            _open_nowhere(number)
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115 (for good)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if is_closed:
        errors.warn("stdout is closed: what this command says on it goes nowhere")


def unwritten(error: BaseException) -> str | None:
    """Why stdout takes no more, in one line, if that is what an error is about; what is left of it then goes nowhere.

    Whatever else of ours writes names its file in its errors.
    """
    if not isinstance(error, OSError) or error.filename is not None or error.errno not in FULL:
        return None
    with contextlib.suppress(OSError, io.UnsupportedOperation):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return f"cannot write to stdout: {os.strerror(error.errno).lower()}"


def show_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A traceback on stderr, in which no word of a file moves the cursor: a `sys.excepthook`."""
    for line in "".join(traceback.format_exception(kind, error, trace)).splitlines():
        print(errors.printable(line), file=sys.stderr)


def _open_nowhere(number: int) -> None:
    """Let the number of a stream, if nobody has it, lead nowhere."""
    try:
        os.fstat(number)
    except OSError:
        handle = os.open(os.devnull, os.O_RDWR)
        if handle != number:
            os.dup2(handle, number)
            os.close(handle)
