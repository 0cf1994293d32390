"""The terminal: tables and bars in which the words of files, folders and environments are nothing but words."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from pliant import errors


class _Console(Console):
    """A console that shows no control character but its own."""

    def render_str(self, text: str, **how: Any) -> Text:  # before anybody measures it
        return super().render_str(_lines(text), **how)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=_lines(segment.text))


def console(**settings: Any) -> Console:
    """A console of rich, with its settings."""
    return _Console(**settings)


def _lines(text: str) -> str:
    return "\n".join(errors.printable(line) for line in text.split("\n"))
