"""The units of returns: what is to be expected of the time that is left, and how much steps differ.

    b[t] = mean reward (1 - gamma^(T - t)) / (1 - gamma)        of a trial of T steps
    u    = standard deviation of a step's reward

A critic that judges by how many u the return to come is beyond b[t] finds the same actions best, and begins where the mean
trial is, instead of at zero, from where it would get there by one bootstrap a step. The unit is that of steps, not of returns:
what an optimiser's step changes is the same in any unit, and must be small beside what one action is better than another.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from pliant.algorithms.parts.moments import Moments
from pliant.algorithms.parts.ring import Piece

LEAST = 1e-2
"""Of u, as a share of the root mean square of rewards: what is left of equal rewards is not blown up to unit size."""


class Units:
    """Running statistics of rewards; a checkpoint holds them as "paid/*"."""

    def __init__(self, gamma: float, whole: int) -> None:
        """Discount `gamma` per step; trials of `whole` steps, 0 for as many as a piece has."""
        self.gamma, self.whole = gamma, whole
        self._paid = Moments("paid")

    def update(self, piece: Piece) -> None:
        """Count the trials of an iteration in."""
        self._paid.update(piece.reward[piece.valid])

    def rewards(self, piece: Piece) -> Tensor:
        """Rewards [N, T] of which the discounted returns to come are those of `piece` beyond b[t], in units u."""
        expected = self._expected(piece.reward.shape[1]).to(piece.reward)
        goes_on = torch.nn.functional.pad(piece.valid[:, 1:], (0, 1))
        beyond = piece.reward + self.gamma * goes_on * expected[1:] - expected[:-1]
        return beyond / self.size.to(piece.reward)

    @property
    def size(self) -> Tensor:
        """u, 1 where all rewards were the same."""
        return self._paid.std(LEAST)

    def _expected(self, steps: int) -> Tensor:
        """b[t] of the first steps of a trial and of the one after them, [steps + 1] float64."""
        left = ((self.whole or steps) - torch.arange(steps + 1, dtype=torch.float64)).clamp(min=0)
        return self._paid.mean * (left if self.gamma == 1 else (1 - self.gamma**left) / (1 - self.gamma))

    def state(self) -> dict[str, Tensor]:
        """The statistics."""
        return self._paid.state()

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state()`."""
        self._paid.load(state)
