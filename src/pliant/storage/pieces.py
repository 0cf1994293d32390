"""Pieces: tensors of a run that never change, written once and listed by every checkpoint that needs them.

    kept/00000012-0d6b7c1e5a2f9c30.safetensors    the tensors whose names begin with kept/00000012/

A file is called by what it holds, so none is ever written over: a checkpoint lists name, size and SHA-256, and a piece that
is there is not written again. A file goes when no checkpoint lists it any more.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from pliant import errors
from pliant.storage.schema.checkpoint import File
from pliant.system import files as filing
from pliant.types import KEPT

MOST = 2**33
"""Bytes above which a piece is not ours."""
_NAME = re.compile(r"(\d{8,12})-[0-9a-f]{16}\.safetensors")
_known = WeakTensorKeyDictionary()
"""Of a piece in memory, by its first tensor: the name of its file, and what a manifest says of it."""


def split(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
    """(the tensors that change, those of each piece by its key) of a state."""
    pieces: dict[str, dict[str, Tensor]] = {}
    for name in [name for name in tensors if name.startswith(KEPT)]:
        pieces.setdefault(name.split("/")[1], {})[name] = tensors[name]
    return {name: x for name, x in tensors.items() if not name.startswith(KEPT)}, pieces


def save(folder: Path, pieces: Mapping[str, Mapping[str, Tensor]]) -> dict[str, File]:
    """Make pieces durable in `folder`; what a manifest says of each file, by its name."""
    if not pieces:
        return {}
    filing.require_within(folder, folder.parent)
    folder.mkdir(parents=True, exist_ok=True)
    listed = dict(_saved(folder, key, piece) for key, piece in pieces.items())
    filing.sync_folder(folder)
    return listed


def load(folder: Path, listed: Mapping[str, File]) -> dict[str, Tensor]:
    """The tensors of the files that a manifest lists. Raises UserError naming the first that is not as it was written."""
    tensors: dict[str, Tensor] = {}
    for name, file in listed.items():
        found = _loaded(folder, name, file)
        _known[next(iter(found.values()))] = (name, file)
        tensors |= found
    return tensors


def missing(folder: Path, listed: Mapping[str, File]) -> str | None:
    """The first file that a manifest lists and that is not there in its size."""
    for name, file in listed.items():
        path = folder / name
        if path.is_symlink() or not path.is_file() or path.stat().st_size != file["bytes"]:
            return name
    return None


def prune(folder: Path, listed: Iterable[str]) -> None:
    """Remove the pieces that nobody lists; what is not a piece stays."""
    if folder.is_dir() and not folder.is_symlink():
        needed = set(listed)
        for path in folder.iterdir():
            name = path.name.removesuffix(".new")
            if _NAME.fullmatch(name) and path.name not in needed and not path.is_symlink() and path.is_file():
                path.unlink()


def _saved(folder: Path, key: str, piece: Mapping[str, Tensor]) -> tuple[str, File]:
    first = next(iter(piece.values()))
    known: tuple[str, File] | None = _known.get(first)
    if known and known[0].startswith(f"{key}-") and missing(folder, {known[0]: known[1]}) is None:
        return known
    data = safetensors.torch.save({name: x.detach().cpu().contiguous() for name, x in piece.items()})
    digest = hashlib.sha256(data).hexdigest()
    name, file = f"{key}-{digest[:16]}.safetensors", File(bytes=len(data), sha256=digest)
    if missing(folder, {name: file}) is not None:
        new = folder / f"{name}.new"
        new.unlink(missing_ok=True)
        filing.write_synced(new, data)
        os.replace(new, folder / name)
    _known[first] = (name, file)
    return name, file


def _loaded(folder: Path, name: str, file: File) -> dict[str, Tensor]:
    path, named = folder / name, _NAME.fullmatch(name)
    if not named:
        raise errors.UserError(f"its manifest lists {name!r:.60}, which is not the name of a piece")
    if not path.is_file():
        raise errors.UserError(f"{path} is missing")
    data = filing.read(path, min(file["bytes"], MOST), folder.parent)
    if len(data) != file["bytes"] or hashlib.sha256(data).hexdigest() != file["sha256"]:
        raise errors.UserError(f"{path} is not what was written: its size or SHA-256 is not the one in the manifest")
    try:
        tensors = safetensors.torch.load(data)
    except safetensors.SafetensorError as error:
        raise errors.UserError(f"{path} is not a safetensors file ({error})") from error
    if not tensors or any(not each.startswith(f"{KEPT}{named[1]}/") for each in tensors):
        raise errors.UserError(f"{path} holds tensors of another piece")
    return tensors
