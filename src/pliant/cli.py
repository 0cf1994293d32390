"""The command line. Parses, calls one function, prints; everything heavy is imported by the command that needs it.

Results go to stdout, progress and errors to stderr. An expected error is one line that begins `pliant: `, with exit status 2.
"""

import argparse
import contextlib
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from pliant import errors
from pliant.version import VERSION

SPLITS = ("train", "test", "ood")
SHELLS = ("bash", "zsh", "fish")
EXAMPLES = {
    "": "pliant train maml half-cheetah-dir\npliant evaluate runs/maml-half-cheetah-dir-seed0\npliant list",
    "train": "pliant train maml point\npliant train maml point --help       every setting of this pair\n"
    "pliant train fomaml point --seed 1 --iterations 50 --inner.steps 3 --out runs/mine\n"
    "pliant train maml point --out runs/mine --resume\n"
    "pliant train maml gymnasium --env CartPole-v1 --vary 'length=0.3:1.5, force_mag=-15:-5|5:15'",
    "evaluate": "pliant evaluate runs/maml-point-seed0\npliant evaluate runs/maml-point-seed0 --split ood --stages 5 --json\n"
    "pliant evaluate runs/rl2-bandit-seed0 --tasks 1000 --lanes 1 --players\n"
    "pliant evaluate runs/maml-driving-seed0 --tasks 10 --family.simulator highway-env",
    "adapt": "pliant adapt runs/maml-point-seed0 --task goal=0.3,-0.2\n"
    "pliant adapt runs/maml-half-cheetah-vel-seed0 --task velocity=1.5 --stages 3 --out adapted",
    "list": "pliant list\npliant list --json",
    "completion": 'eval "$(pliant completion bash)"\npliant completion fish > ~/.config/fish/completions/pliant.fish',
}


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one line, and name what is nearest."""

    def error(self, message: str) -> NoReturn:
        raise errors.UserError(re.sub(r"^argument (\S+): is ", r"\1 is ", message) + f" (see {self.prog} --help)")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            kind = "command" if action.dest == "command" else action.metavar or action.dest
            raise errors.unknown(str(kind).lower(), value, [c for c in action.choices if not c.startswith("_")])


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


def parser() -> Parser:
    """The parser of all commands."""
    root: Parser = _parser(Parser, "", prog="pliant", description="Train agents that adapt to tasks they have never seen.")
    root.add_argument("--version", action="version", version=f"pliant {VERSION}")
    commands = root.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    _add_train(commands)
    evaluate = _parser(commands.add_parser, "evaluate", help="adaptation curve of a run on tasks of a split")
    _add_run(evaluate)
    evaluate.add_argument("--split", choices=SPLITS, metavar="SPLIT", default="test", help="train, test or ood (default: test)")
    evaluate.add_argument("--tasks", type=_positive, metavar="N", help="number of tasks (default: 40)")
    evaluate.add_argument("--lanes", type=_positive, metavar="N", help="lanes per task (default: as in training)")
    evaluate.add_argument("--players", action="store_true", help="play the family's classical players on the same tasks too")
    evaluate.add_argument("--protocol", action="store_true", help="evaluate as the family's publishers do, e.g. Meta-World's")
    evaluate.add_argument("--json", action="store_true", help="print one pliant.evaluation/1 document")
    adapt = _parser(commands.add_parser, "adapt", help="adapt a run to one named task and save the adapted policy")
    _add_run(adapt)
    adapt.add_argument(
        "--task", action="append", metavar="NAME=VALUES", help="the task, e.g. goal=0.3,-0.2; repeat for more parameters"
    )
    adapt.add_argument("--episodes", type=_positive, metavar="N", help="episodes of each stage (default: as in training)")
    adapt.add_argument("--out", type=Path, metavar="DIR", help="where to save (default: RUN/adapted/TASK)")
    listing = _parser(commands.add_parser, "list", help="algorithms, families with their parameters and splits, presets")
    listing.add_argument("--json", action="store_true", help="print one pliant.list/1 document")
    completion = _parser(commands.add_parser, "completion", help="print a shell completion script")
    completion.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))
    return root


def _add_train(commands: Any) -> None:
    train = _parser(commands.add_parser, "train", help="meta-train an algorithm on a family of tasks", add_help=False)
    train.add_argument("algorithm", nargs="?", metavar="ALGORITHM", help="e.g. maml (`pliant list` names all)")
    train.add_argument("family", nargs="?", metavar="FAMILY", help="e.g. half-cheetah-dir")
    train.add_argument(
        "-h", "--help", action="store_true", help="show this help; after ALGORITHM FAMILY, every setting of the pair"
    )
    train.add_argument("--seed", type=_natural, metavar="N", help="address of all random numbers (default: 0)")
    train.add_argument(
        "--iterations", type=_positive, metavar="N", help="meta-updates in total; the same as --train.iterations"
    )
    train.add_argument("--out", type=Path, metavar="DIR", help="run folder (default: runs/ALGORITHM-FAMILY-seedN)")
    train.add_argument("--device", default="cpu", metavar="NAME", help="cpu, cuda, cuda:1, ... (default: cpu)")
    train.add_argument("--resume", action="store_true", help="continue the run in --out, or begin it if there is none")
    train.add_argument("--preset", metavar="NAME", help="a preset of the pair, a .toml file, or none (default: the plain one)")
    train.add_argument("--policy", metavar="NAME", help="policy (default: the algorithm's)")
    train.add_argument("--quiet", action="store_true", help="no progress on stderr")
    _add_import(train)
    train.usage = "pliant train ALGORITHM FAMILY [options] [--PART.NAME VALUE ...]"


def _add_run(command: argparse.ArgumentParser) -> None:
    command.add_argument("run", type=Path, metavar="RUN", help="run folder")
    stages = "last stage: gradient steps (default: 3), or the index of a memory's last episode (default: as trained)"
    command.add_argument("--stages", type=_natural, metavar="N", help=stages)
    command.add_argument("--seed", type=_natural, metavar="N", default=0, help="address of all random numbers (default: 0)")
    command.add_argument("--device", default="cpu", metavar="NAME", help="cpu, cuda, ... (default: cpu)")
    _add_import(command)


def _add_import(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--import", action="append", default=[], dest="imports", metavar="MODULE", help="code outside pliant the run may use"
    )


def _parser(make: Any, name: str, **keywords: Any) -> Any:
    """A parser with its examples at the end."""
    examples = "\n".join(f"  {line}" for line in EXAMPLES[name].splitlines())
    keywords.setdefault("description", keywords.get("help", "").capitalize() + ".")
    style = argparse.RawDescriptionHelpFormatter
    return make(
        *([name] if name else []), epilog=f"examples:\n{examples}", formatter_class=style, allow_abbrev=False, **keywords
    )


def _run(argv: list[str]) -> int:
    if argv[:1] == ["_complete"]:
        from pliant import completion

        print("\n".join(completion.candidates(argv[1:])))
        return 0
    dotted: dict[str, str] = {}
    if argv[:1] in (["train"], ["evaluate"]):
        argv, dotted = split_dotted(argv)
    root = parser()
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
    return {"adapt": _adapt, "list": _list, "completion": _completion}[arguments.command](arguments)


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
    from pliant import completion

    known = completion.family_settings(family)
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
    from pliant import completion

    command = arguments.command
    if command is None or not word.startswith("-"):
        return errors.UserError(f"unexpected argument {word!r} (see pliant {command or ''} --help)".replace("  ", " "))
    known = completion.flags(command, getattr(arguments, "algorithm", None), getattr(arguments, "family", None))
    return errors.unknown("flag", word.partition("=")[0], known, f"see pliant {command} --help")


def _train(arguments: argparse.Namespace, dotted: dict[str, str]) -> int:
    from pliant import registry

    algorithm, family = arguments.algorithm, arguments.family
    if arguments.help and not (algorithm and family):
        commands = next(a for a in parser()._actions if a.dest == "command")
        print(dict(commands.choices or {})["train"].format_help(), end="")
        return 0
    named: tuple[tuple[registry.Kind, str | None], ...] = (
        ("algorithm", algorithm),
        ("family", family),
        ("policy", arguments.policy),
    )
    for kind, name in named:
        if name and not registry.is_outside(name):
            registry.source(kind, name)  # a wrong name is told before anything slow is imported
    for kind, name in named[:2]:
        if not name:
            known = ", ".join(registry.names(kind))
            raise errors.UserError(
                f"train needs ALGORITHM and FAMILY, e.g. pliant train maml point; known {kind} names are {known}"
            )
    from pliant import _commands

    return _commands.train(arguments, dotted)


def _evaluate(arguments: argparse.Namespace, dotted: dict[str, str]) -> int:
    from pliant import _commands

    return _commands.evaluate(arguments, dotted)


def _adapt(arguments: argparse.Namespace) -> int:
    from pliant import _commands

    return _commands.adapt(arguments)


def _list(arguments: argparse.Namespace) -> int:
    from pliant import explain

    with contextlib.redirect_stdout(sys.stderr):  # whatever a simulator says while it is imported
        document = explain.everything()
    print(json.dumps(document, indent=2) if arguments.json else explain.text(document))
    return 0


def _completion(arguments: argparse.Namespace) -> int:
    from pliant import completion

    print(completion.SCRIPTS[arguments.shell], end="")
    return 0


def _natural(text: str) -> int:
    if not re.fullmatch(r"\d{1,18}", text):
        raise argparse.ArgumentTypeError(f"is {text!r}: expected an integer of at least 0")
    return int(text)


def _positive(text: str) -> int:
    if not re.fullmatch(r"0*[1-9]\d{0,17}", text):
        raise argparse.ArgumentTypeError(f"is {text!r}: expected an integer of at least 1")
    return int(text)
