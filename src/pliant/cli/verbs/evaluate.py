"""`pliant evaluate`: the adaptation curve of a run on tasks it has not seen."""

import argparse
from typing import TYPE_CHECKING

from pliant import errors
from pliant.cli import arguments as shared_arguments
from pliant.cli import shared

if TYPE_CHECKING:
    from pliant.storage.schema.evaluation import Evaluation

HELP = "adaptation curve of a run on tasks of a split"
EXAMPLES = """\
pliant evaluate runs/maml-point-seed0
pliant evaluate runs/maml-point-seed0 --split ood --stages 5 --json
pliant evaluate runs/rl2-bandit-seed0 --tasks 1000 --lanes 1 --players
pliant evaluate runs/maml-driving-seed0 --tasks 10 --family.simulator highway-env
"""
PLACE = 2
SETTINGS = True
TASKS = 40
"""Tasks, unless told otherwise."""


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    shared_arguments.add_run(parser)
    shared_arguments.add_split(parser)
    positive = shared_arguments.positive
    parser.add_argument("--tasks", type=positive, metavar="N", help=f"number of tasks (default: {TASKS})")
    parser.add_argument("--lanes", type=positive, metavar="N", help="lanes per task (default: as in training)")
    players = "play the family's reference agents (classical controllers, exact optima) on the same tasks too"
    parser.add_argument("--players", action="store_true", help=players)
    parser.add_argument("--protocol", action="store_true", help="evaluate as the family's publishers do, e.g. Meta-World's")
    likely = "take the most likely actions instead of drawing them; for agents with memory"
    parser.add_argument("--deterministic", action="store_true", help=likely)
    where = "document, .json; a picture goes beside it (default: in RUN/evaluations)"
    parser.add_argument("--out", type=shared_arguments.place, metavar="FILE", help=where)
    parser.add_argument("--json", action="store_true", help="print one pliant.evaluation/1 document")


def run(arguments: argparse.Namespace, settings: dict[str, str]) -> int:
    """Print the adaptation curve."""
    if other := [flag for flag in settings if not flag.startswith("family.")]:
        raise errors.UserError(f"--{other[0]} cannot be changed in an evaluation: settings of the family can, as --family.NAME")
    if arguments.protocol and (given := [n for n in ("tasks", "lanes") if getattr(arguments, n) is not None]):
        raise errors.UserError(f"--{given[0]} and --protocol: the published protocol settles tasks and lanes; give one")
    _require_place(arguments)
    shared.prepare(arguments)
    from pliant.running import evaluate

    with shared.only_json(arguments):
        document = evaluate.evaluate_run(
            arguments.run,
            split=arguments.split,
            tasks=arguments.tasks or TASKS,
            stages=arguments.stages,
            lanes=arguments.lanes,
            seed=arguments.seed,
            device=arguments.device,
            players=arguments.players,
            protocol=arguments.protocol,
            changed=settings,
            deterministic=arguments.deterministic,
            out=arguments.out,
        )
    if arguments.json:
        shared.print_json(document)
    else:
        _show(arguments, document)
    return 0


def _require_place(arguments: argparse.Namespace) -> None:
    """Raise UserError for a place where no document can be, before anything is played."""
    from pliant.system import files

    if (out := arguments.out) is None:
        if arguments.run.is_dir():
            files.require_writable(arguments.run / "evaluations" / "new.json", arguments.run, "give --out FILE")
        return
    if out.suffix != ".json":
        raise errors.UserError(f"--out is {out}: expected a name that ends in .json")
    for path in (out, out.with_suffix(".png")):
        files.require_writable(path, advice="choose another --out")


def _show(arguments: argparse.Namespace, document: "Evaluation") -> None:
    """The document as tables and a picture."""
    from pliant.reporting import curves, terminal
    from pliant.running import evaluate

    console = shared.console()
    console.print(terminal.curve_table(document))
    if "headline" in document:
        shared.say(terminal.headline(document))
    if "players" in document:
        console.print(terminal.players_table(document))
    kept = arguments.out or evaluate.document_path(arguments.run, document)
    picture = curves.curve_picture(document, kept.with_suffix(".png"), None if arguments.out else arguments.run)
    shared.say(f"document: {kept}", f"picture: {picture}")
