"""Running mean and standard deviation, as values that a checkpoint can hold."""

from collections.abc import Mapping

import torch
from torch import Tensor

KEEP = 0.99
"""Weight of what was seen before at each update, once there is enough of it."""


class Moments:
    """Of numbers [n, *size]: an average over all updates at first, over the last hundred or so later."""

    def __init__(self, name: str, size: tuple[int, ...] = ()) -> None:
        self.name = name
        self.mean, self.square = torch.zeros(size, dtype=torch.float64), torch.zeros(size, dtype=torch.float64)
        self.updates = torch.zeros((), dtype=torch.int64)

    def update(self, x: Tensor) -> None:
        """Count numbers [n, *size] in."""
        if len(x):
            keep = min(KEEP, 1 - 1 / (int(self.updates) + 1))
            x = x.detach().cpu().double()
            self.mean = keep * self.mean + (1 - keep) * x.mean(0)
            self.square = keep * self.square + (1 - keep) * x.square().mean(0)
            self.updates = self.updates + 1

    def std(self, least: float) -> Tensor:
        """Standard deviation, 1 before the first update and for what never changed.

        It counts as at least the share `least` of the root mean square of the same number, and of the middle deviation of all
        numbers that change: what hardly moved so far, as rounding does, is not blown up to unit size, nor far beyond it once it
        moves.
        """
        variance = (self.square - self.mean.square()).clamp(min=0)
        changes = variance > 1e-12
        if not bool(changes.any()):
            return torch.ones_like(variance)
        middle = variance[changes].median().sqrt()
        return torch.where(changes, variance.sqrt().maximum(least * self.square.sqrt()).maximum(least * middle), 1.0)

    def state(self) -> dict[str, Tensor]:
        """Its values by name."""
        return {f"{self.name}/{part}": getattr(self, part).clone() for part in ("mean", "square", "updates")}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state()`."""
        for part in ("mean", "square", "updates"):
            setattr(self, part, state[f"{self.name}/{part}"].cpu().clone())
