"""Films side by side, with words; and a film as a strip of pictures."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image as Pictures
from PIL import ImageDraw

from pliant.drawing import _canvas
from pliant.drawing._canvas import INK, PAPER
from pliant.drawing.base import Image

GAP, EDGE = 16, 12
"""Between films, and around everything, pixels."""
LEAST_WIDTH = 330
"""Of a film with its words."""
HEAD, TITLE, CAPTION = 13, 15, 12
"""Sizes of the words, pixels."""
QUIET = "#5a5f66"


class Film(NamedTuple):
    """One episode as it will be shown."""

    title: str
    pictures: Iterator[Image]
    captions: Sequence[tuple[str, str]]
    """Two lines for each picture."""
    size: tuple[int, int]
    """Height and width of its pictures."""


def beside(films: Sequence[Film], header: str) -> Iterator[Image]:
    """The frames of all films beside each other, under `header`; one that ends early stays at its last picture.

    Sides are even, as video formats want them.
    """
    widths = [max(LEAST_WIDTH, film.size[1]) for film in films]
    width = sum(widths) + GAP * (len(films) - 1) + 2 * EDGE
    lines = wrapped(header, width - 2 * EDGE, HEAD)
    top = EDGE + len(lines) * (HEAD + 6) + 8
    above, tallest = top + TITLE + 12, max(film.size[0] for film in films)
    height = above + tallest + 2 * (CAPTION + 7) + EDGE
    sheet = Pictures.new("RGB", (width + width % 2, height + height % 2), PAPER)
    pen = ImageDraw.Draw(sheet)
    for n, line in enumerate(lines):
        pen.text((EDGE, EDGE + n * (HEAD + 6)), line, QUIET, _canvas.font(HEAD))
    lefts = [EDGE + sum(widths[:n]) + GAP * n for n in range(len(films))]
    for film, left, wide in zip(films, lefts, widths, strict=True):
        pen.text((left + wide / 2, top + TITLE / 2), film.title, INK, _canvas.font(TITLE, bold=True), "mm")
    for n in range(max(len(film.captions) for film in films)):
        for film, left, wide in zip(films, lefts, widths, strict=True):
            if n < len(film.captions):
                picture = Pictures.fromarray(next(film.pictures))
                sheet.paste(picture, (left + (wide - picture.width) // 2, above + (tallest - picture.height) // 2))
                _caption(pen, film.captions[n], left, above + tallest + 6, wide)
        yield np.array(sheet)


def strip(frames: Sequence[Image], n: int, gap: int = 4) -> Image:
    """`n` of the pictures, evenly spaced from the first to the last, side by side, `gap` white pixels between: a film strip.

    Fewer if there are fewer. Raises ValueError if there are none, or if n is below 1.
    """
    if not len(frames) or n < 1:
        raise ValueError(f"a strip of {n} of {len(frames)} pictures: expected at least 1 of at least 1")
    chosen = [frames[i] for i in spaced(len(frames), n)]
    space = np.full((chosen[0].shape[0], gap, 3), 255, dtype=np.uint8)
    return np.concatenate([part for frame in chosen for part in (space, frame)][1:], axis=1)


def spaced(count: int, n: int) -> list[int]:
    """`n` of 0..count - 1, evenly spaced, the first and the last among them; all where there are fewer."""
    if n == 1:
        return [0]
    return sorted({round(i * (count - 1) / (n - 1)) for i in range(n)})


def narrowed(image: Image, width: int) -> Image:
    """A picture at most `width` pixels wide, its shape kept."""
    picture = Pictures.fromarray(image)
    picture.thumbnail((width, picture.height), Pictures.Resampling.LANCZOS)
    return np.asarray(picture)


def wrapped(text: str, width: float, size: float) -> list[str]:
    """Lines of at most `width` pixels; a longer word stays whole."""
    font, lines = _canvas.font(size), [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _caption(pen: ImageDraw.ImageDraw, words: tuple[str, str], left: int, top: int, width: int) -> None:
    """Two lines in place of those before."""
    step = CAPTION + 7
    pen.rectangle((left, top, left + width, top + 2 * step), PAPER)
    for n, (line, colour) in enumerate(zip(words, (INK, QUIET), strict=True)):
        pen.text((left + width / 2, top + n * step + step / 2), line, colour, _canvas.font(CAPTION), "mm")
