"""Where `pliant train` puts a run that is given no --out, and whether the very same run is there already."""

import re
from enum import Enum
from pathlib import Path

from pliant import errors
from pliant.config import config
from pliant.storage import checkpoint, record, shown


class Holds(Enum):
    """How much of a run its folder holds."""

    NOTHING = "nothing"
    BEGINNING = "as far as it came"
    WHOLE = "all of it"


def default(algorithm: str, family: str, seed: int, resume: bool = False) -> Path:
    """`runs/ALGORITHM-FAMILY-seedN` of shown names, or the next free one; with `resume`, the last that exists."""
    return record.default_out(shown.folder(shown.name(algorithm)), shown.folder(family), seed, resume)


def shown_family(family: str, settings: dict[str, str]) -> str:
    """What the family is called, as far as the words typed say it: with --resume the rest stands in the run."""
    typed = {flag.removeprefix("family."): value for flag, value in settings.items() if flag.startswith("family.")}
    return shown.family(family, typed)


def of(wanted: config.Config) -> tuple[Path, Holds]:
    """The folder of the run that `wanted` describes, and how much of it is there: the same run is not begun a second time."""
    out = default(wanted.algorithm, shown.family(wanted.family, vars(wanted.parts["family"])), wanted.seed)
    base = re.sub(r"(-seed\d+)-\d+$", r"\1", out.name)
    like = re.compile(rf"{re.escape(base)}(-\d+)?")
    for path in sorted(out.parent.iterdir()) if out.parent.is_dir() else ():
        if like.fullmatch(path.name) and _is_same(path, wanted):
            return path, held(path, wanted)
    return out, Holds.NOTHING


def held(out: Path, wanted: config.Config) -> Holds:
    """How much of the run that `wanted` describes the folder `out` holds."""
    if not _is_same(out, wanted):
        return Holds.NOTHING
    return Holds.WHOLE if _is_whole(out, wanted) else Holds.BEGINNING


def _is_same(path: Path, wanted: config.Config) -> bool:
    """The folder holds a run of the same settings and seed."""
    try:
        return config.from_dict(record.Run.open(path, warns=False).config) == wanted
    except errors.UserError:  # no run, or one of other code
        return False


def _is_whole(path: Path, wanted: config.Config) -> bool:
    """The newest checkpoint is that of the last iteration."""
    saved = checkpoint.paths(record.Run.open(path, warns=False).checkpoints)
    return bool(saved) and int(re.sub(r"\D", "", saved[0].name)) >= wanted.parts["train"].iterations
