"""One lane of Meta-World: `Lane` is a `Remote` of the worker pool. NumPy only; Meta-World is imported here and below.

An episode is the original's after construction, with the task's vector frozen and the goal hidden (zeros in the observation),
and `reset()`: the same first observation, and bit for bit the same steps. Beyond that vector Meta-World has no randomness
at a reset (the hand is brought to its place by simulating, from a fixed pose), so all episodes of a task open alike and the
seed of `begin` changes nothing. The first episode of a task simulates that start, 6 ms; later ones copy it.

All lanes of a class in a process share its compiled model. A task lives in the positions of the model's bodies and sites, which
each lane keeps and puts in before it acts. Memory: 21 MB a class, and about 1 MB a lane.
"""

import functools
from typing import Any

import mujoco  # type: ignore[import-untyped]
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from pliant.tasks import _metaworld, _metaworld_fast

Array = NDArray[np.float64]
MOST_DRAWS = 10_000
STATE = mujoco.mjtState.mjSTATE_INTEGRATION.value
"""All of the simulation that decides what follows; the rest is worked out anew by every step."""


class Stage:
    """What the lanes of a class in this process share: class, compiled model, and whose task the model holds."""

    def __init__(self, name: str) -> None:
        self.quick = _metaworld_fast.quick(name)
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


class Lane:
    """Plays one task at a time; `horizon` is the steps of an episode. With `objects` False they are zeros in observations."""

    def __init__(self, horizon: int = 500, objects: bool = True) -> None:
        self._horizon, self._objects = horizon, objects
        self._number = -1.0
        self._env: Any = None
        self._view: Any = None

    def begin(self, task: Array, seed: int) -> Array:
        """Open an episode of the task [1], a number; the first observation [39]. `seed` changes nothing."""
        if float(task[0]) != self._number:
            self._set(float(task[0]))
        self._time = 0
        self._state[:] = self._start
        self._stage.holder = None
        vars(self._env).update(_copied(self._memory))
        return self._shown(np.array(self._first))

    def advance(self, action: Array) -> tuple[Array, float, bool, bool, bool]:
        """Act, [4] in [-1, 1]: (observation [39], reward, False, the horizon is reached, success)."""
        stage = self._stage
        stage.put(self, self._positions, self._state)
        obs, reward, _, _, info = self._env.step(np.asarray(action, dtype=np.float64))
        mujoco.mj_getState(stage.model, stage.data, self._state, STATE)
        self._time += 1
        return self._shown(obs), float(reward), False, self._time >= self._horizon, bool(info["success"])

    def frame(self) -> Any:
        """The table from one corner, uint8 [H, W, 3]; drawn from a copy, the simulation does not notice."""
        model = self._stage.model
        self._stage.put(self, self._positions, self._state)
        data = mujoco.MjData(model)
        mujoco.mj_setState(model, data, self._state, STATE)
        mujoco.mj_forward(model, data)
        if self._view is None or self._view.model is not model:
            self._view = mujoco.Renderer(model, 300, 400)
        self._view.update_scene(data, "corner")
        return np.array(self._view.render())

    def close(self) -> None:
        """Let go of the simulation."""
        if self._view is not None:
            self._view.close()
            self._view = None
        self._number = -1.0
        self._env = None

    def _shown(self, obs: Array) -> Array:
        if not self._objects:
            obs[4:18] = obs[22:36] = 0.0  # poses of objects, now and one step ago
        return obs

    def _set(self, number: float) -> None:
        """Simulate the opening of a task and keep it."""
        vector = _metaworld.vector(number)
        self._stage = stage(_metaworld.CLASSES[int(number) // _metaworld.STRIDE])
        self._stage.clear()
        model = self._stage.model
        self._env = frozen(self._stage.quick, vector)
        self._first = opened(self._env)
        self._start = np.empty(mujoco.mj_stateSize(model, STATE))
        mujoco.mj_getState(model, self._env.data, self._start, STATE)
        self._state = self._start.copy()
        self._memory = _copied(vars(self._env))
        self._positions = (model.body_pos.copy(), model.site_pos.copy())
        self._stage.holder = self
        self._number = number


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


def _copied(memory: dict[str, Any]) -> dict[str, Any]:
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
        half = _metaworld.WIDER * (own.high - own.low) / 2
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
