"""`pliant adapt`: adapt a run to one named task and keep the adapted policy."""

import argparse
import re
from pathlib import Path
from typing import Any

from pliant.cli import arguments as shared_arguments
from pliant.cli import shared

HELP = "adapt a run to one named task and save the adapted policy"
EXAMPLES = """\
pliant adapt runs/maml-point-seed0 --task goal=0.3,-0.2
pliant adapt runs/maml-half-cheetah-vel-seed0 --task velocity=1.5 --stages 3 --out adapted
"""
PLACE = 3


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    shared_arguments.add_run(parser)
    task = "the task, e.g. goal=0.3,-0.2; repeat for more parameters"
    parser.add_argument("--task", action="append", metavar="NAME=VALUES", help=task)
    episodes = "episodes of each stage (default: as in training)"
    parser.add_argument("--episodes", type=shared_arguments.positive, metavar="N", help=episodes)
    parser.add_argument("--out", type=shared_arguments.place, metavar="DIR", help="where to save (default: RUN/adapted/TASK)")


def run(arguments: argparse.Namespace, settings: dict[str, str]) -> int:
    """Adapt to the task, print its curve, save the adapted policy."""
    task = shared.parse_task(arguments.task or [])
    shared.prepare(arguments)
    from pliant.agent import adapted as policies
    from pliant.agent import agent
    from pliant.reporting import terminal
    from pliant.system import files

    out = arguments.out or _free(arguments.run / "adapted", task)
    policies.require_free(out)  # said before anything is played
    files.require_writable(out / "adapted.json", None if arguments.out else arguments.run, "give another --out")
    trained = agent.load_agent(arguments.run, device=arguments.device)
    adapted = trained.adapt(task, stages=arguments.stages, seed=arguments.seed, episodes=arguments.episodes)
    shared.console().print(terminal.curve_table(adapted.document))
    adapted.save(out)
    shared.say(f"adapted policy: {out}")
    return 0


def _free(folder: Path, task: dict[str, Any]) -> Path:
    """A folder for this task that does not exist yet."""
    words = (f"{name}={value}" for name, value in task.items())
    name = re.sub(r"[^A-Za-z0-9=.,_-]", "", "_".join(words).replace(", ", ","))[:100]
    path, number = folder / name, 1
    while path.exists():
        number += 1
        path = folder / f"{name}-{number}"
    return path
