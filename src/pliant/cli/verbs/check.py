"""`pliant check`: does a family of tasks keep its contract?"""

import argparse

from pliant import errors
from pliant.cli import arguments as shared_arguments
from pliant.cli import shared

HELP = "does a family of tasks keep its contract? what is wrong, how to mend it"
EXAMPLES = """\
pliant check my_family.py
pliant check package.module:make_family
pliant check point --json
"""
PLACE = 8


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    where = "my_family.py, package.module, module:attribute, or a name of pliant's"
    parser.add_argument("family", metavar="FAMILY", help=where)
    shared_arguments.add_seed(parser)
    parser.add_argument("--json", action="store_true", help="print one pliant.check/1 document")


def run(arguments: argparse.Namespace, settings: dict[str, str]) -> int:
    """Print what the contract says of the family."""
    from pliant.checking import check

    with shared.only_json(arguments):
        found = check.check(arguments.family, seed=arguments.seed)
    if arguments.json:
        shared.print_json(found.document())
    else:
        shared.console().print(found.table())
    if found.failed:
        raise errors.UserError(found.line())
    return 0
