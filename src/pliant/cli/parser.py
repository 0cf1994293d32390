"""The parser of all verbs: help with examples, errors of one line. Imports nothing heavy."""

import argparse
import re
from typing import Any, NoReturn

from pliant import errors
from pliant.cli import verbs
from pliant.version import VERSION

DESCRIPTION = "Train agents that adapt to tasks they have never seen."
EXAMPLES = "pliant train maml half-cheetah-dir\npliant evaluate runs/maml-half-cheetah-dir-seed0\npliant list"


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one line, and name what is nearest."""

    def error(self, message: str) -> NoReturn:
        raise errors.UserError(re.sub(r"^argument (\S+): is ", r"\1 is ", message) + f" (see {self.prog} --help)")

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        if action.option_strings and arg_strings == ["--"]:  # argparse would drop it and hand an empty list on
            raise errors.UserError(f"{action.option_strings[-1]} is '--': expected a value (see {self.prog} --help)")
        return super()._get_values(action, arg_strings)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            kind = "command" if action.dest == "command" else action.metavar or action.dest
            raise errors.unknown(str(kind).lower(), value, list(action.choices))


def parser() -> Parser:
    """The parser of `pliant` and of every verb."""
    root = Parser(prog="pliant", description=DESCRIPTION, **_style(EXAMPLES))
    root.add_argument("--version", action="version", version=f"pliant {VERSION}")
    commands = root.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for name in verbs.names():
        verb = verbs.load(name)
        made = commands.add_parser(name, help=verb.HELP, description=f"{verb.HELP.capitalize()}.", **_style(verb.EXAMPLES))
        verb.add(made)
    return root


def commands() -> dict[str, Parser]:
    """The parser of each verb."""
    action = next(a for a in parser()._actions if a.dest == "command")
    return dict(action.choices or {})


def _style(examples: str) -> dict[str, Any]:
    """A parser with its examples at the end, whose verb may say `--help` itself."""
    lines = "\n".join(f"  {line}" for line in examples.strip().splitlines())
    style = argparse.RawDescriptionHelpFormatter
    return {
        "epilog": f"examples:\n{lines}",
        "formatter_class": style,
        "allow_abbrev": False,
        "conflict_handler": "resolve",
    }
