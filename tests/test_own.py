"""Code of one's own: the examples of an algorithm, a policy and a family, by dotted name in train, evaluate and compare."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from pliant import cli, record

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SMALL = "--preset none --iterations 2 --train.meta_batch 3 --train.lanes 3 --quiet"


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package `mine` beside the working directory's other files, as somebody would have it."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").touch()
    for name in ("own_algorithm", "own_policy", "own_family"):
        shutil.copy(EXAMPLES / f"{name}.py", tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [n for n in sys.modules if n.partition(".")[0] == "mine"]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize("name", ["own_algorithm", "own_policy", "own_family"])
def test_an_example_is_short(name: str) -> None:
    assert len((EXAMPLES / f"{name}.py").read_text(encoding="utf-8").splitlines()) < 60


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "module"),
    [
        ("mine.own_algorithm point --horizon 12", "mine.own_algorithm"),
        ("maml mine.own_family", "mine.own_family"),
        ("maml point --horizon 12 --policy mine.own_policy --policy.units 8", "mine.own_policy"),
    ],
)
def test_a_dotted_name_is_trained_evaluated_and_compared(
    words: str, module: str, mine: None, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in (0, 1):
        assert cli.main(["train", *words.split(), *SMALL.split(), "--seed", str(seed), "--out", f"run{seed}"]) == 0
        assert len(record.Run.open(Path(f"run{seed}")).metrics()) == 2
    told = ["--import", module]
    capsys.readouterr()
    assert cli.main(["evaluate", "run0", "--tasks", "3", "--json", *told]) == 0
    document = json.loads(capsys.readouterr().out)
    assert module in (document["algorithm"], document["family"], document["config"]["policy"])
    assert cli.main(["compare", "run0", "run1", "--tasks", "3", "--json", *told]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert compared["agents"][0]["seeds"] == [0, 1] and [a["name"] for a in compared["agents"][1:]] == ["random", "scratch"]


def test_a_run_with_foreign_code_is_told_so_and_imports_nothing(mine: None, forked: Any) -> None:
    assert cli.main(["train", *f"mine.own_algorithm point --horizon 12 {SMALL} --out run".split()]) == 0
    for command in ("evaluate", "compare"):
        done = forked.pliant(command, "run", cwd=Path.cwd())
        assert done.returncode == 2 and "--import mine.own_algorithm" in done.stderr, (command, done.stderr)
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_module_that_is_no_algorithm_is_one_line(mine: None, capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in (
        ("mine.own_family point", "mine.own_family"),
        ("maml mine.own_policy", "mine.own_policy"),
        ("maml mine.nothing", "mine.nothing"),
        ("maml point --policy mine.own_family", "mine.own_family"),
    ):
        assert cli.main(["train", *words.split(), *SMALL.split(), "--out", "run"]) == 2
        said_so = capsys.readouterr().err.strip()
        assert said in said_so and len(said_so.splitlines()) == 1, said_so
    assert not Path("run").exists()
