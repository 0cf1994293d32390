"""The page of a comparison: says what the document says, to anybody, and shows every name as text."""

import copy
import csv
import errno
import io
import os
import re
import time
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

from pliant import errors
from pliant.reporting import axes, markdown, page, plots, publish, section, tidy
from pliant.reporting import svg as vector
from pliant.reporting import verdicts as sentences
from pliant.reporting import words as wording
from pliant.system import files

from . import comparisons

VOID = {"meta", "link", "img", "br"}
SVG = "{http://www.w3.org/2000/svg}"
PLAIN = comparisons.KINDS[:2]


class Parsed(HTMLParser):
    """Tags with their attributes, and the text of every element by its path."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(("/".join(self.open), data))

    def all(self, under: str) -> list[str]:
        return [text for path, text in self.texts if under in path]


def shape(text: str) -> Counter[tuple[str, tuple[str, ...]]]:
    """What elements a page has, with the names of their attributes."""
    return Counter((tag, tuple(sorted(names))) for tag, names in Parsed(text).tags)


def rows_of(text: str, title: str) -> list[list[str]]:
    """Cells of the table called `title`, as text."""
    table = text[text.index(f"<b>{title}.</b>") :]
    body = table[table.index("<tbody>") : table.index("</tbody>")]
    return [
        [re.sub(r"<[^>]*>", " ", cell).strip() for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S)]
        for row in re.findall(r"<tr>(.*?)</tr>", body, re.S)
    ]


def without_figures(document: dict[str, Any]) -> str:
    return page.html(document, {}, [])


@pytest.fixture(scope="module")
def usual() -> dict[str, Any]:
    return comparisons.document()


@pytest.fixture(scope="module")
def usual_figures(usual: dict[str, Any]) -> list[plots.Figure]:
    return plots.figures(usual)


@pytest.fixture(scope="module")
def usual_page(usual: dict[str, Any], usual_figures: list[plots.Figure]) -> str:
    return page.html(usual, made=usual_figures)


@pytest.fixture(scope="module")
def small() -> dict[str, Any]:
    return comparisons.document(PLAIN, tasks=4, points=5)


@pytest.fixture(scope="module")
def small_figures(small: dict[str, Any]) -> list[plots.Figure]:
    return plots.figures(small)


# ---- words and numbers


@pytest.mark.parametrize(
    ("value", "ends", "said", "between"),
    [
        (-2.4137, [-2.81, -2.02], "−2.414", "−2.810 to −2.020"),  # as wide as 0.79: three digits are three decimals
        (-38.66, [-40.1, -37.2], "−38.66", "−40.10 to −37.20"),
        (1234.5, [1100.0, 1400.0], "1,234", "1,100 to 1,400"),
        (-0.001, [-1.0, 1.0], "0.00", "−1.00 to 1.00"),
        (0.5, [0.5, 0.5], "0.5000", "0.5000 to 0.5000"),
        (0.0, [0.0, 0.0], "0", "0 to 0"),
        (3e-9, [2e-9, 4e-9], "3.00e−09", "2.00e−09 to 4.00e−09"),
        (1e300, [0.0, 2e300], "1.00e+300", "0 to 2.00e+300"),
    ],
)
def test_an_interval_has_three_digits_of_its_width(value: float, ends: list[float], said: str, between: str) -> None:
    assert wording.mean({"mean": value, "ci95": ends}) == said
    assert wording.interval(ends) == between


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"),
        (999, "999"),
        (999.9, "1.00 k"),
        (1234, "1.23 k"),
        (8e6, "8.00 M"),
        (4.2e9, "4.20 G"),
        (2.5, "2.50"),
        (None, "–"),
    ],
)
def test_counts_have_three_digits(value: float | None, said: str) -> None:
    assert wording.count(value).replace("\u00a0", " ") == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.0, "0 s"),
        (87.6e-6, "87.6 µs"),
        (0.43, "430 ms"),
        (59.0, "59.0 s"),
        (612.3, "10.2 min"),
        (7200, "2.00 h"),
        (None, "–"),
    ],
)
def test_times_are_in_the_unit_that_suits_them(value: float | None, said: str) -> None:
    assert wording.seconds(value).replace("\u00a0", " ") == said


def test_what_cannot_be_seen_is_shown() -> None:
    assert wording.shown("a\x00b\x1b\x7f") == "a␀b␛␡"
    assert wording.shown("\u202eabc\u2066") == "[U+202E]abc[U+2066]"
    assert wording.shown("\ud800\uffff\x85") == "[U+D800][U+FFFF][U+0085]"
    assert [wording.shown(""), wording.shown(" ")] == ["(empty)", "(blank)"]
    assert wording.shown("maml 中文 🤖 e\u0301") == "maml 中文 🤖 e\u0301"


def test_a_long_name_keeps_its_head_and_its_tail() -> None:
    name = "maml mlp inner.lr=0.1 inner.steps=3 train.lanes=20"
    assert wording.short(name, 34) == name[:22] + "…" + name[-11:]
    assert len(wording.short(name, 34)) == 34 + 1 - 1
    assert wording.short("maml", 34) == "maml"


# ---- what is said


def test_the_headline_has_a_row_for_every_agent_and_baseline(usual: dict[str, Any], usual_page: str) -> None:
    rows = rows_of(usual_page, "What every agent reaches")
    agents = [agent["name"] for agent in usual["agents"]]
    assert [row[0].split()[0] for row in rows] == [*agents, "straight", "exact"]  # a reference agent, and the optimum
    assert rows[-1][5] == "−1.700" and rows[-1][4] == "–"
    maml = next(row for row in rows if row[0] == "maml")
    agent = usual["agents"][1]
    assert maml[1] == "3" and maml[2].replace("\u00a0", " ") == "8.00 M"
    assert maml[5].split()[0] == wording.mean(agent["final"]) and wording.interval(agent["final"]["ci95"]) in maml[5]
    row = next(r for r in usual["against"] if (r["agent"], r["other"]) == ("maml", "pretrain"))
    difference = wording.fixed(row["difference"], wording.decimals(row["ci95"]), sign=True)
    assert maml[7].startswith(difference) and maml[8] == row["verdict"] == "better"


def test_the_answer_follows_the_verdicts(usual: dict[str, Any]) -> None:
    def said(*verdicts: str) -> str:
        document = copy.deepcopy(usual)
        agents = [a["name"] for a in document["agents"] if not a["baseline"]]
        for name, verdict in zip(agents, verdicts, strict=True):
            row = next(r for r in document["against"] if (r["agent"], r["other"]) == (name, "pretrain"))
            row["verdict"] = verdict
        return sentences.answer(document).short

    none, few = "no difference shown", "too few seeds"
    assert said("better", "better", none, few).startswith("Meta-learning: 2 of 4 agents (fomaml and maml) do better")
    assert said("better", none, none, none).startswith("Meta-learning: 1 of 4 agents (fomaml) does better")
    assert said("worse", "worse", none, none).startswith("Transfer learning: 2 of 4 agents (fomaml and maml) do worse")
    assert said("better", "worse", none, none).startswith("It depends on the agent: 1 of 4 do better than pretrain, 1 worse")
    assert said(none, none, none, few).startswith("No difference shown")
    assert said(few, few, few, few) == "Not answered: fewer than three seeds."


def test_a_pair_that_is_named_the_other_way_round_is_turned(usual: dict[str, Any]) -> None:
    document = copy.deepcopy(usual)
    row = next(r for r in document["against"] if (r["agent"], r["other"]) == ("maml", "pretrain"))
    row |= {"agent": "pretrain", "other": "maml", "difference": -4.0, "ci95": [-6.0, -1.0]}
    row |= {"probability_of_improvement": 0.2, "verdict": "worse"}
    found = sentences.beside(document, "maml", "pretrain")
    assert found is not None
    assert (found["difference"], found["ci95"], found["verdict"]) == (4.0, [1.0, 6.0], "better")
    assert found["probability_of_improvement"] == pytest.approx(0.8)


def test_without_the_baseline_there_is_no_answer_but_a_command(usual: dict[str, Any]) -> None:
    document = comparisons.document([k for k in comparisons.KINDS if k.algorithm != "pretrain"], tasks=5, points=5)
    document["missing"] = [{"name": "pretrain", "command": "pliant train pretrain point --seeds 0..2"}]
    text = without_figures(document)
    assert "Not answered: no run of the baseline pretrain" in text
    assert "<code>pliant train pretrain point --seeds 0..2</code>" in text
    assert "pliant train pretrain point --seeds 0..2" in markdown.markdown(document)
    assert not sentences.against(document)


def test_nothing_is_called_better_without_a_verdict(usual: dict[str, Any]) -> None:
    document = copy.deepcopy(usual)
    for row in document["against"]:
        row["verdict"] = "no difference shown"
    results = without_figures(document).partition('<section id="reading">')[0].partition("</style>")[2]
    assert not re.search(r"\b(better|worse)\b", results)


def test_every_number_of_fewer_than_three_seeds_is_marked() -> None:
    document = comparisons.document(seeds=2, tasks=6, points=5)
    document["players"] = None  # nobody trained them
    for name, table in ((name, table) for name, each in section.tables(document).items() for table in each):
        if name != "settings":
            first = 2 if name in ("pairs", "sweeps") else 1
            numbers = [cell for row in table.rows for cell in row[first:] if re.search(r"\d", cell.text)]
            assert numbers and all(cell.few for cell in numbers), table.title
    text = without_figures(document)
    for row in re.findall(r"<td class=\"number\">(.*?)</td>", text.partition('id="sweeps"')[0], re.S):
        assert row.count('<sup class="few"') == (2 if "<small>" in row else 1) or not re.search(r"\d", row), row
    assert all(line.count("†") >= 4 for line in sentences.answer(document).sentences)
    assert all(style.label.endswith("†") for style in axes.styles(document["agents"]).values())
    assert {row["few_seeds"] for row in csv.DictReader(io.StringIO(page.csv(document)))} == {"yes"}


def test_numbers_of_three_seeds_are_not_marked(usual: dict[str, Any], usual_page: str) -> None:
    assert "†" not in usual_page and "†" not in markdown.markdown(usual)


def test_a_pair_is_marked_if_one_of_the_two_has_few_seeds(usual: dict[str, Any]) -> None:
    document = copy.deepcopy(usual)
    document["agents"][5]["seeds"] = [0]  # pretrain
    (headline,) = section.tables(document)["headline"]
    assert [cell.few for cell in headline.rows[1]] == [False] * 7 + [True, False]  # maml: its difference only


def test_other_budgets_are_said(usual: dict[str, Any]) -> None:
    document = copy.deepcopy(usual)
    assert not any("Training differs" in line for line in sentences.cautions(document))
    document["agents"][0]["efficiency"]["train_env_steps"] = 3.0e7
    (said,) = [line for line in sentences.cautions(document) if line.startswith("Training differs")]
    assert said.replace("\u00a0", " ").startswith("Training differs: from 8.00 M to 30.0 M environment steps (fomaml 30.0 M,")
    assert "random" not in said, "nobody trained that"
    document["agents"][0]["efficiency"]["train_env_steps"] = 9.9e6
    assert not any("Training differs" in line for line in sentences.cautions(document))


def test_settings_that_differ_come_first_and_the_rest_is_folded(usual: dict[str, Any], usual_page: str) -> None:
    (table,) = section.tables(usual)["settings"]
    names = [row[0].text for row in table.rows]
    assert "train.lanes" in names and "policy.hidden" in names and "family.radius" not in names and "seed" not in names
    assert [cell.text for cell in table.rows[names.index("train.lanes")]][1:5] == ["20", "20", "20", "1"]
    assert usual_page.count("All settings of") == 8


def test_what_is_unknown_is_left_out_and_breaks_nothing() -> None:
    document = comparisons.document(PLAIN, seeds=1, tasks=3, points=3)
    del document["players"]
    document |= {"sweeps": [], "against": [], "notes": []}
    for agent in document["agents"]:
        agent["cost"] = dict.fromkeys(agent["cost"])
        agent["generalisation"] = {"test": agent["final"], "train": None, "ood": None, "test_minus_train": None}
        agent["speed"] = dict.fromkeys(agent["speed"])
        agent |= {"training": [], "curve": agent["curve"][:1]}
        agent["efficiency"] |= {"train_env_steps": None, "train_steps_to_target": None}
    text = page.html(document)
    assert 'id="sweeps"' not in text and 'id="training"' not in text and "Not answered" in text
    assert [figure.name for figure in plots.figures(document)] == ["adaptation", "profile"]
    assert "None" not in text and "nan" not in Parsed(text).all("table")


def test_scores_without_any_spread_can_be_shown() -> None:
    document = comparisons.document(PLAIN, tasks=2, points=2)
    for agent in document["agents"]:
        same = {"mean": -1.0, "median": -1.0, "iqm": -1.0, "ci95": [-1.0, -1.0]}
        agent |= {"final": same, "no_adaptation": same, "gain": same | {"p_value": 1.0}, "per_task": [[-1.0, -1.0]] * 3}
        for point in agent["curve"]:
            point["return"] = same
    assert "−1.000" in page.html(document)


def test_reference_agents_are_explained_once_and_told_agents_are_agents(usual: dict[str, Any]) -> None:
    document = copy.deepcopy(usual)
    document["players"]["ceiling"] = -1.5
    text = " ".join(Parsed(without_figures(document)).all("html"))
    assert text.count("Classical controllers and exact optima") == 1 and "reference agent" in text
    assert "an agent that knows the task" in text and "an agent that is told the task" in text
    assert not re.search(r"\bplayers?\b|\bwho (knows|is told)\b", text)


# ---- figures


def test_an_agent_has_one_colour_in_all_figures(usual: dict[str, Any], usual_figures: list[plots.Figure]) -> None:
    style = axes.styles(usual["agents"])
    assert len({(s.colour, str(s.dash)) for s in style.values()}) == len(style)
    for figure in usual_figures:
        for name in ("maml", "rl2"):
            assert style[name].colour.lower() in figure.svg.lower(), (figure.name, name)


def test_baselines_are_broken_lines_and_agents_solid(usual: dict[str, Any]) -> None:
    for agent, style in zip(usual["agents"], axes.styles(usual["agents"]).values(), strict=True):
        assert (style.dash == "solid") is not agent["baseline"]


def test_forty_agents_can_be_told_apart() -> None:
    kinds = [comparisons.KINDS[i % 8] for i in range(40)]
    document = comparisons.document(kinds, [f"agent {i}" for i in range(40)], seeds=1, tasks=2, points=2)
    style = axes.styles(document["agents"])
    assert len({(s.colour, s.marker, str(s.dash)) for s in style.values()}) == 40


def test_a_line_has_few_points() -> None:
    document = comparisons.document(PLAIN, tasks=3, points=5000)
    for figure in plots.figures(document):
        for path in ElementTree.fromstring(figure.svg).iter(f"{SVG}path"):
            assert path.get("d", "").count("L") <= 2 * axes.MOST_POINTS + 4, figure.name


def test_figures_are_the_same_every_time_and_files_of_their_own(
    small: dict[str, Any], small_figures: list[plots.Figure], tmp_path: Path
) -> None:
    paths = plots.save(plots.figures(small), tmp_path / "figures")
    assert [path.read_text("utf-8") for path in paths] == [figure.svg for figure in small_figures]
    for path in paths:
        root = ElementTree.parse(path).getroot()
        assert root.tag == f"{SVG}svg" and root.findtext(f"{SVG}title")
        assert not re.search(r"metadata|DOCTYPE|<style|20\d\d-\d\d", path.read_text("utf-8"))


def test_ids_of_inlined_figures_do_not_clash(usual_page: str) -> None:
    parsed = Parsed(usual_page)
    ids = [names["id"] for _, names in parsed.tags if "id" in names]
    assert len(ids) == len(set(ids))
    used = set(re.findall(r"url\(#([^)]+)\)", usual_page)) | set(re.findall(r'href="#([^"]+)"', usual_page))
    assert used and used <= set(ids)


# ---- hostile names


def everywhere(text: str) -> dict[str, Any]:
    """A comparison in which everything that has a name is called `text`."""
    document = comparisons.document(comparisons.KINDS[1:2], [text], tasks=2, points=2)
    agent = document["agents"][0]
    agent |= {"algorithm": text, "policy": text, "command": text, "runs": [text]}
    agent["config"] = {"algorithm": text, "policy": text, "seed": 0, "parts": {text: {text: text, "x": [text]}}}
    document |= {"family": text, "family_version": text, "family_settings": {text: text}, "tasks_sha256": text, "split": text}
    document |= {"versions": {text: text}, "machine": {text: text}, "notes": [text]}
    document["missing"] = [{"name": text, "command": text}]
    document["reference"]["name"] = text
    document["players"]["each"] = {text: {"return": comparisons.fixed(-1.9)}}
    document["sweeps"][0] |= {"axis": text, "meaning": text}
    return document


@pytest.mark.parametrize("name", comparisons.HOSTILE, ids=range(len(comparisons.HOSTILE)))
def test_a_hostile_name_is_text_everywhere(name: str) -> None:
    document = everywhere(name)
    text = without_figures(document)
    assert shape(text) == shape(without_figures(everywhere("plain")))
    shown, parsed = wording.shown(name), Parsed(text)
    assert shown in parsed.all("tbody/tr/th/bdi") and shown in parsed.all("pre/code") and shown in parsed.all("dd/bdi")
    assert shown in parsed.all("thead/tr/th/bdi") and shown in parsed.all("summary/bdi") and shown in parsed.all("li")
    assert f"Adaptation on {shown}" in parsed.all("title")
    text.encode()


def test_there_are_at_least_thirty_hostile_names() -> None:
    assert len(set(comparisons.HOSTILE)) >= 30


@pytest.fixture(scope="module")
def crowd() -> tuple[dict[str, Any], list[plots.Figure]]:
    """One agent for every hostile name, and its figures."""
    kinds = [comparisons.KINDS[i % 4] for i in range(len(comparisons.HOSTILE) - 1)] + [comparisons.KINDS[5]]
    document = comparisons.document(kinds, comparisons.HOSTILE, tasks=2, points=3)
    return document, plots.figures(document)


@pytest.mark.slow
def test_hostile_names_are_text_in_figures(crowd: tuple[dict[str, Any], list[plots.Figure]]) -> None:
    document, figures = crowd
    found = {figure.name: figure for figure in figures}
    for name in ("adaptation", "training-after", "sweep-distance", "profile"):
        texts = ["".join(text.itertext()) for text in ElementTree.fromstring(found[name].svg).iter(f"{SVG}text")]
        agents = [a for a in document["agents"] if name != "sweep-distance" or not a["baseline"]]
        assert not {wording.short(a["name"], axes.MOST_LETTERS) for a in agents} - set(texts), name


@pytest.mark.slow
def test_a_page_of_hostile_names_has_the_elements_of_a_plain_one(crowd: tuple[dict[str, Any], list[plots.Figure]]) -> None:
    document, figures = crowd
    text = page.html(document, {name: [{"title": name, "png": b"png"}] for name in comparisons.HOSTILE}, figures)
    parsed, plain = Parsed(text), Parsed(page.html(comparisons.document(tasks=2, points=3)))
    names = {(tag, name) for tag, attributes in parsed.tags for name in attributes}
    assert {tag for tag, _ in parsed.tags} - {tag for tag, _ in plain.tags} == {"img"}
    assert {(t, n) for t, n in names if t != "img"} == {
        (t, n) for tag, attributes in plain.tags for t, n in ((tag, name) for name in attributes)
    }
    shown = parsed.all("h3/bdi")
    assert all(wording.shown(name) in shown for name in comparisons.HOSTILE)


def test_a_page_loads_nothing_and_runs_nothing(usual_page: str) -> None:
    parsed = Parsed(usual_page)
    assert not {tag for tag, _ in parsed.tags} & {"script", "iframe", "object", "embed", "base", "form", "video", "audio"}
    for tag, attributes in parsed.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "href", "xlink:href", "srcset", "data"):
                assert value is not None and value.startswith(("#", "data:")), (tag, name, value)
    assert not re.search(r"url\((?!#)|@import|javascript:", usual_page)
    policy = next(a["content"] for t, a in parsed.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_hostile_names_do_not_become_markdown() -> None:
    reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])

    def kinds(text: str) -> Counter[str]:
        tokens = reader.parse(text)
        return Counter(t.type for token in tokens for t in [token, *(token.children or [])] if t.type != "text")

    plain = kinds(markdown.markdown(everywhere("plain")))
    for name in comparisons.HOSTILE:
        text = markdown.markdown(everywhere(name))
        assert kinds(text) == plain, name
        cells = [token.content for token in reader.parse(text) if token.type == "inline"]
        rendered = ["".join(t.content for t in reader.parseInline(cell)[0].children or []) for cell in cells]
        assert any(cell.strip() == wording.shown(name).strip() for cell in rendered), name


# ---- the same in Markdown and CSV


def test_markdown_has_the_cells_of_the_page(usual: dict[str, Any], usual_page: str) -> None:
    text, cells = markdown.markdown(usual), Parsed(usual_page).all("table")
    for table in (table for each in section.tables(usual).values() for table in each):
        for cell in (cell for row in table.rows for cell in row):
            assert markdown.escaped(cell.text) in text and cell.text in cells


def test_csv_has_every_number_in_full(usual: dict[str, Any]) -> None:
    rows = list(csv.DictReader(io.StringIO(page.csv(usual))))
    for agent in usual["agents"]:
        own = [row for row in rows if row["agent"] == agent["name"] and not row["other"]]
        curve = [row for row in own if row["measure"] == "return"]
        assert [float(r["value"]) for r in curve] == [point["return"]["mean"] for point in agent["curve"]]
        assert [float(r["ci_high"]) for r in curve] == [point["return"]["ci95"][1] for point in agent["curve"]]
        scores = [float(r["value"]) for r in own if r["measure"] == "return after adaptation" and r["task"]]
        assert scores == [score for seed in agent["per_task"] for score in seed]
        after = [r for r in own if r["measure"] == "after"]
        assert {r["split"]: float(r["value"]) for r in after[1:]}["ood"] == agent["generalisation"]["ood"]["mean"]
        trained = [r for r in own if r["measure"] == "training return after adaptation"]
        assert len(trained) == sum(len(c["env_steps"]) for c in agent["training"])
        cost = {r["measure"]: r["value"] for r in own if r["measure"].startswith("cost ")}
        assert set(cost) == {f"cost {name}" for name in agent["cost"]}
    assert sum(row["measure"] == "difference" for row in rows) == len(usual["against"])
    swept = [row for row in rows if row["axis"] == "distance"]
    assert len(swept) == 2 * 9 * 4 and {float(row["axis_value"]) for row in swept} == set(usual["sweeps"][0]["values"])


def test_no_cell_of_csv_is_a_formula() -> None:
    names = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "a,b", 'a"b', "a\nb"]
    document = comparisons.document(comparisons.KINDS[:1] * 8, names, seeds=1, tasks=2, points=2)
    for row in csv.reader(io.StringIO(page.csv(document))):
        assert len(row) == len(tidy.COLUMNS)
        assert not any(cell[:1] in "=+@" and cell for cell in row)
        assert not any(cell.startswith("-") and not re.fullmatch(r"-[\d.e+-]+", cell) for cell in row)


# ---- behaviour


def test_behaviour_is_shown_and_only_as_a_picture(usual: dict[str, Any]) -> None:
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="10pt" height="10pt"'
        ' onload="alert(1)"><script>alert(1)</script><style>* { display: none }</style>'
        '<defs><path id="p" d="M 0 0.123456"/></defs>'
        '<a xlink:href="https://example.org"><text>link</text></a><foreignObject><body/></foreignObject>'
        '<image xlink:href="https://example.org/x.png"/><image xlink:href="data:image/png;base64,AAAA"/>'
        '<use xlink:href="#p"/><g style="fill: url(https://example.org/x)" clip-path="url(#p)"><text>kept &lt;b&gt;</text></g>'
        "</svg>"
    )
    figures = [{"title": "before <b>", "caption": "one & two", "svg": svg}, {"title": "after", "png": b"\x89PNG"}]
    document = comparisons.document(PLAIN, tasks=2, points=2)
    text = page.html(document, {"maml": figures, "fomaml": figures[:1], "rl2": []}, [])
    assert "<script" not in text and "onload" not in text and "example.org" not in text and "foreignObject" not in text
    assert 'src="data:image/png;base64,iVBORw=="' in text
    assert 'id="behaviour-0-0-p"' in text and 'id="behaviour-1-0-p"' in text and 'clip-path="url(#behaviour-1-0-p)"' in text
    assert "kept &lt;b&gt;" in text and "before &lt;b&gt;" in text and "one &amp; two" in text and 'd="M 0 0.12"' in text
    assert list(Parsed(text).all("h3/bdi"))[:2] == ["maml", "fomaml"]
    assert 'id="behaviour"' not in page.html(document, {"maml": []}, [])


def test_a_figure_without_a_box_gets_one() -> None:
    assert 'viewBox="0 0 72 36"' in vector.inline(
        '<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="36pt"/>', "a-", "x"
    )


# ---- files


def test_a_report_is_a_page_tables_numbers_and_figures(
    small: dict[str, Any], small_figures: list[plots.Figure], tmp_path: Path
) -> None:
    made = publish.write(small, tmp_path / "new" / "report.html")
    assert [str(path.relative_to(tmp_path / "new")) for path in made[:3]] == ["report.html", "report.md", "report.csv"]
    assert made[3:] == sorted(made[3:], key=made.index) and all(path.parent.name == "report-figures" for path in made[3:])
    assert sorted(p for p in (tmp_path / "new").rglob("*") if p.is_file()) == sorted(made)
    assert made[0].read_text("utf-8") == page.html(small, made=small_figures)
    links = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", made[1].read_text("utf-8"))
    assert links and all((tmp_path / "new" / link).exists() for link in links)


def test_a_second_report_replaces_the_first(
    small: dict[str, Any], small_figures: list[plots.Figure], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = {1: small_figures, 0: [figure for figure in small_figures if figure.section != "sweeps"]}
    monkeypatch.setattr(plots, "figures", lambda comparison: drawn[len(comparison["sweeps"])])
    first = publish.write(small, tmp_path / "report.html")
    second = publish.write(small | {"sweeps": []}, tmp_path / "report.html")
    assert set(first) - set(second) == {tmp_path / "report-figures" / "sweep-distance.svg"}
    assert sorted(p for p in tmp_path.rglob("*") if p.is_file()) == sorted(second)


@pytest.mark.parametrize("fails_at", [1, 2, 3, 4, 5, 6, 7, 8])
def test_a_report_that_cannot_be_finished_leaves_everything_as_it_was(
    fails_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "report-figures"
    folder.mkdir()
    for name in ("report.html", "report.md", "report.csv", "report-figures/old.svg"):
        (tmp_path / name).write_text(f"old {name}")
    monkeypatch.setattr(
        plots,
        "figures",
        lambda comparison: [plots.Figure("new", "curves", "t", "c", "<svg xmlns='http://www.w3.org/2000/svg'/>")],
    )
    rename, calls = Path.rename, 0

    def broken(self: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls == fails_at:
            raise OSError(errno.ENOSPC, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", broken)
    with pytest.raises(errors.UserError, match="cannot write .*report.html: no space left on device"):
        publish.write(comparisons.document(PLAIN, tasks=2, points=2), tmp_path / "report.html")
    left = {str(p.relative_to(tmp_path)): p.read_text() for p in tmp_path.rglob("*") if p.is_file()}
    assert left == {n: f"old {n}" for n in ("report.html", "report.md", "report.csv", "report-figures/old.svg")}


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "write_synced", full)
    monkeypatch.setattr(plots, "figures", lambda comparison: [])
    with pytest.raises(errors.UserError, match="no space left"):
        publish.write(comparisons.document(PLAIN, tasks=2, points=2), tmp_path / "report.html")
    assert not list(tmp_path.iterdir())


def test_an_output_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "a.csv").mkdir()
    (tmp_path / "b-figures").write_text("")
    (tmp_path / "c-figures").mkdir()
    (tmp_path / "c-figures" / "thesis.tex").write_text("years of work")
    expected = {
        "report.pdf": "expected a name that ends in .html",
        "report": "expected a name that ends in .html",
        "folder.html": "it is a folder",
        "a.html": "it is a folder",
        "b.html": "it is a file",
        "c.html": "holds something else ('thesis.tex')",
        "file/x.html": "it is a file",
        "file/deep/x.html": "it is a file",
    }
    before = sorted(tmp_path.rglob("*"))
    for name, words in expected.items():
        for act in (publish.require_writable, lambda out: publish.write(comparisons.document(PLAIN, tasks=2, points=2), out)):
            with pytest.raises(errors.UserError, match=re.escape(words)) as raised:
                act(tmp_path / name)
            assert "\n" not in str(raised.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_without_permission_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(errors.UserError, match="may not be written"):
        publish.require_writable(tmp_path / "x.html")


@pytest.mark.slow
def test_a_report_of_24_runs_is_quick_and_small(usual: dict[str, Any], tmp_path: Path) -> None:
    began = time.process_time()
    made = publish.write(usual, tmp_path / "report.html")
    assert sum(len(agent["seeds"]) for agent in usual["agents"]) == 24
    assert time.process_time() - began < 20
    assert made[0].stat().st_size < 3e6
