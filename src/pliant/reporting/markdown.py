"""A comparison as Markdown."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from pliant.reporting import definitions, facts, plots, section, tables, verdicts, words


def markdown(comparison: Mapping[str, Any]) -> str:
    """The tables of the page as Markdown."""
    return text(comparison, [], "")


def text(comparison: Mapping[str, Any], made: Sequence[plots.Figure], folder: str) -> str:
    """The tables, and links to figures that lie in `folder`."""
    answer = verdicts.answer(comparison)
    lines = [f"# {escaped(facts.title(comparison))}", escaped(facts.lines(comparison))]
    lines.append("## Meta-learning or transfer learning?")
    lines += [f"**{escaped(answer.short)}**", "\n".join(f"- {escaped(line)}" for line in answer.sentences)]
    lines += [f"> {escaped(line)}" for line in verdicts.cautions(comparison)]
    for each in comparison["missing"]:
        lines += [f"Missing baseline {escaped(words.shown(each['name']))}:", _fenced(each["command"])]
    for table in (table for each in section.tables(comparison).values() for table in each):
        lines += [f"## {escaped(table.title)}", escaped(table.note), _grid(table)]
    lines += [f"![{escaped(figure.title)}]({quote(folder)}/{quote(figure.name)}.svg)" for figure in made]
    lines.append("## To do it again")
    for name, command, _ in facts.commands(comparison):
        lines += [f"{escaped(name)}:", _fenced(command)]
    lines += ["## How to read this", "\n".join(f"- **{escaped(t)}**: {escaped(w)}" for t, w in definitions.DEFINITIONS)]
    return "\n\n".join(line for line in lines if line) + "\n"


def _grid(table: tables.Table) -> str:
    rules = [":--" if c.kind != "number" or i == 0 else "--:" for i, c in enumerate(table.rows[0])]
    rows = [[escaped(name) for name in table.head], rules, *([_cell(c) for c in row] for row in table.rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(cell: tables.Cell) -> str:
    return escaped(cell.text) + cell.marks + (f" ({escaped(cell.small)}{cell.marks})" if cell.small else "")


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, in a table too."""
    text = re.sub(r"[\\`*_{}\[\]#!]|([<>&|$@~^])", lambda c: f"&#{ord(c[0])};" if c[1] else f"\\{c[0]}", text)
    return text.replace("://", "&#58;//")


def _fenced(command: str) -> str:
    shown = words.shown(command)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    return f"{fence}\n{shown}\n{fence}"
