"""What `pliant compare`, `report`, `sweep`, `watch` and `check` do once their words are understood. Imports torch."""

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from pliant import errors
from pliant.checking import report
from pliant.cli import train
from pliant.comparing import compare, contenders
from pliant.reporting import terminal
from pliant.running import learner as learners
from pliant.running import sweep
from pliant.storage import record
from pliant.streams import Stream
from pliant.system import outside

WIDTH = 140
"""Columns of a table that goes to no terminal."""


def _compare(arguments: argparse.Namespace) -> int:
    """Print who adapts faster and further."""
    document = _compared(arguments)
    if arguments.json:
        print(json.dumps(document, indent=2, allow_nan=False))
        return 0
    for table in terminal.comparison_tables(document):
        console().print(table)
    print("\n".join(terminal.comparison_notes(document)))
    return 0


def _report(arguments: argparse.Namespace) -> int:
    """Write the page."""
    from pliant.reporting import publish

    publish.require_writable(arguments.out)  # said before anything is evaluated
    document = _compared(arguments)
    made = publish.write(document, arguments.out, _behaviour(document, arguments))
    print("\n".join(f"{_kind(path)}: {path}" for path in made))
    return 0


def _sweep(arguments: argparse.Namespace) -> int:
    """Print the shift sweep of a run."""
    train.prepare(arguments)
    with contextlib.redirect_stdout(sys.stderr) if arguments.json else contextlib.nullcontext():
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
    if arguments.json:
        print(json.dumps(document, indent=2, allow_nan=False))
        return 0
    console().print(terminal.sweep_table(document))
    return 0


def _watch(arguments: argparse.Namespace) -> int:
    """Write the video."""
    from pliant.drawing import watch

    task = train.parse_task(arguments.task) if arguments.task else None
    train.prepare(arguments)
    made = watch.watch(
        arguments.run,
        task,
        split=arguments.split,
        seed=arguments.seed,
        stages=arguments.stages,
        out=arguments.out,
        fps=arguments.fps,
        device=arguments.device,
    )
    print(f"video: {made}")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    """Print what the contract of a family, an algorithm or a policy says of it."""
    from pliant.checking import check

    with contextlib.redirect_stdout(sys.stderr) if arguments.json else contextlib.nullcontext():
        found = check.check(*_checked(arguments), seed=arguments.seed)
    if arguments.json:
        print(json.dumps(found.document(), indent=2, allow_nan=False))
    else:
        console().print(found.table())
    if found.failed:
        raise errors.UserError(found.line())
    return 0


def _checked(arguments: argparse.Namespace) -> tuple[report.Kind, str]:
    """What kind of code is to be checked, and its name."""
    named: dict[report.Kind, str | None] = {
        "family": arguments.family,
        "algorithm": arguments.algorithm,
        "policy": arguments.policy,
    }
    given = [(kind, name) for kind, name in named.items() if name]
    if len(given) != 1:
        got = " and ".join(name for _, name in given) or "nothing"
        raise errors.UserError(f"check got {got}: expected one of FAMILY, --algorithm MODULE, --policy MODULE")
    return given[0]


def console() -> Console:
    """Stdout, wide enough for a table that goes to a file."""
    return Console() if sys.stdout.isatty() else Console(width=WIDTH)


COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "compare": _compare,
    "report": _report,
    "sweep": _sweep,
    "watch": _watch,
    "check": _check,
}


def _compared(arguments: argparse.Namespace) -> dict[str, Any]:
    """The comparison asked for, with the sweeps asked for."""
    train.check_device(arguments.device)
    for module in arguments.imports:
        outside.import_outside(module)
    for axis in arguments.sweep:
        for run in [path for path in arguments.runs if not path.is_file()]:
            sweep.sweep_run(run, axis, seed=arguments.seed, device=arguments.device, quiet=False)
    asked = contenders.Asked(
        split=arguments.split,
        tasks=arguments.tasks,
        stages=arguments.stages,
        seed=arguments.seed,
        device=arguments.device,
    )
    with contextlib.redirect_stdout(sys.stderr):
        return compare.compare(arguments.runs, asked, quiet=False)


def _behaviour(document: Mapping[str, Any], arguments: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """What the first seed of every agent does before and after adaptation to the first task, drawn."""
    from pliant.drawing import behaviour

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
