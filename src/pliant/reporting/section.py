"""A section of a report: one object, which the page, Markdown and the terminal show; the folder `sections` is the registry.

`sections/cost.py` defines `SECTION`, and that is all there is to do to add one.
"""

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pliant.reporting import samples
from pliant.reporting.axes import Style
from pliant.reporting.tables import Cell, Table

FOLDER = Path(__file__).resolve().parent / "sections"

Comparison = Mapping[str, Any]
"""A document `pliant.comparison/1`."""
Draw = Callable[[Any, Comparison, Mapping[str, Style]], bool]
"""Draws on axes, every agent in its style; True if there was something to draw."""


class Plot(NamedTuple):
    """A figure that has not been drawn yet."""

    name: str
    """Of its file, without the ending."""
    title: str
    caption: str
    draw: Draw
    rows: int = 0
    """Rows beside the vertical axis, for which the canvas must be high enough; 0: it is as high as usual, with its legend."""


def nothing(comparison: Comparison) -> Sequence[Any]:
    """No tables, no figures."""
    return ()


@dataclass(frozen=True)
class Section:
    """What a report says of one question."""

    name: str
    """In links to it."""
    title: str
    lead: str
    """A sentence that says what there is to see."""
    order: int
    """Sections are read from the smallest to the largest."""
    tables: Callable[[Comparison], Sequence[Table]] = nothing
    """Tables of the page and of Markdown; one without rows is left out."""
    figures: Callable[[Comparison], Sequence[Plot]] = nothing
    brief: Callable[[Comparison], Sequence[Table]] = nothing
    """Tables for the terminal."""
    apart: bool = False
    """The page has a place of its own for it; all others follow each other, where they have something to show."""
    figures_last: bool = False
    """Its figures come after all others in a list of figures: how many there are depends on the comparison."""


@functools.cache
def every() -> tuple[Section, ...]:
    """All sections, in the order in which one reads them."""
    stems = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))
    found = [importlib.import_module(f"pliant.reporting.sections.{stem}").SECTION for stem in stems]
    return tuple(sorted(found, key=lambda section: section.order))


def tables(comparison: Comparison) -> dict[str, list[Table]]:
    """The tables that have rows, by the name of their section."""
    made = {section.name: section.tables(comparison) for section in every()}
    return {name: [_marked(table, comparison) for table in each if table.rows] for name, each in made.items()}


def brief(comparison: Comparison) -> list[Table]:
    """The tables for the terminal."""
    return [_marked(table, comparison) for section in every() for table in section.brief(comparison)]


def _marked(table: Table, comparison: Comparison) -> Table:
    """The table with a mark at every number that rests on few distinct tasks."""

    def marked(cell: Cell) -> Cell:
        return cell._replace(few_tasks=cell.few_tasks or any(samples.is_few(comparison, split) for split in cell.over))

    return table._replace(rows=[[marked(cell) for cell in row] for row in table.rows])
