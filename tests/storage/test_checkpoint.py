"""A checkpoint is whole or refused, whatever happens while it is written and after."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pliant import errors
from pliant.storage import checkpoint

FACTS = {"env_steps": 12345678901234567890, "best": 0.1 + 0.2, "name": "é", "nested": {"list": [1, None, True]}}


def tensors_of(iteration: int) -> dict[str, torch.Tensor]:
    return {"weight": torch.full((3, 4), float(iteration)), "step": torch.tensor(iteration)}


def save_some(folder: Path, *iterations: int) -> None:
    for iteration in iterations:
        checkpoint.save(folder, iteration, tensors_of(iteration), {"iteration": iteration})


def assert_reads(folder: Path, iteration: int, warnings: list[str] | None = None) -> None:
    found = checkpoint.load_latest(folder, (warnings if warnings is not None else []).append)
    assert found.iteration == iteration
    assert found.facts == {"iteration": iteration}
    assert all(torch.equal(found.tensors[name], value) for name, value in tensors_of(iteration).items())


def names_in(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_every_bit_comes_back(tmp_path: Path) -> None:
    base = torch.randn(4, 6, dtype=torch.float64)
    tensors = {
        "float64": base,
        "view/transposed": base.T[1:],
        "nan": torch.tensor([0x7FC00001, 0x7F800000, 0x80000000 - 2**32], dtype=torch.int64)
        .to(torch.int32)
        .view(torch.float32),
        "bfloat16": torch.randn(3).to(torch.bfloat16),
        "bool": torch.tensor([True, False]),
        "byte": torch.arange(256, dtype=torch.uint8),
        "scalar": torch.tensor(2**62 + 1),
        "empty": torch.zeros(0, 3),
        "leaf": torch.nn.Parameter(torch.ones(2)),
    }
    path = checkpoint.save(tmp_path, 7, tensors, FACTS)
    found = checkpoint.load(path)
    assert path == tmp_path / "00000007" and found.path == path
    assert (found.iteration, found.facts) == (7, FACTS)
    assert set(found.tensors) == set(tensors)
    for name, value in tensors.items():
        back = found.tensors[name]
        assert back.dtype == value.dtype and back.shape == value.shape, name
        raw = [t.detach().contiguous().reshape(-1).view(torch.uint8) for t in (back, value)]
        assert torch.equal(*raw), name


def test_no_file_of_a_checkpoint_is_a_pickle_and_all_are_listed(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, 1, tensors_of(1), {})
    manifest = json.loads((path / "manifest.json").read_text())
    assert names_in(path) == ["facts.json", "manifest.json", "state.safetensors"]
    assert manifest["schema"] == "pliant.checkpoint/1" and manifest["iteration"] == 1
    for name, entry in manifest["files"].items():
        data = (path / name).read_bytes()
        assert entry == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    save_some(tmp_path, 1, 5, 20, 100)
    assert names_in(tmp_path) == ["00000020", "00000100"]
    assert_reads(tmp_path, 100)


def test_facts_that_json_cannot_hold_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        checkpoint.save(tmp_path, 1, {}, {"loss": float("nan")})
    assert names_in(tmp_path) == []


def flip(path: Path, position: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << bit
    path.write_bytes(data)


def rewrite_manifest(path: Path, change: Callable[[dict], None]) -> None:
    manifest = json.loads((path / "manifest.json").read_text())
    change(manifest)
    (path / "manifest.json").write_text(json.dumps(manifest))


def garbage_with_right_sum(path: Path) -> None:
    (path / "state.safetensors").write_bytes(b"\x80\x04garbage")
    entry = {"bytes": 9, "sha256": hashlib.sha256(b"\x80\x04garbage").hexdigest()}
    rewrite_manifest(path, lambda m: m["files"].update({"state.safetensors": entry}))


def facts_with_right_sum(path: Path, facts: bytes) -> None:
    """Facts that nobody would have saved, in a manifest that fits."""
    (path / "facts.json").write_bytes(facts)
    entry = {"bytes": len(facts), "sha256": hashlib.sha256(facts).hexdigest()}
    rewrite_manifest(path, lambda m: m["files"].update({"facts.json": entry}))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "state truncated": lambda p: os.truncate(p / "state.safetensors", 50),
    "state emptied": lambda p: os.truncate(p / "state.safetensors", 0),
    "state longer": lambda p: (p / "state.safetensors").open("ab").write(b"\0"),
    "state header flipped": lambda p: flip(p / "state.safetensors", 12),
    "state last bit flipped": lambda p: flip(p / "state.safetensors", -1, 7),
    "state missing": lambda p: (p / "state.safetensors").unlink(),
    "state a folder": lambda p: ((p / "state.safetensors").unlink(), (p / "state.safetensors").mkdir()),
    "state garbage, sum right": garbage_with_right_sum,
    "facts flipped": lambda p: flip(p / "facts.json", 3),
    "facts truncated": lambda p: os.truncate(p / "facts.json", 4),
    "facts missing": lambda p: (p / "facts.json").unlink(),
    "manifest missing": lambda p: (p / "manifest.json").unlink(),
    "manifest truncated": lambda p: os.truncate(p / "manifest.json", 60),
    "manifest empty": lambda p: os.truncate(p / "manifest.json", 0),
    "manifest a list": lambda p: (p / "manifest.json").write_text("[]"),
    "manifest not text": lambda p: (p / "manifest.json").write_bytes(b"\xff\xfe\x00"),
    "manifest deep": lambda p: (p / "manifest.json").write_text("[" * 60000),
    "manifest huge": lambda p: (p / "manifest.json").write_text(" " * 10**6),
    "schema foreign": lambda p: rewrite_manifest(p, lambda m: m.update(schema="someone.else/9")),
    "schema newer": lambda p: rewrite_manifest(p, lambda m: m.update(schema="pliant.checkpoint/2")),
    "iteration of another": lambda p: rewrite_manifest(p, lambda m: m.update(iteration=3)),
    "iteration true": lambda p: rewrite_manifest(p, lambda m: m.update(iteration=True)),
    "files unlisted": lambda p: rewrite_manifest(p, lambda m: m["files"].pop("state.safetensors")),
    "files without sums": lambda p: rewrite_manifest(p, lambda m: m.update(files=dict.fromkeys(m["files"]))),
    "files with sizes of text": lambda p: rewrite_manifest(p, lambda m: m["files"]["facts.json"].update(bytes="12")),
    "sums of another length": lambda p: rewrite_manifest(p, lambda m: m["files"]["facts.json"].update(sha256="0")),
    "manifest with more": lambda p: rewrite_manifest(p, lambda m: m.update(more=1)),
    "manifest infinite": lambda p: (p / "manifest.json").write_text('{"schema": "pliant.checkpoint/1", "iteration": 1e999}'),
    "facts null, sum right": lambda p: facts_with_right_sum(p, b"null"),
    "counters null, sum right": lambda p: facts_with_right_sum(p, b'{"env_steps": null}'),
    "counters negative, sum right": lambda p: facts_with_right_sum(p, b'{"seconds": -1.0}'),
    "counters infinite, sum right": lambda p: facts_with_right_sum(p, b'{"seconds": 1e999}'),
    "facts of another iteration, sum right": lambda p: facts_with_right_sum(p, b'{"iteration": 7}'),
    "emptied": lambda p: [f.unlink() for f in p.iterdir()],
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_checkpoint_is_refused_by_name_and_the_one_before_is_used(tmp_path: Path, kind: str) -> None:
    save_some(tmp_path, 1, 2)
    DAMAGE[kind](tmp_path / "00000002")
    with pytest.raises(checkpoint.Damaged, match=r"00000002 is (damaged|foreign)"):
        checkpoint.load(tmp_path / "00000002")
    warnings: list[str] = []
    assert_reads(tmp_path, 1, warnings)
    assert len(warnings) == 1 and str(tmp_path / "00000002") in warnings[0]


def test_no_bit_of_a_checkpoint_can_flip_unnoticed(tmp_path: Path, length: Callable[[int, int], int]) -> None:
    save_some(tmp_path, 1)
    path = tmp_path / "00000001"
    for file in path.iterdir():
        whole = file.read_bytes()
        for position in range(0, len(whole), 1 if file.name == "manifest.json" else length(29, 7)):
            flip(file, position, position % 7)
            try:
                checkpoint.load(path)
            except checkpoint.Damaged:
                pass
            else:  # white space between the words of the manifest
                assert json.loads(file.read_bytes()) == json.loads(whole)
            file.write_bytes(whole)
    assert_reads(tmp_path, 1)


def test_without_a_whole_checkpoint_the_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(errors.UserError, match="no checkpoint yet"):
        checkpoint.load_latest(tmp_path / "missing")
    save_some(tmp_path, 1)
    (tmp_path / "00000001" / "facts.json").unlink()
    with pytest.raises(errors.UserError, match="no whole checkpoint"):
        checkpoint.load_latest(tmp_path, lambda message: None)


def test_a_damaged_one_is_never_kept_in_place_of_a_whole_one(tmp_path: Path) -> None:
    save_some(tmp_path, 1, 2)
    (tmp_path / "00000002" / "facts.json").unlink()
    save_some(tmp_path, 3)
    assert names_in(tmp_path) == ["00000001", "00000003"]


def test_checkpoints_of_an_abandoned_future_go(tmp_path: Path) -> None:
    save_some(tmp_path, 10, 20)
    (tmp_path / "00000020" / "facts.json").unlink()  # the run resumes at 10 and saves at 15
    save_some(tmp_path, 15)
    assert names_in(tmp_path) == ["00000010", "00000015"]


def test_the_same_iteration_can_be_saved_again(tmp_path: Path) -> None:
    save_some(tmp_path, 1, 2)
    checkpoint.save(tmp_path, 2, {}, {"again": True})
    assert names_in(tmp_path) == ["00000001", "00000002"]
    assert checkpoint.load_latest(tmp_path).facts == {"again": True}


def test_a_death_between_moving_the_old_away_and_the_new_in_loses_nothing(tmp_path: Path) -> None:
    save_some(tmp_path, 2)
    (tmp_path / "00000002").rename(tmp_path / ".00000002.replaced")
    assert_reads(tmp_path, 2)
    save_some(tmp_path, 3)
    assert_reads(tmp_path, 3)
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".tmp")]


def test_stale_temporaries_are_cleared_and_foreign_entries_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".tmp-dead").mkdir()
    (tmp_path / ".tmp-dead" / "state.safetensors").write_bytes(b"half")
    (tmp_path / "notes").mkdir()
    save_some(tmp_path, 1)
    assert names_in(tmp_path) == ["00000001", "notes"]


def test_a_full_disk_at_any_moment_leaves_the_earlier_ones_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync
    for moment in range(5):  # three files, the folder, its parent; the grandparent's comes after the rename
        folder = tmp_path / str(moment)
        save_some(folder, 1, 2)
        left = [moment]

        def fsync(handle: int, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(handle)

        monkeypatch.setattr(os, "fsync", fsync)
        with pytest.raises(errors.UserError, match=r"no space left on device.*--resume") as error:
            save_some(folder, 3)
        monkeypatch.setattr(os, "fsync", real)
        assert str(folder) in str(error.value) and "\n" not in str(error.value)
        assert not list(folder.glob(".tmp-*"))
        assert {"00000001", "00000002"} <= set(names_in(folder))
        assert_reads(folder, 3 if moment == 4 else 2)


FULL = """
import resource, sys, torch
from pathlib import Path
from pliant import checkpoint, errors
folder = Path(sys.argv[1])
for i in (1, 2):
    checkpoint.save(folder, i, {"x": torch.ones(10)}, {})
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
try:
    checkpoint.save(folder, 3, {"x": torch.ones(100000)}, {})
except errors.UserError as error:
    print(error)
print(sorted(p.name for p in folder.iterdir()), checkpoint.load_latest(folder).iteration)
"""


@pytest.mark.slow
def test_a_file_the_system_will_not_let_grow_leaves_the_earlier_ones_whole(forked: Any, tmp_path: Path) -> None:
    result = forked.run(FULL, tmp_path)
    assert result.returncode == 0, result.stderr
    message, rest = result.stdout.splitlines()
    assert message.startswith(f"cannot write checkpoint 3 in {tmp_path}: file too large")
    assert rest == "['00000001', '00000002'] 2"


STORM = """
import os, random, shutil, signal, sys, time
from pathlib import Path
import torch
from pliant import checkpoint
folder, kills = Path(sys.argv[1]), int(sys.argv[2])
state = lambda i: {"x": torch.arange(20000) + i, "i": torch.tensor(i)}
warnings = []

def check():
    found = checkpoint.load_latest(folder, warnings.append)
    assert torch.equal(found.tensors["x"], torch.arange(20000) + found.iteration), "mixed"
    assert int(found.tensors["i"]) == found.facts["i"] == found.iteration, "mixed"
    for path in checkpoint.paths(folder):
        checkpoint.load(path)  # under its own name, each is whole
    return found.iteration

def save(i):
    checkpoint.save(folder, i, state(i), {"i": i})

# a death before each single operation of one save, of a new and of an existing iteration
for again in (0, 1):
    for moment in range(40):
        shutil.rmtree(folder, ignore_errors=True)
        save(1); save(2)
        if (child := os.fork()) == 0:
            left = [moment]
            def dying(real):
                def call(*a, **k):
                    left[0] -= 1
                    if left[0] < 0:
                        os._exit(9)
                    return real(*a, **k)
                return call
            steps = {os: ("fsync", "unlink", "rmdir"), Path: ("rename", "mkdir"), shutil: ("rmtree",)}
            for where, name in ((where, name) for where, names in steps.items() for name in names):
                setattr(where, name, dying(getattr(where, name)))
            save(2 if again else 3)
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
            break
        assert check() in ((2,) if again else (2, 3))
        save(4)
        assert check() == 4 and len(list(folder.iterdir())) == 2, sorted(folder.iterdir())
    assert 8 < moment < 39, moment
    print("moments", moment)

last = check()
for kill in range(kills):
    if (child := os.fork()) == 0:
        i = last
        while True:
            save(i := i + 1)
    end = time.monotonic() + 30
    while kill % 2 and not (folder / f"{last + 1:08d}").exists() and time.monotonic() < end:
        time.sleep(0.0005)  # the disk may be slow: half of the kills come after something new was saved
    time.sleep(random.uniform(0.002, 0.06))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    now = check()
    assert now >= last
    last = now
save(last + 1)
assert len(list(folder.iterdir())) == 2, sorted(folder.iterdir())
assert not warnings, warnings
print("saved", last)
"""


@pytest.mark.slow
def test_kill_9_at_any_moment_leaves_a_whole_checkpoint(forked: Any, tmp_path: Path, length: Callable[[int, int], int]) -> None:
    kills = length(10, 40)
    result = forked.run(STORM, tmp_path / "checkpoints", kills)
    assert result.returncode == 0, result.stdout + result.stderr
    assert int(result.stdout.split()[-1]) > kills // 2  # it did save in between


def test_a_reader_survives_a_writer_that_moves_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_some(tmp_path, 1, 2)
    real, moved = checkpoint.load, [False]

    def load(path: Path, kept: bool = True) -> checkpoint.Checkpoint:
        if not moved[0]:
            moved[0] = True
            save_some(tmp_path, 3, 4)
        return real(path)

    monkeypatch.setattr(checkpoint, "load", load)
    assert_reads(tmp_path, 4)


def test_copying_a_run_keeps_its_checkpoints(tmp_path: Path) -> None:
    save_some(tmp_path / "a", 1, 2)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert_reads(tmp_path / "b", 2)
