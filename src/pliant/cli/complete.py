"""Shell completion: what may follow the words typed so far. Runs no code of the user's, and imports nothing heavy but once."""

import argparse
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from pliant.cli import names, parser
from pliant.config import presets, registry

_PLAIN = re.compile(r"[\w./@=+,-]+")
"""Folders that a shell takes as they are; others are left to the shell's own completion, which quotes them."""


def candidates(words: list[str]) -> list[str]:
    """What may stand in place of the last of `words` (the ones after `pliant`), which is unfinished."""
    *earlier, unfinished = words or [""]
    return sorted({c for c in _following(earlier, unfinished) if c.startswith(unfinished)})


def flags(command: str, algorithm: str | None = None, family: str | None = None) -> list[str]:
    """The flags of a verb; for `train` of a known pair, its dotted flags too."""
    found = [flag for flag in parser.commands()[command]._option_string_actions if flag.startswith("--")]
    if algorithm in registry.names("algorithm") and family in registry.names("family"):
        found += [f"--{setting}" for setting in names.of_pair(algorithm, family)]
    return found


def _following(words: list[str], unfinished: str) -> list[str]:
    commands = parser.commands()
    if not words:
        return [*commands, "--help", "--version"]
    if words[0] not in commands:
        return []
    command = commands[words[0]]
    given, awaited = _placed(command, words[1:])
    if awaited is not None:
        return _values(awaited, unfinished, given)
    if unfinished.startswith("-"):
        return flags(words[0], given.get("algorithm"), given.get("family"))
    open_ones = [a for a in command._actions if not a.option_strings and (a.dest not in given or a.nargs in ("+", "*"))]
    return _values(open_ones[0], unfinished, given) if open_ones else flags(words[0], *map(given.get, ("algorithm", "family")))


def _placed(command: argparse.ArgumentParser, words: list[str]) -> tuple[dict[str, str], argparse.Action | None]:
    """The positional arguments among `words` by name, and the flag that still waits for its value."""
    positional = [action for action in command._actions if not action.option_strings]
    given: dict[str, str] = {}
    awaited: argparse.Action | None = None
    for word in words:
        if awaited is not None:
            awaited = None
        elif word.startswith("-"):
            action = command._option_string_actions.get(word)
            dotted = argparse.Action([word], "setting") if "." in word and "=" not in word else None
            awaited = dotted if action is None else action if action.nargs != 0 else None
        elif left := [action for action in positional if action.dest not in given]:
            given[left[0].dest] = word
    return given, awaited


def _values(action: argparse.Action, unfinished: str, given: Mapping[str, str]) -> list[str]:
    """What an argument may be."""
    known: dict[str, Callable[[], list[str]]] = {
        "algorithm": lambda: registry.names("algorithm"),
        "family": lambda: registry.names("family"),
        "policy": lambda: registry.names("policy"),
        "preset": lambda: [n for _, _, n in presets.presets(given.get("algorithm"), given.get("family")) if n] + ["none"],
        "device": lambda: ["cpu", "cuda"],
        "run": lambda: _runs(unfinished),
        "runs": lambda: _runs(unfinished),
        "name": lambda: [n for kind in registry.FOLDERS for n in registry.names(kind)],
    }
    if action.choices is not None:
        return list(action.choices)
    return known[action.dest]() if action.dest in known else []


def _runs(prefix: str) -> list[str]:
    """Run folders in runs/ and beside what is typed."""
    beside = Path(prefix) if prefix.endswith("/") else Path(prefix).parent
    found = [str(path.parent) for path in (*Path("runs").glob("*/run.json"), *beside.glob("*/run.json"))]
    return [path for path in found if _PLAIN.fullmatch(path)]
