"""Gymnasium environments with unusual spaces, for workers: nothing of pliant is imported here."""

import multiprocessing
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class Strange(gymnasium.Env[Any, Any]):
    """Shows what it was told: its arguments, attributes, options, seed and last action."""

    def __init__(self, size: int = 3, name: str = "plain", fail: float = 0.0, mode: bool = False) -> None:
        if size > 6:
            raise RuntimeError("size must\nbe at most 6")
        self.size, self.name, self.mode = size, name, mode
        self.weight, self.count, self.inner = 1.0, 2, Inner()
        self.observation_space = spaces.Dict(
            {
                "kind": spaces.Discrete(3),
                "flags": spaces.MultiBinary(2),
                "matrix": spaces.Box(-10, 10, (2, 2), np.float32),
                "pair": spaces.Tuple((spaces.MultiDiscrete([2, 3]), spaces.Box(-1e6, 1e6, (1,), np.float64))),
            }
        )
        self.action_space = spaces.MultiDiscrete([2, 3])

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.option = (options or {}).get("start", -1.0)
        self.draw = float(self.np_random.uniform())
        self.action = np.array([0, 0])
        return self._obs(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), action
        self.action = np.asarray(action)
        return self._obs(), self.weight, False, False, {"is_success": bool(action[1] == 2)}

    def _obs(self) -> dict[str, Any]:
        shown = [[self.weight, self.inner.gain], [self.option, self.draw]]
        return {
            "kind": np.int64(self.size % 3),
            "flags": np.array([self.name == "plain", self.mode], np.int8),
            "matrix": np.array(shown, np.float32),
            "pair": (self.action, np.array([self.count], np.float64)),
        }


class Inner:
    gain = 0.5


class Camera(gymnasium.Env[Any, Any]):
    """A picture that is brighter the higher `light`; a square of an action turns it darker."""

    def __init__(self, light: float = 100.0, first: bool = False) -> None:
        self.light = light
        self.shape = (3, 12, 16) if first else (12, 16, 3)
        self.observation_space = spaces.Box(0, 255, self.shape, np.uint8)
        self.action_space = spaces.Box(np.float32([[-2, 0]]), np.float32([[2, 10]]))
        self.seen: list[Any] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return self._picture(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), action
        return self._picture(), float(action[0, 1]), False, False, {}

    def _picture(self) -> Any:
        picture = np.zeros(self.shape, np.uint8)
        picture[0] = int(self.light)
        return picture


class Endless(Camera):
    def __init__(self) -> None:
        super().__init__()
        self.action_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)


class Words(Camera):
    def __init__(self) -> None:
        super().__init__()
        self.observation_space = spaces.Sequence(spaces.Discrete(2))  # type: ignore[assignment]


class Crowd(Camera):
    def __init__(self) -> None:
        super().__init__()
        self.action_space = spaces.MultiDiscrete([50, 50])  # type: ignore[assignment]


class Moody(Camera):
    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if self.light > 150:
            raise OverflowError("too bright to step")
        return super().step(action)


class Half(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Halves rewards, or divides them by `by`."""

    def __init__(self, env: Any, by: float = 2.0) -> None:
        super().__init__(env)
        self.by = by

    def step(self, action: Any) -> Any:
        obs, reward, *rest = self.env.step(action)
        return (obs, float(reward) / self.by, *rest)


def weigh(env: Any, values: dict[str, Any]) -> None:
    """Sets the weight to ten times what is asked."""
    env.unwrapped.weight = 10 * values["heavy"]


for kind in (Strange, Camera, Endless, Words, Crowd, Moody):
    gymnasium.register(f"{kind.__name__}-v0", f"worlds:{kind.__name__}", max_episode_steps=6)
gymnasium.register("Timeless-v0", "worlds:Camera")


def _local() -> Any:
    return lambda env, values: None


local = _local()
"""No other process can import it."""
if multiprocessing.parent_process() is None:
    gymnasium.register("Hidden-v0", lambda light=1.0: Camera(light), max_episode_steps=6)
