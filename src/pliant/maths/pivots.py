"""Intervals and p-values of an error whose variance is a sum of parts, each known as well as its degrees of freedom say.

With a single part this is Student's t. With several it is the normal tail averaged over what the true variances may be, each
its part over chi-squared / freedom: a generalised pivot, Weerahandi 1993. A part of no degrees of freedom is unknown.
"""

import functools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]
Part = tuple[float, float]
"""A variance that is added to others, and its degrees of freedom."""


def around(value: float, parts: Sequence[Part], level: float = 0.95) -> list[float]:
    """The interval of `value` at a level, lower end first; of no width where no part has any variance."""
    known = _known(parts)
    if not known:
        return [value, value]
    if len(known) == 1:
        ((variance, freedom),) = known
        half = float(special.stdtrit(freedom, (1 + level) / 2)) * variance**0.5
        return [value - half, value + half]
    from scipy import optimize  # late: it takes as long to import as an evaluation of one run, which does not need it

    beyond, most = tail(known), sum(variance for variance, _ in known) ** 0.5
    while beyond(most) > 1 - level:
        most *= 2
    half = float(optimize.brentq(lambda d: beyond(d) - (1 - level), 0.0, most, xtol=1e-9 * most))
    return [value - half, value + half]


def tail(parts: Sequence[Part]) -> Callable[[float], float]:
    """P(|error| > d) as a function of d >= 0, for an error whose variance is the sum of `parts`."""
    known = _known(parts)
    if not known:
        return lambda d: float(d == 0)
    if len(known) == 1:
        ((variance, freedom),) = known
        return lambda d: float(2 * special.stdtr(freedom, -d / variance**0.5))
    spread = np.sqrt(sum(variance / _chi_squared(freedom, place) for place, (variance, freedom) in enumerate(known)))
    return lambda d: float(2 * special.ndtr(-d / spread).mean())


def satterthwaite(parts: Sequence[tuple[float, float, int]]) -> Part:
    """The sum of variances as one; each has the size by which it counts for the degrees of freedom. Satterthwaite 1946."""
    total = sum(variance for variance, _, _ in parts)
    below = sum(size * size / freedom for _, size, freedom in parts if freedom > 0)
    return total, max(1.0, total * total / below) if below > 0 else 0.0


def _known(parts: Sequence[Part]) -> list[Part]:
    return [(variance, freedom) for variance, freedom in parts if variance > 0 and freedom > 0]


@functools.lru_cache(maxsize=256)
def _chi_squared(freedom: float, place: int, draws: int = 4000) -> Array:
    """Chi-squared / freedom, evenly spread over its distribution, in an order of its own for each place in a sum."""
    quantiles = (np.random.default_rng(place).permutation(draws) + 0.5) / draws
    return np.asarray(special.chdtri(freedom, quantiles) / freedom)
