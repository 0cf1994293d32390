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
from pliant.reporting import svg as vector
from pliant.reporting import tables as tabulate

TEMPLATES = Path(__file__).resolve().parent / "templates"
SECTIONS = (
    ("curves", "Adaptation curves", "What agents reach on tasks they have never seen, by what they have seen of them."),
    ("speed", "Learning speed and sample efficiency", "How little of a task is enough, and how much training that took."),
    ("training", "Training", "Returns on training tasks by environment steps, those of adaptation counted."),
    (
        "splits",
        "Generalisation",
        "The same agents on tasks of training, on held-out ones, and on tasks outside the range of training.",
    ),
    ("sweeps", "Shifted tasks", "One quantity moved, all else the same: where adaptation stops working."),
    ("profile", "Performance profile", "All seeds and tasks instead of their mean: how many end above a return."),
    ("cost", "Cost", "What training, adapting and acting take."),
)
"""Those made of nothing but tables and figures."""

Behaviours = Mapping[str, Sequence[Mapping[str, Any]]]
"""Name of an agent: its figures, {"title", "svg": text} or {"title", "png": bytes}, and a "caption" if there is one."""


def html(
    comparison: Mapping[str, Any], behaviours: Behaviours | None = None, made: Sequence[plots.Figure] | None = None
) -> str:
    """A document `pliant.comparison/1` as a page; with its figures if they are `made` already."""
    return _html(comparison, behaviours or {}, plots.figures(comparison) if made is None else made)


def csv(comparison: Mapping[str, Any]) -> str:
    """Every number of a comparison, one a row, beside what says which it is."""
    text = io.StringIO()
    writer = csv_format.DictWriter(text, tidy.COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for row in tidy.rows(comparison):
        writer.writerow({name: _plain(value) for name, value in row.items()})
    return text.getvalue()


# ---- the page


def _html(comparison: Mapping[str, Any], behaviours: Behaviours, made: Sequence[plots.Figure]) -> str:
    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    named = [key for key, _, _ in SECTIONS] + ["headline", "pairs", "settings"]
    tables: dict[str, list[tabulate.Table]] = {name: [] for name in named}
    for table in tabulate.tables(comparison):
        tables[table.name] += [table] if table.rows else []
    drawn: dict[str, list[dict[str, Any]]] = {name: [] for name in named}
    for figure in made:
        picture = vector.inline(figure.svg, f"{figure.name}-", figure.title)
        drawn[figure.section].append(figure._asdict() | {"svg": picture})
    sections = [each for each in SECTIONS if tables[each[0]] or drawn[each[0]]]
    contents = [("headline", "Answer"), *((key, name) for key, name, _ in sections)]
    behaviours = {name: each for name, each in behaviours.items() if each}
    contents += [("behaviour", "Behaviour")] if behaviours else []
    contents += [("settings", "Settings"), ("commands", "Commands"), ("reading", "How to read this")]
    return environment.get_template("report.html").render(
        style=(TEMPLATES / "report.css").read_text(encoding="utf-8") + _swatches(comparison),
        title=facts.title(comparison),
        facts=facts.lines(comparison),
        contents=contents,
        answer=verdicts.answer(comparison),
        cautions=verdicts.cautions(comparison),
        missing=[{name: words.shown(each[name]) for name in ("name", "command")} for each in comparison["missing"]],
        tables=tables,
        drawn=drawn,
        sections=sections,
        swatches={words.shown(a["name"]): number for number, a in enumerate(comparison["agents"])},
        behaviours=[(words.shown(name), _seen(each, place)) for place, (name, each) in enumerate(behaviours.items())],
        settings=[(words.shown(a["name"]), facts.pairs(tabulate.settings(a["config"]))) for a in comparison["agents"]],
        versions=facts.pairs(facts.circumstances(comparison)),
        commands=facts.commands(comparison),
        definitions=definitions.DEFINITIONS,
    )


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
