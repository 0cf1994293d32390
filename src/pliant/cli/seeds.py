"""Several seeds by one command: a process each, as many at a time as there are cores.

Every run is what it would be alone, in a folder of its own: `--seeds` repeats `--seed`. Threads are dealt out so that the
processes do not fight for cores.
"""

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from pliant import errors
from pliant.storage import record
from pliant.system import interpreter, machine, parent, stop
from pliant.system.progress import Progress

POLL = 0.2
"""Seconds between looks at the processes."""
SHOW = 2.0
"""Seconds between looks at what they have written."""
PIECE = 2**20
"""Bytes of it that are read at a time, and that a line may have."""
WARNS = "pliant: warning: "
"""How such a line begins."""


def train(command: Sequence[str], outs: Mapping[int, Path], jobs: int, iterations: int, quiet: bool) -> None:
    """Run `pliant train` with `command` for the seed of each of `outs`, `jobs` at a time, `iterations` each; a bar for all.

    A seed that fails does not stop the others. Raises UserError that names those which failed, with what the first one said;
    Stopped after Ctrl-C, SIGTERM or SIGHUP, when all have saved. However this process dies, the others end with it.
    """
    bar = Progress(len(outs) * iterations, 0, quiet, f"{len(outs)} seeds")
    shown = 0.0
    with contextlib.ExitStack() as files:
        processes = _Processes(command, outs, min(jobs, len(outs)), files)
        relay = files.enter_context(_Relay(processes.running))
        files.enter_context(bar)
        while processes.running or (processes.waiting and not relay.signal):
            if not relay.signal:
                processes.begin()
            processes.end()
            if time.monotonic() - shown > SHOW or not processes.running:
                shown = time.monotonic()
                processes.hear()
                rows = [row for out in outs.values() if (row := _last(out))]
                bar.update(sum(min(iterations, int(row["iteration"]) + 1) for row in rows), _mean_return(rows))
            time.sleep(POLL)
    if relay.signal:
        raise errors.Stopped(f"stopped, saved; --resume continues the seeds {', '.join(map(str, outs))}", relay.signal)
    if failed := processes.failed:
        first = next(iter(failed))
        names = ", ".join(map(str, failed))
        raise errors.UserError(f"{len(failed)} of {len(outs)} seeds failed ({names}); seed {first}: {failed[first]}")


class _Processes:
    """A process for each seed, so many at a time; what they say goes to files that close with `files`."""

    def __init__(self, command: Sequence[str], outs: Mapping[int, Path], jobs: int, files: contextlib.ExitStack) -> None:
        self._files = files
        self.command, self.outs, self.jobs = interpreter.command("-m", "pliant", *command), outs, jobs
        self.waiting = list(outs)
        self.running = dict[int, subprocess.Popen[bytes]]()
        self.failed = dict[int, str]()
        """What each failed seed said last."""
        self._said = dict[int, _Said]()
        self._told = {WARNS + line for line in errors.said}
        threads = str(max(1, machine.cores() // jobs))
        own = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", threads)}
        self._environment = interpreter.environment() | parent.ENVIRONMENT | own

    def begin(self) -> None:
        """Begin as many of those that wait as there is room for."""
        while self.waiting and len(self.running) < self.jobs:
            seed = self.waiting.pop(0)
            words = [*self.command, "--seed", str(seed), "--out", str(self.outs[seed]), "--quiet"]
            file = self._files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 (a pipe that nobody reads would fill)
            self._said[seed] = _Said(file)
            self.running[seed] = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=file,
                env=self._environment,
                start_new_session=True,
            )

    def hear(self) -> None:
        """Hand on what those that run have warned of."""
        for said in self._said.values():
            self._tell(said.new())

    def _tell(self, lines: Sequence[str]) -> None:
        """Say each line once, whichever of the seeds says it."""
        for line in lines:
            if line.startswith(WARNS) and line not in self._told:
                self._told.add(line)
                errors.warn(line.removeprefix(WARNS))

    def end(self) -> None:
        """Take those out that have ended, hand on what they have warned of, and keep what the failed ones said last."""
        for seed, process in list(self.running.items()):
            if process.poll() is None:
                continue
            said = self._said.pop(seed)
            self._tell(said.new())
            if process.returncode:
                self.failed[seed] = said.last.removeprefix("pliant: ") or f"status {process.returncode}"
            said.file.close()
            if process.stdin:
                process.stdin.close()
            del self.running[seed]


class _Said:
    """What a process has written to a file so far."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.last, self._read, self._rest = file, "", 0, b""

    def new(self) -> list[str]:
        """The whole lines that came since the last look; the place where the process writes stays where it is."""
        found = []
        while piece := os.pread(self.file.fileno(), PIECE, self._read):
            self._read += len(piece)
            *lines, self._rest = (self._rest + piece).split(b"\n")
            self._rest = self._rest[-PIECE:]
            found += [line.decode(errors="replace") for line in lines]
        rest = self._rest.decode(errors="replace")
        self.last = next((line for line in reversed([*found, rest]) if line.strip()), self.last)
        return found


class _Relay:
    """Hands Ctrl-C, SIGTERM and SIGHUP on to the processes, which save and end."""

    signal: int = 0

    def __init__(self, running: dict[int, "subprocess.Popen[bytes]"]) -> None:
        self.running = running

    def __enter__(self) -> "_Relay":
        self._handled: contextlib.AbstractContextManager[None] = stop.handled(self._hand_on, *stop.ENDING)
        self._handled.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._handled.__exit__(None, None, None)
        for process in self.running.values():  # an error of ours: nobody is left behind
            process.terminate()

    def _hand_on(self, number: int, frame: object) -> None:
        self.signal = number
        for process in self.running.values():
            process.send_signal(number)


def _last(out: Path) -> dict[str, float] | None:
    """The latest line of a run's metrics, if it has any."""
    try:
        rows = record.metrics(out, warn=lambda line: None)
    except errors.UserError:  # it is being written anew
        return None
    return rows[-1] if rows else None


def _mean_return(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean over seeds of what their latest iterations returned."""
    names = [name for name in rows[0] if name.startswith("return_")] if rows else []
    return {name: sum(row.get(name) or 0.0 for row in rows) / len(rows) for name in names}
