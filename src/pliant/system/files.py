"""Files that are whole or not there: written aside, synced, renamed."""

import os
import uuid
from pathlib import Path

from pliant import errors


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
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


def write(path: Path, data: bytes) -> None:
    """Write `data` to `path`, making its folder: whole or not at all. Raises UserError if the system cannot."""
    temporary = path.parent / f".tmp-{uuid.uuid4().hex[:12]}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_synced(temporary, data)
            temporary.replace(path)
            sync_folder(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise cannot("write", path, error) from error


def cannot(verb: str, path: Path, error: OSError, advice: str = "") -> errors.UserError:
    """What the system refused, as an error for the user."""
    reason = (error.strerror or str(error)).lower()
    return errors.UserError(f"cannot {verb} {path}: {reason}" + (f"; {advice}" if advice else ""))
