"""Gymnasium's spaces as policies see them: observations as numbers [D], actions as an integer or as [A] in [-1, 1].

What a number means is read from the space: bytes and images are brought to [0, 1] by the bounds of their own box, actions to
the bounds and the type of theirs. Imported by workers: no torch here.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

Array = NDArray[np.float64]
Space = spaces.Space[Any]

MOST_ACTIONS = 1000
"""Joint choices of a MultiDiscrete or MultiBinary space that one discrete policy can still choose from."""
MOST_CHANNELS = 16
"""An axis up to this long may be the channels of an image, or frames that are stacked."""
MOST_NUMBERS = 10_000_000
"""Of an observation."""
LARGE = 1000
"""So many numbers in two dims of at least `LEAST_SIDE` are an image whatever their type."""
LEAST_SIDE = 16
MOST_SPAN = 65_535.0
"""Bounds that are farther apart are those of a type, not of an image."""


class Observer(NamedTuple):
    """How observations become numbers."""

    size: int
    """D"""
    image: tuple[int, int, int] | None
    """Channels, height and width of an image, whose numbers are shares of full brightness; None for anything else."""
    of: Callable[[Any], Array]
    """observation -> [D], a copy"""
    pictures: tuple[str, ...] = ()
    """Parts of a Dict or Tuple that are large images, but are read as plain numbers because there are other parts."""


class Actor(NamedTuple):
    """How a policy's actions become an environment's."""

    size: int
    """A"""
    discrete: bool
    of: Callable[[Any], Any]
    """int, or [A] in [-1, 1] -> action"""


# ---- observations


def observer(space: Space) -> Observer:
    """The adapter of an observation space. Raises ValueError for a space that has no fixed number of numbers.

    A Dict or Tuple of one part is that part.
    """
    if isinstance(space, (spaces.Dict, spaces.Tuple)) and len(space.spaces) == 1:
        ((name, inner),) = _parts(space)
        alone = observer(inner)
        return alone._replace(of=lambda x: alone.of(x[name]))
    if isinstance(space, spaces.Box) and (axes := _image(space)):
        lengths = [space.shape[axis] for axis in axes]
        shape = (math.prod(lengths[:-2]), lengths[-2], lengths[-1])
        return Observer(_counted(space), shape, _shares(space, axes))
    size, of = _counted(space), _flat(space)
    pictures = [str(name) for name, inner in _parts(space) if isinstance(inner, spaces.Box) and _is_large(inner)]
    return Observer(size, None, of, tuple(pictures))


def batch_size(space: Space, obs: Any) -> int | None:
    """None for an observation of the space, n for n of them along a leading dim. Raises ValueError for anything else."""
    if isinstance(space, (spaces.Dict, spaces.Tuple)):
        if isinstance(space, spaces.Dict):  # keys beyond those of the space are left out
            fits = isinstance(obs, Mapping) and set(space.spaces) <= set(obs)
        else:
            fits = isinstance(obs, tuple) and len(obs) == len(space.spaces)
        if not fits:
            raise ValueError(f"it is a {type(obs).__name__}")
        sizes = {batch_size(inner, obs[name]) for name, inner in _parts(space)}
        if len(sizes) != 1:
            raise ValueError("its parts are not equally many")
        return sizes.pop()
    shape = np.shape(obs)
    if shape == space.shape:
        return None
    if shape[1:] != space.shape or not shape:
        raise ValueError(f"it is {list(shape)}")
    return int(shape[0])


def row(space: Space, obs: Any, index: int) -> Any:
    """One of several observations along a leading dim."""
    if isinstance(space, spaces.Dict):
        return {name: row(inner, obs[name], index) for name, inner in space.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(row(inner, part, index) for inner, part in zip(space, obs, strict=True))
    return obs[index]


def _flat(space: Space) -> Callable[[Any], Array]:
    """What turns an observation into numbers [D], in Gymnasium's order. Raises ValueError for a space without one."""
    if isinstance(space, spaces.Box):
        axes = tuple(range(len(space.shape)))
        return _shares(space, axes) if space.dtype == np.uint8 else lambda x: np.array(x, np.float64).ravel()
    if isinstance(space, (spaces.Dict, spaces.Tuple)):
        each = [(name, _flat(inner)) for name, inner in _parts(space)]
        return lambda x: np.concatenate([of(x[name]) for name, of in each])
    return lambda x: np.asarray(spaces.flatten(space, x), np.float64)


def _shares(space: spaces.Box, axes: tuple[int, ...]) -> Callable[[Any], Array]:
    """Numbers of a box, its axes in another order, as shares of the way from its lower to its upper bounds.

    As they are where bounds say nothing of what to expect.
    """
    low, high = (np.asarray(bound, np.float64).transpose(axes).ravel() for bound in (space.low, space.high))
    width = high - low
    if not (width <= MOST_SPAN).all():
        return lambda x: np.array(np.transpose(x, axes), np.float64).ravel()
    if not low.any() and width.any() and len(np.unique(width)) == 1:
        most = float(width[0])
        return lambda x: np.array(np.transpose(x, axes), np.float64).ravel() / most
    width[width == 0] = 1.0
    return lambda x: (np.array(np.transpose(x, axes), np.float64).ravel() - low) / width


def _parts(space: Space) -> Sequence[tuple[Any, Space]]:
    """The parts of a Dict or Tuple with their keys; none of another space."""
    if isinstance(space, spaces.Dict):
        return list(space.items())
    return list(enumerate(space)) if isinstance(space, spaces.Tuple) else []


def _counted(space: Space) -> int:
    """The numbers of an observation. Raises ValueError for a space without a fixed number, with none or with too many."""
    size = _numbers(space)
    if not size:
        raise ValueError(f"{_culprit(space)}: expected Box, Discrete, MultiDiscrete, MultiBinary, Dict or Tuple")
    if size > MOST_NUMBERS:
        raise ValueError(f"observations are {space}, {size:,} numbers: expected at most {MOST_NUMBERS:,}")
    return size


def _numbers(space: Space) -> int | None:
    """The numbers of an observation, None where there is no fixed number; nothing is made that is as large."""
    if isinstance(space, (spaces.Dict, spaces.Tuple)):
        sizes = [_numbers(inner) for _, inner in _parts(space)]
        return None if None in sizes else sum(size or 0 for size in sizes)
    if isinstance(space, (spaces.Box, spaces.MultiBinary)):
        return math.prod(space.shape)
    if isinstance(space, spaces.Discrete):
        return int(space.n)
    if isinstance(space, spaces.MultiDiscrete):
        return int(space.nvec.sum())
    try:
        flat: Space = spaces.flatten_space(space)
    except NotImplementedError:
        return None
    return math.prod(flat.shape) if isinstance(flat, spaces.Box) else None


def _culprit(space: Space) -> str:
    """What cannot be served, and how to leave it out where that is possible."""
    if isinstance(space, spaces.Dict):
        for name, inner in space.items():
            if _numbers(inner) is None:
                others = [other for other in space if other != name]
                return f"observations have {name!r}, {inner}; leave it out with --wrappers \"FilterObservation({others})\""
    return f"observations are {space}"


def _image(space: spaces.Box) -> tuple[int, ...] | None:
    """The axes of frames, channels, height and width of a space of images, as far as it has them; None for anything else."""
    shape, dims = space.shape, len(space.shape)
    if dims not in (2, 3, 4) or 0 in shape or space.dtype == np.bool_:
        return None
    axes: tuple[int, ...] = (0, 1)
    if dims > 2:
        lead = tuple(range(dims - 3))
        is_last = shape[-1] <= shape[-3]
        axes = (*lead, *((dims - 1, dims - 3, dims - 2) if is_last else (dims - 3, dims - 2, dims - 1)))
    if any(shape[axis] > MOST_CHANNELS for axis in axes[:-2]):
        return None
    is_large = math.prod(shape) >= LARGE and min(shape[axis] for axis in axes[-2:]) >= LEAST_SIDE
    return axes if is_large or (space.dtype == np.uint8 and dims < 4) else None


def _is_large(space: spaces.Box) -> bool:
    return _image(space) is not None and math.prod(space.shape) >= LARGE


# ---- actions


def actor(space: Space) -> Actor:
    """The adapter of an action space. Raises ValueError for one that no policy can serve."""
    if isinstance(space, spaces.Discrete):
        first = int(space.start)
        return Actor(int(space.n), True, lambda a: first + a)
    if isinstance(space, (spaces.MultiDiscrete, spaces.MultiBinary)):
        choices = np.asarray(units(space)["choices"])
        size = math.prod(int(n) for n in choices.ravel())
        if size > MOST_ACTIONS:
            raise ValueError(f"actions are {space}, {size:,} choices in all: expected at most {MOST_ACTIONS:,}")
        return Actor(size, True, in_units(units(space)))
    if isinstance(space, spaces.Box):
        with np.errstate(over="ignore"):
            is_finite = np.isfinite(np.asarray(space.high, np.float64) - space.low).all()
        if not is_finite:
            raise ValueError(f"actions are {space}, without bounds: wrap the environment so that it has some")
        if not math.prod(space.shape):
            raise ValueError(f"actions are {space}, of no number: expected at least one")
        return Actor(math.prod(space.shape), False, in_units(units(space)))
    raise ValueError(f"actions are {space}: expected Box, Discrete, MultiDiscrete or MultiBinary")


def units(space: Space) -> dict[str, Any]:
    """How a space counts actions, fit for JSON: {"start"}, {"choices", "start"} of joint choices, or {"low", "high"}, with
    "whole" where those between are integers; and "dtype", the type of its actions."""
    kind = {"dtype": str(np.dtype(space.dtype))}
    if isinstance(space, spaces.Discrete):
        return {"start": int(space.start)} | kind
    if isinstance(space, spaces.MultiDiscrete):
        return {"choices": space.nvec.tolist(), "start": space.start.tolist()} | kind
    if isinstance(space, spaces.MultiBinary):
        return {"choices": np.full(space.shape, 2).tolist(), "start": np.zeros(space.shape, int).tolist()} | kind
    whole = {"whole": True} if np.dtype(space.dtype).kind in "iub" else {}
    low, high = (np.asarray(bound) for bound in (space.low, space.high))  # type: ignore[attr-defined]
    low, high = (bound.astype(np.uint8) if bound.dtype == np.bool_ else bound for bound in (low, high))
    return {"low": low.tolist(), "high": high.tolist()} | whole | kind


def in_units(units: Mapping[str, Any]) -> Callable[[Any], NDArray[Any]]:
    """What turns actions of ours, [..., A] in [-1, 1] or integers from 0, into an environment's; keeps them for units {}."""
    if not units:
        return np.array
    if "choices" in units:
        choices, start, kind = np.array(units["choices"]), np.array(units["start"]), units.get("dtype", np.int64)

        def joint(action: Any) -> NDArray[Any]:
            each = np.stack(np.unravel_index(action, choices.ravel()), axis=-1)  # [..., choices]
            return np.asarray(start + each.reshape((*np.shape(action), *choices.shape)), kind)

        return joint
    if "start" in units:
        return lambda action: np.asarray(action + units["start"], units.get("dtype", np.int64))
    return _between(units)


def _between(units: Mapping[str, Any]) -> Callable[[Any], NDArray[Any]]:
    """What turns [..., A] in [-1, 1] into [..., *shape] between two bounds, in the precision of their own type."""
    kind = np.dtype(units.get("dtype", np.int64 if units.get("whole") else np.float32))
    least, most = (np.array(units[name]).astype(kind) for name in ("low", "high"))
    low, high = (np.array(units[name], np.float64) for name in ("low", "high"))

    def scaled(action: Any) -> Array:
        share = (np.clip(np.asarray(action, np.float64), -1, 1) + 1) / 2
        return np.asarray(low + share.reshape((*share.shape[:-1], *low.shape)) * (high - low))

    def whole(action: Any) -> NDArray[Any]:
        nearest = np.rint(scaled(action))
        with np.errstate(invalid="ignore"):  # a bound of 64 bits may have no neighbour among the floats
            inside = nearest.astype(kind)
        return np.where(nearest >= high, most, np.where(nearest <= low, least, inside))

    def real(action: Any) -> NDArray[Any]:
        return np.asarray(np.clip(scaled(action).astype(kind), least, most))  # rounding may have left the box

    return whole if units.get("whole") else real
