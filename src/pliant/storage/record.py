"""The run folder: everything a run leaves behind, and who may write it.

    run.json            schema, settings, versions; written first
    metrics.jsonl       one JSON object a line, one line an iteration (see lines.py); wall-clock numbers only under "clock"
    checkpoints/        see checkpoint.py
    kept/               what several checkpoints share, see pieces.py; only of algorithms that learn from the past
    evaluations/        documents of `pliant evaluate`
    tensorboard/        the same scalars, when the package tensorboard is installed
    .lock               held by the one process that trains here

A resumed run cuts `metrics.jsonl` back to its checkpoint, so that apart from "clock" it ends with the lines of an
uninterrupted one.
"""

import importlib.metadata
import math
import os
import platform
import stat
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import filelock

from pliant import errors
from pliant.storage import board, checkpoint, documents, lines, parsing
from pliant.storage.schema import run as schema
from pliant.storage.schema.parts import Config
from pliant.system import files
from pliant.version import VERSION

SCHEMA = schema.SCHEMA
RECORDED = ("torch", "numpy", "gymnasium", "mujoco", "safetensors")
"""Packages whose versions may change a result."""


class Run:
    """A run folder. Made by `start` (to train: locked, writable) or `open` (to read); a context manager."""

    def __init__(self, path: Path, document: schema.Run, lock: filelock.BaseFileLock | None = None) -> None:
        self.path, self.document, self._lock = path, document, lock
        self.resumed = False
        """The folder held this run already."""
        self._metrics: FileIO | None = None
        self._board = board.Board(path)

    @classmethod
    def start(cls, path: Path, config: Mapping[str, Any], resume: bool = False) -> Self:
        """Lock `path` and record `config` in it, creating it where needed.

        With `resume`, a run that is there is continued (`resumed` says whether there was one). Raises UserError if another
        process trains there, if the folder holds something else, or if it holds a run and `resume` is False.
        """
        path = Path(path)
        require_free(path, resume)
        try:
            path.mkdir(parents=True, exist_ok=True)
            _require_lock(path / ".lock")
            lock = filelock.FileLock(path / ".lock")
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise errors.UserError(f"{path} is in use by another process: wait for it, or choose another --out") from None
        except OSError as error:
            raise files.cannot("create", path, error) from error
        try:
            require_free(path, resume)  # again: another process may have begun and ended meanwhile
            earlier = _read(path, warns=False) if (path / "run.json").exists() else None
            run = cls(path, _document(config, earlier), lock)
            run.resumed = earlier is not None
            run._folder = _identity(path)
            documents.write_json(path / "run.json", documents.sealed(run.document), path)
        except BaseException:
            lock.release()
            raise
        return run

    @classmethod
    def open(cls, path: Path, warns: bool = True) -> Self:
        """The run at `path`, for reading, locked or not. Raises UserError if it is not a run, or its run.json is damaged.

        With `warns`, a run.json of a version that did not seal it yet is named on stderr.
        """
        path = Path(path)
        if not path.exists():
            raise errors.UserError(f"{path} does not exist: give the folder of a run, such as those in runs/")
        if inside := sorted(p.parent for p in path.glob("*/run.json")):
            raise errors.UserError(f"{path} is not a run but a folder of runs: name them, such as {inside[0]}")
        if not (path / "run.json").is_file():
            raise errors.UserError(f"{path} is not a run: it has no run.json (a run is a folder that `pliant train` made)")
        return cls(path, _read(path, warns))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the files and release the lock. Closing twice is allowed."""
        try:
            if self._metrics:
                self._metrics.close()
            self._board.close()
        finally:
            self._metrics = None
            if self._lock:
                self._lock.release()

    @property
    def config(self) -> Config:
        """The settings as recorded; `config.from_dict` reads them."""
        return self.document["config"].copy()

    @property
    def checkpoints(self) -> Path:
        """The folder for checkpoint.py."""
        return self.path / "checkpoints"

    def log(self, iteration: int, metrics: Mapping[str, Any], clock: Mapping[str, Any] | None = None) -> None:
        """Append one line: numbers that repeat when the run is repeated, and under "clock" those that do not.

        NaN and infinity become null, which is what JSON has.
        """
        self._must_hold_lock()
        self._require_there()
        row = {"iteration": iteration, **_plain(metrics), **({"clock": _plain(clock)} if clock else {})}
        try:
            if self._metrics is None:
                self._metrics = files.appending(self._metrics_path, self.path)
            line = lines.encoded(row)
            while line:
                line = line[self._metrics.write(line) :]
            self._board.add(iteration, row)
        except OSError as error:
            raise files.cannot("write", self._metrics_path, error, "free some space and --resume") from error

    def metrics(self) -> list[dict[str, Any]]:
        """What the lines of metrics.jsonl say. Damaged ones are named and left out, one that was cut off counts for nothing."""
        return metrics(self.path)

    def rewind(self, iteration: int) -> None:
        """Drop the lines of `iteration` and after, which a run that resumes there will write again.

        Damaged lines are not dropped: they stay in their place, or go to metrics.damaged.jsonl if nobody knows it.
        """
        self._must_hold_lock()
        if self._metrics:
            self._metrics.close()
            self._metrics = None
        kept, damaged = lines.before(lines.read(self._metrics_path, self.path), iteration)
        if damaged:
            aside = self.path / "metrics.damaged.jsonl"
            with files.appending(aside, self.path) as file:
                file.write(b"".join(damaged))
            errors.warn(f"damaged lines of {self._metrics_path} ({len(damaged)}) are in {aside.name} now")
        files.write(self._metrics_path, b"".join(kept), self.path)
        self._board.purge = iteration

    def sync(self) -> None:
        """Make the metrics durable. Called before a checkpoint, so that a checkpoint never outlives its metrics."""
        if self._metrics:
            try:
                os.fsync(self._metrics.fileno())
            except OSError as error:
                raise files.cannot("write", self._metrics_path, error, "free some space and --resume") from error

    def save(self, iteration: int, tensors: Mapping[str, Any], facts: Mapping[str, Any]) -> Path:
        """Write the checkpoint of `iteration`, after the metrics that led to it."""
        self._must_hold_lock()
        self._require_there()
        self.sync()
        return checkpoint.save(self.checkpoints, iteration, tensors, facts)

    def write_json(self, name: str, document: Mapping[str, Any]) -> Path:
        """Write `document` to `name` (such as "evaluations/test-seed0.json") inside the run, whole or not at all."""
        return documents.write_json(self.path / name, document, self.path)

    _folder: tuple[int, int] | None = None
    """Where a run that is written lies, whatever is called so later."""

    @property
    def _metrics_path(self) -> Path:
        return self.path / "metrics.jsonl"

    def _must_hold_lock(self) -> None:
        if self._lock is None or not self._lock.is_locked:
            raise RuntimeError(f"{self.path} was opened for reading or is closed: use Run.start to write")

    def _require_there(self) -> None:
        """Raise UserError if somebody has removed the run: what is written now would be lost, or be half of another one."""
        if _identity(self.path) != self._folder or not (self.path / "run.json").exists():
            raise errors.UserError(f"{self.path} was removed or moved while it was trained: nothing more can be saved")


def metrics(path: Path, warn: Callable[[str], None] = errors.warn) -> list[dict[str, Any]]:
    """What metrics.jsonl in the run folder `path` says, as `Run.metrics`, whether it is a whole run or not."""
    file = path / "metrics.jsonl"
    return lines.rows(lines.read(file, path), file, warn)


def default_out(algorithm: str, family: str, seed: int, resume: bool = False, root: Path = Path("runs")) -> Path:
    """`runs/ALGORITHM-FAMILY-seedN`, or the next free -2, -3...; with `resume`, the last of them that exists."""
    base = root / f"{algorithm}-{family}-seed{seed}"
    path, last, number = base, base, 1
    while path.exists() and (not path.is_dir() or any(path.iterdir())):
        number += 1
        path, last = base.with_name(f"{base.name}-{number}"), path
    return last if resume else path


def versions() -> dict[str, str]:
    """Versions of pliant, Python and the packages that may change a result, as far as they are installed."""
    found = {"pliant": VERSION, "python": platform.python_version()}
    for package in RECORDED:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def require_free(path: Path, resume: bool) -> None:
    """Raise UserError unless a run may begin in `path`, new or empty, or with `resume` go on in it."""
    there = next(p for p in (path, *path.absolute().parents) if p.exists())
    if not there.is_dir():
        raise errors.UserError(f"{there} is a file: choose another --out")
    entries = [p.name for p in path.iterdir() if p.name != ".lock" and not p.name.startswith(".tmp-")] if path.exists() else []
    if entries and "run.json" not in entries:
        raise errors.UserError(f"{path} is not empty and not a run (it holds {sorted(entries)[0]!r}): choose another --out")
    if entries and not resume:
        raise errors.UserError(f"{path} holds a run already: --resume continues it, or choose another --out")


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a folder from another one of its name; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _require_lock(path: Path) -> None:
    """Raise UserError if what stands in the place of a lock is none."""
    if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
        raise errors.UserError(f"{path} is a link or no file: remove it, or choose another --out")


def _read(path: Path, warns: bool) -> schema.Run:
    file = path / "run.json"
    document = parsing.read(file, schema.KIND.most, path)
    if (found := document.get("schema")) != SCHEMA:
        raise errors.UserError(
            f"{path} is not a run of this version: its run.json has schema {found!r:.60}, expected {SCHEMA!r}"
        )
    if "sha256" in document or warns:
        documents.require_seal(file, schema.KIND, document, unsealed=True)
    return documents.checked(file, schema.KIND, document)


def _document(config: Mapping[str, Any], earlier: schema.Run | None) -> schema.Run:
    now: schema.Begun = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "platform": platform.platform(),
    }
    asked = cast(Config, dict(config))
    if earlier is None:
        return {"schema": schema.SCHEMA, "config": asked, "created": now, "resumed": []}
    return {**earlier, "config": asked, "resumed": [*earlier.get("resumed", []), now]}


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON values: tensors and NumPy numbers become Python's, what is not finite becomes None."""
    plain: dict[str, Any] = {}
    for name, value in values.items():
        value = value.item() if hasattr(value, "item") else value
        plain[name] = None if isinstance(value, float) and not math.isfinite(value) else value
    return plain
