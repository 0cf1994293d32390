"""Worker processes and what they share: starting them, sending messages, replacing those that fail.

A batch with a trial in play owns a pool (`take`), and gives it back at the trial's end for the next one (`give_back`).
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import time
import types
import weakref
from collections.abc import Callable, Iterator
from multiprocessing import connection
from multiprocessing.context import BaseContext
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pliant import errors
from pliant.system import interpreter
from pliant.tasks import worker
from pliant.tasks.worker import Array, Board, Layout, Remote, Trial

RESTARTS = 3
"""Workers replaced within one trial; the fault after that ends it."""
START_SECONDS = 120.0
"""What a new process may need until it begins to work."""
IDLE_POOLS = 2
"""Pools without a trial that are kept, with their environments, for the next."""
AGAIN = 87
"""Exit status of a process that was to import what the user runs, and was about to start processes of its own."""

_idle: "list[Pool]" = []


def take(make: Callable[[], Remote], wanted: Layout, timeout: float) -> "Pool":
    """An idle pool of this kind with room for the lanes, or a new one."""
    try:
        key = bytes(ForkingPickler.dumps((make, wanted._replace(lanes=0), timeout)))  # as it is sent to a new process
    except Exception as error:  # its type depends on what cannot be sent, and on the version of Python
        raise errors.UserError(f"workers cannot import {make!r}: environments are made by a function of a module") from error
    for pool in [p for p in _idle if p.key == key]:
        _idle.remove(pool)
        if pool.board.layout.lanes >= wanted.lanes:
            return pool
        pool.close()
    return Pool(key, make, wanted, timeout)


def give_back(pool: "Pool") -> None:
    """Keep a pool for the next trial, unless it was left in the middle of a step."""
    if not pool.steady:
        pool.close()
        return
    _idle.append(pool)
    while len(_idle) > IDLE_POOLS:
        _idle.pop(0).close()


class Pool:
    """Worker processes and their board. It ends with the last reference to it, or with this process."""

    def __init__(self, key: bytes, make: Callable[[], Remote], layout: Layout, timeout: float) -> None:
        self.key, self.make, self.timeout = key, make, timeout
        self.context = context()
        self.board = Board(self.context.RawArray("b", Board.bytes(layout)), layout)
        self.worker: list[tuple[Any, connection.Connection]] = []
        self.steady = True
        self.close = weakref.finalize(self, _end_all, self.worker)
        with starting(key):
            for w in range(layout.workers):
                self.worker.append(self._start(w))

    def open(self, task: Array, seed: NDArray[np.int64], horizon: int, name: Callable[[int], str]) -> None:
        """Open a trial: tasks [L, K] and the seeds of all episodes [L, E]. `name` puts a row into words, for errors."""
        L, workers = len(task), self.board.layout.workers
        self.task, self.seed, self.horizon, self.name = task, seed, horizon, name
        self.episode, self.opened = np.zeros(L, np.int64), np.zeros(L, np.int64)
        self.played: list[Array] = []
        self.faults = 0
        edges = np.linspace(0, L, workers + 1).round().astype(int)
        self.chunk = [slice(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True)]
        self._exchange(self._trial)

    def step(self, action: Array, seen: NDArray[Any]) -> None:
        """Act in every lane, [L, A] or [L, 1], upon the observations `seen` [L, D]; the board has what followed."""
        L = len(self.task)
        self.seen = seen
        self.board.action[:L] = action
        self._exchange(lambda w: None)
        self.played.append(self.board.action[:L].copy())
        elapsed = len(self.played) - self.opened
        ended = (self.board.ended[:L, :2].any(1) | (elapsed >= self.horizon)) & self._live(slice(0, L))
        self.episode += ended
        self.opened[ended] = len(self.played)

    def _live(self, rows: slice) -> NDArray[np.bool_]:
        return np.asarray(self.episode[rows] < self.seed.shape[1])

    def _trial(self, w: int) -> Trial:
        """What worker `w` must know to be where its lanes are."""
        rows = self.chunk[w]
        lanes = range(rows.start, rows.stop)
        played = [np.array([a[lane] for a in self.played[self.opened[lane] :]]) for lane in lanes]
        return Trial(rows.start, self.task[rows], self.seed[rows], self.horizon, self.episode[rows], played)

    # ---- messages and faults

    def _exchange(self, message: Callable[[int], Trial | None]) -> None:
        """Send every worker that has lanes in play its message, and see to it that all of them do what it says."""
        self.steady = False
        busy = [w for w, rows in enumerate(self.chunk) if self._live(rows).any()]
        for w in busy:
            self._send(w, message(w))
        for w in busy:
            while fault := self._answer(w):
                self._replace(w, fault)
                if message(w) is None:  # a replaced worker stands where its lanes stood before this step
                    self._send(w, None)
                else:
                    break
        self.steady = True

    def _send(self, w: int, message: Trial | None) -> None:
        self.board.since[w] = time.monotonic()
        with contextlib.suppress(OSError):  # a worker that is gone is noticed when it does not answer
            self.worker[w][1].send(message)

    def _answer(self, w: int) -> str | None:
        """None once the worker has done what it was told, or what went wrong."""
        process, pipe = self.worker[w]
        while True:
            limit = self.timeout if self.board.lane[w] >= 0 else START_SECONDS
            left = self.board.since[w] + limit - time.monotonic()
            if left <= 0:
                return f"did not answer for {limit:g} seconds"
            if pipe in connection.wait([pipe, process.sentinel], min(left, self.timeout)):
                with contextlib.suppress(EOFError, OSError):
                    answer: str | None = pipe.recv()
                    return answer
            if not process.is_alive() or pipe.closed or pipe.poll():
                process.join(1.0)
                return death(process.exitcode)

    def _replace(self, w: int, fault: str | None) -> None:
        """A new worker, brought to where the lanes of the old one stood. Raises UserError after too many faults."""
        while fault:
            self._report(w, fault)
            end(*self.worker[w])
            with starting(self.key):
                self.board.lane[w] = -1
                self.worker[w] = self._start(w)
            self._send(w, self._trial(w))
            fault = self._answer(w) or self._differs(w)

    def _differs(self, w: int) -> str | None:
        rows = self.chunk[w]
        if not self.played:
            return None
        apart = (self.board.next_obs[rows] != self.seen[rows]).any(1) & self._live(rows)
        if not apart.any():
            return None
        self.board.lane[w] = rows.start + int(apart.argmax())
        return "does not repeat itself from the same seed and actions, so it cannot be taken up again after a fault"

    def _report(self, w: int, fault: str) -> None:
        """Say what happened where. Raises UserError if it has happened too often."""
        row = int(self.board.lane[w])
        where = self.name(row) if row >= 0 else f"worker {w}"
        step = len(self.played) - self.opened[row] if row >= 0 else 0
        episode = self.episode[row] if row >= 0 else 0
        what = f"{where}, episode {episode}, step {step}: the environment {fault}"
        self.faults += 1
        if self.faults > RESTARTS:
            self.close()
            raise errors.UserError(f"{what}; its worker was replaced {RESTARTS} times in this trial already")
        errors.warn(f"{what}; its worker is replaced ({self.faults} of {RESTARTS})")

    def _start(self, w: int) -> tuple[Any, connection.Connection]:
        here, there = self.context.Pipe()
        self.board.lane[w] = -1
        process = self.context.Process(  # type: ignore[attr-defined]
            target=worker.serve, args=(there, self.make, self.board, w), name=f"pliant-worker-{w}", daemon=True
        )
        process.start()
        there.close()
        return process, here


def death(exitcode: int | None) -> str:
    """How a process ended. Raises UserError for one that would have run the user's script a second time."""
    if exitcode == AGAIN:
        raise errors.UserError(
            "an environment is defined in the script itself, and what that script does stands under no"
            " `if __name__ == '__main__':`; workers, which import it, would do it again: put the environment in a module"
        )
    if exitcode is not None and exitcode < 0:
        with contextlib.suppress(ValueError):
            return f"was killed by {signal.Signals(-exitcode).name}"
    return f"ended its process with status {exitcode}"


def end(process: Any, pipe: connection.Connection, seconds: float = 0.0) -> None:
    """End a worker: it may leave by itself for some seconds, then it must."""
    pipe.close()
    if seconds:
        process.join(seconds)
    if process.is_alive():
        process.kill()
    process.join()
    process.close()


def _end_all(workers: list[tuple[Any, connection.Connection]]) -> None:
    for _, pipe in workers:
        pipe.close()
    for process, pipe in workers:
        end(process, pipe, seconds=2.0)
    workers.clear()


def context() -> BaseContext:
    """Processes that inherit nothing of ours: a fork of a process with torch's threads may hang."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["gymnasium", "pliant.tasks.worker"])
    return context


@contextlib.contextmanager
def starting(key: bytes) -> Iterator[None]:
    """Processes that start now do not run the user's script again, use one thread each, keep quiet, and take no code from the
    working directory.

    `key` is what they are sent. Raises UserError if that is defined where no other process can import it.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(AGAIN)  # this process is a new one itself, and imports the script of the user
    quiet = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYGAME_HIDE_SUPPORT_PROMPT": "1"}
    added = {name: value for name, value in (quiet | interpreter.SAFE).items() if name not in os.environ}
    main = sys.modules["__main__"]
    if b"__main__" in key and not Path(getattr(main, "__file__", None) or "").is_file():
        raise errors.UserError(
            "an environment is defined where worker processes cannot import it (standard input, -c, a notebook): put it in a"
            " module"
        )
    os.environ.update(added)
    if b"__main__" not in key:
        sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        for name in added:
            del os.environ[name]
