"""`pliant sweep`: the same agent along one axis of its family."""

import argparse

from pliant.cli import arguments as shared_arguments
from pliant.cli import shared

HELP = "the same agent along one axis of its family, within training and beyond"
EXAMPLES = """\
pliant sweep runs/maml-half-cheetah-vel-seed0 --axis velocity=0:4
pliant sweep runs/rl2-bandit-seed0 --axis arms=2,5,10 --tasks 1000
"""
PLACE = 6


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    positive = shared_arguments.positive
    shared_arguments.add_run(parser)
    axis = "what shifts: a scalar parameter of the family or an axis of its own (a wrong name lists them)"
    parser.add_argument("--axis", required=True, metavar="NAME=LOW:HIGH", help=axis)
    parser.add_argument("--points", type=positive, metavar="N", default=9, help="values in the range (default: 9)")
    parser.add_argument("--tasks", type=positive, metavar="N", default=20, help="tasks of each value (default: 20)")
    parser.add_argument("--lanes", type=positive, metavar="N", help="lanes per task (default: as in training)")
    parser.add_argument("--json", action="store_true", help="print one pliant.sweep/1 document")


def run(arguments: argparse.Namespace, settings: dict[str, str]) -> int:
    """Print the returns along the axis."""
    shared.prepare(arguments)
    from pliant.reporting import terminal
    from pliant.running import sweep
    from pliant.system import crew

    with shared.only_json(arguments):
        document = sweep.sweep_run(
            arguments.run,
            arguments.axis,
            arguments.points,
            arguments.tasks,
            arguments.stages,
            arguments.lanes,
            arguments.seed,
            arguments.device,
            quiet=False,
        )
    if crew.place()[0] > 0:  # the first process says it
        return 0
    if arguments.json:
        shared.print_json(document)
    else:
        shared.console().print(terminal.sweep_table(document))
    return 0
