"""Several parts that learn side by side, each down its own loss, by an Adam and a learning rate of its own."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from pliant.algorithms.parts import adam
from pliant.algorithms.parts.adam import Adam
from pliant.system.crew import Crew
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

    def gradients(self, losses: Mapping[str, Tensor]) -> dict[str, Sequence[Tensor]]:
        """Of each part that has a loss [], by its own values."""
        found: dict[str, Sequence[Tensor]] = {}
        for part, loss in losses.items():
            if wanted := list(self._adams[part].values.values()):
                found[part] = torch.autograd.grad(loss, wanted, retain_graph=True, allow_unused=True, materialize_grads=True)
        return found

    def total(self, shards: Sequence[Mapping[str, Sequence[Tensor]]], crew: Crew) -> dict[str, Sequence[Tensor]]:
        """The gradients of all shards, added up, from those of this process's."""
        if crew.shards == 1:
            return dict(shards[0])
        flat = [torch.cat([g.reshape(-1) for part in each.values() for g in part]) for each in shards]
        like = {(part, i): g for part, found in shards[0].items() for i, g in enumerate(found)}
        whole = dict(zip(like, crew.total(flat).split([g.numel() for g in like.values()]), strict=True))
        return {part: [whole[part, i].view(g.shape) for i, g in enumerate(found)] for part, found in shards[0].items()}

    def step(self, gradients: Mapping[str, Sequence[Tensor]], share: float = 1.0) -> None:
        """One step of each part that has gradients, all from the values before it, by that share of its rate.

        Raises UserError, with all values as they were, for a gradient that is not finite.
        """
        steps = {}
        for part, found in gradients.items():
            steps[part], norm = adam.clipped(found, self._longest)
            if not math.isfinite(norm):
                adam.require_finite(dict(zip(self._adams[part].values, found, strict=True)), "gradient", "lower --outer.lr")
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
