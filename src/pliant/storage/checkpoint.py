"""Checkpoints: atomic, checksummed, exact.

    checkpoints/00000120/state.safetensors    every tensor, bit for bit
                         facts.json           counters and the like
                         manifest.json        schema, iteration, SHA-256 and size of the other two

A checkpoint is written under a temporary name in the same folder, synced, and renamed: under its own name it is always
whole. The last two whole ones are kept, and an older one goes only after a newer one is durable. One that was damaged
afterwards is refused by name, and the one before is used. Reading executes nothing: safetensors and JSON only.
"""

import hashlib
import json
import re
import shutil
import stat
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import safetensors
import safetensors.torch
from torch import Tensor

from pliant import errors
from pliant.storage import parsing
from pliant.storage.schema import checkpoint as schema
from pliant.storage.schema.kind import D, Kind
from pliant.system.files import sync_folder, write_synced

SCHEMA = schema.SCHEMA
KEPT = 2
FILES = ("state.safetensors", "facts.json")
MANIFEST = "manifest.json"

_NAME = re.compile(r"(\d{8,12})|\.(\d{8,12})\.replaced")


class Checkpoint(NamedTuple):
    """What a checkpoint holds."""

    iteration: int
    tensors: dict[str, Tensor]
    facts: dict[str, Any]
    path: Path


class Damaged(errors.UserError):
    """A checkpoint that is not what was written: truncated, altered, incomplete or foreign."""


def save(folder: Path, iteration: int, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Path:
    """Make (`tensors`, `facts`) durable as the checkpoint of `iteration`, and return its path.

    Checkpoints above `iteration` belong to a future that was given up, and go with the older ones. Raises UserError if the
    system cannot write: the earlier checkpoints are then untouched.
    """
    state = safetensors.torch.save({name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()})
    facts_text = json.dumps(facts, indent=1, sort_keys=True, allow_nan=False).encode()
    files = dict(zip(FILES, (state, facts_text), strict=True))
    sums = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()}
    manifest = {"schema": SCHEMA, "iteration": iteration, "files": sums}
    files[MANIFEST] = json.dumps(manifest, indent=1, sort_keys=True).encode()
    try:
        return _publish(Path(folder), iteration, files)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise errors.UserError(
            f"cannot write checkpoint {iteration} in {folder}: {reason}; earlier ones are whole, free some space and --resume"
        ) from error


def paths(folder: Path) -> list[Path]:
    """The checkpoints in `folder` by name, newest first, whole or not; [] if there is none."""
    if not Path(folder).is_dir():
        return []
    found = [p for p in Path(folder).iterdir() if _NAME.fullmatch(p.name)]
    standing = {p.name for p in found}
    # A replaced one counts only if the process died between moving it away and moving its successor in.
    found = [p for p in found if not p.name.startswith(".") or p.name[1:].removesuffix(".replaced") not in standing]
    return sorted(found, key=_iteration_of, reverse=True)


def load(path: Path) -> Checkpoint:
    """The checkpoint at `path`. Raises `Damaged`, which names the path and what is wrong, for anything but a whole one."""
    iteration, state, facts = _verified(Path(path))
    try:
        tensors = safetensors.torch.load(state)
    except safetensors.SafetensorError as error:
        raise Damaged(f"checkpoint {path} is damaged: {FILES[0]} is not a safetensors file ({error})") from error
    return Checkpoint(iteration, tensors, facts, Path(path))


def load_latest(folder: Path, warn: Callable[[str], None] = errors.warn) -> Checkpoint:
    """The newest whole checkpoint in `folder`; each damaged one on the way is reported to `warn`.

    Raises UserError if there is none.
    """
    candidates = paths(folder)
    for path in candidates:
        try:
            return load(path)
        except Damaged as error:
            warn(f"{error}; looking for the one before")
    if candidates and paths(folder) != candidates:  # a running training replaced them meanwhile
        return load_latest(folder, warn)
    if candidates:
        raise errors.UserError(f"{folder} holds no whole checkpoint ({len(candidates)} damaged): train again in another --out")
    raise errors.UserError(f"{folder} holds no checkpoint yet: train first")


def _publish(folder: Path, iteration: int, files: Mapping[str, bytes]) -> Path:
    """Temporary name, sync, rename, sync; then the older ones may go."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob(".tmp-*"):
        shutil.rmtree(stale)
    temporary, final = folder / f".tmp-{uuid.uuid4().hex[:12]}", folder / f"{iteration:08d}"
    replaced = folder / f".{final.name}.replaced"
    try:
        temporary.mkdir()
        for name, data in files.items():
            write_synced(temporary / name, data)
        sync_folder(temporary)
        if final.exists():
            if replaced.exists():
                _remove(replaced)
            final.rename(replaced)
        temporary.rename(final)
        sync_folder(folder)
        sync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _prune(folder, final)
    return final


def _prune(folder: Path, newest: Path) -> None:
    """Keep `newest` and the whole ones just before it."""
    kept = 1
    for path in sorted((p for p in folder.iterdir() if _NAME.fullmatch(p.name)), key=_iteration_of, reverse=True):
        if path == newest:
            continue
        if kept < KEPT and _iteration_of(path) < _iteration_of(newest) and _is_whole(path):
            kept += 1
        else:
            _remove(path)


def _remove(path: Path) -> None:
    """Remove under a temporary name, so that a half-removed checkpoint is never taken for a damaged one."""
    path.rename(doomed := path.parent / f".tmp-{uuid.uuid4().hex[:12]}")
    shutil.rmtree(doomed)


def _is_whole(path: Path) -> bool:
    try:
        _verified(path)
    except Damaged:
        return False
    return True


def _iteration_of(path: Path) -> int:
    return int(path.name.strip(".").removesuffix(".replaced"))


def _verified(path: Path) -> tuple[int, bytes, dict[str, Any]]:
    """(iteration, state bytes, facts) of the checkpoint at `path`, every byte of which is as written."""
    manifest = _json(path, MANIFEST, _read(path, MANIFEST, None), schema.KIND)
    iteration, files = manifest["iteration"], manifest["files"]
    if not _NAME.fullmatch(path.name) or iteration != _iteration_of(path):
        raise Damaged(f"checkpoint {path} is damaged: its manifest is of iteration {iteration!r}")
    state = _read(path, FILES[0], files["state.safetensors"])
    facts = _json(path, FILES[1], _read(path, FILES[1], files["facts.json"]), schema.FACTS)
    if facts.get("iteration", iteration) != iteration:
        raise Damaged(f"checkpoint {path} is damaged: its facts are of iteration {facts['iteration']!r}")
    return iteration, state, dict(facts)


def _read(path: Path, name: str, expected: schema.File | None) -> bytes:
    """The bytes of one file, which must have the size and SHA-256 that its manifest expects (None: is the manifest)."""
    try:
        found = (path / name).stat()
        if not stat.S_ISREG(found.st_mode):
            raise Damaged(f"checkpoint {path} is damaged: {name} is not a file")
        if expected is not None and found.st_size != expected["bytes"]:
            raise Damaged(
                f"checkpoint {path} is damaged: {name} has {found.st_size} bytes, not {expected['bytes']} as its manifest says"
            )
        if expected is None and found.st_size > schema.KIND.most:
            raise Damaged(f"checkpoint {path} is damaged: {name} has {found.st_size} bytes")
        data = (path / name).read_bytes()
    except OSError as error:
        raise Damaged(f"checkpoint {path} is damaged: cannot read {name}: {(error.strerror or str(error)).lower()}") from error
    if expected is not None and hashlib.sha256(data).hexdigest() != expected["sha256"]:
        raise Damaged(f"checkpoint {path} is damaged: the SHA-256 of {name} is not the one in its manifest")
    return data


def _json(path: Path, name: str, data: bytes, kind: Kind[D]) -> D:
    """What one JSON file holds, which must be what its kind holds."""
    from pliant.storage import validation  # late: pydantic takes a while to import

    try:
        value = parsing.parsed(data)
    except parsing.Unreadable as error:
        raise Damaged(f"checkpoint {path} is damaged: {name} {error}") from error
    if kind.schema and value.get("schema") != kind.schema:
        raise Damaged(f"checkpoint {path} is foreign: its schema is {value.get('schema')!r:.60}, expected {kind.schema!r}")
    if wrong := validation.faults(kind, value):
        raise Damaged(f"checkpoint {path} is damaged: {name}: {wrong}")
    return cast(D, value)
