"""Environments that are not tensor code, in worker processes behind the batched contract.

Lanes are dealt to the workers in chunks. One message per step and worker; actions, observations and rewards lie in shared
memory; the task and the seed of every episode travel with the trial, so a result depends neither on the number of workers
nor on which of them died.

A worker that raises, exits, is killed, hangs, or returns what is not finite or of the wrong shape is named with its task and
step and replaced; the new one repeats the running episodes of its lanes from their seeds and actions, and must come to the
same observations. After three replacements in one trial the next fault is a UserError, which ends a run with its last
checkpoint whole.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pliant.system import machine
from pliant.tasks import pool
from pliant.tasks.base import BatchEnv, Family, Tasks, Transition
from pliant.tasks.worker import Layout, Remote

TIMEOUT = 60.0
"""Seconds that a reset or step of one environment may take."""


class Pooled(BatchEnv):
    """M x B environments in worker processes. `make` makes one, in the worker, and must be picklable.

    `env` is what a fault is said to have happened in, beside the family's name.
    """

    reset_noise = 1

    def __init__(
        self,
        family: Family,
        tasks: Tasks,
        lanes: int,
        episodes: int,
        make: Callable[[], Remote],
        workers: int = 0,
        timeout: float = TIMEOUT,
        env: str = "",
    ) -> None:
        super().__init__(family, tasks, lanes, episodes)
        workers = min(workers or machine.cores(), len(tasks) * lanes)
        size = 0 if self.spec.discrete else self.spec.action_size
        self._make, self._timeout = make, timeout
        self.called = f"{tasks.family} {env}".strip()
        self._layout = Layout(len(tasks) * lanes, workers, self.spec.obs_size, size)
        self._pool: pool.Pool | None = None

    def double(self) -> Remote:
        """A lane like those of the workers, in this process: to play an episode again and draw it."""
        return self._make()

    def prepare(self, noise: Tensor) -> None:
        self._release()  # a trial that was not played to its end
        self._pool = self._take()
        task = self.family.flatten(self.tasks).repeat(self.lanes, axis=0)  # [M*B, K]
        seed = (noise.flatten(0, 1)[..., 0] * 2**31).long().numpy()  # [M*B, E]
        self._lane = np.lexsort(task.T[::-1])  # tasks that are alike go to one worker, which may have to load less for them
        self._row = np.argsort(self._lane)
        name = partial(_name, self.called, self.tasks, self.lanes, self._lane)
        self._pool.open(task[self._lane], seed[self._lane], self.horizon, name)
        self._seen = self._rows(self._pool.board.obs)

    def begin(self, chosen: Tensor, noise: Tensor) -> None:
        if self._pool:
            self._seen = torch.where(chosen[..., None], self._rows(self._pool.board.obs), self._seen)

    def observe(self) -> Tensor:
        return self._seen

    def advance(self, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self._pool is None:
            raise ValueError("the trial is over: reset before the next step")
        acts, seen = (x.flatten(0, 1).reshape(self._layout.lanes, -1).numpy()[self._lane] for x in (action, self._seen))
        self._pool.step(acts, seen)
        board = self._pool.board
        self._seen = self._rows(board.next_obs)
        terminated, self._cut, success = self._rows(board.ended).unbind(-1)
        return self._rows(board.reward), terminated, success

    def cut(self) -> Tensor:
        return self._cut

    def step(self, action: Tensor) -> Transition:
        result = super().step(action)
        if not bool(self.active.any()):
            self._release()
        return result

    def _rows(self, shared: NDArray[Any]) -> Tensor:
        """What the lanes of this batch have on the board, copied: [M, B, *]."""
        rows: Tensor = torch.from_numpy(shared[self._row])
        return rows.reshape(*self.shape, *rows.shape[1:])

    def _take(self) -> pool.Pool:
        return pool.take(self._make, self._layout, self._timeout)

    def _release(self) -> None:
        if self._pool is not None:
            pool.give_back(self._pool)
            self._pool = None


def _name(called: str, tasks: Tasks, lanes: int, lane: NDArray[np.int64], row: int) -> str:
    """The lane of a row of the board, in words."""
    m, b = divmod(int(lane[row]), lanes)
    values = ", ".join(f"{name}={value}" for name, value in tasks[m].rows()[0].items())
    return f"{called}, task {m} ({values}), lane {b}"
