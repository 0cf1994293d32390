"""Interpreters that this process begins: they take no code from the working directory.

Python puts the working directory first where it looks for modules (`-m`, `-c`): in the folder of somebody else's run a file
`socket.py` would be run by whatever imports sockets. `-P` and PYTHONSAFEPATH forbid it. Code of the user's own that lies there
is found all the same once it is named (`outside.import_outside`), behind everything that is installed.
"""

import os
import site
import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[2])
"""The folder in which pliant lies."""
SAFE = {"PYTHONSAFEPATH": "pliant"}
"""For an interpreter that somebody else begins, as multiprocessing does; `restore` takes it back there."""


def command(*words: str) -> list[str]:
    """`python words` as a command line."""
    return [sys.executable, "-P", *words]


def environment() -> dict[str, str]:
    """The environment of `command`, in which pliant is found where this process found it, and no empty path is the folder."""
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if ROOT not in (*site.getsitepackages(), site.getusersitepackages(), *paths):
        paths.append(ROOT)
    named = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return named | ({"PYTHONPATH": os.pathsep.join(paths)} if paths else {})


def restore() -> None:
    """In an interpreter that was begun with SAFE: what it begins itself is its own affair."""
    for name, value in SAFE.items():
        if os.environ.get(name) == value:
            del os.environ[name]
