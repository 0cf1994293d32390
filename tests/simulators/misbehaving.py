"""Environments that misbehave, each in one way that users' environments do; for workers: nothing of pliant is imported here."""

import functools
import os
import signal
import time
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces

Seen = Any
Stepped = Any


class Good(gymnasium.Env[Any, Any]):
    """Walks by `n` a step from where its seed puts it; behaves."""

    metadata: ClassVar[Any] = {"render_modes": ["rgb_array"], "render_fps": 30}
    observation_space: Any = spaces.Box(-99, 99, (2,), np.float64)
    action_space: Any = spaces.Discrete(3)

    def __init__(self, n: float = 0.5, render_mode: str | None = None) -> None:
        self.n, self.render_mode = n, render_mode

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Seen:
        super().reset(seed=seed)
        self.t = 0
        self.place = self.np_random.uniform(-1, 1, 2)
        return self.place.copy(), {}

    def step(self, action: Any) -> Stepped:
        self.t += 1
        self.place = self.place + self.n * (int(action) - 1)
        return self.place.copy(), float(self.place[0]), False, False, {}

    def render(self) -> Any:
        return np.zeros((4, 4, 3), np.uint8)


def replacing(at: int, value: Any) -> Any:
    """A step that has `value` as its answer `at`."""

    def step(self: Good, action: Any) -> Stepped:
        answer = list(Good.step(self, action))
        answer[at] = value
        return tuple(answer)

    return step


# ---- what reset answers


class BareReset(Good):
    def reset(self, **how: Any) -> Seen:
        return super().reset(**how)[0]


class Seedless(Good):
    def reset(self, *, options: Any = None) -> Seen:  # type: ignore[override]
        return super().reset(options=options)


class ThreeFromReset(Good):
    def reset(self, **how: Any) -> Seen:
        return (*super().reset(**how), 0.0)


class ListInfo(Good):
    def reset(self, **how: Any) -> Seen:
        return super().reset(**how)[0], []


class RaisesInReset(Good):
    def reset(self, **how: Any) -> Seen:
        raise FileNotFoundError("no map\nthere")


class HangsInReset(Good):
    def reset(self, **how: Any) -> Seen:
        time.sleep(3600)


class ExitsInReset(Good):
    def reset(self, **how: Any) -> Seen:
        raise SystemExit(3)


class NanFromReset(Good):
    def reset(self, **how: Any) -> Seen:
        return super().reset(**how)[0] * np.nan, {}


class LongFromReset(Good):
    def reset(self, **how: Any) -> Seen:
        return np.zeros(3), super().reset(**how)[1]


# ---- what step answers


class FourFromStep(Good):
    def step(self, action: Any) -> Stepped:
        obs, reward, over, _, info = super().step(action)
        return obs, reward, over, info


class NoneFromStep(Good):
    def step(self, action: Any) -> Stepped:
        super().step(action)


class VectorReward(Good):
    step = replacing(1, np.array([1.0, 2.0]))


class NoReward(Good):
    step = replacing(1, None)


class NanReward(Good):
    step = replacing(1, float("nan"))


class TextReward(Good):
    step = replacing(1, "much")


class InfoForTruncated(Good):
    step = replacing(3, {"late": True})


class ManyEnds(Good):
    step = replacing(2, np.array([True, False]))


class NoInfo(Good):
    step = replacing(4, None)


class LongFromStep(Good):
    step = replacing(0, np.zeros(3))


class RaisesInStep(Good):
    def step(self, action: Any) -> Stepped:
        raise ZeroDivisionError("the plant is on fire")


class KilledInStep(Good):
    def step(self, action: Any) -> Stepped:
        os.kill(os.getpid(), signal.SIGKILL)


# ---- being made and closed


class RaisesWhenMade(Good):
    def __init__(self, n: float = 0.5) -> None:
        raise RuntimeError("no licence")


class NeedsDisplay(Good):
    def __init__(self, n: float = 0.5) -> None:
        raise OSError("pygame.error: No available video device")


class ExitsWhenMade(Good):
    def __init__(self, n: float = 0.5) -> None:
        os._exit(4)


class RaisesInClose(Good):
    def close(self) -> None:
        raise KeyError("socket")


# ---- tasks that do not reach it, and episodes that do not repeat themselves


class Redrawn(Good):
    """Draws the varied attribute anew."""

    goal = 0.0

    def reset(self, **how: Any) -> Seen:
        seen = super().reset(**how)
        self.goal = float(self.np_random.uniform(-1, 1))
        return seen

    def step(self, action: Any) -> Stepped:
        return self.place.copy(), self.goal, False, False, {}


class Model:
    UA = 5.0


class Rebuilt(Good):
    """Makes its plant anew."""

    def __init__(self, n: float = 0.5) -> None:
        super().__init__(n)
        self.model = Model()

    def reset(self, **how: Any) -> Seen:
        self.model = Model()
        return super().reset(**how)

    def step(self, action: Any) -> Stepped:
        obs, _, *rest = super().step(action)
        return (obs, self.model.UA, *rest)


class ConstructorOnly(Good):
    """Has read the attribute when it was made."""

    def __init__(self, n: float = 0.5) -> None:
        super().__init__(n)
        self.mass = 2.0
        self.weight = 9.8 * self.mass

    def step(self, action: Any) -> Stepped:
        obs, _, *rest = super().step(action)
        return (obs, self.weight, *rest)


class IgnoresOptions(Good):
    pass


class OneLayout(Good):
    """Draws nothing from its seed."""

    def reset(self, **how: Any) -> Seen:
        super().reset(**how)
        self.place = np.zeros(2)
        return self.place.copy(), {}


class Counting(Good):
    """Begins further on with every episode."""

    def __init__(self, n: float = 0.5) -> None:
        super().__init__(n)
        self.opened = 0

    def reset(self, **how: Any) -> Seen:
        self.opened += 1
        seen, info = super().reset(**how)
        return seen + self.opened, info


class Cached(Good):
    """Computes a table from its attribute at the first reset."""

    gain = 1.0
    table: Any = None

    def reset(self, **how: Any) -> Seen:
        if self.table is None:
            self.table = 2 * self.gain
        return super().reset(**how)

    def step(self, action: Any) -> Stepped:
        obs, _, *rest = super().step(action)
        return (obs, self.table, *rest)


class Unseeded(Good):
    """Takes its chance from elsewhere."""

    def step(self, action: Any) -> Stepped:
        obs, _, *rest = super().step(action)
        return (obs, float(np.random.default_rng().uniform()), *rest)


class FailsSoon(Good):
    def step(self, action: Any) -> Stepped:
        if self.t > 10:
            raise OverflowError("too far")
        return super().step(action)


class FailsLater(Good):
    opened = 0

    def reset(self, **how: Any) -> Seen:
        self.opened += 1
        if self.opened > 10:
            raise OverflowError("too often")
        return super().reset(**how)


class ShowsGoal(Good):
    observation_space = spaces.Dict(
        {
            "observation": Good.observation_space,
            "achieved_goal": Good.observation_space,
            "desired_goal": Good.observation_space,
        }
    )

    def reset(self, **how: Any) -> Seen:
        seen, info = super().reset(**how)
        self.goal = self.np_random.uniform(-1, 1, 2)
        return self._all(seen), info

    def step(self, action: Any) -> Stepped:
        seen, _, *rest = super().step(action)
        return (self._all(seen), -float(abs(seen - self.goal).sum()), *rest)

    def _all(self, seen: Any) -> dict[str, Any]:
        return {"observation": seen, "achieved_goal": seen, "desired_goal": self.goal}


class Running(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Divides observations by what it has seen so far, in all episodes."""

    most = 1.0

    def reset(self, **how: Any) -> Seen:
        seen, info = self.env.reset(**how)
        return self._scaled(seen), info

    def step(self, action: Any) -> Stepped:
        seen, *rest = self.env.step(action)
        return (self._scaled(seen), *rest)

    def _scaled(self, seen: Any) -> Any:
        self.most = max(self.most, float(abs(seen).max()))
        return seen / self.most


class Silent(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Changes nothing."""


class Kept(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Sets the goal after reset, as the documentation says."""

    goal = 0.0

    def reset(self, **how: Any) -> Seen:
        seen = self.env.reset(**how)
        self.unwrapped.goal = self.goal  # type: ignore[attr-defined]
        return seen


def set_goal(env: Any, values: dict[str, Any]) -> None:
    env.goal = values["goal"]


# ---- those that are right


class Positional(Good):
    """Takes no options, has no default, pays in an array of one: old, but clear."""

    def __init__(self, n: float) -> None:
        super().__init__(n)

    def reset(self, seed: int | None = None) -> Seen:  # type: ignore[override]
        return super().reset(seed=seed)

    def step(self, action: Any) -> Stepped:
        obs, reward, over, late, info = super().step(action)
        return obs, np.array([reward]), np.array([over]), int(late), info


class Noisy(Good):
    """Pictures change its place by what an addition rounds away."""

    def render(self) -> Any:
        self.place = self.place * (1 + 4e-16)
        return super().render()


class Erratic(Good):
    """Pictures change its place for good."""

    def render(self) -> Any:
        self.place = self.place + 0.5
        return super().render()


def _local() -> Any:
    """As shimmy registers dm_control's: a partial of a function inside a function."""

    def made(first: float, n: float = 0.5) -> Good:
        return Good(n)

    return functools.partial(made, first=1.0)


KINDS = [kind for kind in list(vars().values()) if isinstance(kind, type) and issubclass(kind, Good)]
for _kind in KINDS:
    gymnasium.register(f"{_kind.__name__}-v0", f"misbehaving:{_kind.__name__}", max_episode_steps=20)
gymnasium.register("Unsendable-v0", _local(), max_episode_steps=20)
