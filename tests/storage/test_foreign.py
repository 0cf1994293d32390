"""A run folder of somebody else's: links, pipes and devices in it are refused at once, and nothing outside it is touched."""

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import pliant
from pliant import errors
from pliant.comparing import contenders, kept
from pliant.reporting import curves
from pliant.running import evaluate
from pliant.storage import board, checkpoint, documents
from pliant.storage.record import Run
from pliant.system import files

from .held import held

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")


@pytest.fixture(autouse=True)
def _no_board(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board.importlib.util, "find_spec", lambda name: None)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with metrics and two checkpoints, whose tensors are of no policy."""
    path = tmp_path / "run"
    with Run.start(path, held("run")["config"]) as made:
        for iteration in (1, 2):
            made.log(iteration - 1, {"return_0": 0.5, "env_steps": iteration})
            made.save(iteration, {"x": torch.ones(1)}, {})
        made.write_json("evaluations/test-seed0-tasks3-lanes2-stages3.json", held("evaluation"))
    return path


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that is none of the run's business."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    return folder


def pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def device(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


def out(path: Path) -> None:
    """The file moved out of the run, and a link to it in its place."""
    run = next(folder for folder in path.parents if folder.name == "run")
    path.rename(moved := run.parent / f"moved-{path.name}")
    path.symlink_to(moved)


def resumed(run: Path) -> None:
    with Run.start(run, held("run")["config"], resume=True) as made:
        found = checkpoint.load_latest(made.checkpoints, lambda line: None)
        made.rewind(found.iteration)
        made.log(found.iteration, {"return_0": 1.0})
        made.save(found.iteration + 1, {"x": torch.ones(1)}, {})


@pytest.mark.parametrize("become", [pipe, device, out])
@pytest.mark.parametrize("name", ["run.json", "metrics.jsonl", ".lock"])
def test_what_is_no_file_of_the_run_is_refused(run: Path, name: str, become: Callable[[Path], None]) -> None:
    become(run / name)
    for read in (resumed, lambda run: Run.open(run).metrics()) if name != ".lock" else (resumed,):
        with pytest.raises(errors.UserError, match=rf"{name} is not a file|{name} leads out of|{name} is a link|no run\.json"):
            read(run)


@pytest.mark.parametrize("become", [pipe, device, out])
@pytest.mark.parametrize("name", ["manifest.json", "facts.json", "state.safetensors"])
def test_a_checkpoint_of_what_is_no_file_is_damaged(run: Path, name: str, become: Callable[[Path], None]) -> None:
    become(run / "checkpoints" / "00000002" / name)
    said: list[str] = []
    assert checkpoint.load_latest(run / "checkpoints", said.append).iteration == 1
    assert len(said) == 1 and "00000002 is damaged" in said[0]


@pytest.mark.parametrize("name", ["checkpoints", "checkpoints/00000002"])
def test_checkpoints_behind_a_link_are_neither_read_nor_removed(run: Path, name: str) -> None:
    out(run / name)
    with pytest.raises(errors.UserError, match="leads out of|is damaged|no whole checkpoint"):
        if name == "checkpoints":
            checkpoint.load_latest(run / "checkpoints", lambda line: None)
        else:
            checkpoint.load(run / name)
    moved = run.parent / f"moved-{Path(name).name}"
    there = sorted(moved.rglob("*"))
    with pytest.raises(errors.UserError, match="leads out of") if name == "checkpoints" else contextlib.nullcontext():
        checkpoint.save(run / "checkpoints", 3, {}, {})
        checkpoint.save(run / "checkpoints", 4, {}, {})
    assert sorted(moved.rglob("*")) == there


STRAY: dict[str, Callable[[Path], object]] = {
    "a note": lambda folder: (folder / "notes.txt").write_text("mine"),
    "a file that is called as a checkpoint is": lambda folder: (folder / "00000003").write_text("mine"),
    "a folder that is called as a checkpoint is": lambda folder: _folder(folder / "00000003"),
    "a folder that is called as an old checkpoint is": lambda folder: _folder(folder / "00000000"),
    "a folder that is called as what is left of one": lambda folder: _folder(folder / ".tmp-0123456789ab"),
    "a link to a folder": lambda folder: (folder / ".tmp-0123456789ab").symlink_to(folder.parents[1] / "outside"),
    "a note in a checkpoint": lambda folder: (folder / "00000001" / "notes.txt").write_text("mine"),
    "a pipe": lambda folder: os.mkfifo(folder / "00000003"),
}


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "chapter1.tex").write_text("mine")


@pytest.mark.parametrize("kind", STRAY)
def test_what_is_no_checkpoint_is_never_removed(run: Path, outside: Path, kind: str) -> None:
    STRAY[kind](run / "checkpoints")
    for _ in range(4):
        resumed(run)
    assert checkpoint.load_latest(run / "checkpoints").iteration == 6
    everything = [path for folder in (run, outside) for path in folder.rglob("*") if path.is_file()]
    mine = [path for path in everything if path.read_bytes() in (b"mine", b"years of work")]
    assert len(mine) == (1 if kind in ("a pipe", "a link to a folder") else 2)
    assert len(checkpoint.paths(run / "checkpoints")) <= 4


@pytest.mark.parametrize("name", ["evaluations", "sweeps", "tensorboard"])
def test_nothing_is_written_through_a_link_of_a_run(run: Path, outside: Path, name: str) -> None:
    shutil.rmtree(run / name, ignore_errors=True)
    (run / name).symlink_to(outside)
    before = sorted(outside.iterdir())
    with pytest.raises(errors.UserError, match="leads out of"):
        if name == "tensorboard":
            with Run.start(run, held("run")["config"], resume=True) as made:
                made._board.wanted = True
                made.log(0, {"x": 1.0})
        else:
            Run.open(run).write_json(f"{name}/x.json", {})
    assert sorted(outside.iterdir()) == before


@pytest.mark.parametrize("suffix", [".json", ".png"])
def test_what_a_link_leads_to_is_not_overwritten(run: Path, outside: Path, suffix: str) -> None:
    document = held("evaluation")
    path = evaluate.document_path(run, document).with_suffix(suffix)
    path.unlink(missing_ok=True)
    path.symlink_to(outside / "thesis.tex")
    if suffix == ".json":
        documents.write_json(path, document, run)
    else:
        curves.curve_picture(document, path, run)
    assert (outside / "thesis.tex").read_text() == "years of work" and not path.is_symlink()


def test_an_evaluation_behind_a_link_is_refused(run: Path) -> None:
    path = run / "evaluations" / "test-seed0-tasks3-lanes2-stages3.json"
    out(path)
    training = contenders.Training(None, run, 2)  # type: ignore[arg-type]
    with pytest.raises(errors.UserError, match="leads out of"):
        kept.evaluation(training, "test", contenders.Asked(tasks=3), None)  # type: ignore[arg-type]


def test_links_within_a_run_and_to_it_are_followed(run: Path, tmp_path: Path) -> None:
    (run / "checkpoints" / "00000002" / "facts.json").rename(run / "facts.json")
    (run / "checkpoints" / "00000002" / "facts.json").symlink_to(run / "facts.json")
    (tmp_path / "linked").symlink_to(run)
    assert Run.open(tmp_path / "linked").metrics()[0]["iteration"] == 0
    assert checkpoint.load_latest(tmp_path / "linked" / "checkpoints").iteration == 2


def test_a_file_that_is_longer_than_it_may_be_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "long").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(errors.UserError, match="is longer than 100 bytes"):
        files.read(tmp_path / "long", 100)
    (tmp_path / "short").write_bytes(b"x" * 100)
    assert files.read(tmp_path / "short", 100) == b"x" * 100


def test_a_saved_policy_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "policy").mkdir()
    (tmp_path / "adapted.json").write_text(json.dumps(held("adapted")))
    (tmp_path / "policy" / "adapted.json").symlink_to(tmp_path / "adapted.json")
    with pytest.raises(errors.UserError, match="leads out of"):
        pliant.load(tmp_path / "policy")
