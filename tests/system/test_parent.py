"""A process that watches its parent ends with it, however that dies; nobody is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pliant.system import parent

CHILD = """
import os, signal, sys, time
from pliant.system import parent
if sys.argv[1] == "deaf":
    signal.signal(signal.SIGTERM, lambda *_: None)
    parent.SECONDS = 0.2
parent.watch()
assert not os.read(0, 1) and "PLIANT_ENDS_WITH" not in os.environ  # what it begins itself inherits neither
print("ready", flush=True)
time.sleep(60)
"""
PARENT = """
import os, subprocess, sys, time
from pliant.system import parent
child = subprocess.Popen([sys.executable, "-c", *sys.argv[1:]], stdin=subprocess.PIPE, env=os.environ | parent.ENVIRONMENT)
print(child.pid, flush=True)
time.sleep(60)
"""


def begun(*words: str, **given: object) -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.Popen(
        [sys.executable, "-c", *words],
        stdout=subprocess.PIPE,
        text=True,
        env=environment | (parent.ENVIRONMENT if given else {}),
        **given,  # type: ignore[call-overload]
    )


@pytest.mark.parametrize(("how", "status"), [("well", -signal.SIGTERM), ("deaf", 128 + signal.SIGTERM)])
def test_the_end_of_the_pipe_ends_the_process(how: str, status: int) -> None:
    """As SIGTERM does, which saves a training; one that does not answer is given some seconds."""
    process = begun(CHILD, how, stdin=subprocess.PIPE)
    assert process.stdout and process.stdin and process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    assert process.poll() is None
    process.stdin.close()
    assert process.wait(10) == status
    process.stdout.close()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_a_parent_that_is_killed_leaves_nobody_behind() -> None:
    process = begun(PARENT, CHILD, "well")
    assert process.stdout
    child = int(process.stdout.readline())
    assert process.stdout.readline() == "ready\n"
    process.kill()
    process.wait()
    end = time.monotonic() + 10
    while is_alive(child):
        assert time.monotonic() < end, "an orphan"
        time.sleep(0.02)
    process.stdout.close()


def test_without_a_parent_that_asks_nothing_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLIANT_ENDS_WITH", raising=False)
    before = os.fstat(0)
    parent.watch()
    assert os.fstat(0) == before


def is_alive(process: int) -> bool:
    """It runs, or is not yet known to have ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
