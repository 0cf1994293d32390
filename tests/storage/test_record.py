"""The run folder: one writer, nothing half-written, and a resumed run that leaves what an uninterrupted one leaves."""

import errno
import json
import math
import os
import shutil
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pliant import errors
from pliant.storage import board, documents, record
from pliant.storage.record import Run
from pliant.system import files

CONFIG = {"algorithm": "maml", "family": "point", "policy": "mlp", "seed": 0, "parts": {"inner": {"steps": 1}}}


@pytest.fixture(autouse=True)
def _no_board(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without TensorBoard, which takes a second to import; its own test turns it on."""
    monkeypatch.setattr(board.importlib.util, "find_spec", lambda name: None)


def lines_of(path: Path) -> list[dict]:
    """Every line of the metrics without its checksum; each line must be whole."""
    rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        assert len(row["clock"].pop("crc32")) == 8
    return [{name: value for name, value in row.items() if value != {}} for row in rows]


def play(run: Run, start: int, end: int) -> None:
    for i in range(start, end):
        run.log(i, {"return": i / 3, "env_steps": 100 * (i + 1)}, {"seconds": np.random.default_rng().random()})


def test_a_run_records_what_it_was_asked_and_with_what(tmp_path: Path) -> None:
    with Run.start(tmp_path / "a" / "run", CONFIG) as run:
        assert not run.resumed
    document = json.loads((tmp_path / "a" / "run" / "run.json").read_text())
    assert document["schema"] == "pliant.run/1" and document["config"] == CONFIG
    assert {"pliant", "python", "torch", "numpy", "gymnasium"} <= set(document["created"]["versions"])
    assert document["created"]["versions"]["torch"] == torch.__version__.partition("+")[0] or "+" in torch.__version__
    assert Run.open(tmp_path / "a" / "run").config == CONFIG


def test_metrics_are_readable_lines_at_once(tmp_path: Path) -> None:
    with Run.start(tmp_path, CONFIG) as run:
        run.log(0, {"loss": torch.tensor(0.5), "n": np.int64(3), "bad": math.nan, "none": None}, {"seconds": 1.5})
        assert lines_of(tmp_path) == [
            {"iteration": 0, "loss": 0.5, "n": 3, "bad": None, "none": None, "clock": {"seconds": 1.5}}
        ]
        run.log(1, {"loss": math.inf})
        assert Run.open(tmp_path).metrics()[1] == {"iteration": 1, "loss": None}


@pytest.mark.parametrize("rubbish", ["", '{"iteration": 7, "ret', "\0\0\0\0", '{"iteration": 7}'])
def test_a_resumed_run_ends_with_the_lines_of_an_uninterrupted_one(tmp_path: Path, rubbish: str) -> None:
    with Run.start(tmp_path / "whole", CONFIG) as run:
        play(run, 0, 10)
    with Run.start(tmp_path / "killed", CONFIG) as run:
        play(run, 0, 7)
    with open(tmp_path / "killed" / "metrics.jsonl", "a") as file:
        file.write(rubbish)
    with Run.start(tmp_path / "killed", CONFIG, resume=True) as run:
        assert run.resumed
        run.rewind(4)
        play(run, 4, 10)

    def without_clock(path: Path) -> list[dict]:
        return [{name: value for name, value in row.items() if name != "clock"} for row in lines_of(path)]

    assert without_clock(tmp_path / "killed") == without_clock(tmp_path / "whole")
    assert all("clock" in row for row in lines_of(tmp_path / "killed"))


def test_rewinding_keeps_earlier_lines_byte_for_byte(tmp_path: Path) -> None:
    with Run.start(tmp_path, CONFIG) as run:
        play(run, 0, 3)
        before = (tmp_path / "metrics.jsonl").read_bytes()
        play(run, 3, 6)
        run.rewind(3)
        assert (tmp_path / "metrics.jsonl").read_bytes() == before
        run.rewind(0)
        assert run.metrics() == []


def test_rewinding_a_run_without_metrics_is_allowed(tmp_path: Path) -> None:
    with Run.start(tmp_path, CONFIG) as run:
        run.rewind(0)
        assert run.metrics() == []


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with Run.start(tmp_path, CONFIG), pytest.raises(errors.UserError, match="in use by another process"):
        Run.start(tmp_path, CONFIG, resume=True)
    Run.start(tmp_path, CONFIG, resume=True).close()


def test_one_process_trains_in_a_folder(forked: Any, tmp_path: Path) -> None:
    script = f"from pliant.storage.record import Run\nRun.start({str(tmp_path)!r}, {{}}, resume=True)"
    with Run.start(tmp_path, CONFIG):
        result = forked.run(script)
        assert "UserError" in result.stderr and f"{tmp_path} is in use by another process" in result.stderr
        assert Run.open(tmp_path).config == CONFIG  # reading is allowed meanwhile
    with Run.start(tmp_path, CONFIG, resume=True) as run:
        assert run.resumed


def test_the_lock_goes_when_starting_fails(tmp_path: Path) -> None:
    Run.start(tmp_path, CONFIG).close()
    (tmp_path / "run.json").write_text("{")
    caught = []  # an error that is kept, keeps alive what its traceback refers to
    for _ in range(2):
        with pytest.raises(errors.UserError, match="not JSON") as error:
            Run.start(tmp_path, CONFIG, resume=True)
        caught.append(error)


def test_a_folder_that_holds_something_is_not_written(tmp_path: Path) -> None:
    Run.start(tmp_path / "run", CONFIG).close()
    with pytest.raises(errors.UserError, match=r"holds a run already: --resume continues it, or choose another --out"):
        Run.start(tmp_path / "run", CONFIG)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").touch()
    for resume in (False, True):
        with pytest.raises(errors.UserError, match="not empty and not a run"):
            Run.start(tmp_path / "thesis", CONFIG, resume)
    assert [p.name for p in (tmp_path / "thesis").iterdir()] == ["chapter1.tex"]
    with pytest.raises(errors.UserError, match="is a file"):
        Run.start(tmp_path / "thesis" / "chapter1.tex", CONFIG)


def test_resuming_before_anything_was_written_begins_the_run(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    (tmp_path / ".tmp-dead").touch()
    with Run.start(tmp_path, CONFIG, resume=True) as run:
        assert not run.resumed


def test_resuming_keeps_the_history(tmp_path: Path) -> None:
    Run.start(tmp_path, CONFIG).close()
    created = Run.open(tmp_path).document["created"]
    Run.start(tmp_path, {**CONFIG, "seed": 1}, resume=True).close()
    document = Run.open(tmp_path).document
    assert document["created"] == created and len(document["resumed"]) == 1 and document["config"]["seed"] == 1


NOT_RUNS = {
    "missing": None,
    "no run.json": {},
    "not JSON": {"run.json": "not"},
    "a list": {"run.json": "[]"},
    "foreign schema": {"run.json": '{"schema": "other/1", "config": {}}'},
    "newer schema": {"run.json": '{"schema": "pliant.run/2", "config": {}}'},
    "no config": {"run.json": '{"schema": "pliant.run/1"}'},
    "config of another shape": {"run.json": '{"schema": "pliant.run/1", "config": {"parts": null}, "created": {}}'},
    "infinite": {"run.json": '{"schema": "pliant.run/1", "config": 1e999}'},
    "twice": {"run.json": '{"schema": "pliant.run/1", "schema": "pliant.run/1"}'},
    "binary": {"run.json": "\udcff\udcfe"},
    "deep": {"run.json": "[" * 100000},
}


@pytest.mark.parametrize("kind", NOT_RUNS)
def test_what_is_not_a_run_is_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    files, path = NOT_RUNS[kind], tmp_path / "run"
    for name, text in ({} if files is None else files).items():
        path.mkdir(exist_ok=True)
        (path / name).write_bytes(text.encode(errors="surrogateescape"))
    if files == {}:
        path.mkdir()
    with pytest.raises(errors.UserError) as error:
        Run.open(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_reading_never_writes(tmp_path: Path) -> None:
    Run.start(tmp_path, CONFIG).close()
    before = {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    run = Run.open(tmp_path)
    run.metrics()
    for write in (lambda: run.log(0, {}), lambda: run.rewind(0), lambda: run.save(0, {}, {})):
        with pytest.raises(RuntimeError, match="opened for reading"):
            write()
    assert {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == before


def test_a_document_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = documents.write_json(tmp_path / "evaluations" / "a.json", {"x": 1})
    assert documents.read_json(path) == {"x": 1}

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(errors.UserError, match=r"cannot write .*a\.json: no space left"):
        documents.write_json(path, {"x": 2})
    assert documents.read_json(path) == {"x": 1}
    assert [p.name for p in path.parent.iterdir()] == ["a.json"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_while_logging_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "appending", lambda path, folder: FileIO("/dev/full", "ab"))
    with Run.start(tmp_path, CONFIG) as run:  # noqa: SIM117 (it ends after the error)
        with pytest.raises(errors.UserError, match=r"metrics\.jsonl: no space left on device; free some space and --resume"):
            run.log(0, {"x": 1})
    Run.start(tmp_path, CONFIG, resume=True).close()  # the lock is free again


def test_a_checkpoint_follows_its_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{handle}") if Path("/proc/self/fd").exists() else "metrics.jsonl")
        real(handle)

    with Run.start(tmp_path, CONFIG) as run:
        play(run, 0, 2)
        monkeypatch.setattr(os, "fsync", fsync)
        path = run.save(2, {"x": torch.ones(1)}, {})
    assert path == tmp_path / "checkpoints" / "00000002"
    assert synced[0].endswith("metrics.jsonl")


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files through /proc")
def test_no_file_stays_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for i in range(20):
        with Run.start(tmp_path / str(i % 2), CONFIG, resume=True) as run:
            run.rewind(0)
            play(run, 0, 2)
            run.save(2, {}, {})
            run.write_json("evaluations/x.json", {})
    assert len(os.listdir("/proc/self/fd")) <= before


def test_the_default_folder_is_the_next_free_one(tmp_path: Path) -> None:
    def out(resume: bool = False) -> str:
        return record.default_out("maml", "point", 3, resume, tmp_path).name

    assert (out(), out(resume=True)) == ("maml-point-seed3", "maml-point-seed3")
    for expected in ("maml-point-seed3", "maml-point-seed3-2", "maml-point-seed3-3"):
        assert out() == expected
        Run.start(tmp_path / expected, CONFIG).close()
        assert out(resume=True) == expected


@pytest.mark.slow
def test_scalars_go_to_tensorboard_when_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with Run.start(tmp_path, CONFIG) as run:
        play(run, 0, 3)
    read = accumulators.EventAccumulator(str(tmp_path / "tensorboard"))
    read.Reload()
    assert [(e.step, e.value) for e in read.Scalars("env_steps")] == [(0, 100.0), (1, 200.0), (2, 300.0)]
    assert "seconds" in read.Tags()["scalars"]


@pytest.mark.parametrize("how", ["removed", "moved", "emptied", "another in its place"])
def test_a_run_that_is_removed_while_it_is_trained_is_one_line(tmp_path: Path, how: str) -> None:
    path = tmp_path / "run"
    with Run.start(path, CONFIG) as run:
        play(run, 0, 2)
        if how == "emptied":
            for file in path.iterdir():
                file.unlink()
        else:
            path.rename(tmp_path / "elsewhere")
        if how == "removed":
            shutil.rmtree(tmp_path / "elsewhere")
        if how == "another in its place":
            shutil.copytree(tmp_path / "elsewhere", path)
        before = sorted(tmp_path.rglob("*"))
        for write in (lambda: play(run, 2, 3), lambda: run.save(2, {}, {})):
            with pytest.raises(errors.UserError, match=r"run was removed or moved while it was trained: nothing more"):
                write()
    assert sorted(tmp_path.rglob("*")) == before, "nothing half is left in its place"


def test_a_board_that_cannot_be_written_ends_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Full:
        def add_scalar(self, *given: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(board.Board, "_begun", lambda self: Full())
    with Run.start(tmp_path, CONFIG) as run:
        run._board.wanted = True
        play(run, 0, 3)
    assert [row["iteration"] for row in Run.open(tmp_path).metrics()] == [0, 1, 2]
    assert capsys.readouterr().err.splitlines() == [
        f"pliant: warning: cannot write {tmp_path / 'tensorboard'}: no space left on device;"
        " TensorBoard gets no more numbers of this run"
    ]
