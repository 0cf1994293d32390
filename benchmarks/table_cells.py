"""What all tables of measured results share: reading a tracked file, and writing its numbers."""

import re
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from recorded import read as read

ROOT = Path(__file__).resolve().parent.parent
Document = dict[str, Any]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *(map(together, row) for row in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def together(cell: str) -> str:
    """A cell of numbers alone is not broken into lines."""
    return cell.replace(" ", "\N{NO-BREAK SPACE}") if re.fullmatch(r"[-\d.,/±%()\[\] ]+", cell) else cell


def said(text: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table under the sentence that explains it."""
    return f"{text}\n\n{table(head, rows)}"


def steps(values: Iterable[float]) -> str:
    """A curve, stage by stage."""
    return " / ".join(f"{value:.1f}" for value in values)


def within(measured: Document) -> str:
    """A mean and half the width of its interval, if there is one."""
    return f"{measured['mean']:.2f}" + ("" if measured["ci95"] is None else f" ± {measured['ci95']:.2f}")


def span(values: set[float], form: str) -> str:
    """The least and the most of them, or the one."""
    return " - ".join(dict.fromkeys(format(x, form) for x in (min(values), max(values))))


def basis(document: Document) -> str:
    """How much a study measured."""
    seeds, trials = len({run["seed"] for run in document["runs"]}), format(document["tasks"], ",")
    return f"{seeds} seeds, ± half of a 95 % interval over seeds, {trials} new trials each"


def spread(values: Sequence[float], share: bool = False) -> str:
    """Mean and standard deviation over seeds, of a share in per cent."""
    mean, deviation = statistics.mean(values), statistics.stdev(values)
    return f"{mean:.0%} ± {deviation:.0%}" if share else f"{mean:.2f} ± {deviation:.2f}"


def trained(runs: Sequence[Document]) -> list[str]:
    """The number of seeds, and the minutes that the training of one took."""
    minutes = sum(run["train_minutes"] for run in runs) / len(runs)
    return [str(len(runs)), f"{minutes:.0f} ({runs[0]['cores']})"]
