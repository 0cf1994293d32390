"""Several seeds by one command: a process each, as many at a time as there are cores.

Every run is what it would be alone, in a folder of its own: `--seeds` repeats `--seed`. Threads are dealt out so that the
processes do not fight for cores.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from pliant import errors
from pliant.storage import record
from pliant.system import machine
from pliant.system.progress import Progress

POLL = 0.2
"""Seconds between looks at the processes."""
SHOW = 2.0
"""Seconds between looks at what they have written."""


def train(command: Sequence[str], outs: Mapping[int, Path], jobs: int, iterations: int, quiet: bool) -> None:
    """Run `pliant train` with `command` for the seed of each of `outs`, `jobs` at a time, `iterations` each; a bar for all.

    A seed that fails does not stop the others. Raises UserError that names those which failed, with what the first one said;
    Stopped after Ctrl-C or SIGTERM, when all have saved.
    """
    jobs = min(jobs, len(outs))
    threads = str(max(1, machine.cores() // jobs))
    environment = os.environ | {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", threads)}
    waiting, running = list(outs), dict[int, subprocess.Popen[bytes]]()
    said_by = dict[int, IO[str]]()
    failed: dict[int, str] = {}
    shown = 0.0
    bar = Progress(len(outs) * iterations, 0, quiet, f"{len(outs)} seeds")
    with contextlib.ExitStack() as files, _Relay(running) as relay, bar:
        while running or (waiting and not relay.signal):
            while waiting and len(running) < jobs and not relay.signal:
                seed = waiting.pop(0)
                words = [*command, "--seed", str(seed), "--out", str(outs[seed]), "--quiet"]
                said_by[seed] = files.enter_context(tempfile.TemporaryFile("w+"))  # a pipe that nobody reads would fill
                running[seed] = _begun(words, said_by[seed], environment)
            for seed, process in list(running.items()):
                if process.poll() is not None:
                    with said_by.pop(seed) as file:
                        if process.returncode:
                            failed[seed] = _last_words(file) or f"status {process.returncode}"
                    del running[seed]
            if not quiet and (time.monotonic() - shown > SHOW or not running):
                shown = time.monotonic()
                rows = [row for out in outs.values() if (row := _last(out))]
                bar.update(sum(min(iterations, int(row["iteration"]) + 1) for row in rows), _mean_return(rows))
            time.sleep(POLL)
    if relay.signal:
        raise errors.Stopped(f"stopped, saved; --resume continues the seeds {', '.join(map(str, outs))}", relay.signal)
    if failed:
        first = next(iter(failed))
        names = ", ".join(map(str, failed))
        raise errors.UserError(f"{len(failed)} of {len(outs)} seeds failed ({names}); seed {first}: {failed[first]}")


def _begun(words: Sequence[str], said: IO[str], environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """A process of `pliant`, in a session of its own: Ctrl-C reaches it through us."""
    command = [sys.executable, "-m", "pliant", *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, env=environment, start_new_session=True)


def _last_words(file: IO[str]) -> str:
    """The last line of what a process said."""
    file.seek(0)
    return (file.read().strip().splitlines() or [""])[-1].removeprefix("pliant: ")


class _Relay:
    """Hands Ctrl-C and SIGTERM on to the processes, which save and end."""

    signal: int = 0

    def __init__(self, running: dict[int, "subprocess.Popen[bytes]"]) -> None:
        self.running = running

    def __enter__(self) -> "_Relay":
        self.old = {number: signal.signal(number, self._hand_on) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self.old.items():
            signal.signal(number, handler)
        for process in self.running.values():  # an error of ours: nobody is left behind
            process.terminate()

    def _hand_on(self, number: int, frame: object) -> None:
        self.signal = number
        for process in self.running.values():
            process.send_signal(number)


def _last(out: Path) -> dict[str, float] | None:
    """The latest line of a run's metrics, if it has any."""
    try:
        rows = record.metrics(out)
    except OSError:
        return None
    return rows[-1] if rows else None


def _mean_return(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean over seeds of what their latest iterations returned."""
    names = [name for name in rows[0] if name.startswith("return_")] if rows else []
    return {name: sum(row.get(name) or 0.0 for row in rows) / len(rows) for name in names}
