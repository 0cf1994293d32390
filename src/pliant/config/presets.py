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


def stem(algorithm: str, family: str, name: str) -> str:
    """The name of the file of a preset, without its suffix: `rl2-bandit@100-5`."""
    return f"{algorithm}-{family}" + (f"@{name}" if name else "")


def preset_path(algorithm: str, family: str, preset: str | None) -> Path | None:
    """The file of the chosen preset, None for bare defaults. Raises UserError for an unknown one."""
    if preset == NO_PRESET:
        return None
    if preset == "":
        raise errors.UserError("--preset is '': expected the name of a preset, a .toml file, or none")
    if preset and preset.endswith(".toml"):
        if not Path(preset).is_file():
            raise errors.UserError(f"preset {preset} does not exist: give a .toml file or a preset's name")
        return Path(preset)
    path = PRESETS / f"{stem(algorithm, family, preset or '')}.toml"
    if path.is_file():
        return path
    if preset is None:
        return None
    known = [name for _, _, name in presets(algorithm, family) if name]
    raise errors.unknown(f"preset of {algorithm} {family}", preset, [*known, NO_PRESET])


def names(algorithm: str, family: str) -> list[str]:
    """The presets that a pair can choose, its own and those that its algorithm borrows, with "" for the plain one."""
    borrows: tuple[str, Change] | None = getattr(registry.load("algorithm", algorithm), "BORROWS", None)
    found = {name for pair in (algorithm, *([borrows[0]] if borrows else [])) for _, _, name in presets(pair, family)}
    return sorted(found)


def chosen(algorithm: str, family: str, preset: str | None) -> tuple[Path | None, Change]:
    """The file of the chosen preset, and what to change in it: one that an algorithm borrows from another is not its own."""
    borrows: tuple[str, Change] | None = getattr(registry.load("algorithm", algorithm), "BORROWS", None)
    if borrows and (preset or "") in names(algorithm, family) and (preset or "") not in _own(algorithm, family):
        return preset_path(borrows[0], family, preset), borrows[1]
    return preset_path(algorithm, family, preset), lambda table: table


def _own(algorithm: str, family: str) -> set[str]:
    return {name for _, _, name in presets(algorithm, family)}


def tables(path: Path) -> dict[str, Any]:
    """The tables of a preset, one for each part. Raises UserError for a file that is anything else."""
    table = _read(path)
    table.pop("summary", None)
    for part, settings in table.items():
        if not isinstance(settings, dict):
            raise errors.UserError(f"preset {path}: {part!r} is {settings!r}: expected a table of settings, [{part}]")
    if not isinstance(name := table.get("policy", {}).get("name", ""), str):
        raise errors.UserError(f"preset {path}: policy.name is {name!r}: expected text, the name of a policy")
    return table


def summary(path: Path) -> str:
    """What a preset says of itself, in one line."""
    return str(_read(path).get("summary", ""))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise errors.UserError(f"preset {path} cannot be read: it is nested too deeply") from error
    except (OSError, ValueError) as error:
        raise errors.UserError(f"preset {path} cannot be read: {error}") from error
