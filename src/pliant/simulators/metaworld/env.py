"""One lane of Meta-World: `Lane` is a `Remote` of the worker pool. NumPy only; Meta-World is imported here and below.

An episode is the original's after construction, with the task's vector frozen and the goal hidden (zeros in the observation),
and `reset()`: the same first observation, and bit for bit the same steps. Beyond that vector Meta-World has no randomness
at a reset (the hand is brought to its place by simulating, from a fixed pose), so all episodes of a task open alike and the
seed of `begin` changes nothing. The first episode of a task simulates that start, 6 ms; later ones copy it.

All lanes of a class in a process share its compiled model. A task lives in the positions of the model's bodies and sites, which
each lane keeps and puts in before it acts. Memory: 21 MB a class, and about 1 MB a lane.
"""

from typing import Any

import mujoco  # type: ignore[import-untyped]
import numpy as np

from pliant.simulators.metaworld import benchmark, goals
from pliant.simulators.metaworld import stage as stages
from pliant.simulators.metaworld.stage import Array


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
        vars(self._env).update(stages.copied(self._memory))
        return self._shown(np.array(self._first))

    def advance(self, action: Array) -> tuple[Array, float, bool, bool, bool]:
        """Act, [4] in [-1, 1]: (observation [39], reward, False, the horizon is reached, success)."""
        stage = self._stage
        stage.put(self, self._positions, self._state)
        obs, reward, _, _, info = self._env.step(np.asarray(action, dtype=np.float64))
        mujoco.mj_getState(stage.model, stage.data, self._state, stages.STATE)
        self._time += 1
        return self._shown(obs), float(reward), False, self._time >= self._horizon, bool(info["success"])

    def frame(self) -> Any:
        """The table from one corner, uint8 [H, W, 3]; drawn from a copy, the simulation does not notice."""
        model = self._stage.model
        self._stage.put(self, self._positions, self._state)
        data = mujoco.MjData(model)
        mujoco.mj_setState(model, data, self._state, stages.STATE)
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
        vector = goals.vector(number)
        self._stage = stages.stage(benchmark.CLASSES[int(number) // benchmark.STRIDE])
        self._stage.clear()
        model = self._stage.model
        self._env = stages.frozen(self._stage.quick, vector)
        self._first = stages.opened(self._env)
        self._start = np.empty(mujoco.mj_stateSize(model, stages.STATE))
        mujoco.mj_getState(model, self._env.data, self._start, stages.STATE)
        self._state = self._start.copy()
        self._memory = stages.copied(vars(self._env))
        self._positions = (model.body_pos.copy(), model.site_pos.copy())
        self._stage.holder = self
        self._number = number
