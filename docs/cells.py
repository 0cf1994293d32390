"""How the pages of the documentation write tables, values and figures."""

import dataclasses
import html
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pliant.cli import explain
from pliant.config import values

FIGURES = Path(__file__).resolve().parent / "images" / "measured"


def figures() -> list[str]:
    """Names of the figures of what was measured."""
    return sorted(path.stem for path in FIGURES.glob("*.svg"))


def figure(name: str) -> str:
    """A figure, on a page one folder down."""
    title = re.search(r"<title>(.*?)</title>", (FIGURES / f"{name}.svg").read_text(encoding="utf-8"))
    return f"![{title[1] if title else name}](../images/measured/{name}.svg)"


def said(kind: type) -> str:
    """What a part is for."""
    return (kind.__doc__ or "").partition("\n")[0].rstrip(".")


def settings(kind: type) -> str:
    """The settings of a part: name, default, type, meaning."""
    docs, defaults = explain.field_docs(kind), {field.name: field.default for field in dataclasses.fields(kind)}
    rows = []
    for name, of in values.field_types(kind).items():
        rows.append(
            (f"`{name}`", code(defaults[name]), plain(values.expected(of)), plain(docs.get(name, "")))
        )
    return table(("setting", "default", "expected", "meaning"), rows) if rows else "None."


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def plain(said: str) -> str:
    """Text in a cell of a table: nothing in it is markup but code."""
    pieces = re.split(r"(`[^`]*`)", said)
    return "".join(code_of(p[1:-1]) if p.startswith("`") else re.sub(r"([*_\[\]<>|])", r"\\\1", p) for p in pieces)


def code_of(said: str) -> str:
    """Code in a cell of a table. A bar in it would end the cell for some readers, and escaped it would be seen by others."""
    return f"<code>{html.escape(said, quote=False).replace('|', '&#124;')}</code>" if "|" in said else f"`{said}`"


def code(value: Any) -> str:
    """A default; nothing is said to be."""
    return code_of(typed(value)) if typed(value) else "none"


def typed(value: Any) -> str:
    """A value as it is typed at a prompt."""
    if isinstance(value, (tuple, list)):
        return ",".join(map(typed, value))
    return f"{value:g}" if isinstance(value, float) else value if isinstance(value, str) else str(value).lower()
