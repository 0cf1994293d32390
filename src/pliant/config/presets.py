"""Presets: tuned settings for a pair of algorithm and family, TOML files that hold data and nothing else."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pliant import errors
from pliant.config import registry

PRESETS = Path(__file__).resolve().parent.parent / "presets"
Change = Callable[[dict[str, Any]], dict[str, Any]]
NO_PRESET = "none"
"""The preset name that stands for bare defaults."""


def presets(algorithm: str | None = None, family: str | None = None) -> list[tuple[str, str, str]]:
    """The presets that ship, as (algorithm, family, name), of one pair or of all; the plain one has the name ""."""
    found = []
    for path in sorted(PRESETS.glob("*.toml")):
        pair, _, name = path.stem.partition("@")
        for a in registry.names("algorithm"):
            if pair.startswith(f"{a}-") and algorithm in (None, a) and family in (None, pair[len(a) + 1 :]):
                found.append((a, pair[len(a) + 1 :], name))
    return found


def preset_path(algorithm: str, family: str, preset: str | None) -> Path | None:
    """The file of the chosen preset, None for bare defaults. Raises UserError for an unknown one."""
    if preset == NO_PRESET:
        return None
    if preset and preset.endswith(".toml"):
        if not Path(preset).is_file():
            raise errors.UserError(f"preset {preset} does not exist: give a .toml file or a preset's name")
        return Path(preset)
    path = PRESETS / f"{algorithm}-{family}{f'@{preset}' if preset else ''}.toml"
    if path.is_file():
        return path
    if preset is None:
        return None
    known = [name for _, _, name in presets(algorithm, family) if name]
    raise errors.unknown(f"preset of {algorithm} {family}", preset, [*known, NO_PRESET])


def chosen(algorithm: str, family: str, preset: str | None) -> tuple[Path | None, Change]:
    """The file of the chosen preset, and what to change in it: one that an algorithm borrows from another is not its own."""
    borrows: tuple[str, Change] | None = getattr(registry.load("algorithm", algorithm), "BORROWS", None)
    own = {name for _, _, name in presets(algorithm, family)}
    if borrows and (preset or "") not in own and (preset or "") in {name for _, _, name in presets(borrows[0], family)}:
        return preset_path(borrows[0], family, preset), borrows[1]
    return preset_path(algorithm, family, preset), lambda table: table


def tables(path: Path) -> dict[str, Any]:
    """The tables of a preset."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise errors.UserError(f"preset {path} cannot be read: {error}") from error
    table.pop("summary", None)
    return table
