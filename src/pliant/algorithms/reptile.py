"""Reptile: move the shared parameters towards what they become on each task.

    for each iteration:
        adapt     several inner steps on M tasks, a rollout for each
        outer     params <- params + lr (mean over tasks of adapted params - params)

Nichol, Achiam, Schulman 2018, arXiv:1803.02999, algorithm 2. No outer loss and no gradient through the inner loop; the last
rollout also makes an inner step. The difference may be handed to Adam as if it were a gradient (section 5 there).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from pliant.algorithms.parts.adam import MomentlessAdam, require_finite
from pliant.algorithms.parts.gradient import ByGradient
from pliant.algorithms.parts.inner import Inner, InnerSettings
from pliant.maths import functional
from pliant.streams import Stream
from pliant.system import ranges
from pliant.system.crew import Crew
from pliant.types import Params, Rollout, Spec


@dataclass(frozen=True)
class OuterSettings:
    """How far the meta-parameters move."""

    method: Literal["sgd", "adam"] = "sgd"
    """Plain interpolation, or Adam on the difference."""
    lr: Annotated[float, Gt(0), Le(1)] = 0.1
    """Share of the way towards the mean adapted parameters (sgd), or Adam's learning rate, at the start."""
    lr_end: Annotated[float, Ge(0), Le(1)] = 1.0
    """Share of it that is left in the last iteration; it falls linearly."""

    def __post_init__(self) -> None:
        ranges.check(self)


def _borrowed(table: dict[str, Any]) -> dict[str, Any]:
    """MAML's preset with an outer step of our own, and fixed inner rates: there is no loss to learn them from."""
    inner = {name: value for name, value in table.get("inner", {}).items() if name not in ("learn_lr", "rates")}
    return table | {"inner": inner, "outer": {"lr": 0.5}}


POLICY = "mlp"
PARTS: dict[str, type] = {"inner": InnerSettings, "outer": OuterSettings}
BORROWS = "maml", _borrowed


class Towards:
    """The outer step: part of the way from the shared parameters to the mean of the adapted ones."""

    def __init__(self, meta: Params, settings: OuterSettings, iterations: int) -> None:
        self.settings, self.iterations, self.adam = settings, iterations, MomentlessAdam(meta)
        self.updates = torch.zeros((), dtype=torch.int64)

    def __call__(self, inner: Inner, shards: Sequence[list[Rollout]], crew: Crew) -> tuple[Params, dict[str, float]]:
        """(the parameters after the move, how far it would go all the way)."""
        adapted = [inner.constants_after(rollouts) for rollouts in shards]  # each [m, *s]
        means = [functional.flatten({name: each[name].mean(0) for name in inner.meta}) for each in adapted]
        mean = functional.unflatten(crew.total(means) / crew.shards, inner.meta)
        difference = {name: mean[name] - p for name, p in inner.meta.items()}
        require_finite(difference, "Reptile's update")
        distance = float(torch.cat([d.flatten() for d in difference.values()]).norm())
        over = min(1.0, int(self.updates) / max(1, self.iterations - 1))  # the share of training that is over
        lr = self.settings.lr * (1 + over * (self.settings.lr_end - 1))
        if self.settings.method == "adam":
            moved = self.adam.towards(inner.meta, difference, lr, int(self.updates) + 1)
        else:
            moved = {name: p + lr * difference[name] for name, p in inner.meta.items()}
        self.updates = self.updates + 1
        return moved, {"distance": distance, "lr": lr}

    def state(self) -> dict[str, Tensor]:
        """Adam's moments, and how many moves there were."""
        return self.adam.state() | {"updates": self.updates.clone()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state()`."""
        self.adam.load(state)
        self.updates = state["updates"].cpu().clone()


def reptile(policy: nn.Module, spec: Spec, inner: InnerSettings, outer: OuterSettings, iterations: int = 1) -> ByGradient:
    """Meta-parameters, their inner loop and the move towards what they become, in a training of so many iterations."""
    if inner.learn_lr:
        raise ValueError("inner.learn_lr is on: Reptile has no outer loss to learn rates from, use maml or fomaml")
    loop = Inner(policy, spec, inner)
    return ByGradient(loop, Towards(loop.meta, outer, iterations))


def make(policy: nn.Module, spec: Spec, parts: dict[str, Any], stream: Stream) -> ByGradient:
    """Reptile with the settings in `parts`."""
    return reptile(policy, spec, parts["inner"], parts["outer"], parts["train"].iterations)


def scheduled(parts: dict[str, Any]) -> list[str]:
    """The settings that change over a training, from its first iteration to its last."""
    outer: OuterSettings = parts["outer"]
    return ["outer.lr"] if outer.lr_end != 1 else []
