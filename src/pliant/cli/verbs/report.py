"""`pliant report`: one page that compares runs, with its tables and figures beside it."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pliant.cli import arguments as shared_arguments
from pliant.cli import shared

HELP = "one page that compares runs: tables, curves, sweeps, costs, behaviour"
EXAMPLES = """\
pliant report runs/*-point-seed* --out report.html
pliant report runs/*-half-cheetah-vel-seed* --sweep velocity=0:4 --out report.html
"""
PLACE = 5


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    shared_arguments.add_runs(parser)
    where = "page (default: report.html)"
    parser.add_argument("--out", type=shared_arguments.place, metavar="FILE", default=Path("report.html"), help=where)


def run(arguments: argparse.Namespace, settings: dict[str, str]) -> int:
    """Write the page."""
    from pliant.reporting import publish

    publish.require_writable(arguments.out)  # said before anything is evaluated
    document = shared.compared(arguments)
    made = publish.write(document, arguments.out, _behaviour(document, arguments))
    shared.say(*(f"{_kind(path)}: {path}" for path in made))
    return 0


def _behaviour(document: Mapping[str, Any], arguments: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """What the first seed of every agent does before and after adaptation to the first task, drawn."""
    from pliant.drawing import behaviour
    from pliant.running import learner as learners
    from pliant.storage import record
    from pliant.streams import Stream

    drawn = {}
    for agent in document["agents"]:
        if not agent["runs"]:
            continue
        learner = learners.trained(record.Run.open(Path(agent["runs"][0])), arguments.device)[0]
        streams = Stream(document["seed"]).at("evaluate", document["split"])
        tasks = learner.family.sample(document["tasks"], document["split"], streams.at("tasks").rng())[0]
        drawn[agent["name"]] = behaviour.drawings(learner, tasks, document["seed"], agent["curve"][-1]["stage"])
    return drawn


def _kind(path: Path) -> str:
    return {".html": "page", ".md": "tables", ".csv": "numbers"}.get(path.suffix, "figure")
