"""Arguments that several verbs have, and how their values are read. Imports nothing heavy."""

import argparse
import re
from pathlib import Path

SPLITS = ("train", "test", "ood")
MOST_SEEDS = 1000


def add_run(parser: argparse.ArgumentParser) -> None:
    """The run folder, the last stage, and what every command has that plays."""
    parser.add_argument("run", type=place, metavar="RUN", help="run folder")
    stages = "last stage: gradient steps (default: 3), or the index of a memory's last episode (default: as trained)"
    parser.add_argument("--stages", type=natural, metavar="N", help=stages)
    add_seed(parser)
    add_device(parser)
    add_import(parser)


def add_runs(parser: argparse.ArgumentParser) -> None:
    """What runs are compared, and on what."""
    runs = "run folders, or evaluation documents; runs that differ in the seed only are one agent"
    parser.add_argument("runs", type=place, nargs="+", metavar="RUN", help=runs)
    add_split(parser)
    parser.add_argument("--tasks", type=positive, metavar="N", default=40, help="number of tasks (default: 40)")
    parser.add_argument("--stages", type=natural, metavar="N", help="last stage (default: as `evaluate`)")
    add_seed(parser)
    add_device(parser)
    parser.add_argument("--sweep", action="append", default=[], metavar="AXIS=LOW:HIGH", help="sweep every run along it too")
    add_import(parser)


def add_split(parser: argparse.ArgumentParser) -> None:
    """Which tasks."""
    parser.add_argument("--split", choices=SPLITS, metavar="SPLIT", default="test", help="train, test or ood (default: test)")


def add_seed(parser: argparse.ArgumentParser) -> None:
    """The address of random numbers."""
    parser.add_argument("--seed", type=natural, metavar="N", default=0, help="address of all random numbers (default: 0)")


def add_device(parser: argparse.ArgumentParser) -> None:
    """Where tensors live."""
    parser.add_argument("--device", default="cpu", metavar="NAME", help="cpu, cuda, cuda:1, ... (default: cpu)")


def add_import(parser: argparse.ArgumentParser) -> None:
    """Whom the user trusts."""
    parser.add_argument(
        "--import", action="append", default=[], dest="imports", metavar="MODULE", help="code outside pliant the run may use"
    )


def place(text: str) -> Path:
    """A file or a folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"is {text!r}: expected a path")
    return Path(text)


def seeds(text: str) -> list[int]:
    """`0..4` or `0,2,5`, ascending."""
    words = re.fullmatch(r"(\d{1,9})\.\.(\d{1,9})", text)
    if words:
        found = list(range(int(words[1]), int(words[2]) + 1)) if int(words[2]) - int(words[1]) < MOST_SEEDS else []
    else:
        found = sorted({int(word) for word in text.split(",")}) if re.fullmatch(r"\d{1,9}(,\d{1,9})*", text) else []
    if not found:
        raise argparse.ArgumentTypeError(f"is {text!r}: expected one or more seeds, as 0..4 or 0,2,5 (at most {MOST_SEEDS})")
    return found


def natural(text: str) -> int:
    """An integer of at least 0."""
    if not re.fullmatch(r"\d{1,18}", text):
        raise argparse.ArgumentTypeError(f"is {text!r}: expected an integer of at least 0")
    return int(text)


def positive(text: str) -> int:
    """An integer of at least 1."""
    if not re.fullmatch(r"0*[1-9]\d{0,17}", text):
        raise argparse.ArgumentTypeError(f"is {text!r}: expected an integer of at least 1")
    return int(text)
