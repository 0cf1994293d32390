"""The figures of a comparison, as SVG files for papers and as parts of a page. An agent has one colour in all of them.

Agents are drawn in the colours of Okabe and Ito (2008), which the colour-blind can tell apart, with solid lines; baselines in
greys with broken lines. Bands and bars are 95% intervals of the mean over seeds and tasks.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pliant.reporting import axes as panels
from pliant.reporting import section as sections
from pliant.reporting import svg as vector
from pliant.system import files


class Figure(NamedTuple):
    """A figure of a comparison."""

    name: str
    """Of its file, without the ending."""
    section: str
    """Name of the section that it belongs to."""
    title: str
    caption: str
    svg: str
    """The text of the file."""


def figures(comparison: Mapping[str, Any]) -> list[Figure]:
    """All that the comparison has numbers for."""
    style, made = panels.styles(comparison["agents"]), []
    with vector.look():
        for section in sorted(sections.every(), key=lambda each: each.figures_last):
            for plot in section.figures(comparison):
                lines = 0 if plot.rows else panels.legend_rows(len(comparison["agents"]))
                figure, axes = panels.canvas(lines, plot.rows)
                if plot.draw(axes, comparison, style):
                    svg = vector.drawn(figure, plot.title)
                    made.append(Figure(plot.name, section.name, plot.title, plot.caption, svg))
    return made


def save(made: Sequence[Figure], folder: Path) -> list[Path]:
    """Write every figure to `folder` as an SVG file. Raises UserError if the system cannot."""
    paths = []
    for figure in made:
        paths.append(folder / f"{figure.name}.svg")
        files.write(paths[-1], figure.svg.encode("utf-8"))
    return paths
