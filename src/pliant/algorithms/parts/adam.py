"""Adam over named values: the parameters and moments are tensors that a checkpoint can hold.

An algorithm keeps one of these and hands its `state` and `load` to the checkpoint; it never sees a moment.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from pliant.errors import UserError
from pliant.types import Params

MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What torch's Adam keeps of each value."""


class Adam:
    """`torch.optim.Adam` on leaves of its own, `values`, by name. Kingma and Ba 2015, arXiv:1412.6980.

    `prefix` stands before the names of the values in a checkpoint: "meta/", say.
    """

    def __init__(self, values: Params, lr: float, prefix: str = "") -> None:
        self.values = {name: p.detach().clone().requires_grad_() for name, p in values.items()}
        self._lr, self._prefix = lr, prefix
        self._adam: torch.optim.Adam | None = None
        self._moments: dict[Tensor, dict[str, Tensor]] = {}
        """Of each value; the optimiser's own as soon as there is one."""

    def step(self, gradients: Sequence[Tensor], lr: float) -> None:
        """One step down `gradients`, one for each value and of its shape, in the order of `values`."""
        if self._adam is None:  # late: making one imports torch's compiler, seconds that an agent who only acts need not wait
            made = torch.optim.Adam(list(self.values.values()), lr=self._lr, eps=1e-5)
            made.state.update(self._moments)
            self._moments = made.state  # before the optimiser is ours: Ctrl-C in between must not part the two
            self._adam = made
        self._adam.param_groups[0]["lr"] = lr
        for p, gradient in zip(self.values.values(), gradients, strict=True):
            p.grad = gradient
        self._adam.step()

    def set(self, values: Params) -> None:
        """Continue from other values with the same moments."""
        with torch.no_grad():
            for name, p in self.values.items():
                p.copy_(values[name])

    def state(self) -> dict[str, Tensor]:
        """The values under PREFIX and their names; moments and step counts, once there are any, as "adam/WHAT/NAME"."""
        values = {self._prefix + name: p.detach().clone() for name, p in self.values.items()}
        moments = {
            f"adam/{what}/{name}": self._moments[p][what].detach().clone()
            for name, p in self.values.items()
            for what in MOMENTS
            if what in self._moments.get(p, {})
        }
        return values | moments

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state()`, from a mapping that may hold more. Without moments in it the next step is a first one."""
        self.set({name: state[self._prefix + name] for name in self.values})
        self._moments.clear()
        for name, p in self.values.items():
            found = {what: state[key].clone() for what in MOMENTS if (key := f"adam/{what}/{name}") in state}
            if found:
                self._moments[p] = found


class MomentlessAdam:
    """Adam with beta1 = 0, as in Reptile's own experiments, down differences that are no gradients.

        second <- 0.999 second + 0.001 difference^2      step = lr difference / (sqrt(second / correction) + 1e-8)

    Of each value the last difference and its second moment are kept, [2, *s] as "moment/NAME", and the number of steps.
    """

    def __init__(self, values: Params) -> None:
        self._moments = {name: p.new_zeros(2, *p.shape) for name, p in values.items()}
        self._updates = torch.zeros((), dtype=torch.int64)

    def towards(self, values: Params, difference: Params, lr: float) -> Params:
        """The values a step further along `difference`, which has their names and shapes."""
        self._updates = self._updates + 1
        correction = 1 - 0.999 ** int(self._updates)
        moved = {}
        for name, p in values.items():
            second = 0.999 * self._moments[name][1] + 0.001 * difference[name].square()
            self._moments[name] = torch.stack([difference[name], second])
            moved[name] = p + lr * difference[name] / ((second / correction).sqrt() + 1e-8)
        return moved

    def state(self) -> dict[str, Tensor]:
        """Moments, zeros before the first step, and "updates"."""
        return {"moment/" + n: m.clone() for n, m in self._moments.items()} | {"updates": self._updates}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state()`."""
        self._moments = {name: state["moment/" + name].clone() for name in self._moments}
        self._updates = state["updates"].clone()


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
