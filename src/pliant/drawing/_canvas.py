"""A small drawing board: shapes and text in the units of a world, anti-aliased by drawing three times as large."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures
from PIL import ImageDraw, ImageFont

FINE = 3
INK, PAPER, FAINT = "#1b1f24", "#ffffff", "#d5d9de"
AGENT, GOAL, TRAIL, DANGER = "#0072B2", "#009E73", "#56B4E9", "#D55E00"
"""Okabe and Ito's colours (2008), which the colour-blind can tell apart."""

Point = Sequence[float]


@lru_cache
def font(size: float, bold: bool = False) -> Any:
    """Matplotlib's own font: the same on every machine."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


class Canvas:
    """A board of `width` x `height` pixels that shows x from `left` to `right` and y from `bottom` to `top`."""

    def __init__(
        self, width: int, height: int, left: float, right: float, bottom: float, top: float, paper: str = PAPER
    ) -> None:
        self.width, self.height = width, height
        self.origin = (left, top)
        self.scale = (FINE * width / (right - left), FINE * height / (bottom - top))
        self.image = Pictures.new("RGB", (FINE * width, FINE * height), paper)
        self.pen = ImageDraw.Draw(self.image)

    def at(self, point: Point) -> tuple[float, float]:
        """Where a point of the world is on the large board."""
        (x0, y0), (sx, sy) = self.origin, self.scale
        return (float(point[0]) - x0) * sx, (float(point[1]) - y0) * sy

    def line(self, points: Sequence[Point], colour: str, width: float = 2.0) -> None:
        """Through points of the world; `width` in pixels."""
        if len(points) > 1:
            self.pen.line([self.at(p) for p in points], colour, round(FINE * width), joint="curve")

    def polygon(self, corners: Sequence[Point], fill: str | None, edge: str | None = None) -> None:
        """Through corners of the world."""
        self.pen.polygon([self.at(p) for p in corners], fill, edge, FINE if edge else 0)

    def box(self, left: float, bottom: float, right: float, top: float, fill: str | None, edge: str | None = None) -> None:
        """Along the axes of the world."""
        self.polygon([(left, bottom), (right, bottom), (right, top), (left, top)], fill, edge)

    def disc(self, centre: Point, radius: float, fill: str | None, edge: str | None = None, width: float = 2.0) -> None:
        """`radius` and `width` of the edge in pixels."""
        (x, y), r = self.at(centre), FINE * radius
        self.pen.ellipse((x - r, y - r, x + r, y + r), fill, edge, round(FINE * width) if edge else 0)

    def cross(self, centre: Point, radius: float, colour: str, width: float = 3.0) -> None:
        """`radius` and `width` in pixels."""
        (x, y), r = self.at(centre), FINE * radius
        for sign in (1, -1):
            self.pen.line([(x - r, y - sign * r), (x + r, y + sign * r)], colour, round(FINE * width))

    def text(self, point: Point, words: str, size: float = 11.0, colour: str = INK, anchor: str = "mm") -> None:
        """Words at a point of the world; `anchor` as Pillow has it."""
        self.pen.text(self.at(point), words, colour, font(FINE * size), anchor)

    def array(self) -> NDArray[np.uint8]:
        """The picture [height, width, 3]."""
        return np.asarray(self.image.reduce(FINE))


def turned(corners: Sequence[Point], angle: float, centre: Point) -> list[tuple[float, float]]:
    """Corners turned by `angle` rad about the origin, anticlockwise where y points up, then moved to `centre`."""
    cos, sin = np.cos(angle), np.sin(angle)
    return [(centre[0] + cos * x - sin * y, centre[1] + sin * x + cos * y) for x, y in corners]
