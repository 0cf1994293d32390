"""The documentation says what the code does: its Python runs, its commands parse, its figures and references are up to date."""

import importlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from pliant.cli import main as cli
from pliant.config import config, registry
from pliant.system import outside

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TOLD = [path for folder in (DOCS, DOCS / "algorithms", DOCS / "memories") for path in sorted(folder.glob("*.md"))]
SAID = re.compile(r"^print\(.*\)(?:  # (-?\d+(?:\.\d+)?|\[.*\])?.*)?$", re.M)
"""A line that prints, and the value that its comment promises, if it does."""
QUIET = {"NO_MKDOCS_2_WARNING": "1"}
EXTRAS = ("mujoco", "metaworld", "minigrid", "highway_env", "ale_py", "gym_electric_motor")


def name_of(path: Path) -> str:
    return str(path.relative_to(DOCS))


def blocks(path: Path, *languages: str) -> list[str]:
    """The code of a page in fences of these languages."""
    found = re.findall(r"^```(\w*)[^\n]*\n(.*?)^```$", path.read_text(encoding="utf-8"), re.M | re.S)
    return [code for language, code in found if language in languages]


def commands(path: Path) -> list[list[str]]:
    """The words of every line of a page's shells."""
    lines = [line for block in blocks(path, "console", "") for line in block.splitlines()]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small tensors on a busy machine: threads that wait for each other cost more than they bring."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts of the documentation can be imported."""
    monkeypatch.syspath_prepend(str(DOCS))
    if missing := [extra for extra in EXTRAS if importlib.util.find_spec(extra) is None]:
        pytest.skip(f"the reference needs all simulators: {missing[0]} is not installed")


@pytest.mark.slow
@pytest.mark.parametrize("path", [p for p in TOLD if blocks(p, "python")], ids=name_of)
def test_python_in_the_documents_runs_and_prints_what_it_says(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None, capsys: pytest.CaptureFixture[str]
) -> None:
    for example in (ROOT / "examples").glob("own_*.py"):
        shutil.copy(example, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    for code in blocks(path, "python"):
        if not code.startswith("--8<--"):
            exec(compile(code, name_of(path), "exec"), {"__name__": "__main__"})
            printed = capsys.readouterr().out.splitlines()
            promised = SAID.findall(code)
            assert len(printed) == len(promised)
            assert all(value in ("", line) for value, line in zip(promised, printed, strict=True)), (promised, printed)


@pytest.mark.parametrize("path", [p for p in PAGES if commands(p)], ids=name_of)
def test_commands_in_the_documents_exist(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "examples")  # where the modules outside pliant lie that pages name
    for program, *words in commands(path):
        if program == "make":
            assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(), re.M), words
        elif program == "python":
            assert (ROOT / words[0]).is_file(), words
        elif program == "torchrun":
            assert "pliant" in words, words
            check(words[words.index("pliant") + 1 :])
        elif program != "pip":
            assert program == "pliant", program
            check(words)


def check(words: list[str]) -> None:
    """A command line of pliant is understood to its last word; presets, settings and tasks that it names exist."""
    arguments, dotted, rest = cli.understood(words)
    assert not rest, words
    if arguments.command == "train" and not str(arguments.preset).endswith(".toml") and words[-1] != "--help":
        for name in filter(outside.is_outside, (arguments.algorithm, arguments.family, arguments.policy or "")):
            outside.import_outside(name)
        config.load_config(arguments.algorithm, arguments.family, dotted, arguments.preset, policy=arguments.policy)


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_and_images_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(encoding="utf-8"), flags=re.S)
    for target, anchor in re.findall(r"\]\(([^)#:\s]*)(#[^)]*)?\)", text):
        page = path.parent / target if target else path
        if target != "images/half-cheetah-dir.png":  # the demo's picture
            assert page.exists(), f"{name_of(path)} links to {target}"
        if anchor:
            heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
            assert anchor[1:] in map(slug, heads), f"{target}{anchor}"


def slug(head: str) -> str:
    """The anchor of a heading, as the site and GitHub make it."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", head).strip().lower())


def test_the_menu_has_every_page() -> None:
    listed = re.findall(r"^ *- (?:[^\n]*: )?(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.M)
    assert len(listed) == len(set(listed))
    assert set(map(name_of, PAGES)) <= set(listed)
    assert {f"families/{name}.md" for name in registry.names("family")} <= set(map(name_of, PAGES))
    assert {f"algorithms/{name}.md" for name in registry.names("algorithm")} <= set(map(name_of, PAGES))
    assert {f"memories/{name}.md" for name in registry.names("policy")} - {"memories/mlp.md", "memories/module.md"} == {
        name for name in map(name_of, PAGES) if name.startswith("memories/")
    }


@pytest.mark.parametrize("name", re.findall(r"^::: (\S+)$", "\n".join(p.read_text("utf-8") for p in PAGES), re.M))
def test_what_the_api_reference_renders_exists_and_says_what_it_is(name: str) -> None:
    try:
        found = importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        found = getattr(importlib.import_module(module), attribute)
    assert found.__doc__


def test_a_bar_in_a_cell_is_no_border(tools: None) -> None:
    cells = importlib.import_module("cells")
    assert cells.plain("`a|b` or c|d, *e*") == r"<code>a&#124;b</code> or c\|d, \*e\*"
    for path in PAGES:
        for table in re.findall(r"(?:^\|.*\n)+", path.read_text(encoding="utf-8"), re.M):
            bars = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
            assert len(bars) == 1, f"{name_of(path)}: {table[:80]}"
            assert not re.search(r"`[^`|]*\\\|[^`|]*`", table), f"{name_of(path)}: an escaped bar in code shows its escape"


def test_pages_of_the_root_link_to_the_site(tools: None) -> None:
    hooks = importlib.import_module("hooks")
    assert hooks.linked("[a](docs/design.md) [b](CHANGELOG.md#x) [c](https://d.e/docs/f)") == (
        "[a](design.md) [b](changelog.md#x) [c](https://d.e/docs/f)"
    )

def test_figures_are_those_of_the_tracked_results(tools: None) -> None:
    drawn = importlib.import_module("figures").figures()
    for path, drawing in drawn.items():
        assert path.read_text(encoding="utf-8") == drawing, f"{path.name} is out of date: python docs/figures.py"
    assert set((DOCS / "images" / "measured").glob("*.svg")) <= set(drawn)


def test_references_are_those_of_the_code(tools: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert importlib.import_module("reference").main(["--check"]) == 0, f"out of date:\n{capsys.readouterr().out}"


def test_the_house_is_drawn_from_the_imports(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    house = importlib.import_module("house")
    assert house.main(["--check"]) == 0, f"out of date: python docs/house.py draws it again\n{capsys.readouterr().out}"
    assert all(below not in house.floors()[0] or not house.arrows()[below] for below in house.arrows())


def test_a_page_that_is_out_of_date_is_told_and_left(
    tools: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reference = importlib.import_module("reference")
    page = tmp_path / "page.md"
    page.write_text("old")
    monkeypatch.setattr(reference, "DOCS", tmp_path / "docs")
    monkeypatch.setattr(reference, "pages", lambda: {page: "new"})
    assert reference.main(["--check"]) == 1 and page.read_text() == "old"
    assert reference.main([]) == 0 and page.read_text() == "new"
    assert capsys.readouterr().out == "page.md\npage.md\n"


def test_our_numbers_beside_the_published_ones_are_those_of_the_results() -> None:
    results = (DOCS / "results.md").read_text(encoding="utf-8").partition("<!-- results -->")[2]
    known = set(re.findall(r"-?\d+(?:\.\d+)?", results))
    for table in re.findall(r"(?:^\|.*\n)+", (DOCS / "papers.md").read_text(encoding="utf-8"), re.M):
        head, _, *rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in table.splitlines()]
        for column in (i for i, name in enumerate(head) if "pliant" in name):
            for row in rows:
                assert set(re.findall(r"-?\d+\.\d+|\d+(?=%)", row[column])) <= known, row


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_asks_nothing_of_the_network(tmp_path: Path) -> None:
    # without --quiet, which would silence the warnings that --strict counts
    pytest.importorskip("material", reason="the extra docs is not installed")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120, env=os.environ | QUIET)
    assert done.returncode == 0, done.stdout + done.stderr
    for page in tmp_path.rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        assert not re.search(r"<(?:script|img|iframe)[^>]*\ssrc=[\"']?(?:https?:)?//", html), page
        assert not re.search(r"<link(?![^>]*rel=[\"']?canonical)[^>]*href=[\"']?(?:https?:)?//", html), page
    for style in tmp_path.rglob("*.css"):
        assert not re.search(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", style.read_text(encoding="utf-8")), style
