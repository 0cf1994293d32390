"""`pliant watch`: a video of one task before and after adaptation."""

import argparse

from pliant.cli import arguments as shared_arguments
from pliant.cli import shared

HELP = "video of the same task before and after adaptation, side by side"
EXAMPLES = """\
pliant watch runs/maml-half-cheetah-vel-seed0 --task velocity=1.5 --out run.mp4
pliant watch runs/rl2-gridnavi-seed0
"""
PLACE = 7


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    shared_arguments.add_run(parser)
    parser.add_argument("--task", action="append", metavar="NAME=VALUES", help="the task (default: the first of --split)")
    shared_arguments.add_split(parser)
    rate = "frames per second (default: real time)"
    parser.add_argument("--fps", type=shared_arguments.positive, metavar="N", help=rate)
    parser.add_argument("--out", type=shared_arguments.place, metavar="FILE", help=".mp4 or .gif (default: in RUN/videos)")


def run(arguments: argparse.Namespace, settings: dict[str, str]) -> int:
    """Write the video."""
    task = shared.parse_task(arguments.task) if arguments.task else None
    shared.prepare(arguments)
    from pliant.drawing import watch

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
    shared.say(f"video: {made}")
    return 0
