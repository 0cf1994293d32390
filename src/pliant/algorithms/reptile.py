"""Reptile: move the shared parameters towards what they become on each task.

    for each iteration:
        adapt     several inner steps on M tasks, a rollout for each
        outer     params <- params + lr (mean over tasks of adapted params - params)

Nichol, Achiam, Schulman 2018, arXiv:1803.02999, algorithm 2. No outer loss and no gradient through the inner loop; the last
rollout also makes an inner step. The difference may be handed to Adam as if it were a gradient (section 5 there).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from pliant.algorithms.base import Collect
from pliant.algorithms.parts.adam import require_finite
from pliant.algorithms.parts.inner import Inner, InnerSettings
from pliant.streams import Stream
from pliant.types import Carry, Params, Rollout, Spec


@dataclass(frozen=True)
class OuterSettings:
    """How far the meta-parameters move."""

    method: Literal["sgd", "adam"] = "sgd"
    """Plain interpolation, or Adam on the difference."""
    lr: float = 0.1
    """Share of the way towards the mean adapted parameters (sgd), or Adam's learning rate."""

    def __post_init__(self) -> None:
        if self.method not in ("sgd", "adam"):
            raise ValueError(f"method is {self.method!r}: expected sgd or adam")
        if not 0 < self.lr <= 1:
            raise ValueError(f"lr is {self.lr}: expected above 0, at most 1")


def _borrowed(table: dict[str, Any]) -> dict[str, Any]:
    """MAML's preset with an outer step of our own, and fixed inner rates: there is no loss to learn them from."""
    inner = {name: value for name, value in table.get("inner", {}).items() if name != "learn_lr"}
    return table | {"inner": inner, "outer": {"lr": 0.5}}


POLICY = "mlp"
PARTS: dict[str, type] = {"inner": InnerSettings, "outer": OuterSettings}
BORROWS = "maml", _borrowed


class Reptile:
    """Meta-parameters and their inner loop."""

    stage: Literal["gradient step", "episode"] = "gradient step"

    def __init__(self, policy: nn.Module, spec: Spec, inner: InnerSettings, outer: OuterSettings) -> None:
        if inner.learn_lr:
            raise ValueError("inner.learn_lr is on: Reptile has no outer loss to learn rates from, use maml or fomaml")
        self.policy, self.outer = policy, outer
        self.inner = Inner(policy, spec, inner)
        self.moments = {name: p.new_zeros(2, *p.shape) for name, p in self.inner.meta.items()}
        self.updates = torch.zeros((), dtype=torch.int64)

    def adapt(self, collect: Collect, steps: int | None = None) -> list[Rollout]:
        """Rollouts before adaptation and after each of `steps` inner steps."""
        return self.inner.adapt(collect, steps)

    def adapted(self, rollouts: list[Rollout]) -> tuple[Params, Carry | None]:
        """Parameters after one inner step per rollout, stacked per task (M = 1 without rollouts)."""
        return self.inner.constants_after(rollouts), None

    def learn(self, rollouts: list[Rollout]) -> dict[str, float]:
        """One move towards the mean of the adapted parameters."""
        adapted = self.inner.constants_after(rollouts)
        difference = {name: adapted[name].mean(0) - p for name, p in self.inner.meta.items()}
        require_finite(difference, "Reptile's update")
        self.inner.meta = self._moved(difference)
        return {"distance": float(torch.cat([d.flatten() for d in difference.values()]).norm())}

    def state(self) -> dict[str, Tensor]:
        """Meta-parameters and Adam's moments."""
        return self.inner.state() | {"moment/" + n: m.clone() for n, m in self.moments.items()} | {"updates": self.updates}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state()`."""
        self.inner.load(state)
        self.moments = {name: state["moment/" + name].clone() for name in self.moments}
        self.updates = state["updates"].clone()

    def _moved(self, difference: Params) -> Params:
        """Kingma & Ba 2015, with beta1 = 0 as in Reptile's own experiments, or plain interpolation."""
        if self.outer.method == "sgd":
            return {n: p + self.outer.lr * difference[n] for n, p in self.inner.meta.items()}
        self.updates = self.updates + 1
        correction = 1 - 0.999 ** int(self.updates)
        moved = {}
        for name, p in self.inner.meta.items():
            second = 0.999 * self.moments[name][1] + 0.001 * difference[name].square()
            self.moments[name] = torch.stack([difference[name], second])
            moved[name] = p + self.outer.lr * difference[name] / ((second / correction).sqrt() + 1e-8)
        return moved


def make(policy: nn.Module, spec: Spec, parts: dict[str, Any], stream: Stream) -> Reptile:
    """Reptile with the settings in `parts`."""
    return Reptile(policy, spec, parts["inner"], parts["outer"])
