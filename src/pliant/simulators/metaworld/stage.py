"""A class of Meta-World on its stage: the environment with what surrounds it held still."""

import functools
from typing import Any

import mujoco  # type: ignore[import-untyped]
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from pliant.simulators.metaworld import benchmark, fast

Array = NDArray[np.float64]
MOST_DRAWS = 10_000
STATE = mujoco.mjtState.mjSTATE_INTEGRATION.value
"""All of the simulation that decides what follows; the rest is worked out anew by every step."""


class Stage:
    """What the lanes of a class in this process share: class, compiled model, and whose task the model holds."""

    def __init__(self, name: str) -> None:
        self.quick = fast.quick(name)
        self.model, self.data = self.quick.compiled, self.quick.simulated
        self.plain = (self.model.body_pos.copy(), self.model.site_pos.copy())
        self.holder: Any = None

    def clear(self) -> None:
        """Make model and data as Meta-World loads them."""
        self.holder = None
        mujoco.mj_resetData(self.model, self.data)
        self.model.body_pos[:], self.model.site_pos[:] = self.plain

    def put(self, holder: Any, positions: tuple[Array, Array], state: Array) -> None:
        """Make the model hold the positions of a lane, and the data its state."""
        if self.holder is not holder:
            self.model.body_pos[:], self.model.site_pos[:] = positions
            mujoco.mj_setState(self.model, self.data, state, STATE)
            self.holder = holder


@functools.cache
def stage(name: str) -> Stage:
    """The stage of a class."""
    return Stage(name)


def frozen(kind: Any, vector: Array) -> Any:
    """An environment of a class of Meta-World whose every reset is that of one task."""
    env = kind()
    env._set_task_called = True
    env._partially_observable = True
    env._freeze_rand_vec = True
    env._last_rand_vec = vector.copy()
    return env


def opened(env: Any) -> Array:
    """The first observation after `env.reset()`, in half its time.

    Meta-World resets twice, the second time with the simulation's data as new. Of the first reset only what it leaves in the
    model and the attributes matters, and that needs no simulation. The tests hold all classes to the original.
    """
    env.do_simulation = _still
    env.reset_model()
    del env.do_simulation
    mujoco.mj_resetData(env.model, env.data)
    obs = env.reset_model()
    env._prev_obs = obs[:18].copy()
    obs[18:36] = env._prev_obs
    return np.asarray(obs, dtype=np.float64)


def _still(ctrl: Any, n_frames: int) -> None:
    """Instead of a simulation."""


def copied(memory: dict[str, Any]) -> dict[str, Any]:
    """An environment's attributes, with copies of the arrays it owns; views of simulated data stay views."""
    return {name: value.copy() if _owned(value) else value for name, value in memory.items()}


def _owned(value: Any) -> bool:
    if not isinstance(value, np.ndarray):
        return False
    while isinstance(value.base, np.ndarray):
        value = value.base
    return value.base is None


def draw_goals(name: str, split: str, count: int, rng: np.random.Generator) -> Array:
    """Goals of a class, [count, K], drawn by its own reset: what that rejects is drawn again.

    The rules of all 50 classes look at the vector alone, so nothing is simulated here. For "ood" the class draws from a wider
    box, and what lies in its own box is left out.
    """
    here = stage(name)
    here.clear()
    env = frozen(here.quick, np.zeros(0))
    env._freeze_rand_vec, env.seeded_rand_vec, env.np_random = False, True, rng
    env.do_simulation = _still
    own = env._random_reset_space
    if split == "ood":
        half = benchmark.WIDER * (own.high - own.low) / 2
        middle = (own.high + own.low) / 2
        env._random_reset_space = Box(middle - half, middle + half, dtype=np.float64)
    mujoco.mj_forward(env.model, env.data)
    found: list[Array] = []
    for _ in range(MOST_DRAWS):
        env.reset_model()
        vector = np.array(env._last_rand_vec, dtype=np.float64)
        if split != "ood" or not bool(((own.low <= vector) & (vector <= own.high)).all()):
            found.append(vector)
        if len(found) == count:
            return np.array(found)
    raise AssertionError(f"{name} has rejected nearly all of {MOST_DRAWS} goals")
