"""What a process may use of the machine."""

import os
import subprocess
import sys
import time

import pytest

from pliant.system import machine


def test_cores_of_others_are_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 3)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    found = iter([b"0.1 0.2 0.3 1/100 7\n", b"0.1 0.2 0.3 3/100 7\n", b"9 9 9 90/100 7\n", b"", b"? ? ? many/100 7"])

    class Load:
        def __enter__(self) -> "Load":
            return self

        def __exit__(self, *args: object) -> None:
            pass

        def read(self, most: int) -> bytes:
            return next(found)

    monkeypatch.setattr("builtins.open", lambda *args, **named: Load())
    free = [machine.free_cores() for _ in range(5)]
    assert free == [3, 2, 1, 3, 3]  # 4 cores less those of others, of which this process may use 3; unknown: all


@pytest.mark.skipif(sys.platform != "linux", reason="Linux says how many compute")
def test_processes_that_compute_take_cores() -> None:
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        time.sleep(1)
        least = min(machine.free_cores() for _ in range(50))
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert least == 1
