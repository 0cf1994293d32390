"""Metrics and settings: every byte that changes is noticed, and nothing that cannot be read is thrown away."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pliant import errors
from pliant.storage import board, lines
from pliant.storage.record import Run

from .held import held

CONFIG = held("run")["config"]


@pytest.fixture(autouse=True)
def _no_board(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board.importlib.util, "find_spec", lambda name: None)


def row(iteration: int) -> dict[str, object]:
    return {"iteration": iteration, "return_0": iteration / 3, "lost": None, "clock": {"seconds": 0.25}}


def run_of(folder: Path, *iterations: int) -> Path:
    """A run whose metrics have these lines."""
    with Run.start(folder, CONFIG) as run:
        for iteration in iterations:
            run.log(iteration, {"return_0": iteration / 3, "lost": None}, {"seconds": 0.25})
    return folder


def rewound(folder: Path, iteration: int) -> list[bytes]:
    """The lines of a run that was resumed at an iteration."""
    with Run.start(folder, CONFIG, resume=True) as run:
        run.rewind(iteration)
    return (folder / "metrics.jsonl").read_bytes().splitlines()


def test_a_line_is_json_with_a_checksum_that_repeats_nothing_else(tmp_path: Path) -> None:
    data = lines.encoded(row(3))
    assert data.endswith(b"}}\n") and json.loads(data)["clock"].keys() == {"seconds", "crc32"}
    (tmp_path / "metrics.jsonl").write_bytes(data)
    assert [line.row for line in lines.read(tmp_path / "metrics.jsonl", tmp_path)] == [row(3)]
    (tmp_path / "metrics.jsonl").write_bytes(lines.encoded({"iteration": 0}))
    assert [line.row for line in lines.read(tmp_path / "metrics.jsonl", tmp_path)] == [{"iteration": 0}]


@pytest.mark.parametrize("count", [1, 3])
def test_no_byte_of_the_metrics_can_change_unnoticed(tmp_path: Path, count: int, length: Callable[[int, int], int]) -> None:
    whole = b"".join(lines.encoded(row(i)) for i in range(count))
    path = tmp_path / "metrics.jsonl"
    for position in range(len(whole)):
        for bit in range(position % 8, position % 8 + length(1, 8)):
            data = bytearray(whole)
            data[position] ^= 1 << bit % 8
            path.write_bytes(data)
            found = lines.read(path, tmp_path)
            said: list[str] = []
            right = lines.rows(found, path, said.append)
            assert all(each in [row(i) for i in range(count)] for each in right)
            is_end = position == len(whole) - 1  # the line before it is whole
            assert said or (is_end and len(right) == count), (position, bit)
            assert b"\n".join(line.data for line in found) == bytes(data).removesuffix(b"\n"), "nothing is lost"


def test_a_damaged_line_is_named_and_kept_where_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run_of(tmp_path / "run", *range(6)) / "metrics.jsonl"
    before = path.read_bytes().splitlines()
    before[2] = before[2].replace(b'"return_0": 0.6', b'"return_0": 0.7')
    path.write_bytes(b"\n".join(before) + b"\n")
    assert [each["iteration"] for each in Run.open(tmp_path / "run").metrics()] == [0, 1, 3, 4, 5]
    assert f"{path}: line 3 is damaged: left out, and kept as found" in capsys.readouterr().err
    assert rewound(tmp_path / "run", 4) == before[:4]
    assert rewound(tmp_path / "run", 3) == before[:3]
    assert not (tmp_path / "run" / "metrics.damaged.jsonl").exists()


def test_a_damaged_line_of_a_future_that_is_given_up_is_kept_aside(tmp_path: Path) -> None:
    path = run_of(tmp_path / "run", *range(4)) / "metrics.jsonl"
    before = path.read_bytes().splitlines()
    spoilt = before[3].replace(b"iteration", b"iterasion")
    path.write_bytes(b"\n".join([*before[:3], spoilt]) + b"\n")
    assert rewound(tmp_path / "run", 1) == before[:1]
    assert (tmp_path / "run" / "metrics.damaged.jsonl").read_bytes() == spoilt + b"\n"


def test_metrics_of_an_older_version_are_read_and_sealed_when_the_run_goes_on(tmp_path: Path) -> None:
    run_of(tmp_path / "run")
    (tmp_path / "run" / "metrics.jsonl").write_text("".join(json.dumps(row(i)) + "\n" for i in range(4)))
    assert Run.open(tmp_path / "run").metrics() == [row(i) for i in range(4)]
    assert rewound(tmp_path / "run", 2) == [lines.encoded(row(i)).strip() for i in range(2)]


def test_no_byte_of_the_settings_can_change_unnoticed(tmp_path: Path, length: Callable[[int, int], int]) -> None:
    path = run_of(tmp_path / "run") / "run.json"
    whole = path.read_bytes()
    for position in range(0, len(whole), length(7, 1)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1 << position % 8]) + whole[position + 1 :])
        try:
            found = Run.open(tmp_path / "run").document
        except errors.UserError:
            continue
        assert json.loads(whole) == found  # white space between the words


def test_settings_of_an_older_version_are_read_which_is_said_and_sealed_when_the_run_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run_of(tmp_path / "run") / "run.json"
    path.write_text(json.dumps(held("run-0.1.0")))
    assert Run.open(tmp_path / "run").config == CONFIG
    assert f"{path} has no checksum" in capsys.readouterr().err
    rewound(tmp_path / "run", 0)
    assert "sha256" in Run.open(tmp_path / "run").document and not capsys.readouterr().err
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    assert Run.open(tmp_path / "copy").config == CONFIG
