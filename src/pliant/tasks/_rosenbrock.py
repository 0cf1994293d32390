"""A Rosenbrock pair for many small stiff systems at once, each with a step size of its own.

A linearly implicit Runge-Kutta method: every stage solves a linear system with the same matrix 1/(g h) I - J instead of
iterating to a root, so there is no Newton iteration that could fail in one lane of many. In the form of Hairer and Wanner 1996,
Solving Ordinary Differential Equations II, section IV.7, for y' = f(y) with Jacobian J(y):

    (1/(g h) I - J) u_i = f(y + sum_{j<i} a_ij u_j) + sum_{j<i} (c_ij / h) u_j        i = 1..4
    y_new = y + sum_i m_i u_i            error = sum_i e_i u_i

The coefficients are those of the L-stable method of order 4, with an error estimate of order 3, in their table 7.2 (g = 0.57282).
Its fourth stage is taken at the same point as the third: a step costs three evaluations of f and one of J. L-stable means that
what decays infinitely fast is gone after one step of any size.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

Slope = Callable[[Tensor], Tensor]
"""y [2, *] -> dy/dt [2, *]."""
Jacobian = Callable[[Tensor], tuple[Tensor, Tensor, Tensor, Tensor]]
"""y [2, *] -> the entries 11, 12, 21 and 22 of the derivative of the slope, each [*]."""

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

    y: Tensor
    """[2, *]"""
    size: Tensor
    """[*] step sizes to go on with."""
    stopped: Tensor
    """[*] bool, `stop` was true after an inner step, and the lane stands there."""


def integrate(
    slope: Slope,
    jacobian: Jacobian,
    y: Tensor,
    duration: float,
    size: Tensor,
    tolerance: tuple[float, float],
    stop: Callable[[Tensor], Tensor],
    waiting: Tensor,
) -> Reached:
    """Follow y' = f(y) from `y` [2, *] for `duration` in every lane but those that are `waiting` [*], which stay where they are.

    `size` [*] are the step sizes to try first, `tolerance` the errors that an inner step may make in y1 and in y2. A lane for
    which `stop` is true after an inner step goes no further. A lane that is not there after `MOST_STEPS` inner steps becomes
    NaN, so that nobody takes it for a solution.
    """
    allowed = y.new_tensor(tolerance).view(2, *[1] * (y.dim() - 1))
    left = torch.where(waiting, 0.0, duration).to(y)
    stopped = torch.zeros_like(waiting)
    for _ in range(MOST_STEPS):
        going = left > 0
        if not bool(going.any()):
            return Reached(y, size, stopped)
        last = size >= left
        h = torch.where(going, torch.where(last, left, size), 1.0)  # a lane that is there takes part, and nothing comes of it
        new, error = step(slope, jacobian, y, h)
        error = (error.abs() / allowed).amax(0).nan_to_num(torch.inf)
        better = (SAFETY * error.clamp(min=1e-12).pow(-0.25)).clamp(SHRINK, GROW) * h
        taken = going & (error <= 1)
        # A step that was cut short to end on time may have been cut by much: the size before it is as good.
        better = torch.where(taken & last, torch.maximum(better, size), better)
        y, size = torch.where(taken, new, y), torch.where(going, better, size)
        left = torch.where(taken, torch.where(last, 0.0, left - h), left)
        stopped = stopped | (taken & stop(y))
        left = torch.where(stopped, 0.0, left)
    return Reached(torch.where(left > 0, torch.nan, y), size, stopped)


def step(slope: Slope, jacobian: Jacobian, y: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """One step of size `h` [*] from `y` [2, *]: the new y, and the estimated error, each [2, *]."""
    solve = _solver(jacobian(y), 1 / (GAMMA * h))
    rate = 1 / h
    u = solve(slope(y))
    v = solve(slope(_plus(y, (A21, u))) + rate * (C21 * u))
    third = slope(_plus(y, (A31, u), (A32, v)))
    w = solve(third + rate * _plus(C31 * u, (C32, v)))
    x = solve(third + rate * _plus(C41 * u, (C42, v), (C43, w)))
    return _plus(y, (M1, u), (M2, v), (M3, w), (M4, x)), _plus(E1 * u, (E2, v), (E3, w), (E4, x))


def _solver(jacobian: tuple[Tensor, Tensor, Tensor, Tensor], diagonal: Tensor) -> Callable[[Tensor], Tensor]:
    """b [2, *] -> (diagonal I - J)^-1 b, by Cramer's rule."""
    j11, j12, j21, j22 = jacobian
    w11, w22 = diagonal - j11, diagonal - j22
    determinant = w11 * w22 - j12 * j21
    left, right = torch.stack([w22, j21]) / determinant, torch.stack([j12, w11]) / determinant
    return lambda b: left * b[0] + right * b[1]


def _plus(y: Tensor, *parts: tuple[float, Tensor]) -> Tensor:
    """y and multiples of what the stages gave."""
    for factor, part in parts:
        y = torch.add(y, part, alpha=factor)
    return y
