"""A worker process: it steps the environments of a chunk of lanes, one message per step.

Numbers travel through memory that both sides share (`Board`); the pipe carries the messages alone. A worker imports numpy
and what its environments need, never torch.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pliant import errors
from pliant.system import interpreter

Array = NDArray[np.float64]

AWAKE = 0.002
"""Seconds that a worker with a core of its own looks out for the next message before it sleeps."""


class Remote(Protocol):
    """The environment of one lane, inside a worker. It must repeat itself from the same task, seed and actions.

    One that can be drawn also has frame() -> uint8 [H, W, 3]; if it has draw(), that is called first, where pictures will be
    wanted; `pace` are the steps that make a second of film.
    """

    def begin(self, task: Array, seed: int) -> Array:
        """Open an episode of `task` [K], one number per parameter; the first observation [D]."""

    def advance(self, action: Any) -> tuple[Array, float, bool, bool, bool]:
        """Act for one step, with an int or with [A] in [-1, 1]: (observation [D], reward, terminated, truncated, success)."""

    def close(self) -> None:
        """Free what it holds."""


class Layout(NamedTuple):
    """Sizes of a board."""

    lanes: int
    workers: int
    obs: int
    action: int
    """A, or 0 for discrete actions."""


class Board:
    """What parent and workers share: a row per lane, and a row per worker of what it is about."""

    action: Array
    """[lanes, A], or [lanes, 1] for discrete actions."""
    obs: Array
    """[lanes, D] where the running episode opened."""
    next_obs: Array
    """[lanes, D] what the last step led to."""
    reward: Array
    """[lanes]"""
    ended: NDArray[np.bool_]
    """[lanes, 3] terminated, truncated by the environment itself, success."""
    lane: Array
    """[workers] the lane at work, -1 before the first."""
    since: Array
    """[workers] when work on it began, seconds of `time.monotonic`."""

    def __init__(self, memory: Any, layout: Layout) -> None:
        self.memory, self.layout = memory, layout
        start = 0
        for name, shape in _shapes(layout).items():
            kind = np.dtype(np.bool_ if name == "ended" else np.float64)
            size = int(np.prod(shape))
            setattr(self, name, np.frombuffer(memory, kind, size, start).reshape(shape))
            start += -(-size * kind.itemsize // 8) * 8

    def __reduce__(self) -> Any:
        return Board, (self.memory, self.layout)

    @staticmethod
    def bytes(layout: Layout) -> int:
        """Size of the memory behind a board."""
        return 8 * sum(int(np.prod(shape)) for shape in _shapes(layout).values())


def _shapes(layout: Layout) -> dict[str, tuple[int, ...]]:
    lanes, D, A = layout.lanes, layout.obs, layout.action or 1
    per_lane = {"action": (A,), "obs": (D,), "next_obs": (D,), "reward": (), "ended": (3,)}
    return {name: (lanes, *shape) for name, shape in per_lane.items()} | {"lane": (layout.workers,), "since": (layout.workers,)}


class Trial(NamedTuple):
    """A trial of a chunk of n lanes, opened, or taken up again in the middle."""

    first: int
    """Row of the chunk's first lane."""
    task: Array
    """[n, K]"""
    seed: NDArray[np.int64]
    """[n, E], of each episode."""
    horizon: int
    """Steps after which an episode ends."""
    episode: NDArray[np.int64]
    """[n], at which episode each lane is; E for one that has played them all."""
    played: list[Array]
    """[t, A] of each lane: the actions of its running episode so far."""


def serve(pipe: Connection, make: Callable[[], Remote], board: Board, worker: int) -> None:
    """Answer every message until the pipe closes: with None, or with what went wrong."""
    attend()
    awake = AWAKE if _settle(worker, board.layout.workers) else 0.0
    chunk = _Chunk(make, board, worker)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            _wait(pipe, awake)
            message: Trial | None = pipe.recv()
            try:
                chunk.step() if message is None else chunk.open(message)
                answer = None
            except Exception as error:  # whatever an environment raises is the parent's to report
                answer = described(error)
            pipe.send(answer)
    chunk.close()


def attend() -> None:
    """Make this process one that serves another: it leaves Ctrl-C and stdout to that one, and ends with it."""
    warnings.showwarning = errors.show_warning
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which saves first
    interpreter.restore()
    os.dup2(2, 1)  # what a simulator prints must not mix with results
    threading.Thread(target=_end_with_parent, daemon=True).start()


def described(error: Exception) -> str:
    """What an environment did wrong, to be said after its name."""
    words = " ".join(str(error).split())
    return words if isinstance(error, Fault) else f"raised {type(error).__name__}: {words or 'no reason given'}"


def _wait(pipe: Connection, seconds: float) -> None:
    """Until there is a message, at most for `seconds`, without sleeping: being woken takes as long as many policies act."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit and not pipe.poll(0):
        os.sched_yield()


def _settle(worker: int, workers: int) -> bool:
    """Take a core of one's own, if there is one per worker, and never take the parent's, where the system lets us choose."""
    if hasattr(os, "sched_setscheduler"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))  # the parent, which has others to wake, goes on
            cores = sorted(os.sched_getaffinity(0))
            if workers == len(cores) > 1:
                os.sched_setaffinity(0, {cores[worker]})
                return True
    return False


class Fault(Exception):
    """An environment returned what it must not: in words that follow its name."""


class _Chunk:
    """The environments of the lanes of one worker. They stay from trial to trial."""

    def __init__(self, make: Callable[[], Remote], board: Board, worker: int) -> None:
        self.make, self.board, self.worker = make, board, worker
        self.env: list[Remote] = []
        self.live: list[int] = []

    def open(self, trial: Trial) -> None:
        """Open the trial in every lane, or bring each lane to where it was."""
        self.trial = trial
        self.episode = trial.episode.tolist()
        self.elapsed = [0] * len(trial.task)
        self.live = [n for n, episode in enumerate(self.episode) if episode < trial.seed.shape[1]]
        rows = slice(trial.first, trial.first + len(trial.task))
        for shown in (self.board.obs, self.board.next_obs, self.board.reward, self.board.ended):
            shown[rows] = 0  # nothing is left of a trial before, or of a fault
        for n in self.live:
            self._mark(n)
            while n >= len(self.env):
                self.env.append(self.make())
            self._begin(n)
            self.board.next_obs[trial.first + n] = self.board.obs[trial.first + n]
            for action in trial.played[n]:
                self._mark(n)
                self._advance(n, action)
        self._require_finite(self.live)

    def step(self) -> None:
        """One step of every lane that is still playing; one whose episode ends opens the next."""
        stepped, episodes, horizon = self.live, self.trial.seed.shape[1], self.trial.horizon
        action = self.board.action
        over = False
        for n in stepped:
            self._mark(n)
            ended = self._advance(n, action[self.trial.first + n])
            if ended or self.elapsed[n] >= horizon:
                self.episode[n] += 1
                over = over or self.episode[n] == episodes
                if self.episode[n] < episodes:
                    self._begin(n)
        self._require_finite(stepped)
        if over:
            self.live = [n for n in stepped if self.episode[n] < episodes]

    def close(self) -> None:
        for env in self.env:
            try:
                env.close()
            except Exception as error:  # all is over for it: the others are closed too
                errors.warn(f"an environment {described(error)} when it was closed")

    def _mark(self, n: int) -> None:
        self.board.lane[self.worker] = self.trial.first + n
        self.board.since[self.worker] = time.monotonic()

    def _begin(self, n: int) -> None:
        obs = self.env[n].begin(self.trial.task[n], int(self.trial.seed[n, self.episode[n]]))
        self._show(self.board.obs, n, obs)
        self.elapsed[n] = 0

    def _advance(self, n: int, action: Array) -> bool:
        taken = action.copy() if self.board.layout.action else int(action[0])
        obs, reward, terminated, truncated, success = self.env[n].advance(taken)
        row = self.trial.first + n
        self._show(self.board.next_obs, n, obs)
        self.board.reward[row] = reward
        self.board.ended[row] = terminated, truncated, success
        self.elapsed[n] += 1
        return terminated or truncated

    def _show(self, shown: Array, n: int, obs: Array) -> None:
        shape = getattr(obs, "shape", ())
        if shape != (self.board.layout.obs,):
            raise Fault(f"returned an observation of shape {shape} where ({self.board.layout.obs},) was expected")
        shown[self.trial.first + n] = obs

    def _require_finite(self, lanes: list[int]) -> None:
        """A whole chunk at once: a check per lane costs more than a step of CartPole."""
        rows = slice(self.trial.first, self.trial.first + len(self.episode))
        for name in ("reward", "next_obs", "obs"):
            numbers = getattr(self.board, name)[rows]
            if np.isfinite(numbers).all():
                continue
            for n in lanes:
                if not np.isfinite(numbers[n]).all():
                    self._mark(n)
                    raise Fault(f"returned {'a reward' if name == 'reward' else 'an observation'} that is not finite")


def _end_with_parent() -> None:
    """End this process, even in the middle of a step, when the process that wanted it is gone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
