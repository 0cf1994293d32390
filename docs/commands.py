"""The reference of the command line, from its parsers: every command with its arguments and examples."""

import argparse
import re
from collections.abc import Iterator

import cells

from pliant.cli import parser as parsing


def commands() -> str:
    """Every command of `pliant`, one section each."""
    root = parsing.parser()
    (verbs,) = (action for action in root._actions if isinstance(action, argparse._SubParsersAction))
    parsers = {name: parser for name, parser in verbs.choices.items() if not name.startswith("_")}
    listed = ((f"[`pliant {name}`](#pliant-{name})", cells.plain(_said(parser))) for name, parser in parsers.items())
    parts = [cells.table(("command", ""), listed), *(_section(name, parser) for name, parser in parsers.items())]
    return "\n\n".join(parts)


def _section(name: str, parser: argparse.ArgumentParser) -> str:
    rows = [row for action in parser._actions if (row := _row(action))]
    parts = [f"## pliant {name}", f"{_said(parser)}.", f"```text\n{_usage(parser)}\n```"]
    parts += [cells.table(("argument", "meaning"), rows)] if rows else []
    if name == "train":
        parts.append(
            "Settings are flags too: `--PART.NAME VALUE`, and `--NAME VALUE` for those of the family. Each algorithm's and each"
            " family's page lists its own; `pliant train ALGORITHM FAMILY --help` lists those of a pair."
        )
    if name == "evaluate":
        parts.append("`--family.NAME VALUE` evaluates the same agent on its family under other settings.")
    examples = [*_lines((parser.epilog or "").partition("examples:")[2])]
    kind = "console" if all(re.match(r"pliant [^>]*$", line) for line in examples) else "sh"  # the latter are for a shell alone
    return "\n\n".join([*parts, f"```{kind}\n" + "\n".join(examples) + "\n```"])


def _said(parser: argparse.ArgumentParser) -> str:
    return (parser.description or "").rstrip(".")


def _usage(parser: argparse.ArgumentParser) -> str:
    """Its usage, on as many lines as it needs."""
    usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
    return re.sub(r"(.{60,100}?) (?=\[|[A-Z]+ |--)", r"\1\n    ", usage)


def _row(action: argparse.Action) -> tuple[str, str] | None:
    if action.help in (None, argparse.SUPPRESS):
        return None
    value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
    many = " ..." if action.nargs == "+" else ""
    names = ", ".join(f"{flag}{value}" for flag in action.option_strings) or f"{action.metavar or action.dest}{many}"
    return cells.code_of(names), cells.plain(str(action.help).replace("%%", "%"))


def _lines(text: str) -> Iterator[str]:
    """Examples as they are typed, what they are for after a mark."""
    for line in filter(None, map(str.strip, text.splitlines())):
        yield re.sub(r" {3,}(?=\S)", "   # ", line)
