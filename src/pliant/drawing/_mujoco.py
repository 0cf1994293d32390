"""MuJoCo's robots, drawn by MuJoCo off screen from the positions of our own simulation: nothing is simulated again.

Shadows and reflections are left out: without a graphics card they are five sixths of the time.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pliant.drawing import _gl, base

WIDTH, HEIGHT = 400, 260
GREEN, ORANGE = (0.0, 0.62, 0.45, 1.0), (0.84, 0.37, 0.0, 1.0)
GLOW = 0.6
"""Of a mark, which lamps alone would leave dark."""
RECENT = 0.5
"""Seconds over which a speed is measured."""


def prepare(batch: Any) -> None:
    """Find out how to draw without a display."""
    _gl.choose()


def pace(batch: Any) -> float:
    """Real time."""
    return 1 / float(batch.seconds)


def scene(batch: Any, task: int, lane: int, given: Tensor) -> NDArray[np.float64]:
    """Positions, [nq]."""
    return np.array(batch.position[task, lane].numpy(force=True))


def pictures(
    batch: Any, task: int, scenes: Sequence[Any], times: Sequence[int], others: Sequence[Sequence[Any]]
) -> Iterator[base.Image]:
    """The robot, followed by the camera, with the goal of its task where it has a place."""
    import mujoco  # type: ignore[import-untyped]

    model = batch.models[task]
    data, view = mujoco.MjData(model), _gl.renderer(model, HEIGHT, WIDTH)
    try:
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            view.scene.flags[flag] = 0
        for t in times:
            data.qpos[:] = scenes[t]
            mujoco.mj_forward(model, data)
            view.update_scene(data, _camera(mujoco, batch, task, scenes[t]))
            _mark(mujoco, view.scene, batch, task, scenes, t)
            yield np.array(view.render())
    finally:
        with suppress(Exception):  # a context that is gone already is not worth a word
            view.close()


def words(batch: Any, task: int, scenes: Sequence[Any], time: int) -> str:
    """What the task asks for, and what the robot does."""
    name, value = batch.family.name, {n: a[task] for n, a in batch.tasks.arrays.items()}
    speed = _speed(batch, scenes, time)
    if name == "ant-goal":
        return f"{math.dist(scenes[time][:2], value['goal']):.2f} m from the goal"
    if name == "ant-dir":
        along = math.cos(value["angle"]) * speed[0] + math.sin(value["angle"]) * speed[1]
        return f"{along:+.2f} m/s in the direction asked for (arrow)"
    if name == "half-cheetah-vel":
        return f"speed {speed[0]:.2f} m/s, goal {float(value['velocity']):.2f} m/s (green post)"
    if name == "half-cheetah-dir":
        return f"speed {speed[0]:+.2f} m/s, asked for: {'forwards' if value['direction'] > 0 else 'backwards'}"
    return f"speed {speed[0]:+.2f} m/s"


def _speed(batch: Any, scenes: Sequence[Any], time: int) -> NDArray[np.float64]:
    """Mean velocity of late along the first two positions, [2] m/s."""
    back = min(time, max(1, round(RECENT / float(batch.seconds))))
    if back == 0:
        return np.zeros(2)
    return np.asarray((scenes[time][:2] - scenes[time - back][:2]) / (back * float(batch.seconds)))


def _camera(mujoco: Any, batch: Any, task: int, position: NDArray[np.float64]) -> Any:
    """From the side, following; an ant is looked at from above."""
    if not batch.family.name.startswith("ant"):
        return "track"
    camera = mujoco.MjvCamera()
    camera.elevation, camera.azimuth = -40, 90
    if batch.family.name == "ant-goal":  # start and goal stay in view
        goal = batch.tasks.arrays["goal"][task]
        camera.lookat[:] = (*(goal / 2), 0.3)
        camera.distance = 5.0 + 1.1 * float(np.linalg.norm(goal))
    else:
        camera.lookat[:] = (*position[:2], 0.5)
        camera.distance = 6.0
    return camera


def _mark(mujoco: Any, scene: Any, batch: Any, task: int, scenes: Sequence[Any], time: int) -> None:
    """The place, the direction or the speed that the task asks for."""
    shapes, arrays, name = mujoco.mjtGeom, batch.tasks.arrays, batch.family.name
    if name == "ant-goal":
        goal = arrays["goal"][task]
        _add(mujoco, scene, shapes.mjGEOM_CYLINDER, (0.5, 0.01, 0), (*goal, 0.01), (*GREEN[:3], 0.5))
        _add(mujoco, scene, shapes.mjGEOM_CYLINDER, (0.05, 0.6, 0), (*goal, 0.6), GREEN)
        _add(mujoco, scene, shapes.mjGEOM_CYLINDER, (0.15, 0.01, 0), (0, 0, 0.01), ORANGE)
    elif name == "ant-dir":
        angle, here = float(arrays["angle"][task]), (*scenes[time][:2], 1.0)
        ahead = np.array([math.cos(angle), math.sin(angle), 0.0])
        across = np.array([-ahead[1], ahead[0], 0.0])
        turn = np.stack([across, np.cross(ahead, across), ahead], axis=1)  # an arrow points along its z axis
        _add(mujoco, scene, shapes.mjGEOM_ARROW, (0.06, 0.06, 1.6), here, GREEN, turn)
    elif name == "half-cheetah-vel":  # who runs at the speed asked for from the start
        x = float(scenes[0][0]) + float(arrays["velocity"][task]) * time * float(batch.seconds)
        _add(mujoco, scene, shapes.mjGEOM_CYLINDER, (0.05, 0.6, 0), (x, 0.6, 0.6), GREEN)


def _add(mujoco: Any, scene: Any, shape: Any, size: Any, place: Any, colour: Any, turn: Any = None) -> None:
    matrix = (np.eye(3) if turn is None else turn).flatten()
    geom = scene.geoms[scene.ngeom]
    mujoco.mjv_initGeom(geom, shape, np.array(size), np.array(place, np.float64), matrix, np.array(colour, np.float32))
    geom.emission = GLOW
    scene.ngeom += 1
