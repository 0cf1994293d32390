"""Small-vector versions of what Meta-World calls most, equal to the general functions bit for bit."""

import math
from typing import Any

import numpy as np
from metaworld.utils import reward_utils  # type: ignore[import-untyped, unused-ignore]
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Array = NDArray[np.float64]

LONG_TAIL = math.sqrt(1 / 0.1 - 1)
"""Scale of the sigmoid "long_tail" whose value at the margin is 0.1."""
GAUSSIAN = float(np.sqrt(-2 * np.log(0.1)))
"""The same of the sigmoid "gaussian"."""


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """`numpy.linalg.norm`: the same dot product and root, for a vector without the questions."""
    if axis is None and (ord is None or ord == 2) and type(x) is np.ndarray and x.ndim == 1 and x.dtype == np.float64:
        if not x.flags.c_contiguous:
            x = x.copy()  # as the original: a strided product may be summed in another order
        return np.float64(math.sqrt(x.dot(x)))
    return np.linalg.norm(x, ord, axis, keepdims)


def hstack(parts: Any, **named: Any) -> Any:
    """`numpy.hstack`: vectors are concatenated and numbers listed without being made arrays first."""
    if not named and all(type(part) is np.ndarray and part.ndim == 1 for part in parts):
        return np.concatenate(parts)
    if not named and all(isinstance(part, float) for part in parts):
        return np.array(parts)
    return np.hstack(parts, **named)


def tolerance(
    x: Any, bounds: Any = (0.0, 0.0), margin: Any = 0.0, sigmoid: Any = "gaussian", value_at_margin: float = 0.1
) -> Any:
    """`reward_utils.tolerance` for a number and the two sigmoids that rewards use."""
    lower, upper = bounds
    plain = isinstance(x, float) and margin > 0 and lower <= upper and value_at_margin == 0.1
    if not plain or sigmoid not in ("long_tail", "gaussian"):
        return reward_utils.tolerance(x, bounds, margin, sigmoid, value_at_margin)
    if lower <= x <= upper:
        return 1.0
    distance = float(((lower - x) if x < lower else (x - upper)) / margin)
    if sigmoid == "gaussian":
        return float(np.exp(-0.5 * (distance * GAUSSIAN) ** 2))
    return 1 / ((distance * LONG_TAIL) ** 2 + 1)


class Turn:
    """What is asked of SciPy's `Rotation`: `from_matrix(m).as_quat()`."""

    def __init__(self, quat: Array) -> None:
        self._quat = quat

    def as_quat(self) -> Array:
        return self._quat

    @staticmethod
    def from_matrix(matrix: Array) -> Any:
        """SciPy's own arithmetic where it finds the matrix [3, 3] orthogonal, else SciPy."""
        (a, b, c), (d, e, f), (g, h, i) = matrix.tolist()
        trace = a + e + i
        most = max(a, e, i, trace)
        if not _is_orthogonal(a, b, c, d, e, f, g, h, i):
            return Rotation.from_matrix(matrix)
        if most == a:
            x, y, z, w = 1 - trace + 2 * a, d + b, g + c, h - f
        elif most == e:
            x, y, z, w = b + d, 1 - trace + 2 * e, h + f, c - g
        elif most == i:
            x, y, z, w = c + g, f + h, 1 - trace + 2 * i, d - b
        else:
            x, y, z, w = h - f, c - g, d - b, 1 + trace
        length = math.sqrt(x * x + y * y + z * z + w * w)
        return Turn(np.array((x / length, y / length, z / length, w / length)))


def _is_orthogonal(a: float, b: float, c: float, d: float, e: float, f: float, g: float, h: float, i: float) -> bool:
    """Well within what SciPy takes as it is (1e-12), and right-handed."""
    across = abs(a * d + b * e + c * f) + abs(a * g + b * h + c * i) + abs(d * g + e * h + f * i)
    along = abs(a * a + b * b + c * c - 1) + abs(d * d + e * e + f * f - 1) + abs(g * g + h * h + i * i - 1)
    return across < 5e-13 and along < 5e-13 and a * (e * i - f * h) + b * (f * g - d * i) + c * (d * h - e * g) > 0
