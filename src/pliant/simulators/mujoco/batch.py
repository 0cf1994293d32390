"""MuJoCo robots in batches: M tasks x B lanes step in one call to `mujoco.rollout` per control step.

The robots are Gymnasium's, described in `robots.py`. A family adds what differs between its tasks: a function that alters
the compiled model, and a reward.

What a lane experiences depends on its own state, action and model alone, bit for bit: not on the other lanes, nor on
the number of threads. The solver therefore starts each control step from zero instead of the last acceleration, which
`mujoco.rollout` does not hand out. Measured, for all four robots: the same mean number of solver iterations to 1 % and
states that agree with a warm-started `mj_step` to 1e-12 per control step, so there is nothing to be gained.

A simulation that diverges is reported, not repaired: MuJoCo's silent reset of bad states is off, and a lane whose state
or control is not finite, beyond 1e10, or cut short by a solver warning shows NaN until its next episode.
"""

import atexit
import copy
import ctypes
import functools
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pliant import errors
from pliant.simulators.mujoco import robots
from pliant.system import machine
from pliant.tasks.base import BatchEnv, Family, Tasks

LIMIT = 1e10
"""MuJoCo's own bound (mjMAXVAL) beyond which a number counts as diverged."""
LANES_PER_THREAD = 40
"""Fewer are done by one thread before two have met. Half-cheetah on 2 cores, with a second thread: 20 lanes 1.0 times as quick,
40 lanes 1.1, 80 lanes 1.4, 400 lanes 1.7; beside a second process that does the same 0.7, 0.9, 0.9 and 0.9 to 1.1: cores that
others use are left to them."""


class Motion(NamedTuple):
    """One control step of every lane, from which a family works out its reward. NaN where a simulation diverged."""

    before: Tensor
    """[M, B, nq] positions before the step."""
    after: Tensor
    """[M, B, nq] positions after it."""
    seconds: float
    """Simulated time between the two."""
    effort: Tensor
    """[M, B] sum over actuators of the squared control."""
    healthy: Tensor
    """[M, B] bool, after the step."""

    def speed(self, axis: int) -> Tensor:
        """Mean velocity over the step along a position axis, [M, B] m/s."""
        return (self.after[..., axis] - self.before[..., axis]) / self.seconds

    def alive(self) -> Tensor:
        """1 where healthy, else 0, [M, B] float64: a float times a bool tensor would be float32."""
        return self.healthy.to(torch.float64)


Reward = Callable[[Motion], tuple[Tensor, Tensor]]
"""Motion -> (reward [M, B], success [M, B] bool)."""
Alter = Callable[[Any, dict[str, Any]], None]
"""(MjModel, a task's named values): change the model in place to be this task's."""


class MujocoBatch(BatchEnv):
    """One robot in M x B lanes: float64 inside and in what it returns."""

    def __init__(
        self,
        family: Family,
        tasks: Tasks,
        lanes: int,
        episodes: int,
        robot: robots.Robot,
        reward: Reward,
        alter: Alter,
    ) -> None:
        super().__init__(family, tasks, lanes, episodes)
        models = _models(family.name, robot, tasks, alter)
        self.models, model = models, models[0]
        self._robot, self._reward, self._nq, self._nv = robot, reward, model.nq, model.nv
        self._rollout = Rollout([model for model in models for _ in range(lanes)], robot.frame_skip)
        self.seconds = model.opt.timestep * robot.frame_skip
        low, high = torch.from_numpy(model.actuator_ctrlrange.copy()).unbind(-1)
        self._middle, self._half = (high + low) / 2, (high - low) / 2
        self._start = torch.from_numpy(np.concatenate([[0.0], model.qpos0, np.zeros(model.nv)]))  # [S]
        self._state = self._start.repeat(len(tasks) * lanes, 1)  # [N, S] time, positions, velocities
        self.reset_noise = model.nq + model.nv

    @property
    def position(self) -> Tensor:
        """[M, B, nq] generalised positions; a view that the caller may write to, between steps."""
        return self._state[:, 1 : 1 + self._nq].view(*self.shape, -1)

    @property
    def velocity(self) -> Tensor:
        """[M, B, nv] generalised velocities; a view that the caller may write to, between steps."""
        return self._state[:, 1 + self._nq :].view(*self.shape, -1)

    def begin(self, chosen: Tensor, noise: Tensor) -> None:
        lanes = chosen.flatten().nonzero().squeeze(1)
        noise = noise.flatten(0, 1)[lanes]  # [N, nq+nv]
        offset = 2 * noise - 1
        if self._robot.normal_velocity:
            offset[:, self._nq :] = torch.special.ndtri(noise[:, self._nq :].clamp(min=2.0**-54))
        self._state[lanes] = self._start
        self._state[lanes, 1:] += self._robot.reset_noise * offset

    def observe(self) -> Tensor:
        limit = self._robot.speed_limit
        return torch.cat([self.position[..., self._robot.hidden :], self.velocity.clamp(-limit, limit)], dim=-1)

    def advance(self, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        control = self._middle + self._half * action.to(torch.float64).flatten(0, 1)  # [N, A]
        before, self._state = self._state, self._step(control)
        position, velocity = self._state[:, 1 : 1 + self._nq], self._state[:, 1 + self._nq :]
        rule = self._robot.healthy
        healthy = rule(position, velocity) if rule else torch.ones(len(control), dtype=torch.bool)
        motion = Motion(
            before=before[:, 1 : 1 + self._nq].view(*self.shape, -1),
            after=position.view(*self.shape, -1),
            seconds=self.seconds,
            # A sum over a dim may be ordered by the size of the batch; this one never is.
            effort=functools.reduce(torch.add, control.square().unbind(-1)).view(self.shape),
            healthy=healthy.view(self.shape),
        )
        reward, success = self._reward(motion)
        return reward, ~motion.healthy, success

    def _step(self, control: Tensor) -> Tensor:
        """The next states: of active lanes whose state and control are finite; NaN for those that are not, or end so."""
        active, state = self.active.flatten(), self._state
        able = active & _finite(state) & _finite(control)
        if bool(able.all()):
            after = self._rollout.step(state, control, None).clone()
        else:
            lanes = able.nonzero().squeeze(1)
            after = torch.where(active[:, None], torch.nan, state)
            after[lanes] = self._rollout.step(state[lanes], control[lanes], lanes)
        short = after[:, 0] - state[:, 0] < 0.999 * self.seconds
        broken = active & (short | ~(after.abs().amax(-1) <= LIMIT))
        if bool(broken.any()):
            after[broken] = torch.nan
        return after


def _finite(x: Tensor) -> Tensor:
    """Rows [N, K] without NaN or infinity, [N]; much faster than `isfinite().all(-1)`."""
    return x.sum(-1).isfinite()


class Rollout:
    """Steps lanes, each with its own model, on as many of the cores available to this process as pay."""

    def __init__(self, models: Sequence[Any], frame_skip: int) -> None:
        """`models` holds one MjModel per lane; `frame_skip` is the number of physics steps per call."""
        library = _library()
        self._models, self._frame_skip = list(models), frame_skip
        self._data = [library.MjData(models[0]) for _ in range(machine.cores())]
        count, size = len(models), 1 + models[0].nq + models[0].nv
        self._state = torch.empty(count, frame_skip, size, dtype=torch.float64)
        self._control = torch.empty(count, frame_skip, models[0].nu, dtype=torch.float64)
        self._subset: tuple[bytes, list[Any]] = (b"", [])

    def step(self, state: Tensor, control: Tensor, lanes: Tensor | None) -> Tensor:
        """The states [n, S] that follow `state` [n, S] under `control` [n, A], in the lanes [n] (None: all).

        The result is a view that the next call overwrites.
        """
        n = len(state)
        after, held = self._state[:n], self._control[:n]
        if n == 0:
            return after[:, -1]
        held.copy_(control.unsqueeze(1).expand_as(held))
        threads = min(len(self._data), max(1, n // LANES_PER_THREAD))
        threads = min(threads, machine.free_cores()) if threads > 1 else 1
        _pool(threads).rollout(
            self._chosen(lanes),
            self._data[:threads],
            state.contiguous().numpy(),
            held.numpy(),
            skip_checks=True,
            nstep=self._frame_skip,
            state=after.numpy(),
        )
        return after[:, -1]

    def _chosen(self, lanes: Tensor | None) -> list[Any]:
        if lanes is None:
            return self._models
        key = lanes.numpy().tobytes()
        if key != self._subset[0]:
            self._subset = (key, [self._models[lane] for lane in lanes.tolist()])
        return self._subset[1]


def unaltered(model: Any, task: dict[str, Any]) -> None:
    """The `Alter` of a family whose tasks share one body."""


def scale_body(model: Any, body: str, mass: float) -> None:
    """Make one body `mass` times as heavy: mass and inertia."""
    model.body(body).mass *= mass
    model.body(body).inertia *= mass


def _models(name: str, robot: robots.Robot, tasks: Tasks, alter: Alter) -> list[Any]:
    """One MjModel per task; tasks with equal parameters share one."""
    made: dict[str, Any] = {}
    for row in tasks.rows():
        if repr(row) not in made:
            model = copy.copy(_base_model(name, robot.xml))
            alter(model, row)
            # Quantities that follow from the altered ones (inverse weights, subtree masses).
            mujoco = _library(name)
            mujoco.mj_setConst(model, mujoco.MjData(model))
            made[repr(row)] = model
    return [made[repr(row)] for row in tasks.rows()]


@functools.cache
def _base_model(name: str, xml: str) -> Any:
    mujoco = _library(name)
    import gymnasium

    path = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets" / xml
    if not path.exists():
        raise ValueError(f"gymnasium {gymnasium.__version__} has no {xml}: {name} needs gymnasium>=1.1")
    model = mujoco.MjModel.from_xml_path(str(path))
    model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
    return model


def _library(name: str = "this family") -> Any:
    try:
        import mujoco  # type: ignore[import-untyped]
        import mujoco.rollout  # type: ignore[import-untyped]
    except ModuleNotFoundError as error:
        raise errors.missing_extra(error, name) or error from None
    return mujoco


class _Pool:
    """A thread pool of MuJoCo's, used by one caller at a time."""

    def __init__(self, threads: int) -> None:
        self._lock = threading.Lock()
        self._pool = _library().rollout.Rollout(nthread=threads if threads > 1 else 0)

    def rollout(self, *args: Any, **named: Any) -> None:
        with self._lock:
            self._pool.rollout(*args, **named)

    def leak(self) -> None:
        """Keep the pool for ever: destroying it would wait for its threads, which a forked child does not have."""
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._pool))


_pools: dict[int, _Pool] = {}


def _pool(threads: int) -> _Pool:
    if threads not in _pools:
        _pools[threads] = _Pool(threads)
    return _pools[threads]


def _forget_pools() -> None:
    for pool in _pools.values():
        pool.leak()
    _pools.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pools)
atexit.register(_pools.clear)
