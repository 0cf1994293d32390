"""Environments that report success in their ways, for workers: nothing of pliant is imported here."""

from typing import Any

import gymnasium
import numpy as np


class Reporter(gymnasium.Env[Any, Any]):
    """Ends after 4 steps; an episode succeeds if the action of its third step was 1."""

    observation_space = gymnasium.spaces.Box(-9, 9, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, n: float = 0.5) -> None:
        self.n = n

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.t, self.won = 0, False
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.t += 1
        self.won = self.won or (self.t == 3 and int(action) == 1)
        return np.zeros(2, np.float32), float(self.won), self.t == 4, False, self.told()

    def told(self) -> dict[str, Any]:
        return {"is_success": self.won and self.t == 3}


class AtTheEnd(Reporter):
    def told(self) -> dict[str, Any]:
        return {"success": np.array([self.won])} if self.t == 4 else {}


class OnlyWhenWon(Reporter):
    def told(self) -> dict[str, Any]:
        return {"solved": True, "t": self.t} if self.won else {"t": self.t}


class Rarely(Reporter):
    """In the middle of the range of n, where nobody tries it out; its info has words, too."""

    def told(self) -> dict[str, Any]:
        return {"is_success": True, "success": "a word"} if 0.1 < self.n < 0.9 else {"success": {}}


class Never(Reporter):
    def told(self) -> dict[str, Any]:
        return {"successes": 3, "success": None}


for kind in (Reporter, AtTheEnd, OnlyWhenWon, Rarely, Never):
    gymnasium.register(f"{kind.__name__}-v0", f"reporters:{kind.__name__}", max_episode_steps=20)
