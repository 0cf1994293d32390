"""What never changes is written once, listed by the checkpoints that need it, and gone when none does any more."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pliant import errors
from pliant.storage import checkpoint, pieces
from pliant.types import KEPT

WHOLE: dict[int, dict[str, Tensor]] = {}


def piece(number: int) -> dict[str, Tensor]:
    """The same tensors whenever they are asked for, as an algorithm holds them."""
    values = {f"{KEPT}{number:08d}/obs": torch.full((4, 3), float(number)), f"{KEPT}{number:08d}/done": torch.tensor([True])}
    return WHOLE.setdefault(number, values)


def state(iteration: int, window: int = 3) -> dict[str, Tensor]:
    """Of an algorithm that keeps the pieces of its last iterations."""
    kept = [piece(number) for number in range(max(0, iteration - window), iteration)]
    return {"weight": torch.full((2,), float(iteration))} | {name: x for each in kept for name, x in each.items()}


def save(run: Path, iteration: int) -> Path:
    return checkpoint.save(run / "checkpoints", iteration, state(iteration), {"iteration": iteration})


def names(run: Path) -> list[str]:
    return sorted(p.name.partition("-")[0] for p in (run / "kept").iterdir())


def assert_is(found: checkpoint.Checkpoint, iteration: int) -> None:
    expected = state(iteration)
    assert found.iteration == iteration and set(found.tensors) == set(expected)
    assert all(torch.equal(x, expected[name]) and x.dtype == expected[name].dtype for name, x in found.tensors.items())


def test_a_checkpoint_comes_back_with_its_pieces_or_without(tmp_path: Path) -> None:
    path = save(tmp_path, 2)
    assert_is(checkpoint.load(path), 2)
    assert set(checkpoint.load(path, kept=False).tensors) == {"weight"}
    listed = json.loads((path / "manifest.json").read_text())["kept"]
    assert sorted(listed) == sorted(p.name for p in (tmp_path / "kept").iterdir())
    assert [name.partition("-")[0] for name in sorted(listed)] == ["00000000", "00000001"]


def test_a_piece_is_written_once(tmp_path: Path) -> None:
    save(tmp_path, 2)
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "kept").iterdir()}
    save(tmp_path, 3)
    after = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "kept").iterdir()}
    assert len(after) == 3 and before.items() <= after.items()


def test_a_checkpoint_without_pieces_is_as_it_always_was(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path / "checkpoints", 1, {"weight": torch.zeros(2)}, {})
    assert "kept" not in json.loads((path / "manifest.json").read_text())
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoints"]


def test_a_piece_goes_when_no_checkpoint_lists_it(tmp_path: Path) -> None:
    for iteration in range(1, 8):
        save(tmp_path, iteration)
        oldest = max(0, iteration - 1 - 3) if iteration > 1 else 0
        assert names(tmp_path) == [f"{n:08d}" for n in range(oldest, iteration)], iteration
    for path in checkpoint.paths(tmp_path / "checkpoints"):
        assert_is(checkpoint.load(path), int(path.name))


def test_what_is_no_piece_of_ours_stays(tmp_path: Path) -> None:
    save(tmp_path, 1)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    link = tmp_path / "kept" / f"{0:08d}-{'a' * 16}.safetensors"
    link.symlink_to(elsewhere)
    (tmp_path / "kept" / "notes.txt").write_text("mine")
    for iteration in range(2, 9):
        save(tmp_path, iteration)
    assert elsewhere.read_text() == "mine" and link.is_symlink() and (tmp_path / "kept" / "notes.txt").exists()


def damaged(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "missing":
        path.unlink()
    elif how == "cut":
        path.write_bytes(data[:-1])
    elif how == "flipped":
        data[-1] ^= 1
        path.write_bytes(data)
    elif how == "link":
        path.rename(path.with_suffix(".real"))
        path.symlink_to("/dev/zero")
    else:
        path.unlink()
        os.mkfifo(path)


@pytest.mark.parametrize("how", ["missing", "cut", "flipped", "link", "fifo"])
def test_a_damaged_piece_is_named_and_the_checkpoint_before_it_used(how: str, tmp_path: Path) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    newest = next(p for p in (tmp_path / "kept").iterdir() if p.name.startswith("00000001"))
    damaged(newest, how)
    said: list[str] = []
    assert_is(checkpoint.load_latest(tmp_path / "checkpoints", said.append), 1)
    assert len(said) == 1 and newest.name in said[0] and "looking for the one before" in said[0]
    assert checkpoint.load_latest(tmp_path / "checkpoints", said.append, kept=False).iteration == 2  # to act, none is needed
    damaged(next(p for p in (tmp_path / "kept").iterdir() if p.name.startswith("00000000")), how)
    with pytest.raises(errors.UserError, match="holds no whole checkpoint \\(2 damaged\\): train again"):
        checkpoint.load_latest(tmp_path / "checkpoints", said.append)


@pytest.mark.parametrize("how", ["missing", "cut"])
def test_a_checkpoint_whose_pieces_are_gone_is_not_kept_in_place_of_a_whole_one(how: str, tmp_path: Path) -> None:
    for iteration in (1, 2):
        save(tmp_path, iteration)
    damaged(next(p for p in (tmp_path / "kept").iterdir() if p.name.startswith("00000001")), how)
    save(tmp_path, 3)  # writes it again, for it is in memory
    for path in checkpoint.paths(tmp_path / "checkpoints"):
        assert_is(checkpoint.load(path), int(path.name))


@pytest.mark.parametrize("name", ["../../state.safetensors", "/etc/passwd", "00000000-0.safetensors"])
def test_a_manifest_reaches_nothing_but_pieces(name: str, tmp_path: Path) -> None:
    path = save(tmp_path, 1)
    manifest = json.loads((path / "manifest.json").read_text())
    (file,) = manifest["kept"].values()
    (path / "manifest.json").write_text(json.dumps(manifest | {"kept": {name: file}}))
    with pytest.raises(checkpoint.Damaged, match="not the name of a piece"):
        checkpoint.load(path)


def test_a_piece_under_anothers_number_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, 2)
    one, two = sorted((tmp_path / "kept").iterdir())
    manifest = json.loads((path / "manifest.json").read_text())
    file = manifest["kept"][one.name]
    wrong = f"00000007-{file['sha256'][:16]}.safetensors"
    one.rename(one.with_name(wrong))
    manifest["kept"] = {wrong: file, two.name: manifest["kept"][two.name]}
    (path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(checkpoint.Damaged, match="holds tensors of another piece"):
        checkpoint.load(path)


def test_pieces_that_were_read_are_not_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 2)
    found = checkpoint.load_latest(tmp_path / "checkpoints")
    written: list[Any] = []
    real = pieces.safetensors.torch.save
    monkeypatch.setattr(pieces.safetensors.torch, "save", lambda tensors: written.append(set(tensors)) or real(tensors))
    checkpoint.save(tmp_path / "checkpoints", 3, found.tensors, {})
    assert written == [{"weight"}]


DYING = """
import os, sys
from pathlib import Path
import torch
from pliant.storage import checkpoint

run, window = Path(sys.argv[1]), 2

def state(i):
    kept = {f"kept/{n:08d}/x": torch.full((3,), float(n)) for n in range(max(0, i - window), i)}
    return kept | {"w": torch.tensor(float(i))}

def save(i):
    checkpoint.save(run / "checkpoints", i, state(i), {"iteration": i})

def check():
    warned = []
    found = checkpoint.load_latest(run / "checkpoints", warned.append)
    assert not warned, warned
    for path in checkpoint.paths(run / "checkpoints"):
        each = checkpoint.load(path)
        expected = state(each.iteration)
        assert set(each.tensors) == set(expected) and all(torch.equal(x, expected[n]) for n, x in each.tensors.items())
    return found.iteration

for moment in range(200):
    save(1); save(2); save(3); save(4)
    if (child := os.fork()) == 0:
        left = [moment]
        def dying(real):
            def call(*a, **k):
                left[0] -= 1
                if left[0] < 0:
                    os._exit(9)
                return real(*a, **k)
            return call
        steps = {os: ("fsync", "unlink", "rmdir", "replace"), Path: ("rename", "mkdir", "unlink")}
        for where, name in ((where, name) for where, names in steps.items() for name in names):
            setattr(where, name, dying(getattr(where, name)))
        save(5)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        break
    assert check() in (4, 5)
    save(6)
    assert check() == 6
    assert not [p for p in (run / "kept").iterdir() if p.name.endswith(".new")], "what a death left behind is cleared away"
assert 10 < moment < 80, moment
print("moments", moment)
"""


def test_a_death_at_any_moment_of_saving_loses_nothing(forked: Any, tmp_path: Path) -> None:
    """Between a piece and the checkpoint that lists it, too."""
    result = forked.run(DYING, tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
