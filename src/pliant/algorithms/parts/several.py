"""Several parts that learn side by side, each down its own loss, by an Adam and a learning rate of its own."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from pliant.algorithms.parts import adam
from pliant.algorithms.parts.adam import Adam
from pliant.types import Params


class Several:
    """Named values of named parts; in a checkpoint they are "PART/NAME"."""

    def __init__(self, parts: Mapping[str, Params], lr: Mapping[str, float], longest: float) -> None:
        """`lr` by part; gradients of a part that are longer than `longest` are scaled down to it."""
        self._adams = {
            part: Adam({f"{part}/{name}": p for name, p in values.items()}, eps=1e-8, fused=True)
            for part, values in parts.items()
        }
        self._lr, self._longest = lr, longest

    def of(self, part: str) -> Params:
        """The values of a part by name: leaves that change in place at each step."""
        return {name.removeprefix(f"{part}/"): p for name, p in self._adams[part].values.items()}

    def step(self, losses: Mapping[str, Tensor], share: float = 1.0) -> None:
        """One step of each part that has a loss [], all from the values before it, by that share of its rate.

        Raises UserError, with all values as they were, for a gradient that is not finite.
        """
        steps = {}
        for part, loss in losses.items():
            leaves = self._adams[part].values
            if not (wanted := list(leaves.values())):
                continue
            found = torch.autograd.grad(loss, wanted, retain_graph=True, allow_unused=True, materialize_grads=True)
            steps[part], norm = adam.clipped(found, self._longest)
            if not math.isfinite(norm):
                adam.require_finite(dict(zip(leaves, found, strict=True)), "gradient", "lower --outer.lr")
        for part, scaled in steps.items():
            self._adams[part].step(scaled, share * self._lr[part])

    def set(self, part: str, values: Params) -> None:
        """Continue from other values with the same moments."""
        self._adams[part].set({f"{part}/{name}": p for name, p in values.items()})

    def state(self) -> dict[str, Tensor]:
        """All values, moments and step counts."""
        return {name: x for each in self._adams.values() for name, x in each.state().items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state()`, from a mapping that may hold more."""
        for each in self._adams.values():
            each.load(state)
