"""A comparison as one page that needs nothing else, as Markdown and as CSV: pure functions from documents to text.

The page holds its style and its figures, no script and nothing to load. Whatever comes out of a document is shown as text:
names of agents, families and axes, paths, commands and notes may contain markup.
"""

import base64
import csv as csv_format
import io
import os
import re
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2

from pliant import _axes, _definitions, _svg, _tables, _tidy, _verdicts, _words, checkpoint, documents, errors, plots

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


def html(comparison: Mapping[str, Any], behaviours: Behaviours | None = None) -> str:
    """A document `pliant.comparison/1` as a page."""
    return _html(comparison, behaviours or {}, plots.figures(comparison))


def markdown(comparison: Mapping[str, Any]) -> str:
    """The tables of the page as Markdown."""
    return _markdown(comparison, [], "")


def csv(comparison: Mapping[str, Any]) -> str:
    """Every number of a comparison, one a row, beside what says which it is."""
    text = io.StringIO()
    writer = csv_format.DictWriter(text, _tidy.COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for row in _tidy.rows(comparison):
        writer.writerow({name: _plain(value) for name, value in row.items()})
    return text.getvalue()


def require_writable(out: Path) -> None:
    """Raise UserError unless a page and what goes beside it may be written to `out`."""
    out, folder = Path(out), _folder(Path(out))
    if out.suffix != ".html":
        raise errors.UserError(f"--out is {out}: expected a name that ends in .html")
    for path in (out, out.with_suffix(".md"), out.with_suffix(".csv")):
        if path.is_dir():
            raise errors.UserError(f"cannot write {path}: it is a folder; choose another --out")
    if os.path.lexists(folder) and not folder.is_dir():
        raise errors.UserError(f"cannot write {folder}: it is a file; choose another --out")
    other = next((p.name for p in sorted(folder.glob("*")) if p.suffix != ".svg"), None)
    if other is not None:
        raise errors.UserError(f"{folder}, where the figures go, holds something else ({other!r}): choose another --out")
    above = next(p for p in out.absolute().parents if os.path.lexists(p))
    if not above.is_dir():
        raise errors.UserError(f"cannot write {out}: {above} is no folder")
    if not os.access(above, os.W_OK | os.X_OK):
        raise errors.UserError(f"cannot write {out}: permission denied in {above}")


def write(comparison: Mapping[str, Any], out: Path, behaviours: Behaviours | None = None) -> list[Path]:
    """Write the page to `out`, Markdown, CSV and a folder of figures beside it: all of them whole, or none.

    What an earlier report left there is replaced. Raises UserError if the system cannot.
    """
    out = Path(out)
    require_writable(out)
    made, folder = plots.figures(comparison), _folder(out)
    texts = {
        out: _html(comparison, behaviours or {}, made),
        out.with_suffix(".md"): _markdown(comparison, made, folder.name),
        out.with_suffix(".csv"): csv(comparison),
    }
    stage = out.parent / f".tmp-{uuid.uuid4().hex[:12]}"
    try:
        stage.mkdir(parents=True)
        try:
            for path, text in texts.items():
                checkpoint.write_synced(stage / path.name, text.encode())
            plots.save(made, stage / folder.name)
            _place([*texts, folder], stage)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
        checkpoint.sync_folder(out.parent)
    except OSError as error:
        raise documents.cannot("write", out, error) from error
    return [*texts, *(folder / f"{figure.name}.svg" for figure in made)]


def _place(paths: Sequence[Path], stage: Path) -> None:
    """Move what was made in `stage` to where it belongs; if one cannot be, put everything back as it was."""
    moved: list[tuple[Path, Path]] = []  # from, to
    (stage / "before").mkdir()
    try:
        for path in paths:
            if os.path.lexists(path):
                path.rename(stage / "before" / path.name)
                moved.append((path, stage / "before" / path.name))
            (stage / path.name).rename(path)
            moved.append((stage / path.name, path))
    except BaseException:
        for source, target in reversed(moved):
            target.rename(source)
        raise


def _folder(out: Path) -> Path:
    return out.with_name(f"{out.stem}-figures")


# ---- the page


def _html(comparison: Mapping[str, Any], behaviours: Behaviours, made: Sequence[plots.Figure]) -> str:
    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    named = [key for key, _, _ in SECTIONS] + ["headline", "pairs", "settings"]
    tables: dict[str, list[_tables.Table]] = {name: [] for name in named}
    for table in _tables.tables(comparison):
        tables[table.name] += [table] if table.rows else []
    drawn: dict[str, list[dict[str, Any]]] = {name: [] for name in named}
    for figure in made:
        picture = _svg.inline(figure.svg, f"{figure.name}-", figure.title)
        drawn[figure.section].append(figure._asdict() | {"svg": picture})
    sections = [each for each in SECTIONS if tables[each[0]] or drawn[each[0]]]
    contents = [("headline", "Answer"), *((key, name) for key, name, _ in sections)]
    behaviours = {name: each for name, each in behaviours.items() if each}
    contents += [("behaviour", "Behaviour")] if behaviours else []
    contents += [("settings", "Settings"), ("commands", "Commands"), ("reading", "How to read this")]
    return environment.get_template("report.html").render(
        style=(TEMPLATES / "report.css").read_text(encoding="utf-8") + _swatches(comparison),
        title=_title(comparison),
        facts=_facts(comparison),
        contents=contents,
        answer=_verdicts.answer(comparison),
        cautions=_verdicts.cautions(comparison),
        missing=[{name: _words.shown(each[name]) for name in ("name", "command")} for each in comparison["missing"]],
        tables=tables,
        drawn=drawn,
        sections=sections,
        swatches={_words.shown(a["name"]): number for number, a in enumerate(comparison["agents"])},
        behaviours=[(_words.shown(name), _seen(each, place)) for place, (name, each) in enumerate(behaviours.items())],
        settings=[(_words.shown(a["name"]), _pairs(_tables.settings(a["config"]))) for a in comparison["agents"]],
        versions=_pairs(_circumstances(comparison)),
        commands=_commands(comparison),
        definitions=_definitions.DEFINITIONS,
    )


def _seen(figures: Sequence[Mapping[str, Any]], place: int) -> list[dict[str, Any]]:
    """Figures of behaviour, ready for the page."""
    ready = []
    for number, figure in enumerate(figures):
        title = _words.shown(figure["title"])
        seen = {"title": title, "caption": _words.shown(figure["caption"]) if figure.get("caption") else ""}
        if "svg" in figure:
            svg = _svg.inline(figure["svg"], f"behaviour-{place}-{number}-", title)
            ready.append(seen | {"svg": svg})
        else:
            uri = f"data:image/png;base64,{base64.b64encode(figure['png']).decode()}"
            ready.append(seen | {"svg": "", "uri": uri})
    return ready


def _swatches(comparison: Mapping[str, Any]) -> str:
    """Colours of the agents beside their names: full for agents, a ring for baselines."""
    rules, styles = [], _axes.styles(comparison["agents"])
    for number, agent in enumerate(comparison["agents"]):
        style = styles[agent["name"]]
        look = f"border: .17em solid {style.colour}" if agent["baseline"] else f"background: {style.colour}"
        rules.append(f".s{number} {{ {look}; print-color-adjust: exact; }}")
    return "\n".join(rules)


def _title(comparison: Mapping[str, Any]) -> str:
    return f"Adaptation on {_words.shown(comparison['family'])}"


def _facts(comparison: Mapping[str, Any]) -> str:
    said = f"{len(comparison['agents'])} agents and baselines, {sum(len(a['seeds']) for a in comparison['agents'])} runs"
    said += f" · {comparison['tasks']} {_tables.SPLITS.get(comparison['split'], _words.shown(comparison['split']))}"
    return f"{said} (seed {comparison['seed']}) · {comparison['horizon']} steps an episode at most"


def _circumstances(comparison: Mapping[str, Any]) -> dict[str, str]:
    """What else a result depends on."""
    family = {f"family.{name}": value for name, value in comparison["family_settings"].items()}
    known = {"family": comparison["family"], "family version": comparison["family_version"], **family}
    known |= {"tasks, SHA-256": comparison["tasks_sha256"], **comparison["versions"], **comparison["machine"]}
    return {name: str(value) for name, value in known.items()}


def _commands(comparison: Mapping[str, Any]) -> list[tuple[str, str, list[str]]]:
    """Name, command and runs of every agent that somebody trained."""
    trained = [a for a in comparison["agents"] if a["runs"]]
    return [(_words.shown(a["name"]), _words.shown(a["command"]), [_words.shown(r) for r in a["runs"]]) for a in trained]


def _pairs(values: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(_words.shown(name), _words.shown(value)) for name, value in values.items()]


# ---- Markdown and CSV


def _markdown(comparison: Mapping[str, Any], made: Sequence[plots.Figure], folder: str) -> str:
    answer = _verdicts.answer(comparison)
    lines = [f"# {_escaped(_title(comparison))}", _escaped(_facts(comparison)), "## Meta-learning or transfer learning?"]
    lines += [f"**{_escaped(answer.short)}**", "\n".join(f"- {_escaped(line)}" for line in answer.sentences)]
    lines += [f"> {_escaped(line)}" for line in _verdicts.cautions(comparison)]
    for each in comparison["missing"]:
        lines += [f"Missing baseline {_escaped(_words.shown(each['name']))}:", _fenced(each["command"])]
    for table in _tables.tables(comparison):
        lines += [f"## {_escaped(table.title)}", _escaped(table.note), _grid(table)] if table.rows else []
    lines += [f"![{_escaped(figure.title)}]({quote(folder)}/{quote(figure.name)}.svg)" for figure in made]
    lines.append("## To do it again")
    for name, command, _ in _commands(comparison):
        lines += [f"{_escaped(name)}:", _fenced(command)]
    lines += ["## How to read this", "\n".join(f"- **{_escaped(t)}**: {_escaped(w)}" for t, w in _definitions.DEFINITIONS)]
    return "\n\n".join(line for line in lines if line) + "\n"


def _grid(table: _tables.Table) -> str:
    rules = [":--" if c.kind != "number" or i == 0 else "--:" for i, c in enumerate(table.rows[0])]
    rows = [[_escaped(name) for name in table.head], rules, *([_cell(c) for c in row] for row in table.rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(cell: _tables.Cell) -> str:
    mark = _words.FEW if cell.few else ""
    return _escaped(cell.text) + mark + (f" ({_escaped(cell.small)}{mark})" if cell.small else "")


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is, in a table too."""
    text = re.sub(r"[\\`*_{}\[\]#!]|([<>&|$@~^])", lambda c: f"&#{ord(c[0])};" if c[1] else f"\\{c[0]}", text)
    return text.replace("://", "&#58;//")


def _fenced(command: str) -> str:
    shown = _words.shown(command)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    return f"{fence}\n{shown}\n{fence}"


def _plain(value: Any) -> Any:
    """A cell of CSV: text as shown, and none that a spreadsheet would take for a formula."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, str):
        return "" if value is None else value
    shown = _words.shown(value) if value else value
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@")) else shown
