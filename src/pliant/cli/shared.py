"""What several verbs do: look at the run and the device, read a task, compare, print. Imports what is heavy when it is used."""

import argparse
import contextlib
import json
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pliant import errors

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 140
"""Columns of a table that goes to no terminal."""
MOST_COLUMNS = 120


def prepare(arguments: argparse.Namespace) -> None:
    """Refuse a wrong folder or device early, and import what the user trusts this run with."""
    from pliant.storage import record

    record.Run.open(arguments.run)
    check_device(arguments)
    trust(arguments)


def trust(arguments: argparse.Namespace) -> None:
    """Import the code outside pliant that the user names."""
    from pliant.system import outside

    for module in arguments.imports:
        outside.import_outside(module)


def command(verb: str, *words: object, imports: Iterable[str] = ()) -> str:
    """A command of pliant as it can be pasted into a shell, with the code outside pliant that it needs."""
    trusted = [word for module in dict.fromkeys(imports) for word in ("--import", module)]
    return shlex.join(["pliant", verb, *map(str, words), *trusted])


def check_device(arguments: argparse.Namespace) -> None:
    """Settle the device of this process. Raises UserError for one that torch cannot use."""
    from pliant.system import crew, given

    arguments.device = crew.device(arguments.device)
    given.device("--device", arguments.device)


def parse_task(words: list[str]) -> dict[str, Any]:
    """`["goal=0.3,-0.2", "speed=2"]` as {"goal": [0.3, -0.2], "speed": 2.0}; one word may hold several, spaces between."""
    task: dict[str, Any] = {}
    for word in " ".join(words).split():
        name, equals, value = word.partition("=")
        try:
            numbers = [float(number) for number in value.rstrip(",").split(",")]
        except ValueError:
            raise errors.UserError(f"--task is {word!r}: expected NAME=NUMBER or NAME=NUMBER,NUMBER,...") from None
        if not equals or not name or name in task:
            raise errors.UserError(
                f"--task names {name!r} twice" if name in task else f"--task is {word!r}: expected NAME=NUMBERS"
            )
        task[name] = numbers if "," in value else numbers[0]
    if not task:
        raise errors.UserError("adapt needs --task, e.g. --task goal=0.3,-0.2 (`pliant list FAMILY` names its parameters)")
    return task


def compared(arguments: argparse.Namespace) -> dict[str, Any]:
    """The comparison asked for, with the sweeps asked for."""
    from pliant.comparing import compare, contenders
    from pliant.running import sweep

    check_device(arguments)
    trust(arguments)
    asked = contenders.Asked(
        split=arguments.split,
        tasks=arguments.tasks,
        stages=arguments.stages,
        seed=arguments.seed,
        device=arguments.device,
    )
    with contextlib.redirect_stdout(sys.stderr):
        if arguments.sweep:
            compare.prepare(arguments.runs, asked)  # what is refused is refused before minutes of sweeps
        for axis in arguments.sweep:
            for run in [path for path in arguments.runs if not path.is_file()]:
                sweep.sweep_run(run, axis, seed=arguments.seed, device=arguments.device, quiet=False)
        return compare.compare(arguments.runs, asked, quiet=False)


def say(*lines: object) -> None:
    """Lines of a result on stdout."""
    print("\n".join(errors.printable(str(line)) for line in lines))


def say_aside(line: str) -> None:
    """One line about what is going on, on stderr."""
    print(errors.printable(f"pliant: {line}"), file=sys.stderr)


def console() -> "Console":
    """Stdout, wide enough for a table that goes to a file."""
    from pliant.system import terminal

    return terminal.console() if sys.stdout.isatty() else terminal.console(width=WIDTH)


def print_json(document: Mapping[str, Any]) -> None:
    """One document on stdout."""
    say(*json.dumps(document, indent=2, allow_nan=False).splitlines())


def only_json(arguments: argparse.Namespace) -> contextlib.AbstractContextManager[Any]:
    """With --json the document alone goes to stdout: what a simulator prints meanwhile goes to stderr."""
    return contextlib.redirect_stdout(sys.stderr) if arguments.json else contextlib.nullcontext()


def columns() -> int:
    """How wide text is set: the terminal, at most 120."""
    return min(shutil.get_terminal_size((100, 24)).columns, MOST_COLUMNS)


def wrapped(line: str) -> list[str]:
    """A long line as several, the later ones indented like the first."""
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.wrap(line, columns(), subsequent_indent=indent, break_on_hyphens=False) or [line]


def paragraphs(text: str) -> list[str]:
    """A docstring set to the width there is; lines that are indented in it stay as they are."""
    lines: list[str] = []
    for block in text.split("\n\n"):
        rows = block.splitlines()
        is_set = any(row.startswith(" ") for row in rows)
        lines += [*([""] if lines else []), *(rows if is_set else wrapped(" ".join(rows)))]
    return lines
