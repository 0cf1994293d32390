"""`pliant list`: what there is, one line a thing, or the whole of one thing."""

import argparse
import contextlib
import sys

HELP = "algorithms, families, policies and presets; with NAME the whole of one, such as the parameters of a family"
EXAMPLES = """\
pliant list
pliant list half-cheetah-vel
pliant list rl2-bandit@100-5
pliant list --json
"""
PLACE = 9


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="an algorithm, a family, a policy or a preset")
    parser.add_argument("--json", action="store_true", help="print one pliant.list/1 document")


def run(arguments: argparse.Namespace, settings: dict[str, str]) -> int:
    """Print it."""
    from pliant.cli import listing, shared

    if arguments.name is None and not arguments.json:
        shared.say(*listing.lines(shared.columns()))
        return 0
    with contextlib.redirect_stdout(sys.stderr):  # whatever a simulator says while it is imported
        document = listing.document(arguments.name)
        lines = [] if arguments.json else listing.whole(document)
    if arguments.json:
        shared.print_json(document)
    else:
        shared.say(*lines)
    return 0
