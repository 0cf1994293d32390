"""Gymnasium's spaces as policies see them: observations as numbers [D], actions as an integer or as [A] in [-1, 1].

Imported by workers: no torch here.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

Array = NDArray[np.float64]

MOST_ACTIONS = 1000
"""Joint choices of a MultiDiscrete space that one discrete policy can still choose from."""
MOST_CHANNELS = 16
"""An axis up to this long may be the channels of an image, or frames that are stacked."""


class Observer(NamedTuple):
    """How observations become numbers."""

    size: int
    """D"""
    image: tuple[int, int, int] | None
    """Channels, height and width of an image, whose numbers are shares of full brightness; None for anything else."""
    of: Callable[[Any], Array]
    """observation -> [D]"""


class Actor(NamedTuple):
    """How a policy's actions become an environment's."""

    size: int
    """A"""
    discrete: bool
    of: Callable[[Any], Any]
    """int, or [A] in [-1, 1] -> action"""


def observer(space: spaces.Space[Any]) -> Observer:
    """The adapter of an observation space. Raises ValueError for a space that has no fixed number of numbers."""
    if isinstance(space, spaces.Box) and (axes := _image(space)):
        channels, height, width = ([1] + [space.shape[axis] for axis in axes])[-3:]
        shape = (channels, height, width)
        return Observer(math.prod(shape), shape, lambda x: np.transpose(x, axes).astype(np.float64).ravel() / 255)
    if isinstance(space, spaces.Box) and len(space.shape) == 1:
        return Observer(space.shape[0], None, lambda x: np.array(x, np.float64))
    try:
        flat: spaces.Space[Any] = spaces.flatten_space(space)
    except NotImplementedError:
        flat = space
    if not isinstance(flat, spaces.Box) or not flat.shape[0]:
        raise ValueError(f"{_culprit(space)}: expected Box, Discrete, MultiDiscrete, MultiBinary, Dict or Tuple")
    return Observer(flat.shape[0], None, lambda x: np.asarray(spaces.flatten(space, x), np.float64))


def _culprit(space: spaces.Space[Any]) -> str:
    """What cannot be served, and how to leave it out where that is possible."""
    if isinstance(space, spaces.Dict):
        for name, inner in space.items():
            try:
                observer(inner)
            except ValueError:
                others = [other for other in space if other != name]
                return f"observations have {name!r}, {inner}; leave it out with --wrappers \"FilterObservation({others})\""
    return f"observations are {space}"


def actor(space: spaces.Space[Any]) -> Actor:
    """The adapter of an action space. Raises ValueError for one that no policy can serve."""
    if isinstance(space, spaces.Discrete):
        first = int(space.start)
        return Actor(int(space.n), True, lambda a: first + a)
    if isinstance(space, spaces.MultiDiscrete):
        size, joint = math.prod(int(n) for n in space.nvec.ravel()), units(space)
        if size > MOST_ACTIONS:
            raise ValueError(f"actions are {space}, {size:,} choices in all: expected at most {MOST_ACTIONS:,}")
        return Actor(size, True, lambda a: in_units(joint, a))
    if isinstance(space, spaces.Box):
        if not space.is_bounded():
            raise ValueError(f"actions are {space}, without bounds: wrap the environment so that it has some")
        bounds = units(space)
        return Actor(math.prod(space.shape), False, lambda a: in_units(bounds, a).astype(space.dtype))
    raise ValueError(f"actions are {space}: expected Box, Discrete or MultiDiscrete")


def units(space: spaces.Space[Any]) -> dict[str, Any]:
    """How a space counts actions, fit for JSON: {"start"}, {"choices", "start"} of joint choices, or {"low", "high"}, with
    "whole" where those between are integers."""
    if isinstance(space, spaces.Discrete):
        return {"start": int(space.start)}
    if isinstance(space, spaces.MultiDiscrete):
        return {"choices": space.nvec.tolist(), "start": space.start.tolist()}
    bounds = {"low": space.low.tolist(), "high": space.high.tolist()}  # type: ignore[attr-defined]
    return bounds | ({"whole": True} if np.issubdtype(space.dtype, np.integer) else {})


def in_units(units: dict[str, Any], action: Any) -> NDArray[Any]:
    """Actions of ours, [..., A] in [-1, 1] or integers from 0, in an environment's units; as they are for units {}."""
    if "choices" in units:
        choices = np.array(units["choices"])
        each = np.stack(np.unravel_index(action, choices.ravel()), axis=-1)  # [..., choices]
        return np.asarray(units["start"] + each.reshape(*np.shape(action), *choices.shape))
    if not units or "start" in units:
        return np.asarray(action + units.get("start", 0))
    low, high = np.array(units["low"]), np.array(units["high"])
    scaled = low + (np.clip(action, -1, 1).reshape(*np.shape(action)[:-1], *low.shape) + 1) / 2 * (high - low)
    if units.get("whole"):
        return np.asarray(np.rint(scaled), np.int64)
    return np.asarray(np.clip(scaled, low, high), np.float32)  # rounding may have left the box


def _image(space: spaces.Box) -> tuple[int, ...] | None:
    """The axes of channels, height and width of a space of images, None for anything else."""
    if space.dtype != np.uint8 or len(space.shape) not in (2, 3):
        return None
    if len(space.shape) == 2:
        return (0, 1)
    axes = (2, 0, 1) if space.shape[2] <= space.shape[0] else (0, 1, 2)
    return axes if space.shape[axes[0]] <= MOST_CHANNELS else None
