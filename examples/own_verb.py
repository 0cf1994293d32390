"""A verb of your own, `pliant spark`: how runs have learned, a line each.

`cp own_verb.py "$(python -c 'import pliant.cli.verbs as v; print(v.__path__[0])')/spark.py"` is all: the folder is the
registry, and help, shell completion and errors know the verb from then on.
"""

import argparse
from pathlib import Path

from pliant import errors  # what takes long to import is imported in `run`: `pliant --help` reads every verb

HELP = "how runs have learned, a line each"
EXAMPLES = """\
pliant spark runs/*-point-*
pliant spark runs/maml-point-seed0 --of gradient_norm
"""
BARS = "▁▂▃▄▅▆▇█"


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders")
    parser.add_argument("--of", default="", metavar="NAME", help="a number of metrics.jsonl (default: the last stage's return)")
    parser.add_argument("--columns", type=int, default=40, metavar="N", help="of the lines (default: 40)")


def run(arguments: argparse.Namespace, settings: dict[str, str]) -> int:
    """Print the lines; the exit status."""
    from pliant.storage import record

    if arguments.columns < 1:
        raise errors.UserError(f"--columns is {arguments.columns}: expected at least 1")
    for path in arguments.runs:
        rows = record.Run.open(path).metrics()
        if not rows:
            raise errors.UserError(f"{path} has learned nothing yet: train it first")
        name = arguments.of or max(n for n in rows[0] if n.startswith("return_"))
        if name not in rows[0]:
            raise errors.unknown("number", name, rows[0])
        values = [float(row[name]) for row in rows]
        print(f"{path.name}  {spark(values, arguments.columns)}  {name} {values[0]:.4g} to {values[-1]:.4g}")
    return 0


def spark(values: list[float], columns: int) -> str:
    """Means of neighbours as bars, the lowest of them at the bottom."""
    width = min(columns, len(values))
    parts = [values[i * len(values) // width : (i + 1) * len(values) // width] for i in range(width)]
    means = [sum(part) / len(part) for part in parts]
    low, high = min(means), max(means)
    return "".join(BARS[int((x - low) / (high - low or 1) * (len(BARS) - 1) + 0.5)] for x in means)
