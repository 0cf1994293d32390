"""The outer step of MAML, FOMAML and joint training: improve what the policy becomes after its inner steps.

The objective of meta-parameters is the mean over tasks of the surrogate loss of the adapted policy on the rollout that it
made itself. Two ways to lower it: a trust-region step (TRPO), or a few Adam epochs on the clipped surrogate.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple, Protocol

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor

from pliant.algorithms.parts import adam
from pliant.algorithms.parts.adam import Adam, require_finite
from pliant.algorithms.parts.inner import META, Experience, Inner, constants
from pliant.errors import UserError
from pliant.maths import functional, losses, masks, trust_region
from pliant.policies.base import traits
from pliant.system import ranges
from pliant.types import Params

CHUNK_STEPS = 16_000
"""Environment steps of one stage whose graph is held at a time: bounds memory, and what fits the cache runs faster."""


@dataclass(frozen=True)
class OuterSettings:
    """How the meta-parameters are improved."""

    method: Literal["trpo", "clipped"] = "clipped"
    """Trust-region step, or epochs of Adam on the clipped surrogate."""
    stages: Literal["last", "all"] = "last"
    """Improve the policy after its last inner step, or after each of them (Antoniou et al. 2019, arXiv:1810.09502)."""
    lr: Annotated[float, Gt(0)] = 1e-3
    """Adam's learning rate (clipped)."""
    epochs: Annotated[int, Ge(1)] = 5
    """Adam steps per iteration, each on all samples (clipped)."""
    clip: Annotated[float, Gt(0)] = 0.2
    """Largest change of a probability ratio that is rewarded (clipped)."""
    entropy: Annotated[float, Ge(0)] = 0.0
    """Weight of the entropy bonus, per nat (clipped)."""
    max_grad_norm: Annotated[float, Gt(0)] = 1.0
    """Gradients longer than this are scaled down to it (clipped)."""
    max_kl: Annotated[float, Gt(0)] = 0.01
    """Mean KL divergence that one iteration may move the adapted policies, nats (trpo)."""
    cg_steps: Annotated[int, Ge(1)] = 10
    """Conjugate-gradient steps (trpo)."""
    damping: Annotated[float, Ge(0)] = 1e-2
    """Added to the Fisher matrix's diagonal (trpo); the fewer steps it is estimated from, the more it needs."""
    fisher_fraction: Annotated[float, Gt(0), Le(1)] = 0.2
    """Share of each task's steps that Fisher products use (trpo); whole lanes for a policy with memory."""
    backtracks: Annotated[int, Ge(1)] = 15
    """Step lengths tried by the line search, each 0.8 of the one before (trpo)."""

    def __post_init__(self) -> None:
        ranges.check(self)


class Local(NamedTuple):
    """The objective around some meta-parameters."""

    gradient: Tensor
    """By the meta-parameters, as one vector."""
    loss: float
    """Mean over tasks and outer stages."""
    dists: Any
    """Distribution parameters [m, B, T, P] of the adapted policies, by chunk and outer stage; of several shards, by shard."""
    path: Any
    """Parameters before and after each inner step, stacked per task; of several shards, by shard."""


Extra = Callable[[Sequence[Params], Sequence[Experience], slice], Tensor]
"""What an algorithm adds to the loss of m tasks, [m]: from their parameters before and after each inner step, their experience
of each stage, and which of all tasks they are."""


@dataclass(frozen=True)
class Problem:
    """The outer objective: what the adapted policies do on the rollouts they made, as a function of the meta-parameters."""

    inner: Inner
    experience: Sequence[Experience]
    """One per stage, of which the last, or all but the first, are the outer rollouts."""
    second_order: bool
    settings: OuterSettings = field(default_factory=OuterSettings)
    extra: Extra | None = None
    shards: int = 1
    """How many shards of as many tasks there are in all."""

    @property
    def tasks(self) -> int:
        """M, over which means are taken."""
        return self.shards * len(self.experience[-1].advantage)

    @property
    def outer(self) -> range:
        """The stages whose rollouts are to be improved."""
        last = len(self.experience) - 1
        return range(1, last + 1) if self.settings.stages == "all" and last else range(last, last + 1)

    def chunks(self) -> Iterator[slice]:
        """The tasks in slices of about CHUNK_STEPS steps each."""
        size = max(1, CHUNK_STEPS // self.experience[-1].advantage[0].numel())
        return (slice(i, i + size) for i in range(0, len(self.experience[-1].advantage), size))

    def dists(self, path: Sequence[Params], experience: Sequence[Experience]) -> list[Tensor]:
        """Distribution parameters [m, B, T, P] on each outer rollout, of the policy of that stage."""
        return [self.inner.dist(path[stage], experience[stage].rollout) for stage in self.outer]

    def losses(self, dists: Sequence[Tensor], tasks: slice, clip: float | None = None) -> Tensor:
        """Surrogate loss per task, [m], mean over outer stages; clipped, and with the entropy bonus, when `clip` is given."""
        outer = [self.experience[stage].part(tasks) for stage in self.outer]
        each = [self._loss(dist, experience, clip) for dist, experience in zip(dists, outer, strict=True)]
        return torch.stack(each).mean(0)

    def objective(self, meta: Params, tasks: slice, clip: float | None = None) -> tuple[Tensor, list[Tensor], list[Params]]:
        """What m of the tasks add to the objective, [], differentiable by `meta`; and what is found on the way to it.

        That is the distribution parameters [m, B, T, P] of the adapted policies, by outer stage, and the parameters before and
        after each inner step, stacked per task.
        """
        experience = [e.part(tasks) for e in self.experience]
        path = self.inner.path(meta, experience[:-1], self.second_order, len(experience[-1].advantage))
        dists = self.dists(path, experience)
        loss = self.losses(dists, tasks, clip)
        if self.extra is not None:
            loss = loss + self.extra(path, experience, tasks)
        return loss.sum() / self.tasks, dists, path

    def gradient(self, meta: Params, clip: float | None = None) -> Local:
        """The objective and its gradient at `meta`, a few tasks at a time.

        Raises UserError when the gradient is not finite.
        """
        meta = constants(meta)
        parts = [self._local(meta, tasks, clip) for tasks in self.chunks()]
        gradient = torch.zeros_like(parts[0].gradient)
        for part in parts:
            gradient += part.gradient
        require_finite(functional.unflatten(gradient, meta), "gradient")
        by_stage = zip(*(part.path for part in parts), strict=True)
        path = [{name: torch.cat([params[name] for params in stage]) for name in stage[0]} for stage in by_stage]
        return Local(gradient, sum(part.loss for part in parts), [dists for part in parts for dists in part.dists], path)

    def _local(self, meta: Params, tasks: slice, clip: float | None) -> Local:
        """What some of the tasks add, without the graph that led to it."""
        loss, dists, path = self.objective(meta, tasks, clip)
        gradient = _flat(torch.autograd.grad(loss, list(meta.values()), allow_unused=True), meta)
        values = [{name: p.detach() for name, p in params.items()} for params in path]
        return Local(gradient, float(loss.detach()), [[d.detach() for d in dists]], values)

    @torch.no_grad()
    def evaluate(self, meta: Params, old: Sequence[Sequence[Tensor]]) -> tuple[float, float]:
        """(mean loss, mean KL from the old adapted policies) at `meta`, `old` being `Local.dists`."""
        loss, kl = 0.0, 0.0
        for tasks, before in zip(self.chunks(), old, strict=True):
            experience = [e.part(tasks) for e in self.experience]
            with torch.enable_grad():
                path = self.inner.path(constants(meta), experience[:-1], False, len(before[0]))
            path = [{name: p.detach() for name, p in params.items()} for params in path]
            now = self.dists(path, experience)
            loss += float(self.losses(now, tasks).sum()) / self.tasks
            if self.extra is not None:
                loss += float(self.extra(path, experience, tasks).sum()) / self.tasks
            for stage, p, q in zip(self.outer, before, now, strict=True):
                moved = masks.mean(self.inner.distribution.kl(p, q), experience[stage].rollout.valid)
                kl += float(moved.sum()) / self.tasks / len(self.outer)
        return loss, kl

    def fisher(self, meta: Params, exact: Sequence[Params]) -> trust_region.Product:
        """Fisher products on `fisher_fraction` of each task's steps, inner and outer.

        Values are those of the policies adapted to all samples, `exact` (`Local.path`); the curvature of the inner steps, which
        J holds, is that of the chosen steps.
        """
        meta = constants(meta)
        experience = [self._thinned(e) for e in self.experience]
        path = self.inner.path(meta, experience[:-1], self.second_order, len(experience[-1].advantage))
        path = [{n: p + (value[n] - p).detach() for n, p in params.items()} for params, value in zip(path, exact, strict=True)]
        dist = torch.cat([d.flatten(0, 2) for d in self.dists(path, experience)])  # [N, P]
        weights = [_weights(experience[stage].rollout.valid, dist.dtype) for stage in self.outer]
        weight = torch.cat(weights) / (self.tasks * len(self.outer))  # [N]
        damping = self.settings.damping / self.shards
        return trust_region.fisher_product(dist, weight, list(meta.values()), self.inner.distribution, damping)

    def _thinned(self, experience: Experience) -> Experience:
        lanes, fraction = experience.advantage.shape[1], self.settings.fisher_fraction
        if traits(self.inner.policy).memory:
            return experience.part(slice(None), slice(max(1, round(fraction * lanes))))
        return experience.thinned(fraction)

    def _loss(self, dist: Tensor, experience: Experience, clip: float | None) -> Tensor:
        rollout, advantage = experience
        log_prob = self.inner.distribution.log_prob(dist, rollout.action)
        if clip is None:
            return losses.surrogate(log_prob, rollout.log_prob, advantage, rollout.valid)
        loss = losses.clipped(log_prob, rollout.log_prob, advantage, rollout.valid, clip)
        if self.settings.entropy:
            loss = loss + self.settings.entropy * losses.entropy(self.inner.distribution.entropy(dist), rollout.valid)
        return loss


class Objective(Protocol):
    """What an outer step lowers: the `Problem` of all tasks, or of shards of them (`shards.Shards`)."""

    @property
    def settings(self) -> OuterSettings: ...

    def gradient(self, meta: Params, clip: float | None = None) -> Local: ...

    def evaluate(self, meta: Params, old: Any) -> tuple[float, float]: ...

    def fisher(self, meta: Params, exact: Any) -> trust_region.Product: ...


def trpo(problem: Objective, meta: Params) -> tuple[Params, dict[str, float]]:
    """One trust-region step: the new meta-parameters, or the old ones when the line search finds nothing better."""
    settings = problem.settings
    gradient, loss, old, path = problem.gradient(meta)
    product = problem.fisher(meta, path)
    direction = trust_region.conjugate_gradient(product, gradient, settings.cg_steps)
    if not bool(direction.any()):  # nothing to gain: before the first reward of a sparse task, say
        return dict(meta), {"loss": 0.0, "kl": 0.0, "accepted": 0.0, "tries": 0}
    curvature = float(direction @ gradient)  # x^T F x, since x is orthogonal to the residual of conjugate gradient
    if not (torch.isfinite(direction).all() and curvature > 0):
        raise UserError(f"trust-region step is not finite (curvature {curvature}): raise --outer.damping; nothing changed")
    step = (2 * settings.max_kl / curvature) ** 0.5 * direction
    found = trust_region.line_search(
        lambda vector: problem.evaluate(functional.unflatten(vector, meta), old),
        functional.flatten(meta),
        step,
        loss,
        settings.max_kl,
        settings.backtracks,
    )
    new = {name: p.clone() for name, p in functional.unflatten(found.vector, meta).items()}
    return new, {"loss": found.loss - loss, "kl": found.kl, "accepted": float(found.accepted), "tries": found.tries}


class ClippedStep:
    """Epochs of Adam on the clipped surrogate; the moments outlive a call."""

    def __init__(self, meta: Params, settings: OuterSettings) -> None:
        self.settings = settings
        self.adam = Adam(meta, prefix=META)

    def __call__(self, problem: Objective, meta: Params) -> tuple[Params, dict[str, float]]:
        """The meta-parameters after all epochs."""
        self.adam.set(meta)
        before = self.state()
        first = 0.0
        try:
            for epoch in range(self.settings.epochs):
                gradient, loss, *_ = problem.gradient(self.adam.values, self.settings.clip)
                first = loss if epoch == 0 else first
                (gradient,), norm = adam.clipped([gradient], self.settings.max_grad_norm)
                self.adam.step(list(functional.unflatten(gradient, self.adam.values).values()), self.settings.lr)
        except UserError:
            self.load(before)
            raise
        new = {name: p.detach().clone() for name, p in self.adam.values.items()}
        return new, {"loss": loss - first, "gradient_norm": norm}

    def state(self) -> dict[str, Tensor]:
        """The meta-parameters as they were last, and Adam's moments and step counts after a first step."""
        return self.adam.state()

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state()`."""
        self.adam.load(state)


def _weights(valid: Tensor, dtype: torch.dtype) -> Tensor:
    """What each step counts in the mean over a task's valid steps, [M*B*T]."""
    return (valid.to(dtype) / valid.sum((1, 2), keepdim=True).clamp(min=1)).flatten()


def _flat(pieces: Sequence[Tensor | None], like: Params) -> Tensor:
    zipped = zip(pieces, like.values(), strict=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).reshape(-1) for g, p in zipped])
