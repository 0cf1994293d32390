"""Sections of a report: one file is one section of the page, of Markdown and of what the terminal shows."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pliant.reporting import markdown, page, plots, section, terminal, tidy, verdicts

from . import comparisons

OWN = '''"""Seeds of every agent."""

from pliant.reporting import tables
from pliant.reporting.section import Plot, Section


def table(comparison):
    rows = [[tables.name(agent), tables.Cell(str(len(agent["seeds"])))] for agent in comparison["agents"]]
    return [tables.Table("How often", ["agent", "trainings"], rows, "Seeds <each>.")]


def figures(comparison):
    return [Plot("seeds", "Seeds", "A bar.", lambda axes, comparison, style: bool(axes.plot([0, 1], [0, 1])))]


SECTION = Section("seeds", "How many seeds", "Trainings of each.", 45, table, figures, brief=table)
'''


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A section of one's own in the folder of sections, for one test."""
    from pliant.reporting import sections

    (tmp_path / "seeds.py").write_text(OWN)
    for path in section.FOLDER.glob("[!_]*.py"):
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.setattr(section, "FOLDER", tmp_path)
    monkeypatch.setattr(sections, "__path__", [*sections.__path__, str(tmp_path)])
    section.every.cache_clear()
    yield
    section.every.cache_clear()


def shown(document: dict) -> str:
    """What `pliant compare` prints."""
    text = io.StringIO()
    for table in terminal.comparison_tables(document):
        Console(file=text, width=140).print(table)
    return text.getvalue()


def test_the_folder_is_the_registry_and_sections_have_an_order_of_their_own() -> None:
    found = section.every()
    assert {each.name for each in found} == {path.stem for path in section.FOLDER.glob("[!_]*.py")}
    orders = [each.order for each in found]
    assert orders == sorted(set(orders)) and found[0].name == "headline"
    assert all(each.title and each.lead.endswith(".") for each in found)


def test_a_section_is_one_file_for_page_markdown_and_terminal(own: None) -> None:
    document = comparisons.document(comparisons.KINDS[:1], tasks=2, points=3)
    made = plots.figures(document)
    html = page.html(document, made=made)
    assert html.index('id="training"') < html.index('<section id="seeds">\n<h2>How many seeds</h2>') < html.index('id="splits"')
    assert '<a href="#seeds">How many seeds</a>' in html and "Seeds &lt;each&gt;." in html
    assert html.count("Trainings of each.") == 1 and "A bar." in html
    assert "## How often" in markdown.markdown(document)
    assert "seeds" in [figure.name for figure in made]
    assert "How often" in shown(document)


def test_a_section_without_anything_to_show_is_left_out() -> None:
    document = comparisons.document(comparisons.KINDS[:2], tasks=4, points=5) | {"sweeps": []}
    html = page.html(document, made=[])
    assert 'id="sweeps"' not in html and 'id="profile"' not in html and 'id="cost"' in html
    assert section.tables(document)["sweeps"] == []


def test_the_terminal_shows_names_as_text_and_says_where_seeds_are_few() -> None:
    document = comparisons.document(comparisons.KINDS[:1], ["[red]maml[/red]"], seeds=2, tasks=4, points=5)
    text = shown(document)
    assert "[red]maml[/red]" in text and "2†" in text and "exact optimum" in text
    agent = document["agents"][0]
    assert f"{agent['final']['mean']:.2f}" in text and f"{agent['gain']['mean']:+.2f}" in text


def test_the_terminal_says_what_the_page_says() -> None:
    document = comparisons.document(comparisons.KINDS[:3], tasks=4, points=5) | {"distinct_tasks": {"test": 4}}
    document["agents"][0]["efficiency"]["train_env_steps"] = 3.0e7
    cautions = verdicts.cautions(document)
    assert len(cautions) == 2 and "Training differs" in cautions[1]
    assert cautions[0].startswith("‡ marks numbers of 4 distinct tasks")
    notes = terminal.comparison_notes(document)
    assert [f"note: {line}" for line in cautions] == [line for line in notes if line.startswith("note")]
    text = page.html(document, made=[])
    assert all(line.replace("'", "&#39;") in text for line in cautions)


def test_numbers_of_few_distinct_tasks_are_marked_everywhere() -> None:
    few = {"distinct_tasks": {"test": 2, "train": 8, "ood": 40}, "task_numbers": [0, 1] * 4}
    document = comparisons.document(comparisons.KINDS[:2], tasks=8, points=5) | few
    (table,) = section.tables(document)["splits"]
    assert [cell.few_tasks for cell in table.rows[0]] == [False, False, True, False, True, True]  # train, test, ood, both gaps
    (headline,) = section.tables(document)["headline"]
    assert [cell.few_tasks for cell in headline.rows[0]] == [False] * 4 + [True] * 3 + [False] * 2
    assert "8 test tasks (2 distinct)" in headline.note and "8 test tasks (2 distinct)" in shown(document)
    assert "‡" in shown(document) and "‡ marks" in markdown.markdown(document) and "‡ marks" in page.html(document, made=[])
    assert {row["distinct_tasks"] for row in tidy.rows(document) if row.get("measure") == "gain"} == {2}
    enough = document | {"distinct_tasks": {"test": 5}}
    assert "‡" not in shown(enough) + markdown.markdown(enough) + page.html(enough, made=[])
    document["sweeps"][0] |= {"distinct_tasks": [4] * 8 + [5], "all_tasks": [False, True] + [False] * 7}
    (sweep,) = section.tables(document)["sweeps"]
    assert [row[2].few_tasks for row in sweep.rows] == [True, False, *[True] * 6, False] and "fewer than five" in sweep.note
    whole = document | {"all_tasks": {"test": True}}
    assert "all that there are" in markdown.markdown(whole)


def test_what_has_no_interval_is_shown_without_one() -> None:
    document = comparisons.document(comparisons.KINDS[:6], tasks=3, points=5)
    document |= {"distinct_tasks": {"test": 1}, "task_numbers": [0, 0, 0]}
    without_intervals(document)
    for row in document["against"]:
        row |= {"p_value": None, "p_holm": None, "verdict": "too few tasks"}
    assert len(plots.figures(document)) == len(plots.figures(comparisons.document(comparisons.KINDS[:6], tasks=3, points=5)))
    text = shown(document) + markdown.markdown(document) + page.html(document, made=[])
    assert "None" not in text and "there is no interval" in text and "Not answered: one distinct task" in text
    assert {row.get("ci_low") for row in tidy.rows(document) if row["measure"] == "difference"} == {None}


def without_intervals(value: Any) -> None:
    """A document whose intervals are null, in place."""
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        if key == "ci95":
            value[key] = None
        elif isinstance(inner, (dict, list)):
            without_intervals(inner)


def test_a_verdict_never_says_more_than_the_corrected_p_beside_it() -> None:
    """As in documents of earlier versions, whose verdicts looked at the interval of one pair."""
    document = comparisons.document(comparisons.KINDS[1:3], tasks=8, points=5)
    (row,) = document["against"]
    row |= {"difference": 2.0, "ci95": [0.1, 3.9], "p_value": 0.04, "p_holm": 0.2, "verdict": "better"}
    (page_row,), (brief,) = section.tables(document)["pairs"][0].rows, section.every()[1].brief(document)[0].rows
    turned = verdicts.beside(document, row["other"], row["agent"])
    told = [page_row[-1].text, brief[-1].text, turned and turned["verdict"]]
    told += [each["verdict"] for each in tidy.rows(document) if each.get("measure") == "difference"]
    assert set(told) == {"no difference shown"}
