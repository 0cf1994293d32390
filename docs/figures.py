"""Draw the figures of the documentation: concepts, splits as the code has them, and what benchmarks/results say.

    python docs/figures.py            # writes docs/images/*.svg and docs/images/measured

The same files give the same bytes, so a test can tell whether a figure is up to date. Colours follow the reader's scheme.
"""

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
import diagrams
import measured
from measured import Curve
from svg import document, text

from pliant.families import point
from pliant.tasks.base import Tasks

IMAGES = measured.ROOT / "docs" / "images"
WIDTH, HEIGHT = 560, 330
LEFT, RIGHT, TOP, BOTTOM = 56, 140, 62, 48
"""Margins; the right one holds the names of the curves."""
LINE = 16
"""Least distance between two names."""
COLOURS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TRIALS = ("point", "gridnavi", "tabular", "bandit-100-10", "minigrid", "reactor")
REPLAYED = ("half-cheetah-vel", "point", "gridnavi")
Place = Callable[[float], float]
"""A number on an axis -> user units."""


class Axis(NamedTuple):
    """Where numbers lie, and which of them are written."""

    place: Place
    ticks: list[float]


def linear(low: float, high: float, begin: float, end: float, most: int = 6) -> Axis:
    """Evenly spread from `low` at `begin` to `high` at `end`, with at most `most` round ticks."""
    span = (high - low) or 1.0
    size = 10 ** math.floor(math.log10(span / most))
    step = next(size * k for k in (1, 2, 5, 10) if span / (size * k) <= most)
    first = math.ceil(low / step - 1e-9)
    ticks = [step * k for k in range(first, first + most + 2) if step * k <= high + 1e-9 * span]
    return Axis(lambda x: begin + (x - low) / span * (end - begin), ticks)


def logarithmic(high: float, begin: float, end: float) -> Axis:
    """0 to `high` by log(1 + x), with ticks at powers of ten."""
    ticks = [0.0, *(10.0**k for k in range(1, 12) if 10**k <= high)]
    return Axis(lambda x: begin + math.log1p(x) / math.log1p(high) * (end - begin), ticks)


def chart(
    title: str,
    curves: Sequence[Curve],
    unit: str = "return per episode",
    along: str = "environment steps of the task seen before",
    wide: bool = False,
) -> str:
    """Curves over what was seen of a task: every seed thin, their mean thick, players and untrained agents broken.

    With `wide`, the horizontal axis is logarithmic.
    """
    bands = [end for c in curves if c.band for interval in c.band for end in interval]
    values = [v for c in curves for row in c.seeds for v in row] + bands
    low, high = min(values), max(values)
    margin = 0.06 * (high - low)
    y = linear(low - margin, high + margin, HEIGHT - BOTTOM, TOP)
    end = max(step for c in curves for step in c.steps)
    x = logarithmic(end, LEFT, WIDTH - RIGHT) if wide else linear(0, end, LEFT, WIDTH - RIGHT, most=4)
    body = [text(16, 26, title, "strong", size=15), *_axes(x, y, unit, along)]
    for number, curve in enumerate(curves):
        body += _curve(curve, COLOURS[number], x.place, y.place)
    return document(title, WIDTH, HEIGHT, [*body, *_names(curves, x.place, y.place)])


def splits() -> str:
    """The goals of `point` by split: asked of the family itself, cell by cell."""
    family, cell, count, left, top = point.family(), 3, 50, 16, 16
    reach = np.arange(-count // 2, count + count // 2) + 0.5  # twice the training square, in cells from its corner
    goal = np.stack(np.meshgrid(reach, reach, indexing="ij"), -1).reshape(-1, 2) / count - 0.5
    split = family.split_of(Tasks(family.name, {"goal": goal})).reshape(len(reach), len(reach))
    size, body = cell * len(reach), []
    for name, colour, opacity in (("ood", "five", 0.3), ("train", "one", 0.85), ("test", "two", 1)):
        cells = "".join(_run(left + cell * i, top + size - cell * j, cell, n) for i, j, n in _runs(split == name))
        body.append(f'<path class="fill {colour}" opacity="{opacity}" d="{cells}"/>')
    dot = '<circle cx="{}" cy="{}" r="4" fill="#ffffff" stroke="#1f2328"/>'
    body.append(dot.format(left + size / 2, top + size / 2))
    words = left + size + 24
    said = (
        ("one", "train", ("four fifths of the square",)),
        ("two", "test", ("a fifth, in a pattern that", "no seed can change")),
        ("five", "ood", ("the shift: goals beyond,", "out to twice the square")),
    )
    y = top + 50
    for colour, name, lines in said:
        body.append(f'<rect class="fill {colour}" x="{words}" y="{y - 12}" width="14" height="14" rx="3"/>')
        body.append(text(words + 22, y, name, "strong"))
        body += [text(words + 22, y + 20 * (row + 1), line, "quiet") for row, line in enumerate(lines)]
        y += 20 * (len(lines) + 1) + 14
    body.append(dot.format(words + 7, y - 5))
    body.append(text(words + 22, y, "where every episode opens", "quiet"))
    return document("The goals of the family point by split", WIDTH, size + 2 * top, body)


def figures() -> dict[Path, str]:
    """Every figure by the file it belongs in."""
    drawn: dict[str, str] = {}
    for family, tracked in measured.of_schema("pliant.learning/1").items():
        for algorithm in ("maml", "fomaml", "reptile"):
            if any(run["algorithm"] == algorithm for run in tracked["runs"]):
                curves = measured.learning(tracked, algorithm)
                drawn[f"{algorithm}-{family}"] = chart(f"{algorithm} on {family}: {_seeds(curves[0])}", curves)
    for study in TRIALS:
        curves = measured.trials(measured.read(f"rl2-{study}"))
        drawn[f"rl2-{study}"] = chart(f"rl2 on {study}: {_seeds(curves[0])}", curves)
    for study in REPLAYED:
        curves = measured.replayed(measured.read(f"replay-{study}"))
        title = f"replay on {study}: {_seeds(curves[0])}"
        drawn[f"replay-{study}"] = chart(title, curves, along="environment steps of training")
    for tracked in measured.of_schema("pliant.comparison/1").values():
        title = f"{tracked['family']}: all agents, {tracked['tasks']} {tracked['split']} tasks, 95% intervals"
        drawn[f"compared-{tracked['family']}"] = chart(title, measured.compared(tracked), wide=True)
    drawn["schools-point"] = chart("point, test tasks: a memory and gradients", measured.schools(), wide=True)
    drawn["sinusoid"] = _sinusoid()
    written = {IMAGES / "measured" / f"{name}.svg": drawing for name, drawing in drawn.items()}
    drawings = {"splits": splits, **diagrams.DRAWINGS}
    return written | {IMAGES / f"{name}.svg": draw() for name, draw in drawings.items()}


def _sinusoid() -> str:
    tracked = measured.read("sinusoid")
    names = list(tracked["summary"])
    curves = []
    for name in names:
        rows = [run["mse"] for run in tracked["runs"] if run["method"] == name]
        curves.append(Curve(name, list(map(float, range(len(rows[0])))), rows))
    title = f"sine waves from 5 points: {_seeds(curves[0])}"
    return chart(title, curves, "mean squared error", "gradient steps on the new wave")


def _seeds(curve: Curve) -> str:
    return f"{len(curve.seeds)} seeds"


def _axes(x: Axis, y: Axis, unit: str, along: str) -> list[str]:
    body = []
    for tick in y.ticks:
        body.append(f'<path class="grid" d="M{LEFT} {y.place(tick):.1f}H{WIDTH - RIGHT}"/>')
        body.append(text(LEFT - 8, y.place(tick) + 5, f"{tick + 0.0:g}", "quiet", "end", 13))
    for tick in x.ticks:
        body.append(f'<path class="axis" d="M{x.place(tick):.1f} {HEIGHT - BOTTOM}v5"/>')
        body.append(text(x.place(tick), HEIGHT - BOTTOM + 20, f"{tick:,.0f}", "quiet", "middle", 13))
    body.append(f'<path class="axis" d="M{LEFT} {HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>')
    body.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, along, "quiet", "middle", 13))
    body.append(text(16, TOP - 14, unit, "quiet", size=13))
    return body


def _curve(curve: Curve, colour: str, x: Place, y: Place) -> list[str]:
    places = [x(step) for step in curve.steps]
    trained = len(curve.seeds) > 1 and not curve.name.startswith("untrained")
    broken = "" if trained or curve.band else " player"
    body = []
    if curve.band:
        ends = [*zip(places, (y(low) for low, _ in curve.band), strict=True)]
        ends += reversed([*zip(places, (y(high) for _, high in curve.band), strict=True)])
        body.append(f'<path class="fill band {colour}" d="{_path(ends)}Z"/>')
    if len(curve.seeds) > 1:
        rows = [[*zip(places, map(y, row), strict=True)] for row in curve.seeds]
        body += [f'<path class="line seed {colour}" d="{_path(row)}"/>' for row in rows]
    mean = [*zip(places, map(y, curve.mean), strict=True)]
    body.append(f'<path class="line mean {colour}{broken}" d="{_path(mean)}"/>')
    if len(places) <= 12:
        body += [f'<circle class="fill {colour}" cx="{a:.1f}" cy="{b:.1f}" r="3.4"/>' for a, b in mean]
    return body


def _names(curves: Sequence[Curve], x: Place, y: Place) -> list[str]:
    """Each curve's name beside its end, moved apart where two would touch; a line leads to an end that is far away."""
    wanted = sorted((y(curve.mean[-1]), number) for number, curve in enumerate(curves))
    placed: list[float] = []
    for height, _ in wanted:
        placed.append(max(height, placed[-1] + LINE) if placed else height)
    over = max(0.0, placed[-1] - (HEIGHT - BOTTOM))
    for i in range(len(placed) - 1, -1, -1):
        most = placed[i + 1] - LINE if i + 1 < len(placed) else HEIGHT - BOTTOM
        placed[i] = min(placed[i], most) if over else placed[i]
    body = []
    for height, (end, number) in zip(placed, wanted, strict=True):
        colour, left = COLOURS[number], x(curves[number].steps[-1]) + 7
        if left < WIDTH - RIGHT:
            body.append(f'<path class="line seed {colour}" d="M{left:.1f} {end:.1f}L{WIDTH - RIGHT + 4} {height:.1f}"/>')
        said = escape(curves[number].name)
        style = f'class="{colour}" style="fill: currentColor"'
        body.append(f'<text {style} x="{WIDTH - RIGHT + 8}" y="{height + 4.5:.1f}" font-size="13">{said}</text>')
    return body


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points)


def _runs(chosen: np.ndarray) -> list[tuple[int, int, int]]:
    """Chosen cells as (column, lowest row, number) of vertical runs."""
    found = []
    for i, column in enumerate(chosen):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], column.astype(int), [0]])))
        found += [(i, int(a), int(b - a)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return found


def _run(x: float, y: float, cell: int, n: int) -> str:
    """A run of `n` cells upwards from the bottom left corner (x, y)."""
    return f"M{x:g} {y:g}h{cell}v{-cell * n}h{-cell}z"


def main() -> None:
    """Write every figure that has changed, and remove those that nothing draws any more."""
    drawn = figures()
    (IMAGES / "measured").mkdir(exist_ok=True)
    for path, drawing in drawn.items():
        if not path.exists() or path.read_text(encoding="utf-8") != drawing:
            path.write_text(drawing, encoding="utf-8")
            print(path.relative_to(measured.ROOT))
    for path in set((IMAGES / "measured").glob("*.svg")) - set(drawn):
        path.unlink()


if __name__ == "__main__":
    main()
