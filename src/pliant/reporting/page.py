"""A comparison as one page that needs nothing else, as Markdown and as CSV: pure functions from documents to text.

The page holds its style and its figures, no script and nothing to load. Whatever comes out of a document is shown as text:
names of agents, families and axes, paths, commands and notes may contain markup.
"""

import base64
import csv as csv_format
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from pliant.reporting import axes, definitions, facts, plots, tidy, verdicts, words
from pliant.reporting import section as sections
from pliant.reporting import svg as vector

TEMPLATES = Path(__file__).resolve().parent / "templates"

Behaviours = Mapping[str, Sequence[Mapping[str, Any]]]
"""Name of an agent: its figures, {"title", "svg": text} or {"title", "png": bytes}, and a "caption" if there is one."""


def html(
    comparison: Mapping[str, Any], behaviours: Behaviours | None = None, made: Sequence[plots.Figure] | None = None
) -> str:
    """A document `pliant.comparison/1` as a page; with its figures if they are `made` already."""
    made = plots.figures(comparison) if made is None else made
    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    behaviours = {name: each for name, each in (behaviours or {}).items() if each}
    return environment.get_template("report.html").render(
        style=(TEMPLATES / "report.css").read_text(encoding="utf-8") + _swatches(comparison),
        behaviours=[(words.shown(name), _seen(each, place)) for place, (name, each) in enumerate(behaviours.items())],
        **_words(comparison),
        **_sections(comparison, made, bool(behaviours)),
    )


def csv(comparison: Mapping[str, Any]) -> str:
    """Every number of a comparison, one a row, beside what says which it is."""
    text = io.StringIO()
    writer = csv_format.DictWriter(text, tidy.COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for row in tidy.rows(comparison):
        writer.writerow({name: _plain(value) for name, value in row.items()})
    return text.getvalue()


# ---- the page


def _words(comparison: Mapping[str, Any]) -> dict[str, Any]:
    """What the page says beside its tables and figures."""
    agents = comparison["agents"]
    return {
        "title": facts.title(comparison),
        "facts": facts.lines(comparison),
        "answer": verdicts.answer(comparison),
        "cautions": verdicts.cautions(comparison),
        "missing": [{name: words.shown(each[name]) for name in ("name", "command")} for each in comparison["missing"]],
        "swatches": {words.shown(a["name"]): number for number, a in enumerate(agents)},
        "settings": [(words.shown(a["name"]), facts.pairs(facts.settings(a["config"]))) for a in agents],
        "versions": facts.pairs(facts.circumstances(comparison)),
        "commands": facts.commands(comparison),
        "definitions": definitions.DEFINITIONS,
    }


def _sections(comparison: Mapping[str, Any], made: Sequence[plots.Figure], behaves: bool) -> dict[str, Any]:
    """Tables and figures by section, sections that have some, and links to all there is."""
    tables = sections.tables(comparison)
    drawn: dict[str, list[dict[str, Any]]] = {name: [] for name in tables}
    for figure in made:
        picture = vector.inline(figure.svg, f"{figure.name}-", figure.title)
        drawn[figure.section].append(figure._asdict() | {"svg": picture})
    shown = [each for each in sections.every() if not each.apart and (tables[each.name] or drawn[each.name])]
    contents = [("headline", "Answer"), *((each.name, each.title) for each in shown)]
    contents += [("behaviour", "Behaviour")] if behaves else []
    contents += [("settings", "Settings"), ("commands", "Commands"), ("reading", "How to read this")]
    apart = {each.name: each for each in sections.every() if each.apart}
    return {"tables": tables, "drawn": drawn, "sections": shown, "apart": apart, "contents": contents}


def _seen(figures: Sequence[Mapping[str, Any]], place: int) -> list[dict[str, Any]]:
    """Figures of behaviour, ready for the page."""
    ready = []
    for number, figure in enumerate(figures):
        title = words.shown(figure["title"])
        seen = {"title": title, "caption": words.shown(figure["caption"]) if figure.get("caption") else ""}
        if "svg" in figure:
            svg = vector.inline(figure["svg"], f"behaviour-{place}-{number}-", title)
            ready.append(seen | {"svg": svg})
        else:
            uri = f"data:image/png;base64,{base64.b64encode(figure['png']).decode()}"
            ready.append(seen | {"svg": "", "uri": uri})
    return ready


def _swatches(comparison: Mapping[str, Any]) -> str:
    """Colours of the agents beside their names: full for agents, a ring for baselines."""
    rules, styles = [], axes.styles(comparison["agents"])
    for number, agent in enumerate(comparison["agents"]):
        style = styles[agent["name"]]
        look = f"border: .17em solid {style.colour}" if agent["baseline"] else f"background: {style.colour}"
        rules.append(f".s{number} {{ {look}; print-color-adjust: exact; }}")
    return "\n".join(rules)


# ---- Markdown and CSV


def _plain(value: Any) -> Any:
    """A cell of CSV: text as shown, and none that a spreadsheet would take for a formula."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, str):
        return "" if value is None else value
    shown = words.shown(value) if value else value
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@")) else shown
