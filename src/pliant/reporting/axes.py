"""What figures are drawn with: a canvas, lines with bands, bars with whiskers, axes of steps, legends below."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pliant.reporting import svg, words

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#8A6D00")
"""Of Okabe and Ito 2008, which the colour-blind can tell apart; yellow, which nobody sees on white, is darker."""
GREYS = ("#5a5f66", "#8b9097", "#747980", "#a3a8ae")
MARKERS, DASHES = "osD^vPX", ((0, (5, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)), (0, (1, 1)))
MOST_LETTERS = 34
"""Letters of a name in a legend; the tables have the whole of it."""
FEW_LETTERS = 22
"""Letters beside an axis, and up to which a legend has several columns."""
MOST_POINTS = 80
"""Points of a line; more than that no eye can tell apart."""
WIDE = 12.0
"""How many times as far one agent goes as another before steps are drawn on a logarithmic axis."""

Line = tuple[Any, str]
"""What a legend shows, and what it says."""


class Style(NamedTuple):
    """How an agent is drawn, everywhere."""

    label: str
    colour: str
    marker: str
    dash: Any


def styles(agents: Sequence[Mapping[str, Any]]) -> dict[str, Style]:
    """By name: agents in colours and solid, baselines in greys and broken."""
    made: dict[str, Style] = {}
    numbers = {True: 0, False: 0}
    for agent in agents:
        number, is_baseline = numbers[agent["baseline"]], agent["baseline"]
        numbers[is_baseline] += 1
        colours = GREYS if is_baseline else COLOURS
        label = words.short(agent["name"], MOST_LETTERS) + (f" {words.FEW}" if words.is_few(agent["seeds"]) else "")
        marker = MARKERS[(number + number // len(colours)) % len(MARKERS)]
        dash = DASHES[number % len(DASHES)] if is_baseline else "solid"
        made[agent["name"]] = Style(label, colours[number % len(colours)], marker, dash)
    return made


def canvas(lines: int = 0, rows: int = 0) -> tuple[Any, Any]:
    """Figure and axes, with room for a legend of so many lines, or for so many rows beside the vertical axis."""
    from matplotlib.figure import Figure

    width, height = svg.SIZE
    figure = Figure(figsize=(width, 0.8 + 0.34 * rows if rows else height + 0.17 * lines), layout="constrained")
    return figure, figure.add_subplot()


def thinned(values: Sequence[Any]) -> list[Any]:
    """At most `MOST_POINTS` of them, evenly, with the first and the last."""
    if len(values) <= MOST_POINTS:
        return list(values)
    return [values[round(i * (len(values) - 1) / (MOST_POINTS - 1))] for i in range(MOST_POINTS)]


def banded(
    axes: Any, x: Sequence[float], summaries: Sequence[Mapping[str, Any]], style: Style, by_steps: bool = False
) -> Any:
    """A line through means, its intervals as a band if there are any; points where there are few.

    With `by_steps` a mean holds from its place to the next, where the line leaps.
    """
    look = {"drawstyle": "steps-post"} if by_steps else {}
    ends = [each["ci95"] for each in summaries]
    if None not in ends:
        step = "post" if by_steps else None
        axes.fill_between(x, *zip(*ends, strict=True), step=step, color=style.colour, alpha=0.14, linewidth=0)
    marker = style.marker if len(x) <= 12 else None
    means = [each["mean"] for each in summaries]
    return axes.plot(x, means, color=style.colour, linestyle=style.dash, marker=marker, **look)[0]


def bar(
    axes: Any, value: float, ends: Sequence[float] | None, row: float, style: Style, marker: str, fill: str = "full"
) -> None:
    """A point with its interval, lying."""
    if ends is not None:
        axes.plot(ends, [row, row], color=style.colour, linewidth=1.4, solid_capstyle="butt")
    axes.plot([value], [row], color=style.colour, marker=marker, fillstyle=fill, linestyle="none", markeredgewidth=1.2)


def rows(axes: Any, labels: Sequence[str]) -> None:
    """Name the rows 0, 1, ... from the top."""
    axes.set_yticks(range(len(labels)), [words.short(label, FEW_LETTERS) for label in labels])
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def by_steps(axes: Any, ends: Sequence[float], first: float | None = None) -> None:
    """Horizontal axis of steps: logarithmic where some agents end much further than others (`ends`).

    With `first`, the smallest number above 0, the axis begins with 0 and is linear up to there.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    positive = [end for end in ends if end > 0]
    axes.xaxis.set_major_locator(MaxNLocator(5))
    if positive and max(positive) > WIDE * min(positive):
        low, high = first or min(positive) / 10, max(positive)
        if first is None:
            axes.set_xscale("log")
            axes.set_xlim(low, 1.15 * high)
        else:
            axes.set_xscale("symlog", linthresh=first, linscale=0.5)
            axes.set_xlim(-0.06 * first, 1.15 * high)
        axes.xaxis.set_major_locator(FixedLocator([*([] if first is None else [0.0]), *_round(low, high)]))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))


def legend(axes: Any, lines: Sequence[Line]) -> None:
    """Below the axes, in as many columns as the names allow."""
    if not lines:
        return
    longest = max(len(label) for _, label in lines)
    columns = min(len(lines), 3 if longest <= 12 else 2 if longest <= FEW_LETTERS else 1)
    handles = [handle for handle, _ in lines]
    made = axes.figure.legend(handles, ["x"] * len(lines), loc="outside lower center", ncols=columns, handlelength=2.6)
    for text, (_, label) in zip(made.get_texts(), lines, strict=True):
        text.set_text(label)  # not before: matplotlib leaves out what begins with an underscore


def legend_rows(agents: int) -> int:
    """Lines of a legend, about."""
    return math.ceil(agents / 2)


def _round(low: float, high: float) -> list[float]:
    """Round numbers from low to high: 1, 2, 5, 10... or, where that is many, 1, 10, 100..."""
    tens = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        found = [step * 10.0**ten for ten in tens for step in steps if low <= step * 10.0**ten <= high]
        if len(found) <= 6:
            break
    return found


def _tick(value: float) -> str:
    """`2 M`, `1.5 k`: no more digits than it has."""
    for size, prefix in words.PREFIXES:
        if abs(value) >= size:
            return f"{value / size:g}\u00a0{prefix}"
    return f"{value:g}"
