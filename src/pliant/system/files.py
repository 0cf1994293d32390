"""Files: read if they are what they should be, written whole or not at all, never through a link.

A run may be somebody else's. Where `folder` is given, a path must not lead out of it by a link; what is no regular file (a
pipe, a device) is refused before it is opened, so that nothing waits for ever; what is longer than it may be is not read.
"""

import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from pliant import errors

_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | (_READ & ~os.O_RDONLY)


def read(path: Path, most: int, folder: Path | None = None) -> bytes:
    """The bytes of the regular file at `path`, which is within `folder` if one is given.

    Raises UserError for anything else, for more than `most` bytes, and if the system cannot.
    """
    if folder is not None:
        require_within(path, folder)
    with _refusals("read", path):
        real = os.path.realpath(path)
        if not stat.S_ISREG(os.stat(real).st_mode):
            raise errors.UserError(f"{path} is not a file")
        with open(real, "rb", buffering=0, opener=lambda name, _: os.open(name, _READ)) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise errors.UserError(f"{path} is not a file")
            data = b"" if found.st_size > most else _all(file, most + 1)
    if max(found.st_size, len(data)) > most:
        raise errors.UserError(f"{path} is longer than {most} bytes: no file of pliant is")
    return data


def write(path: Path, data: bytes, folder: Path | None = None) -> None:
    """Write `data` to `path`, making its folder: whole or not at all. A link there is replaced, what it leads to stays.

    Raises UserError if the system cannot, and if the way to `path` leads out of `folder`.
    """
    if folder is not None:
        require_within(path.parent, folder)
    temporary = path.parent / f".tmp-{uuid.uuid4().hex[:12]}"
    with _refusals("write", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_synced(temporary, data)
            temporary.replace(path)
            sync_folder(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def appending(path: Path, folder: Path) -> FileIO:
    """The regular file at `path`, which is not a link, opened to append to it; made where there is none.

    Raises UserError for anything else, and if the system cannot.
    """
    require_within(path.parent, folder)
    with _refusals("write", path):
        if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
            raise errors.UserError(f"cannot write {path}: it is a link or no file")
        return FileIO(path, "ab", opener=lambda name, _: os.open(name, _APPEND, 0o666))


def require_within(path: Path, folder: Path) -> None:
    """Raise UserError if `path` leads out of `folder` by a link."""
    real, root = Path(os.path.realpath(path)), Path(os.path.realpath(folder))
    if real != root and root not in real.parents:
        raise errors.UserError(f"{path} leads out of {folder}, to {real}: such a link is not followed")


def require_writable(path: Path, folder: Path | None = None, advice: str = "") -> None:
    """Raise UserError unless a file may be written to `path`, as far as can be told without writing; makes nothing."""
    if folder is not None:
        require_within(path.parent, folder)
    more = f"; {advice}" if advice else ""
    if path.is_dir():
        raise errors.UserError(f"cannot write {path}: it is a folder{more}")
    above = next(p for p in path.absolute().parents if os.path.lexists(p))
    if not above.is_dir():
        raise errors.UserError(f"cannot write {path} in {above}: it is a file{more}")
    if not os.access(above, os.W_OK | os.X_OK):
        raise errors.UserError(f"cannot write {path} in {above}: it may not be written{more}")


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_synced(path: Path, data: bytes) -> None:
    """Write a new file and make its contents durable."""
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def cannot(verb: str, path: Path, error: OSError, advice: str = "") -> errors.UserError:
    """What the system refused, as an error for the user."""
    reason = (error.strerror or str(error)).lower()
    return errors.UserError(f"cannot {verb} {path}: {reason}" + (f"; {advice}" if advice else ""))


@contextmanager
def _refusals(verb: str, path: Path) -> Iterator[None]:
    """What the system refuses within, as an error for the user."""
    try:
        yield
    except OSError as error:
        raise cannot(verb, path, error) from error
    except ValueError as error:
        if isinstance(error, errors.UserError):
            raise
        raise errors.UserError(f"cannot {verb} {str(path)!r}: {error}") from error  # a name with a null byte in it


def _all(file: FileIO, most: int) -> bytes:
    """At most `most` bytes of a file."""
    parts, left = [], most
    while left and (part := file.read(min(left, 2**24))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
