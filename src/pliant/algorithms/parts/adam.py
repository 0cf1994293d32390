"""Adam over named values: the parameters and moments are tensors that a checkpoint can hold.

An algorithm keeps one of these and hands its `state` and `load` to the checkpoint; it never sees a moment.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam as functional

from pliant.errors import UserError
from pliant.types import Params

ORDERED = torch.contiguous_format
MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What torch's Adam keeps of each value."""


class Adam:
    """`torch.optim.Adam` on leaves of its own, `values`, by name. Kingma and Ba 2015, arXiv:1412.6980.

    `prefix` stands before the names of the values in a checkpoint: "meta/", say. `eps` is added to the root of the second
    moment. `fused` does a step in one piece, sooner, and may round differently.
    """

    def __init__(self, values: Params, prefix: str = "", eps: float = 1e-5, fused: bool = False) -> None:
        self.values = {name: p.detach().clone(memory_format=ORDERED).requires_grad_() for name, p in values.items()}
        self._prefix, self._eps, self._fused = prefix, eps, fused
        self._moments: dict[str, dict[str, Tensor]] = {}
        """Of each value, by `MOMENTS`; none before the first step."""

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], lr: float) -> None:
        """One step down `gradients`, one for each value and of its shape, in the order of `values`.

        It is torch's own step as a function: the class `torch.optim.Adam` imports torch's compiler, which takes seconds. Fused,
        that function misreads gradients and values whose elements do not lie one after the other, as after a transposition.
        """
        for name in self.values.keys() - self._moments.keys():
            zeros = torch.zeros_like(self.values[name])
            self._moments[name] = {"step": torch.zeros(()), "exp_avg": zeros, "exp_avg_sq": zeros.clone()}
        step, exp_avg, exp_avg_sq = ([self._moments[name][what] for name in self.values] for what in MOMENTS)
        functional(
            list(self.values.values()), [g.contiguous() for g in gradients], exp_avg, exp_avg_sq, [], step,
            lr=lr, beta1=0.9, beta2=0.999, eps=self._eps, weight_decay=0.0, amsgrad=False, maximize=False,
            fused=self._fused,
        )  # fmt: skip

    def set(self, values: Params) -> None:
        """Continue from other values with the same moments."""
        with torch.no_grad():
            for name, p in self.values.items():
                p.copy_(values[name])

    def state(self) -> dict[str, Tensor]:
        """The values under PREFIX and their names; moments and step counts, once there are any, as "adam/WHAT/NAME"."""
        values = {self._prefix + name: p.detach().clone() for name, p in self.values.items()}
        kept = {
            f"adam/{what}/{name}": moment.clone()
            for name in self.values
            for what, moment in self._moments.get(name, {}).items()
        }
        return values | kept

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state()`, from a mapping that may hold more. Without moments in it the next step is a first one.

        Raises UserError for moments of which some are missing or of another shape.
        """
        self.set({name: state[self._prefix + name] for name in self.values})
        self._moments = {
            name: {what: _moment(state, f"adam/{what}/{name}", value, what) for what in MOMENTS}
            for name, value in self.values.items()
            if f"adam/step/{name}" in state
        }


class MomentlessAdam:
    """Adam with beta1 = 0, as in Reptile's own experiments, down differences that are no gradients.

        second <- 0.999 second + 0.001 difference^2      step = lr difference / (sqrt(second / correction) + 1e-8)

    Of each value the last difference and its second moment are kept, [2, *s] as "moment/NAME". Who calls counts the steps.
    """

    def __init__(self, values: Params) -> None:
        self._moments = {name: p.new_zeros(2, *p.shape) for name, p in values.items()}

    def towards(self, values: Params, difference: Params, lr: float, steps: int) -> Params:
        """The values a step further along `difference`, which has their names and shapes; the first of all is step 1."""
        correction = 1 - 0.999**steps
        moved = {}
        for name, p in values.items():
            second = 0.999 * self._moments[name][1] + 0.001 * difference[name].square()
            self._moments[name] = torch.stack([difference[name], second])
            moved[name] = p + lr * difference[name] / ((second / correction).sqrt() + 1e-8)
        return moved

    def state(self) -> dict[str, Tensor]:
        """Moments, zeros before the first step."""
        return {"moment/" + n: m.clone() for n, m in self._moments.items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state()`."""
        self._moments = {name: state["moment/" + name].clone() for name in self._moments}


def _moment(state: Mapping[str, Tensor], name: str, value: Tensor, what: str) -> Tensor:
    """One of the moments of a value, which is as large as that, but for the number of steps."""
    found, expected = state.get(name), [] if what == "step" else list(value.shape)
    if found is None or list(found.shape) != expected or not found.is_floating_point():
        got = "absent" if found is None else f"{list(found.shape)} of {found.dtype}".replace("torch.", "")
        raise UserError(f"the checkpoint does not fit these settings: {name} is {got}, expected {expected}")
    return found.clone()


def clipped(gradients: Sequence[Tensor], longest: float) -> tuple[list[Tensor], float]:
    """The gradients, scaled down if all together are longer than `longest`; and how long they were."""
    each = list(gradients)
    norm = float(torch.stack(torch._foreach_norm(each)).norm())
    return list(torch._foreach_mul(each, min(1.0, longest / (norm + 1e-12)))), norm


def require_finite(tensors: Mapping[str, Tensor], what: str, remedy: str = "lower --inner.lr or --outer.lr") -> None:
    """Raise UserError naming the first tensor that holds NaN or infinity, and what to do about it."""
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise UserError(f"{what} of {name} is not finite: {remedy}; parameters are unchanged")
