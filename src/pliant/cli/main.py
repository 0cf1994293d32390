"""The command line. Parses, calls one function, prints; everything heavy is imported by the command that needs it.

Results go to stdout, progress and errors to stderr. An expected error is one line that begins `pliant: `, with exit status 2.
"""

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Sequence

from pliant import errors
from pliant.cli import parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    try:
        status = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except KeyboardInterrupt:
        print("pliant: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        line = errors.one_line(error)
        if line is None or os.environ.get("PLIANT_TRACEBACK"):
            raise
        print(f"pliant: {line}", file=sys.stderr)
        return errors.status_of(error)


def _run(argv: list[str]) -> int:
    if argv[:1] == ["_complete"]:
        from pliant.cli import complete

        print("\n".join(complete.candidates(argv[1:])))
        return 0
    dotted: dict[str, str] = {}
    if argv[:1] in (["train"], ["evaluate"]):
        argv, dotted = split_dotted(argv)
    root = parser.parser()
    arguments, rest = root.parse_known_args(argv)
    if arguments.command is None and not rest:
        root.print_help()
        return 0
    if arguments.command == "train":
        rest = _family_flags(arguments.family, rest, dotted)
    if rest:
        raise _unexpected(arguments, rest[0])
    if arguments.command == "train":
        return _train(arguments, dotted)
    if arguments.command == "evaluate":
        return _evaluate(arguments, dotted)
    if arguments.command in ("list", "completion"):
        return {"list": _list, "completion": _completion}[arguments.command](arguments)
    if arguments.command == "adapt":
        from pliant.cli import train

        return train.adapt(arguments)
    from pliant.cli import compare

    return compare.COMMANDS[arguments.command](arguments)


def split_dotted(argv: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Take the dotted flags out: (the rest, {"inner.steps": "3"}). One without a value means true."""
    rest: list[str] = []
    dotted: dict[str, str] = {}
    words = list(argv)
    while words:
        word = words.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or "." not in name:
            rest.append(word)
            continue
        if not equals:
            value = words.pop(0) if words and not words[0].startswith("--") else "true"
        if (name := name.replace("-", "_")) in dotted:
            raise errors.UserError(f"--{name} is given twice: {dotted[name]!r} and {value!r}")
        dotted[name] = value
    return rest, dotted


def _family_flags(family: str | None, words: Sequence[str], dotted: dict[str, str]) -> list[str]:
    """Settings of the family may be written without its part: --env as --family.env. Returns the words that are none."""
    if not words or family is None:
        return list(words)
    from pliant.cli import complete

    known = complete.family_settings(family)
    rest: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        name = name.replace("-", "_")
        if not word.startswith("--") or name not in known:
            rest.append(word)
            continue
        if not equals:
            value = left.pop(0) if left and not left[0].startswith("--") else "true"
        if f"family.{name}" in dotted:
            raise errors.UserError(f"--{name} is given twice: {dotted[f'family.{name}']!r} and {value!r}")
        dotted[f"family.{name}"] = value
    return rest


def _unexpected(arguments: argparse.Namespace, word: str) -> errors.UserError:
    from pliant.cli import complete

    command = arguments.command
    if command is None or not word.startswith("-"):
        return errors.UserError(f"unexpected argument {word!r} (see pliant {command or ''} --help)".replace("  ", " "))
    known = complete.flags(command, getattr(arguments, "algorithm", None), getattr(arguments, "family", None))
    return errors.unknown("flag", word.partition("=")[0], known, f"see pliant {command} --help")


def _train(arguments: argparse.Namespace, dotted: dict[str, str]) -> int:
    from pliant.config import registry
    from pliant.system import outside

    algorithm, family = arguments.algorithm, arguments.family
    if arguments.help and not (algorithm and family):
        commands = next(a for a in parser.parser()._actions if a.dest == "command")
        print(dict(commands.choices or {})["train"].format_help(), end="")
        return 0
    named: tuple[tuple[registry.Kind, str | None], ...] = (
        ("algorithm", algorithm),
        ("family", family),
        ("policy", arguments.policy),
    )
    for kind, name in named:
        if name and not outside.is_outside(name):
            registry.source(kind, name)  # a wrong name is told before anything slow is imported
    for kind, name in named[:2]:
        if not name:
            known = ", ".join(registry.names(kind))
            raise errors.UserError(
                f"train needs ALGORITHM and FAMILY, e.g. pliant train maml point; known {kind} names are {known}"
            )
    from pliant.cli import train

    return train.train(arguments, dotted)


def _evaluate(arguments: argparse.Namespace, dotted: dict[str, str]) -> int:
    from pliant.cli import train

    return train.evaluate(arguments, dotted)


def _list(arguments: argparse.Namespace) -> int:
    from pliant.cli import explain

    with contextlib.redirect_stdout(sys.stderr):  # whatever a simulator says while it is imported
        document = explain.everything()
    print(json.dumps(document, indent=2) if arguments.json else explain.text(document))
    return 0


def _completion(arguments: argparse.Namespace) -> int:
    from pliant.cli import complete

    print(complete.SCRIPTS[arguments.shell], end="")
    return 0
