"""Checkpoints: atomic, checksummed, exact.

    checkpoints/00000120/state.safetensors    every tensor, bit for bit
                         facts.json           counters and the like
                         manifest.json        schema, iteration, SHA-256 and size of the other two
    kept/                                     what never changes and is needed by several (see pieces.py), listed in manifests

A checkpoint is written under a temporary name in the same folder, synced, and renamed: under its own name it is always
whole. The last two whole ones are kept, and an older one goes only after a newer one is durable. One that was damaged
afterwards is refused by name, and the one before is used. Reading executes nothing: safetensors and JSON only. Links that
lead out of the run are not followed, and what is not a checkpoint of ours is never removed.
"""

import hashlib
import json
import os
import re
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import safetensors
import safetensors.torch
from torch import Tensor

from pliant import errors
from pliant.storage import parsing, pieces
from pliant.storage.schema import checkpoint as schema
from pliant.storage.schema.kind import D, Kind
from pliant.system import files as filing

SCHEMA = schema.SCHEMA
KEPT = 2
FILES = ("state.safetensors", "facts.json")
MANIFEST = "manifest.json"
MOST = 2**36
"""Bytes of tensors above which a checkpoint is not ours."""

_NAME = re.compile(r"(\d{8,12})|\.(\d{8,12})\.replaced")
_TEMPORARY = re.compile(r"\.tmp-[0-9a-f]+")


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
    tensors, kept = pieces.split(tensors)
    state = safetensors.torch.save({name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()})
    facts_text = json.dumps(facts, indent=1, sort_keys=True, allow_nan=False).encode()
    files = dict(zip(FILES, (state, facts_text), strict=True))
    sums = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()}
    manifest: dict[str, Any] = {"schema": SCHEMA, "iteration": iteration, "files": sums}
    try:
        if listed := pieces.save(_kept(Path(folder)), kept):
            manifest["kept"] = listed
        files[MANIFEST] = json.dumps(manifest, indent=1, sort_keys=True).encode()
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
    found = _named(Path(folder))
    standing = {p.name for p in found}
    # A replaced one counts only if the process died between moving it away and moving its successor in.
    found = [p for p in found if not p.name.startswith(".") or p.name[1:].removesuffix(".replaced") not in standing]
    return sorted(found, key=_iteration_of, reverse=True)


def load(path: Path, kept: bool = True) -> Checkpoint:
    """The checkpoint at `path`; with `kept`, what it shares with others too, which only learning needs.

    Raises `Damaged`, which names the path and what is wrong, for anything but a whole one.
    """
    iteration, state, facts, listed = _verified(Path(path))
    try:
        tensors = safetensors.torch.load(state)
    except safetensors.SafetensorError as error:
        raise Damaged(f"checkpoint {path} is damaged: {FILES[0]} is not a safetensors file ({error})") from error
    try:
        tensors |= pieces.load(_kept(Path(path).parent), listed) if kept else {}
    except errors.UserError as error:
        raise Damaged(f"checkpoint {path} is damaged: {error}") from error
    return Checkpoint(iteration, tensors, facts, Path(path))


def load_latest(folder: Path, warn: Callable[[str], None] = errors.warn, kept: bool = True) -> Checkpoint:
    """The newest whole checkpoint in `folder`, read as by `load`; each damaged one on the way is reported to `warn`.

    Raises UserError if there is none.
    """
    candidates = paths(folder)
    for path in candidates:
        try:
            return load(path, kept)
        except Damaged as error:
            warn(f"{error}; looking for the one before")
    if candidates and paths(folder) != candidates:  # a running training replaced them meanwhile
        return load_latest(folder, warn, kept)
    if candidates:
        raise errors.UserError(f"{folder} holds no whole checkpoint ({len(candidates)} damaged): train again in another --out")
    raise errors.UserError(f"{folder} holds no checkpoint yet: train first")


def _publish(folder: Path, iteration: int, files: Mapping[str, bytes]) -> Path:
    """Temporary name, sync, rename, sync; then the older ones may go."""
    filing.require_within(folder, folder.parent)
    folder.mkdir(parents=True, exist_ok=True)
    for stale in [p for p in folder.iterdir() if _TEMPORARY.fullmatch(p.name) and _holds_only_ours(p)]:
        _empty(stale)
    temporary, final = folder / _temporary_name(), folder / f"{iteration:08d}"
    try:
        temporary.mkdir()
        for name, data in files.items():
            filing.write_synced(temporary / name, data)
        filing.sync_folder(temporary)
        if os.path.lexists(final):
            _move_away(final)
        temporary.rename(final)
        filing.sync_folder(folder)
        filing.sync_folder(folder.parent)
    except BaseException:
        if temporary.is_dir():
            _empty(temporary)
        raise
    _prune(folder, final)
    return final


def _prune(folder: Path, newest: Path) -> None:
    """Keep `newest`, the whole ones just before it, and whatever is not ours."""
    kept = 1
    for path in sorted(_named(folder), key=_iteration_of, reverse=True):
        if path == newest:
            continue
        if kept < KEPT and _iteration_of(path) < _iteration_of(newest) and _is_whole(path):
            kept += 1
        elif _is_ours(path):
            _remove(path)
    pieces.prune(_kept(folder), [name for path in _named(folder) for name in _listed(path)])


def _kept(folder: Path) -> Path:
    """Where the pieces are that the checkpoints in `folder` share."""
    return folder.parent / "kept"


def _listed(path: Path) -> dict[str, schema.File]:
    """The pieces that the checkpoint at `path` lists; none if its manifest is damaged."""
    try:
        return _json(path, MANIFEST, _read(path, MANIFEST, None), schema.KIND).get("kept", {})
    except Damaged:
        return {}


def _named(folder: Path) -> list[Path]:
    """The folders in `folder` that are called as checkpoints are; no links and no files."""
    return [p for p in folder.iterdir() if _NAME.fullmatch(p.name) and p.is_dir() and not p.is_symlink()]


def _move_away(final: Path) -> None:
    """Free the name of a checkpoint that is about to come: of one of ours for the moment, of anything else for good."""
    replaced = final.with_name(f".{final.name}.replaced")
    if not _is_ours(final):
        final.rename(kept := final.with_name(f"{final.name}.not-ours-{uuid.uuid4().hex[:6]}"))
        errors.warn(f"{final} was no checkpoint of pliant: it is {kept.name} now")
        return
    if os.path.lexists(replaced):
        _remove(replaced) if _is_ours(replaced) else replaced.rename(final.with_name(f"replaced-{uuid.uuid4().hex[:6]}"))
    final.rename(replaced)


def _is_ours(path: Path) -> bool:
    """A folder that holds a manifest of ours, and nothing that no checkpoint holds."""
    if not _holds_only_ours(path):
        return False
    try:
        return parsing.parsed(_read(path, MANIFEST, None)).get("schema") == SCHEMA
    except (Damaged, parsing.Unreadable):
        return False


def _holds_only_ours(path: Path) -> bool:
    """A folder, not a link, in which there are no files but those of a checkpoint, whole or not."""
    if path.is_symlink() or not path.is_dir():
        return False
    return all(p.name in (*FILES, MANIFEST) and p.is_file() and not p.is_symlink() for p in path.iterdir())


def _remove(path: Path) -> None:
    """Remove under a temporary name, so that a half-removed checkpoint is never taken for a damaged one."""
    path.rename(doomed := path.parent / _temporary_name())
    _empty(doomed)


def _empty(folder: Path) -> None:
    """Remove the files of a checkpoint and their folder."""
    for name in (*FILES, MANIFEST):
        (folder / name).unlink(missing_ok=True)
    folder.rmdir()


def _temporary_name() -> str:
    return f".tmp-{uuid.uuid4().hex[:12]}"


def _is_whole(path: Path) -> bool:
    try:
        return pieces.missing(_kept(path.parent), _verified(path)[3]) is None
    except Damaged:
        return False


def _iteration_of(path: Path) -> int:
    return int(path.name.strip(".").removesuffix(".replaced"))


def _verified(path: Path) -> tuple[int, bytes, dict[str, Any], dict[str, schema.File]]:
    """(iteration, state bytes, facts, pieces that it lists) of the checkpoint at `path`, every byte of which is as written."""
    manifest = _json(path, MANIFEST, _read(path, MANIFEST, None), schema.KIND)
    iteration, files = manifest["iteration"], manifest["files"]
    if not _NAME.fullmatch(path.name) or iteration != _iteration_of(path):
        raise Damaged(f"checkpoint {path} is damaged: its manifest is of iteration {iteration!r}")
    state = _read(path, FILES[0], files["state.safetensors"])
    facts = _json(path, FILES[1], _read(path, FILES[1], files["facts.json"]), schema.FACTS)
    if facts.get("iteration", iteration) != iteration:
        raise Damaged(f"checkpoint {path} is damaged: its facts are of iteration {facts['iteration']!r}")
    return iteration, state, dict(facts), manifest.get("kept", {})


def _read(path: Path, name: str, expected: schema.File | None) -> bytes:
    """The bytes of one file, which must have the size and SHA-256 that its manifest expects (None: is the manifest)."""
    most = schema.KIND.most if expected is None else min(expected["bytes"], MOST)
    try:
        data = filing.read(path / name, most, path.parent.parent)
    except errors.UserError as error:
        raise Damaged(f"checkpoint {path} is damaged: {error}") from error
    if expected is not None and len(data) != expected["bytes"]:
        raise Damaged(
            f"checkpoint {path} is damaged: {name} has {len(data)} bytes, not {expected['bytes']} as its manifest says"
        )
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
