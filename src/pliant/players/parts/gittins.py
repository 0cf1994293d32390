"""Gittins indices of Bernoulli arms with a uniform prior, by calibration."""

import functools
import math

import torch
from torch import Tensor

CHARGES, BLOCK = 800, 64
"""Sure rewards that arms are compared with, and how many of them at once (what fits into a processor's cache). With 800 an
index of 100 pulls is off by at most 2e-4 and on average by 1.4e-5 (against 3,200)."""
FORGOTTEN = 0.05
"""Discount at which the induction starts, behind the last pull. There an arm is taken to be worth its mean for ever."""


@functools.cache
def table(gamma: float, pulls: int) -> Tensor:
    """The index of an arm with s successes and f failures, [pulls, pulls] float64, NaN from s + f = pulls on.

    The index is the sure reward lam per step for which going on with the arm is worth as much as the sure reward for ever:

        Q(s, f) = p ((1 - gamma) + gamma V(s + 1, f)) + (1 - p) gamma V(s, f + 1),   p = (s + 1) / (s + f + 2)
        V(s, f) = max(lam, Q(s, f)),   index(s, f) = the lam at which Q(s, f) = lam

    Gittins 1979, "Bandit processes and dynamic allocation indices". Solved backwards for `CHARGES` values of lam, which lie
    closer near 0 and 1 where posteriors are narrow; between two of them Q - lam is taken as linear. 500 pulls take seconds.

    Raises ValueError unless 0 <= gamma < 1 and pulls is at least 1.
    """
    if not 0 <= gamma < 1 or pulls < 1:
        raise ValueError(f"gamma is {gamma} and pulls is {pulls}: expected 0 <= gamma < 1 and at least 1 pull")
    last = pulls + (math.ceil(math.log(FORGOTTEN) / math.log(gamma)) if gamma > 0 else 0)
    lam = (1 - torch.cos(torch.linspace(0, math.pi, CHARGES + 1, dtype=torch.float64))) / 2
    index = torch.full((pulls, pulls), math.nan, dtype=torch.float64)
    for start in range(0, CHARGES, BLOCK):
        _calibrate(index, lam[start : start + BLOCK + 1, None], gamma, last)
    return index


def _calibrate(index: Tensor, lam: Tensor, gamma: float, last: int) -> None:
    """Write the indices that lie between the first and the last of the sure rewards `lam` [N, 1] into `index`."""
    value = torch.maximum(lam, _chance(last))  # [N, t + 1], by successes
    for t in range(last - 1, -1, -1):
        p = _chance(t)
        q = torch.lerp(value[:, :-1], value[:, 1:], p).mul_(gamma).add_(p, alpha=1 - gamma)  # [N, t + 1]
        if t < len(index):
            gain = q - lam  # falls from positive to negative along lam
            low = (gain > 0).sum(0) - 1
            s = ((low >= 0) & (low < len(lam) - 1)).nonzero().squeeze(1)
            low = low[s]
            above, below = gain[low, s], gain[low + 1, s]
            index[s, t - s] = torch.lerp(lam[low, 0], lam[low + 1, 0], above / (above - below))
        value = torch.maximum(lam, q)


def _chance(t: int) -> Tensor:
    """Posterior mean after t pulls with 0..t successes."""
    return torch.arange(1, t + 2, dtype=torch.float64) / (t + 2)
