"""Tables of what the tracked files of costs, coverage and comparisons say, for the pages that hold them."""

from collections.abc import Iterable

import cells
import measured

from pliant.reporting import tables
from pliant.reporting.sections import headline as headlines

AXES = ("tasks", "lanes", "horizon", "parameters")
COSTS = ("flops", "seconds", "peak_mb")
SHORT = ("agent", "training steps", "steps seen of a task", "first stage", "after", "verdict")
"""Columns of the headline that a page of the documentation has room for."""


def growth() -> str:
    """How cost grows with size, and what leaving out second derivatives saves (`pliant.growth/1`)."""
    document = measured.read("growth")
    found = {(row["algorithm"], row["what"], row["axis"]): row["fit"] for row in document["growth"]}
    kinds = dict.fromkeys((algorithm, what) for algorithm, what, _ in found)
    rows = [
        (f"`{algorithm}`", what, *(_exponents(found[algorithm, what, axis]) for axis in AXES)) for algorithm, what in kinds
    ]
    head = ("", "of one", *(f"with {axis}" for axis in AXES))
    ratios = ("flops_ratio", "seconds_ratio", "iteration_seconds_ratio")
    saved = [
        (row["method"], str(row["inner_steps"]), *(f"{row[name]:.2f}" for name in ratios)) for row in document["fomaml"]
    ]
    outer = ("outer method", "inner steps", "operations, MAML / FOMAML", "seconds of the outer loop", "seconds of an iteration")
    return "\n\n".join(
        [
            "Exponents of operations / seconds / peak memory (intervals are in `benchmarks/results/growth.json`):",
            cells.table(head, rows),
            "What FOMAML saves, MAML's cost over FOMAML's:",
            cells.table(outer, saved),
        ]
    )


def _exponents(fit: dict[str, dict[str, float]]) -> str:
    return " / ".join(f"{fit[name]['exponent']:.2f}" if fit.get(name) else "–" for name in COSTS)


def coverage() -> str:
    """How often intervals hold the truth (`pliant.coverage/1`)."""
    rows = (
        (
            row["interval"],
            row["kind"],
            f"{100 * row['mean']:.1f} %",
            f"{100 * row['least']:.1f} to {100 * row['largest']:.1f} %",
            f"{row['inside']} of {row['settings']}",
        )
        for row in measured.read("coverage")["summary"]
    )
    return cells.table(("interval", "effects", "mean", "from, to", "inside the bar"), rows)


def memories() -> str:
    """What an iteration with each memory takes, as a multiple of one with `gru` (`benchmarks/recurrent.py`)."""
    found = measured.read("recurrent")["results"]["memories"]
    return cells.table(("memory", "time of an iteration"), ((f"`{name}`", f"{ratio:.1f}") for name, ratio in found.items()))


def studies() -> str:
    """Every tracked comparison: who reached what, what it took, and the figures (`pliant.comparison/1`)."""
    return "\n\n".join(_study(document) for document in measured.of_schema("pliant.comparison/1").values())


def _study(document: measured.Document) -> str:
    family, spent = document["family"], document["study"]
    (headline,) = headlines.SECTION.tables(document)
    chosen = [headline.head.index(name) for name in SHORT]
    rows = ([_cell(row[i]) for i in chosen] for row in headline.rows)
    minutes = "; ".join(f"{name} {value:g}" for name, value in spent["minutes"].items())
    figures = ["adaptation", "against", *(f"sweep-{sweep['axis']}" for sweep in document["sweeps"])]
    parts = [
        f"## {family}",
        f"[The whole page](studies/{family}.html), {spent['page_kilobytes']} kB, as `pliant report` writes it.",
        headline.note.replace("below", "in parentheses"),
        cells.table(["agent", *SHORT[1:-1], "beside pretrain"], rows),
        *(f"![{family}: {name}](studies/{family}-figures/{name}.svg)" for name in figures),
        f"Again: `{spent['command']}`. Minutes it took, {spent['date']}: {minutes}. {_machine(spent['machine'])}",
    ]
    return "\n\n".join(parts)


def _cell(cell: tables.Cell) -> str:
    return cells.plain(f"{cell.text} ({cell.small})" if cell.small else cell.text)


def _machine(facts: dict[str, object]) -> str:
    named: Iterable[str] = (f"{name} {value}" for name, value in facts.items() if isinstance(value, (str, int)))
    return f"Machine: {', '.join(named)}."
