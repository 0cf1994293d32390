"""The verbs of `pliant`, one file each. The folder is the registry: `verbs/train.py` is `pliant train`.

A verb defines `HELP` (one line), `EXAMPLES` (command lines), `add(parser)`, which says its arguments, and
`run(arguments, settings)`, which does it and returns the exit status. Nothing heavy is imported outside `run`. It may define
`PLACE`, where it stands in `pliant --help`, and `SETTINGS = True` if it takes flags such as `--inner.steps 3`: they are
`settings`.
"""

import argparse
import importlib
from pathlib import Path
from typing import Protocol, cast

LAST = 100
"""The place of a verb that names none."""


class Verb(Protocol):
    """What the file of a verb defines."""

    HELP: str
    EXAMPLES: str

    def add(self, parser: argparse.ArgumentParser) -> None:
        """Give the parser the arguments of the verb."""

    def run(self, arguments: argparse.Namespace, settings: dict[str, str]) -> int:
        """Do it; the exit status."""


def names() -> list[str]:
    """The verbs in the order of `pliant --help`."""
    found = [path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_")]
    return sorted(found, key=lambda name: (getattr(load(name), "PLACE", LAST), name))


def load(name: str) -> Verb:
    """The verb of a name."""
    return cast(Verb, importlib.import_module(f"{__name__}.{name}"))


def takes_settings(name: str) -> bool:
    """Flags such as `--inner.steps 3` belong to this verb."""
    return name in names() and getattr(load(name), "SETTINGS", False) is True
