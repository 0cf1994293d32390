"""`pliant check`: does code of yours keep its contract?"""

import argparse
from typing import TYPE_CHECKING

from pliant import errors
from pliant.cli import arguments as shared_arguments
from pliant.cli import shared

if TYPE_CHECKING:
    from pliant.checking.report import Kind

HELP = "does code of yours keep its contract? what is wrong, how to mend it"
EXAMPLES = """\
pliant check my_family.py
pliant check package.module:make_family
pliant check --algorithm my_algorithm.py
pliant check --policy my_memory.py
pliant check point --json
pliant check gymnasium --env CartPole-v1 --vary 'length=0.3:1.5, force_mag=-15:-5|5:15'
"""
PLACE = 8
SETTINGS = True


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    family = "my_family.py, package.module, module:attribute, or a name of pliant's"
    parser.add_argument("family", nargs="?", metavar="FAMILY", help=family)
    parser.add_argument("--algorithm", metavar="MODULE", help="an algorithm instead: my_algorithm.py, package.module or a name")
    policy = "a policy instead: my_policy.py, package.module, module:Factory (a body) or a name"
    parser.add_argument("--policy", metavar="MODULE", help=policy)
    shared_arguments.add_seed(parser)
    parser.add_argument("--json", action="store_true", help="print one pliant.check/1 document")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    shared_arguments.add_import(parser)


def run(arguments: argparse.Namespace, settings: dict[str, str]) -> int:
    """Print what the contract of a family, an algorithm or a policy says of it."""
    kind, name = _subject(arguments)
    shared.trust(arguments)
    from pliant.checking import check

    given = _given(kind, name, settings)
    with shared.only_json(arguments):
        found = check.check(kind, name, given, seed=arguments.seed, quiet=arguments.quiet)
    if arguments.json:
        shared.print_json(found.document())
    else:
        shared.console().print(found.table())
    if found.failed:
        raise errors.UserError(found.line())
    return 0


def _given(kind: "Kind", name: str, settings: dict[str, str]) -> dict[str, str]:
    """The settings typed, as the check takes them: those of a family or a policy without their part."""
    if kind == "algorithm":
        return settings
    for flag in settings:
        if not flag.startswith(f"{kind}."):
            raise errors.UserError(f"--{flag} is no setting of the {kind} {name}: expected --{kind}.NAME")
    return {flag.removeprefix(f"{kind}."): value for flag, value in settings.items()}


def _subject(arguments: argparse.Namespace) -> "tuple[Kind, str]":
    """What kind of code is to be checked, and its name."""
    named: dict[Kind, str | None] = {
        "family": arguments.family,
        "algorithm": arguments.algorithm,
        "policy": arguments.policy,
    }
    given = [(kind, name) for kind, name in named.items() if name is not None]
    if len(given) != 1 or not given[0][1].strip():
        got = " and ".join(name or "''" for _, name in given) or "nothing"
        raise errors.UserError(f"check got {got}: expected one of FAMILY, --algorithm MODULE, --policy MODULE")
    return given[0]
