"""Where an environment reports success: in `info`, under one of two usual names or under one that the user gives."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

USUAL = ("success", "is_success")
"""In the order in which they are looked for."""


def name_in(info: Mapping[str, Any], name: str = "") -> str:
    """Under which name `info` reports success, "" if it does not: under `name`, or under a usual one if that is empty."""
    return next((each for each in ((name,) if name else USUAL) if _truth(info.get(each)) is not None), "")


def told(info: Mapping[str, Any], name: str = "") -> bool:
    """Whether `info` reports success. Raises ValueError if `name` stands for what is neither true nor false."""
    value = info.get(name or name_in(info))
    truth = _truth(value)
    if truth is None and value is not None:
        raise ValueError(f"info[{name!r}] is {value!r:.60}: success is true or false, or a number")
    return bool(truth)


def _truth(value: Any) -> bool | None:
    """What a value says of success, None if it is no single number."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    if not isinstance(value, (bool, int, float, np.bool_, np.number)):
        return None
    return bool(value) and not math.isnan(float(value))
