"""`pliant compare`: who adapts faster and further."""

import argparse

from pliant.cli import arguments as shared_arguments
from pliant.cli import shared

HELP = "who adapts faster and further, with intervals"
EXAMPLES = """\
pliant compare runs/maml-point-seed* runs/rl2-point-seed* runs/pretrain-point-seed*
pliant compare runs/maml-point-seed* --split ood --json
"""
PLACE = 4


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    shared_arguments.add_runs(parser)
    parser.add_argument("--json", action="store_true", help="print one pliant.comparison/1 document")


def run(arguments: argparse.Namespace, settings: dict[str, str]) -> int:
    """Print the comparison."""
    from pliant.reporting import terminal

    document = shared.compared(arguments)
    if arguments.json:
        shared.print_json(document)
        return 0
    for table in terminal.comparison_tables(document):
        shared.console().print(table)
    shared.say(*terminal.comparison_notes(document))
    return 0
