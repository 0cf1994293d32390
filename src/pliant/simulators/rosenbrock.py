"""A Rosenbrock pair for many small stiff systems at once, each with a step size of its own.

A linearly implicit Runge-Kutta method: every stage solves a linear system with the same matrix 1/(g h) I - J instead of
iterating to a root, so there is no Newton iteration that could fail in one lane of many. In the form of Hairer and Wanner 1996,
Solving Ordinary Differential Equations II, section IV.7, for y' = f(y) with Jacobian J(y):

    (1/(g h) I - J) u_i = f(y + sum_{j<i} a_ij u_j) + sum_{j<i} (c_ij / h) u_j        i = 1..4
    y_new = y + sum_i m_i u_i            error = sum_i e_i u_i

The coefficients are those of the L-stable method of order 4 with an error estimate of order 3 in their table 7.2 (g = 0.57282).
Its fourth stage is taken at the same point as the third: a step costs three evaluations of f and one of J. L-stable means that
what decays infinitely fast is gone after one step of any size.

In NumPy, because the arrays are small: a step of 500 lanes is a hundred operations, most of whose time is the call itself.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Field(Protocol):
    """What is to be integrated: y' = f(y), two numbers in each of some lanes [*]."""

    def slope(self, y: Array) -> Array:
        """y [2, *] -> f(y) [2, *]."""

    def tangent(self, y: Array) -> tuple[Array, Array]:
        """y [2, *] -> (f(y) [2, *], J(y) [2, 2, *]); the first index of J is that of f."""


GAMMA = 0.57282
A21, A31, A32 = 2.0, 1.867943637803922, 0.2344449711399156
C21, C31, C32 = -7.137615036412310, 2.580708087951457, 0.6515950076447975
C41, C42, C43 = -2.137148994382534, -0.3214669691237626, -0.6949742501781779
M1, M2, M3, M4 = 2.255570073418735, 0.2870493262186792, 0.4353179431840180, 1.093502252409163
E1, E2, E3, E4 = -0.2815431932141155, -0.07276199124934920, -0.1082196201495311, -1.093502252409163

SAFETY, SHRINK, GROW = 0.9, 0.2, 5.0
"""Share of the step size that the error estimate allows; the least and the most by which a step size changes at once."""
MOST_STEPS = 200
"""Inner steps, rejected ones counted, after which a lane is given up."""


class Reached(NamedTuple):
    """Where `integrate` has come to."""

    y: Array
    """[2, *]"""
    size: Array
    """[*] step sizes to go on with."""
    stopped: Flags
    """[*] `stop` was true after an inner step, and the lane stands there."""


def integrate(
    field: Field,
    y: Array,
    duration: float,
    size: Array,
    tolerance: tuple[float, float],
    stop: Callable[[Array], Flags],
    waiting: Flags,
) -> Reached:
    """Follow `field` from `y` [2, *] for `duration` in every lane but those that are `waiting` [*], which stay where they are.

    `size` [*] are the step sizes to try first, `tolerance` the errors that an inner step may make in y1 and in y2. A lane for
    which `stop` is true after an inner step goes no further. A lane that is not there after `MOST_STEPS` inner steps becomes
    NaN, so that nobody takes it for a solution.
    """
    scale = 1 / np.array(tolerance).reshape(2, *[1] * (y.ndim - 1))
    left, stopped = np.where(waiting, 0.0, duration), np.zeros_like(waiting)
    with np.errstate(all="ignore"):  # a step too far may overflow; its error is then none that is allowed
        for _ in range(MOST_STEPS):
            going = left > 0
            if not going.any():
                return Reached(y, size, stopped)
            last = size >= left
            h = np.where(going, np.minimum(size, left), duration)  # a lane that is there takes part, and nothing comes of it
            new, error = step(field, y, h)
            error = np.abs(error * scale).max(0)
            taken = going & (error <= 1)  # not where it is NaN
            better = h * np.fmax(SHRINK, np.fmin(GROW, SAFETY * error**-0.25))  # SHRINK where the error is NaN
            # A step that was cut short to end on time may have been cut by much: the size before it is as good.
            better = np.where(taken & last, np.maximum(better, size), better)
            y, size = np.where(taken, new, y), np.where(going, better, size)
            stopped |= taken & stop(y)
            left = np.where(stopped | (taken & last), 0.0, left - taken * h)
    return Reached(np.where(left > 0, np.nan, y), size, stopped)


def step(field: Field, y: Array, h: Array) -> tuple[Array, Array]:
    """One step of size `h` [*] from `y` [2, *]: the new y, and the estimated error, each [2, *]."""
    slope, ((j11, j12), (j21, j22)) = field.tangent(y)
    rate = 1 / h
    diagonal = rate * (1 / GAMMA)
    w11, w22 = diagonal - j11, diagonal - j22
    inverse = np.stack([w22, j21, j12, w11]) / (w11 * w22 - j12 * j21)
    left, right = inverse[:2], inverse[2:]

    def solve(b: Array) -> Array:
        """(diagonal I - J)^-1 b, by Cramer's rule."""
        solution: Array = left * b[0] + right * b[1]
        return solution

    u = solve(slope)
    v = solve(field.slope(y + A21 * u) + rate * (C21 * u))
    third = field.slope(y + (A31 * u + A32 * v))
    w = solve(third + rate * (C31 * u + C32 * v))
    x = solve(third + rate * (C41 * u + C42 * v + C43 * w))
    return y + (M1 * u + M2 * v + M3 * w + M4 * x), E1 * u + E2 * v + E3 * w + E4 * x
