"""Adam over named values: the parameters and moments are tensors that a checkpoint can hold."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from pliant.errors import UserError
from pliant.types import Params


class Adam:
    """`torch.optim.Adam` on leaves of its own, `values`, by name; the moments outlive a step."""

    def __init__(self, values: Params, lr: float) -> None:
        self.values = {name: p.detach().clone().requires_grad_() for name, p in values.items()}
        self._adam = torch.optim.Adam(list(self.values.values()), lr=lr, eps=1e-5)

    def step(self, gradients: Sequence[Tensor], lr: float) -> None:
        """One step down `gradients`, in the order of `values`."""
        self._adam.param_groups[0]["lr"] = lr
        for p, gradient in zip(self.values.values(), gradients, strict=True):
            p.grad = gradient
        self._adam.step()

    def set(self, values: Params) -> None:
        """Continue from other values with the same moments."""
        with torch.no_grad():
            for name, p in self.values.items():
                p.copy_(values[name])

    def moments(self) -> dict[str, Tensor]:
        """Moments and step counts under "adam/WHAT/NAME"; empty before the first step."""
        return {
            f"adam/{what}/{name}": value.detach().clone()
            for name, p in self.values.items()
            for what, value in self._adam.state.get(p, {}).items()
        }

    def load_moments(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `moments` returned, from a mapping that may hold more."""
        self._adam.state.clear()
        for name, p in self.values.items():
            found: dict[str, Any] = {
                key.split("/")[1]: value.clone()
                for key, value in state.items()
                if key.startswith("adam/") and key.split("/", 2)[2] == name
            }
            if found:
                self._adam.state[p] = found


def clipped(gradients: Sequence[Tensor], longest: float) -> tuple[list[Tensor], float]:
    """The gradients, scaled down if all together are longer than `longest`; and how long they were."""
    norm = float(torch.stack([g.norm() for g in gradients]).norm())
    factor = min(1.0, longest / (norm + 1e-12))
    return [g * factor for g in gradients], norm


def require_finite(tensors: Mapping[str, Tensor], what: str, remedy: str = "lower --inner.lr or --outer.lr") -> None:
    """Raise UserError naming the first tensor that holds NaN or infinity, and what to do about it."""
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise UserError(f"{what} of {name} is not finite: {remedy}; parameters are unchanged")
