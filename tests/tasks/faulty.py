"""An environment whose faults can be ordered, for workers: numpy only, as theirs must be."""

import os
import signal
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

HORIZON = 12


class Order(NamedTuple):
    """Do `kind` in the task `task` at step `step` of an episode (-1: while it opens), once if `marker` is a path."""

    kind: str
    task: float
    step: int
    marker: str = ""


class Walk:
    """A walk that begins and is pushed about by numbers drawn from its seed; it ends above a height that is the task."""

    def __init__(self, orders: tuple[Order, ...]) -> None:
        self.orders = orders

    def begin(self, task: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
        self.height, self.rng, self.step = float(task[0]), np.random.default_rng(seed), 0
        self.place = self.rng.normal(size=2)
        return self._answer(-1, self.place.copy(), 0.0)[0]

    def advance(self, action: NDArray[np.float64]) -> tuple[NDArray[np.float64], float, bool, bool, bool]:
        self.place = self.place + 0.3 * action + 0.1 * self.rng.normal(size=2)
        obs, reward = self._answer(self.step, self.place.copy(), float(self.place.sum()))
        self.step += 1
        return obs, reward, bool(self.place[0] > self.height), bool(self.place[1] > 3), bool(reward > 1)

    def close(self) -> None:
        pass

    def _answer(self, step: int, obs: Any, reward: float) -> tuple[Any, float]:
        for order in self.orders:
            if (order.task, order.step) == (self.height, step) and _is_due(order.marker):
                obs, reward = _do(order.kind, obs, reward)
        return obs, reward


def _is_due(marker: str) -> bool:
    try:
        if marker:
            Path(marker).touch(exist_ok=False)
        return True
    except FileExistsError:
        return False


def _do(kind: str, obs: Any, reward: float) -> tuple[Any, float]:
    match kind:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(3)
        case "leave":
            raise SystemExit(4)
        case "raise":
            raise ZeroDivisionError("the plant\nis on fire")
        case "hang":
            time.sleep(3600)
        case "nan":
            return obs * np.nan, reward
        case "reward":
            return obs, float("inf")
        case "shape":
            return np.append(obs, 0.0), reward
        case "text":
            return "what", reward
        case "forget":
            return obs + np.random.default_rng().normal(size=2), reward
    return obs, reward
