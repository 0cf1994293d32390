"""Several seeds by one command: no seed outlives the command, and what it reached is saved."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pliant import errors
from pliant.cli import seeds
from pliant.storage import checkpoint
from pliant.system import stop

WORDS = "train maml point --preset none --train.meta_batch 2 --train.lanes 2 --family.horizon 4 --iterations 1000000"


def test_signals_are_handed_on_and_handed_back() -> None:
    before = [signal.getsignal(number) for number in stop.ENDING]
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with seeds._Relay({0: process}) as relay:
        os.kill(os.getpid(), stop.ENDING[-1])
        assert process.wait(10) == -stop.ENDING[-1] and relay.signal == stop.ENDING[-1]
    assert [signal.getsignal(number) for number in stop.ENDING] == before


def test_what_seeds_warn_of_is_said_once_and_while_they_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(errors, "said", {"of the parent"})
    with contextlib.ExitStack() as files:
        processes = seeds._Processes([], {0: tmp_path, 1: tmp_path, 2: tmp_path}, 3, files)
        says = "pliant: warning: of all"
        rest = {0: "", 1: "pliant: warning: of the parent\npliant: warning: of one\nsomething else", 2: "pliant: it failed"}
        script = (
            "import sys, pathlib, time; print(sys.argv[1], file=sys.stderr, flush=True);"
            "[time.sleep(0.02) for _ in iter(pathlib.Path('go').exists, True)];"
            "print('chatter ' * 300_000, sys.argv[2], sep='\\n', file=sys.stderr);"
            "sys.exit(2 * ('failed' in sys.argv[2]))"
        )
        for seed, more in rest.items():
            processes.waiting, processes.command = [seed], [sys.executable, "-c", script, says, more]
            processes.begin()
        end = time.monotonic() + 60
        while not (heard := capsys.readouterr().err):
            assert time.monotonic() < end
            processes.hear()
        assert heard == f"{says}\n"
        Path("go").touch()
        while processes.running:
            assert time.monotonic() < end
            processes.end()
    assert capsys.readouterr().err == "pliant: warning: of one\n" and processes.failed == {2: "it failed"}


@pytest.mark.slow
@pytest.mark.whole
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
@pytest.mark.parametrize("early", [True, False])
def test_no_seed_outlives_a_command_that_is_killed(early: bool, forked: Any, tmp_path: Path) -> None:
    """While the seeds are still importing, and while they train: then their last whole iteration is saved."""
    process = forked.start_pliant(*WORDS.split(), *"--seeds 0,1 --jobs 2 --out several --quiet".split(), cwd=tmp_path)
    found: list[str] = []
    end = time.monotonic() + 120
    while len(found) < 2 or (not early and not all(began(tmp_path / f"several/seed{seed}") for seed in (0, 1))):
        assert not forked.is_over() and time.monotonic() < end
        time.sleep(0.05)
        found = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    os.kill(process, signal.SIGKILL)
    assert forked.finish().returncode == -signal.SIGKILL
    while any(is_alive(child) for child in found):
        assert time.monotonic() < end, "an orphan"
        time.sleep(0.05)
    for seed in () if early else (0, 1):
        assert checkpoint.load_latest(tmp_path / f"several/seed{seed}/checkpoints").iteration > 0


def began(out: Path) -> bool:
    return (out / "metrics.jsonl").exists() and (out / "metrics.jsonl").read_bytes().count(b"\n") > 2


def is_alive(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
