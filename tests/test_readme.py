"""The READMEs: short, the same in both languages, and true when they are followed line by line in an empty folder."""

import glob
import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

import pliant
from pliant.cli import main as cli
from pliant.cli import seeds
from pliant.config import registry

ROOT = Path(__file__).resolve().parent.parent
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
ENGLISH = READMES[0]
MOST_LINES = 130
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
SHELL = {". .venv/bin/activate", "python"}
"""Lines that are for the shell alone."""


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return [code for name, code in BLOCK.findall(text) if name == language]


def uncommented(code: str) -> str:
    return re.sub(r" *#.*", "", code)


def commands(text: str) -> list[str]:
    return [line.strip() for block in blocks(text, "") for line in uncommented(block).splitlines() if line.strip()]


def results(text: str) -> str:
    found = re.search(r"<!-- results -->(.*?)<!-- /results -->", text, re.S)
    assert found, "the block of results is missing"
    return found[1]


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.name)
def test_a_readme_is_a_screen_and_a_half(path: Path) -> None:
    assert len(read(path).splitlines()) <= MOST_LINES
    assert len(re.findall(r"^\|", results(read(path)), re.M)) == 7, "a head, its line and five rows"


def test_readmes_say_the_same() -> None:
    english, chinese = map(read, READMES)
    for pattern in (r"^(#+) ", r"^(- )\*\*", r"!\[[^\]]*\]\(([^)]*)\)", r"(?<=\]\()(?!README)[^)]*"):
        assert re.findall(pattern, english, re.M) == re.findall(pattern, chinese, re.M), pattern
    assert commands(english) == commands(chinese)
    assert [uncommented(b) for b in blocks(english, "python")] == [uncommented(b) for b in blocks(chinese, "python")]
    number = r"-?\d+(?:,\d{3})*(?:\.\d+)?"
    assert sorted(re.findall(number, results(english))) == sorted(re.findall(number, results(chinese)))


def test_the_readme_counts_families_as_there_are() -> None:
    number = re.search(r"\*\*(\d+) \[families of tasks\]", read(ENGLISH))
    assert number and int(number[1]) == len(registry.names("family"))


def test_make_knows_what_the_readme_makes() -> None:
    makefile = read(ROOT / "Makefile")
    made = [line.split()[1] for line in commands(read(ENGLISH)) if line.startswith("make ")]
    assert made == ["demo", "test"]
    assert all(re.search(rf"^{name}:", makefile, re.M) for name in made)


def one_by_one(command: Sequence[str], outs: Mapping[int, Path], *_: object) -> None:
    """What `seeds.train` runs, each seed's line here instead of in a process that would import torch first."""
    for seed, out in outs.items():
        assert cli.main([*command, "--seed", str(seed), "--out", str(out), "--quiet"]) == 0


@pytest.mark.slow
def test_the_readme_followed_line_by_line_in_an_empty_folder_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], length: Callable[[int, int], int]
) -> None:
    monkeypatch.chdir(tmp_path)
    few = ["--tasks", "3"] if length(1, 0) else []  # the whole suite shortens trainings alone
    shorter = {"train": ["--iterations", "1"], "evaluate": few, "sweep": few, "report": few}
    monkeypatch.setattr(seeds, "train", one_by_one)
    for language, block in BLOCK.findall(read(ENGLISH)):
        if language == "python":
            once = re.sub(r"iterations=\d+", "iterations=1", block)
            assert once != block
            exec(compile(once, "README.md", "exec"), {"__name__": "__main__"})
            assert pliant.load("runs/cartpole-v1").document["curve"]
            continue
        for line in filter(None, map(str.strip, uncommented(block).splitlines())):
            if line in SHELL or line.startswith("make "):
                continue
            program, *words = shlex.split(line)
            assert program == "pliant", line
            expanded = [name for word in words for name in (sorted(glob.glob(word)) if "*" in word else [word])]
            assert cli.main([*expanded, *shorter.get(expanded[0], [])]) == 0, f"{line}: {capfd.readouterr().err}"
            assert capfd.readouterr().out, f"{line} says nothing"
    assert sorted(os.listdir("runs")) == ["cartpole-v1", *(f"{a}-point-seed{s}" for a in ("maml", "rl2") for s in range(3))]
    assert "<table" in read(tmp_path / "report.html")
    assert list((tmp_path / "runs" / "maml-point-seed0" / "videos").iterdir())
