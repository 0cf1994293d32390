"""Observation spaces as JSON, so that an adapted policy that was saved knows what it looks at.

    {"kind": "box", "shape": [84, 84, 3], "dtype": "uint8", "low": 0, "high": 255}
    {"kind": "discrete", "n": 5, "start": 0}
    {"kind": "multidiscrete", "nvec": [2, 3], "start": [0, 0]}
    {"kind": "multibinary", "shape": [4]}
    {"kind": "dict", "names": ["a", "b"], "parts": [...]}
    {"kind": "tuple", "parts": [...]}

A bound is a number if all are equal, else a list of the box's shape; null where there is none.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from pliant.simulators.gymnasium.spaces import MOST_NUMBERS, Space

MOST_DEEP = 20
"""Spaces inside one another."""
TYPES = {str(np.dtype(kind)) for kind in (np.bool_, *np.sctypeDict.values()) if np.dtype(kind).kind in "biuf"}
"""Of the numbers of a box."""


def written(space: Space) -> dict[str, Any] | None:
    """A space as JSON; None for one of another kind than those that are listed here."""
    if isinstance(space, spaces.Box):
        bounds = {name: _bound(getattr(space, name)) for name in ("low", "high")}
        return {"kind": "box", "shape": list(space.shape), "dtype": str(np.dtype(space.dtype)), **bounds}
    if isinstance(space, spaces.Discrete):
        return {"kind": "discrete", "n": int(space.n), "start": int(space.start)}
    if isinstance(space, spaces.MultiDiscrete):
        return {"kind": "multidiscrete", "nvec": space.nvec.tolist(), "start": space.start.tolist()}
    if isinstance(space, spaces.MultiBinary):
        return {"kind": "multibinary", "shape": list(space.shape)}
    if not isinstance(space, (spaces.Dict, spaces.Tuple)):
        return None
    is_dict = isinstance(space, spaces.Dict)
    parts = [written(inner) for inner in (space.values() if isinstance(space, spaces.Dict) else space)]
    if None in parts or (is_dict and not all(isinstance(name, str) for name in space)):
        return None
    return {"kind": "dict", "names": list(space), "parts": parts} if is_dict else {"kind": "tuple", "parts": parts}


def read(described: Any) -> Space:
    """The space that `written` described. Raises ValueError for anything else."""
    try:
        return _read(described, 0)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, AssertionError, RecursionError) as error:
        raise ValueError(f"it describes no space of observations ({type(error).__name__}: {error!s:.80})") from None


def _bound(bound: Any) -> Any:
    """Bounds as JSON, which knows no infinity: null."""
    same = bound.size and (bound == bound.flat[0]).all()
    listed = bound.flat[0].item() if same else bound.tolist()
    return _each(lambda x: x if math.isfinite(x) else None, listed)


def _each(change: Callable[[Any], Any], nested: Any) -> Any:
    return [_each(change, x) for x in nested] if isinstance(nested, list) else change(nested)


def _read(described: Mapping[str, Any], depth: int) -> Space:
    kind = described["kind"]
    if depth > MOST_DEEP:
        raise ValueError("it is nested too deeply")
    if kind == "box":
        return _box(described)
    if kind == "discrete":
        return spaces.Discrete(int(described["n"]), start=int(described["start"]))
    if kind == "multidiscrete":
        return spaces.MultiDiscrete(np.array(described["nvec"], np.int64), start=np.array(described["start"], np.int64))
    if kind == "multibinary":
        return spaces.MultiBinary(_shape(described))
    parts = [_read(part, depth + 1) for part in described["parts"]]
    if kind == "tuple":
        return spaces.Tuple(parts)
    if kind != "dict":
        raise ValueError(f"kind is {kind!r:.40}")
    return spaces.Dict(list(zip(map(str, described["names"]), parts, strict=True)))


def _box(described: Mapping[str, Any]) -> Space:
    shape, kind = _shape(described), described["dtype"]
    if kind not in TYPES:
        raise ValueError(f"dtype is {kind!r:.40}")
    bounds: list[Any] = []
    for name, none in (("low", -math.inf), ("high", math.inf)):
        listed = _each(lambda x, none=none: none if x is None else x, described[name])  # type: ignore[misc]
        bounds.append(np.broadcast_to(np.array(listed).astype(kind), shape))
    low, high = bounds
    return spaces.Box(low, high, shape, dtype=np.dtype(kind).type)


def _shape(described: Mapping[str, Any]) -> tuple[int, ...]:
    shape = tuple(int(side) for side in described["shape"])
    if not all(side >= 0 for side in shape) or math.prod(shape) > MOST_NUMBERS:
        raise ValueError(f"shape is {list(shape)[:8]}")
    return shape
