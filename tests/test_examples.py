"""The four fields' examples: short, and they draw what they promise from a run of any length."""

from pathlib import Path
from typing import Any

import pytest

from pliant.cli import main as cli

EXAMPLES = Path(__file__).parent.parent / "examples"
RUNS = {
    "robots": "maml metaworld-ml1 --preset reach --horizon 8 --train.lanes 2",
    "games": "rl2 minigrid --horizon 12",
    "driving": "maml driving --horizon 4 --train.lanes 2",
    "industry": "rl2 reactor --train.lanes 1",
}
SCRIPT = "import runpy, sys; sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name='__main__')"
MORE = {"driving": ["--roads", "2", "--simulator", "twin"]}


@pytest.mark.parametrize("name", RUNS)
def test_an_example_of_a_field_is_short(name: str) -> None:
    assert len((EXAMPLES / f"{name}.py").read_text(encoding="utf-8").splitlines()) < 60


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_an_example_draws_its_figure_from_a_run(name: str, forked: Any, tmp_path: Path) -> None:
    if name == "robots":
        pytest.importorskip("metaworld")
    out, picture = str(tmp_path / "run"), tmp_path / "figure.png"
    small = ["--iterations", "1", "--train.meta_batch", "2", "--quiet", "--out", out]
    assert cli.main(["train", *RUNS[name].split(), *small]) == 0
    done = forked.run(SCRIPT, EXAMPLES / f"{name}.py", "--run", out, "--out", picture, *MORE.get(name, []), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_an_example_refuses_a_run_of_another_family_in_words(forked: Any, tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    assert cli.main(["train", "reptile", "point", "--iterations", "1", "--train.meta_batch", "2", "--quiet", "--out", out]) == 0
    done = forked.run(SCRIPT, EXAMPLES / "driving.py", "--run", out, cwd=tmp_path)
    assert done.returncode == 2 and "of the family point: expected driving" in done.stderr and "Traceback" not in done.stderr
