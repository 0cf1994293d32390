"""ProMP: MAML whose outer epochs stay near the policies that acted, before adaptation and after it.

    outer     epochs of Adam on   clipped surrogate of the adapted policies
                                + weight * mean over inner steps of KL(policy that acted, policy now)

Rothfuss, Lee, Clavera, Asfour, Abbeel 2019, arXiv:1810.06784, equation 14. The clipped surrogate bounds how far the adapted
policies move from their samples; the penalty does so for those that inner samples were made by, and so lets the same rollouts
be used for more epochs. The inner loss is the surrogate whose curvature is of low variance (equation 11 there).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor, nn

from pliant.algorithms import maml
from pliant.algorithms.parts.gradient import ByGradient
from pliant.algorithms.parts.inner import Experience, Inner, InnerSettings, constants
from pliant.algorithms.parts.outer import ClippedStep, Problem
from pliant.algorithms.parts.outer import OuterSettings as Shared
from pliant.algorithms.parts.shards import problems_of, together
from pliant.maths import masks
from pliant.streams import Stream
from pliant.system.crew import Crew
from pliant.types import Params, Rollout, Spec

BOUNDS = 1e-8, 1e4
"""Of the weight: from 0 there would be no way back."""
NEAR = 1.5
"""A divergence this many times the target, or that fraction of it, doubles the weight or halves it."""


@dataclass(frozen=True)
class OuterSettings(Shared):
    """How the meta-parameters are improved."""

    kl_weight: Annotated[float, Ge(0)] = 5e-4
    """Weight of the divergence of the policies that inner samples were made by, per nat, at first."""
    kl_target: Annotated[float, Ge(0)] = 0.0
    """Divergence per inner step, nats, at which its weight is held by doubling and halving; 0 leaves the weight as it is."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.method != "clipped":
            raise ValueError(f"method is {self.method}: expected clipped, because a trust region needs no penalty (use maml)")
        if self.kl_target and not self.kl_weight:
            raise ValueError(f"kl_target is {self.kl_target}: expected 0, because kl_weight is 0 and twice that is no more")


POLICY = maml.POLICY
PARTS: dict[str, type] = {"inner": InnerSettings, "outer": OuterSettings}


def _borrowed(table: dict[str, Any]) -> dict[str, Any]:
    """MAML's preset with an outer step of our own, if MAML's is a trust region."""
    outer = table.get("outer", {})
    if outer.get("method") != "trpo":
        return table
    return table | {"outer": {name: value for name, value in outer.items() if name == "stages"}}


BORROWS = "maml", _borrowed


class Penalty:
    """How far the policies before each inner step have moved from those that acted, and what that costs."""

    def __init__(self, problem: Problem, meta: Params, weight: Tensor) -> None:
        self.problem, self.weight = problem, weight  # [S]
        with torch.no_grad():
            self.old = [self._dists(meta, tasks) for tasks in problem.chunks()]

    def __call__(self, path: Sequence[Params], experience: Sequence[Experience], tasks: slice) -> Tensor:
        """What is added to the loss of m tasks, [m]."""
        divergence = self._divergence(path, experience, self.old[tasks.start // (tasks.stop - tasks.start)])
        return (self.weight[:, None] * divergence).mean(0)

    @torch.no_grad()
    def divergence(self, meta: Params) -> Tensor:
        """Mean KL divergence over tasks at `meta`, nats, [S]."""
        total = torch.zeros_like(self.weight)
        for tasks, old in zip(self.problem.chunks(), self.old, strict=True):
            path, experience = self._path(meta, tasks)
            total += self._divergence(path, experience, old).sum(1) / self.problem.tasks
        return total

    def _divergence(self, path: Sequence[Params], experience: Sequence[Experience], old: Sequence[Tensor]) -> Tensor:
        """[S, m]"""
        inner, moved = self.problem.inner, []
        for params, (rollout, _), before in zip(path[:-1], experience[:-1], old, strict=True):
            moved.append(masks.mean(inner.distribution.kl(before, inner.dist(params, rollout)), rollout.valid))
        return torch.stack(moved)

    def _path(self, meta: Params, tasks: slice) -> tuple[list[Params], list[Experience]]:
        """Parameters of some tasks before and after each inner step, as constants, and their experience of each stage."""
        experience = [each.part(tasks) for each in self.problem.experience]
        with torch.enable_grad():
            path = self.problem.inner.path(constants(meta), experience[:-1], False, len(experience[-1].advantage))
        return [{name: p.detach() for name, p in params.items()} for params in path], experience

    def _dists(self, meta: Params, tasks: slice) -> list[Tensor]:
        """Distribution parameters [m, B, T, P] of the policies that acted, before each inner step."""
        path, experience = self._path(meta, tasks)
        return [self.problem.inner.dist(params, each.rollout) for params, each in zip(path[:-1], experience[:-1], strict=True)]


class Proximal:
    """The outer step: epochs of Adam on the clipped surrogate and the penalty, whose weight [S] follows the divergence."""

    def __init__(self, inner: Inner, settings: OuterSettings) -> None:
        self.settings, self.clipped = settings, ClippedStep(inner.meta, settings)
        like = next(iter(inner.meta.values()))
        self.weight = like.new_full((inner.settings.steps,), settings.kl_weight)

    def __call__(self, inner: Inner, shards: Sequence[list[Rollout]], crew: Crew) -> tuple[Params, dict[str, float]]:
        """(the new meta-parameters, numbers for the record)."""
        penalties = [Penalty(each, inner.meta, self.weight) for each in problems_of(inner, shards, True, self.settings, crew)]
        problems = [replace(penalty.problem, extra=penalty) for penalty in penalties]
        meta, found = self.clipped(together(problems, crew), inner.meta)
        moved = crew.total([penalty.divergence(meta) for penalty in penalties])
        if target := self.settings.kl_target:
            factor = 1.0 + (moved > target * NEAR).to(moved) - 0.5 * (moved < target / NEAR).to(moved)  # 2, 1 or a half
            self.weight = (self.weight * factor).clamp(*BOUNDS)
        return meta, found | {"inner_kl": float(moved.mean()), "kl_weight": float(self.weight.mean())}

    def state(self) -> dict[str, Tensor]:
        """What Adam keeps, and the weights."""
        return self.clipped.state() | {"kl_weight": self.weight.clone()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state()`."""
        self.clipped.load(state)
        self.weight = state["kl_weight"].clone()


def make(policy: nn.Module, spec: Spec, parts: dict[str, Any], stream: Stream) -> ByGradient:
    """ProMP with the settings in `parts`."""
    loop = Inner(policy, spec, parts["inner"])
    return ByGradient(loop, Proximal(loop, parts["outer"]))
