"""Sections of a report: one file is one section of the page, of Markdown and of what the terminal shows."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from pliant.reporting import markdown, page, plots, section, terminal

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
    assert "[red]maml[/red]" in text and "2 (few)" in text and "exact optimum" in text
    agent = document["agents"][0]
    assert f"{agent['final']['mean']:.2f}" in text and f"{agent['gain']['mean']:+.2f}" in text
