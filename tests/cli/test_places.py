"""Where commands write: said before anything is played, and what was measured is never lost."""

import json
from pathlib import Path

import pytest

import pliant
from pliant import errors
from pliant.cli import main as cli
from pliant.running import curve, evaluate
from pliant.storage import documents
from pliant.storage.schema import evaluation
from pliant.system import files

SMALL = {"family.horizon": 5, "train.lanes": 2}
FEW = ["--tasks", "2", "--stages", "1"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return pliant.Agent("random", "point", preset="none", settings=SMALL).save(tmp_path / "run")


@pytest.fixture
def plays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def play(*given: object) -> None:
        raise AssertionError("it was played")

    monkeypatch.setattr(curve, "played_on", play)
    monkeypatch.setattr(curve, "curve_on", play)


def test_an_evaluation_goes_where_it_is_told(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "deep" / "result.json"
    assert cli.main(["evaluate", str(run), *FEW, "--out", str(out)]) == 0
    assert documents.read(out, evaluation.KIND)["tasks"] == 2 and not (run / "evaluations").exists()
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert f"document: {out}" in capsys.readouterr().out


REFUSED = {
    "evaluate RUN --out x.txt": "--out is x.txt: expected a name that ends in .json",
    "evaluate RUN --out folder.json": "cannot write folder.json: it is a folder; choose another --out",
    "evaluate RUN --out a_file/x.json": "it is a file; choose another --out",
    "evaluate BROKEN": "cannot write BROKEN/evaluations/new.json in .*evaluations: it is a file; give --out FILE",
    "adapt RUN --task goal=0.1,0.1 --out folder.json": "folder.json is not an empty folder: choose another one",
    "adapt RUN --task goal=0.1,0.1 --out a_file": "a_file is not an empty folder",
    "adapt RUN --task goal=0.1,0.1 --out a_file/x": "it is a file; give another --out",
    "report RUN --out x.txt": "expected a name that ends in .html",
    "compare RUN RUN": "are both random with seed 0: that is no second seed",
    "compare RUN RUN --sweep distance=0:1": "are both random with seed 0: that is no second seed",
}


@pytest.mark.usefixtures("plays_nothing")
@pytest.mark.parametrize("line", REFUSED)
def test_what_cannot_be_written_or_compared_is_refused_before_anything_is_played(
    run: Path, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(run.parent)
    run.rename("RUN")
    (run.parent / "BROKEN").mkdir()
    (run.parent / "BROKEN" / "run.json").write_bytes(Path("RUN/run.json").read_bytes())
    (run.parent / "BROKEN" / "evaluations").touch()
    (run.parent / "folder.json").mkdir()
    (run.parent / "folder.json" / "something").touch()
    (run.parent / "a_file").touch()
    assert cli.main(line.split()) == 2
    with pytest.raises(errors.UserError, match=REFUSED[line]):
        raise errors.UserError(capsys.readouterr().err)


@pytest.mark.usefixtures("plays_nothing")
def test_a_run_that_may_not_be_written_asks_for_a_place(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(files.os, "access", lambda path, mode: False)
    assert cli.main(["evaluate", str(run)]) == 2
    said = f"pliant: cannot write {run}/evaluations/new.json in {run}: it may not be written; give --out FILE\n"
    assert capsys.readouterr().err == said


def test_what_was_measured_of_a_run_that_may_not_be_written_is_not_lost(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "evaluations").touch()
    found = evaluate.evaluate_run(run, tasks=2, stages=1)
    assert json.dumps(found) and found["sha256"]
    assert "the result is not kept in the run" in capsys.readouterr().err
