"""Shifted tasks: one quantity moved, all else the same."""

from collections.abc import Mapping
from typing import Any

from pliant.reporting import axes as panels
from pliant.reporting import samples, tables, words
from pliant.reporting import svg as vector
from pliant.reporting.section import Comparison, Draw, Plot, Section

MOST_LETTERS = 40
"""Letters of an axis in the name of a file."""


def table(comparison: Comparison) -> list[tables.Table]:
    """A table for each sweep, a row for each value."""
    return [_table(sweep) for sweep in comparison.get("sweeps", [])]


def _table(sweep: Mapping[str, Any]) -> tables.Table:
    agents = sweep["agents"]
    rows, few = [], samples.are_few(sweep)
    for place, value in enumerate(sweep["values"]):
        inside = any(low <= value <= high for low, high in sweep["trained"])
        after = [tables.summary(a["after"][place], words.is_few(a["seeds"]), over=()) for a in agents]
        cells = [cell._replace(few_tasks=few[place]) for cell in after]
        shown = tables.Cell(f"{value:g}".replace("-", "−"))
        rows.append([shown, tables.Cell("yes" if inside else "no", kind="words"), *cells])
    head = [words.shown(sweep["axis"]), "trained on", *(words.shown(a["name"]) for a in agents)]
    meaning = words.shown(sweep["meaning"]) if sweep.get("meaning") else ""
    told = f" {words.FEW_TASKS}: fewer than five distinct tasks, which say little of how tasks differ." if any(few) else ""
    title = f"Returns by {words.shown(sweep['axis'])}"
    return tables.Table(title, head, rows, f"Returns after adaptation. {meaning}{told}")


def figures(comparison: Comparison) -> list[Plot]:
    """A figure for each sweep, in files whose names differ."""
    caption = "Shaded: where training tasks lie. Solid: after adaptation, with 95% interval. Thin: at the first stage."
    made: dict[str, Plot] = {}
    for number, sweep in enumerate(comparison.get("sweeps", [])):
        plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in sweep["axis"])
        name = f"sweep-{plain[:MOST_LETTERS].strip('-') or number}"
        name = f"{name}-{number}" if name in made else name
        title = f"Shift along {words.short(sweep['axis'], panels.MOST_LETTERS)}"
        made[name] = Plot(name, title, caption, _sweep(sweep))
    return list(made.values())


def _sweep(sweep: Mapping[str, Any]) -> Draw:
    def draw(axes: Any, comparison: Comparison, style: Mapping[str, panels.Style]) -> bool:
        lines: list[panels.Line] = []
        for number, (low, high) in enumerate(sweep["trained"]):
            shade = axes.axvspan(low, high, color=vector.INK, alpha=0.08, linewidth=0)
            lines += [(shade, "trained on")] if number == 0 else []
        for agent in sweep["agents"]:
            one = style[agent["name"]]
            before = [summary["mean"] for summary in agent["before"]]
            axes.plot(sweep["values"], before, color=one.colour, linestyle=one.dash, linewidth=0.6)
            lines.append((panels.banded(axes, sweep["values"], agent["after"], one), one.label))
        axes.set_xlabel(words.short(sweep["axis"], panels.MOST_LETTERS))
        axes.set_ylabel("return of an episode")
        panels.legend(axes, lines)
        return bool(sweep["agents"])

    return draw


SECTION = Section(
    name="sweeps",
    title="Shifted tasks",
    lead="One quantity moved, all else the same: where adaptation stops working.",
    order=60,
    tables=table,
    figures=figures,
    figures_last=True,
)
