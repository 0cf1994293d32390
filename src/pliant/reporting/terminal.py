"""Tables for the terminal: the adaptation curve of an evaluation, a comparison, a sweep."""

from collections.abc import Mapping
from typing import Any

from rich import markup
from rich.table import Table

from pliant.reporting import curves, samples, section, tables, verdicts, words
from pliant.storage import documents, shown


def curve_table(document: Mapping[str, Any]) -> Table:
    """The curve of a document `pliant.evaluation/1`, one row per stage."""
    has_success = document["curve"][0]["success"] is not None
    table = Table(title=markup.escape(curves.title(document)), caption=samples.caution(document) or None)
    mark = words.FEW_TASKS if samples.is_few(document) else ""
    stage = "episode" if documents.by_episode(document) else "stage"
    for name in (stage, "steps seen", "return", "95% interval", *(["success"] if has_success else [])):
        table.add_column(name, justify="right")
    curve = document["curve"]
    for place in sorted({round(i * (len(curve) - 1) / (curves.MOST_ROWS - 1)) for i in range(curves.MOST_ROWS)}):
        point = curve[place]
        value = point["return"]
        row = [str(point["stage"]), f"{point['steps_seen']:,.0f}", f"{value['mean']:.2f}{mark}", tables.between(value["ci95"])]
        table.add_row(*row, *([f"{point['success']['mean']:.0%}{mark}"] if has_success else []))
    return table


def headline(document: Mapping[str, Any]) -> str:
    """What the published protocol says, in one line."""
    found = document["headline"]
    number = "{:.1%}" if found["what"] == "success" else "{:.2f}"
    mark = words.FEW_TASKS if samples.is_few(document) else ""
    ends = f" ({' to '.join(number.format(x) for x in found['ci95'])})" if found["ci95"] else ""
    stages = ", ".join(map(str, found["stages"]))
    where = f"{'episodes' if documents.by_episode(document) else 'after gradient steps'} {stages}"
    return f"{document['protocol']['published']}: {found['what']} {number.format(found['mean'])}{mark}{ends}, {where}"


def players_table(document: Mapping[str, Any]) -> Table:
    """The agent of a document and reference agents, by the return of a trial; then what is known exactly."""
    others = document["players"]
    table = Table(title=f"trials of {others['episodes']} episodes on the same tasks")
    for name in ("agent", "first episode", "last episode", "trial", "95% interval"):
        table.add_column(name, justify="left" if name == "agent" else "right")
    rows = {name: (each["return"][0], each["return"][-1], each["trial_return"]) for name, each in others["each"].items()}
    if documents.by_episode(document):
        ends = [document["curve"][i]["return"]["mean"] for i in (0, -1)]
        rows[document["algorithm"]] = (ends[0], ends[1], document["trial_return"])
    for name, (first, last, trial) in sorted(rows.items(), key=lambda row: row[1][2]["mean"]):
        shown_name = markup.escape(name)
        name = f"[bold]{shown_name}[/bold]" if name == document["algorithm"] else shown_name
        table.add_row(name, f"{first:.2f}", f"{last:.2f}", f"{trial['mean']:.2f}", tables.between(trial["ci95"]))
    for name, title in tables.BOUNDS.items():
        if others[name] is not None:
            table.add_row(title, "", "", f"{others[name]:.2f}", "")
    return table


def comparison_tables(document: Mapping[str, Any]) -> list[Table]:
    """A document `pliant.comparison/1` for the terminal: what agents reach, how fast and for how much, and who beats whom."""
    return [_shown(table) for table in section.brief(document)]


def comparison_notes(document: Mapping[str, Any]) -> list[str]:
    """What must be said beside the tables, a line each."""
    reference = document["reference"]
    undefined = document["random"] is None or reference["value"] <= document["random"]
    lines = (
        ["area and steps: not defined, nobody is known to do better than at random"]
        if undefined
        else [
            f"area and steps to {document['fraction']:.0%}: from random actions ({document['random']:.2f}) to"
            f" {reference['name']} ({reference['value']:.2f})"
        ]
    )
    lines += [f"note: {caution}" for caution in verdicts.cautions(document)]
    return lines + [f"missing: {each['name']}; to train it: {each['command']}" for each in document["missing"]]


def sweep_table(document: Mapping[str, Any]) -> Table:
    """A document `pliant.sweep/1`, one row per value."""
    low, high = document["trained"]
    subject = f"{shown.name(document['algorithm'])} on {shown.family_of(document)}"
    axis = markup.escape(document["axis"])
    table = Table(title=f"{markup.escape(subject)}: {axis}, trained on {low:g} to {high:g}")
    for name in (axis, "", "first stage", "after", "95% interval"):
        table.add_column(name, justify="right")
    for point, few in zip(document["curve"], samples.are_few(document), strict=True):
        first, last = point["return"][0], point["return"][-1]
        mark = words.FEW_TASKS if few else ""
        where = "" if low <= point["value"] <= high else "outside"
        means = [f"{each['mean']:.2f}{mark}" for each in (first, last)]
        table.add_row(f"{point['value']:g}", where, *means, tables.between(last["ci95"]))
    if any(samples.are_few(document)):
        table.caption = f"{words.FEW_TASKS} fewer than five distinct tasks, which say little of how tasks differ"
    return table


def _shown(table: tables.Table) -> Table:
    """A table of cells: names to the left, those with a remark (baselines, say) dim, numbers to the right."""
    kinds = [cell.kind for cell in table.rows[0]] if table.rows else []
    drawn = Table(title=markup.escape(table.title))
    for place, name in enumerate(table.head):
        right = place > 0 and (not kinds or kinds[place] == "number")
        drawn.add_column(markup.escape(name), justify="right" if right else "left")
    for row in table.rows:
        drawn.add_row(*map(_cell, row))
    return drawn


def _cell(cell: tables.Cell) -> str:
    text, mark = markup.escape(cell.text), cell.marks
    if cell.kind == "name":
        return f"[dim]{text}[/dim]" if cell.small else text
    return text + mark + (f" ({markup.escape(cell.small)}{mark})" if cell.small else "")
