"""E-MAML: MAML that is also paid for what its first samples let the adapted policy find out.

    outer gradient   MAML's, and   weight * d log p(inner samples) / d params * (return after adaptation)

Stadie, Yang, Houthooft, Chen, Duan, Wu, Abbeel, Sutskever 2018, arXiv:1803.01118, equation 10: the samples of an inner step
depend on the parameters too, and every likelihood-ratio MAML drops that dependence. Where a task can be known from its first
samples by chance alone, MAML has no reason to make them informative; this is one. With the inner loss `reinforce` and a weight
of 1 the meta-gradient of the return is unbiased. Its variance is high: all samples of a task share one number, the return that
came of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge
from torch import Tensor, nn

from pliant.algorithms import maml
from pliant.algorithms.parts.gradient import ByGradient
from pliant.algorithms.parts.inner import NEGLIGIBLE, Experience, Inner
from pliant.algorithms.parts.inner import InnerSettings as SharedInner
from pliant.algorithms.parts.outer import Extra, Problem
from pliant.algorithms.parts.outer import OuterSettings as SharedOuter
from pliant.algorithms.parts.shards import OuterStep
from pliant.maths import masks
from pliant.streams import Stream
from pliant.system.crew import Crew
from pliant.types import Params, Rollout, Spec


@dataclass(frozen=True)
class InnerSettings(SharedInner):
    """How parameters are adapted to one task."""

    objective: Literal["surrogate", "reinforce"] = "reinforce"
    """Inner loss. The curvature of `surrogate` holds a part of what the samples are paid for, and would count it twice."""


@dataclass(frozen=True)
class OuterSettings(SharedOuter):
    """How the meta-parameters are improved."""

    exploration: Annotated[float, Ge(0)] = 0.1
    """Weight of what the first samples are paid, per standard deviation of the return after adaptation over tasks."""


POLICY = maml.POLICY
PARTS: dict[str, type] = {"inner": InnerSettings, "outer": OuterSettings}
BORROWS = "maml", dict


def gain(rollout: Rollout) -> Tensor:
    """The mean return of each task, [M] float64."""
    return (rollout.reward.double() * rollout.valid).sum(2).mean(1)


def worth(gain: Tensor) -> Tensor:
    """What the samples of each task led to, [M]: its mean return, beyond that of the other tasks, in standard deviations.

    A deviation of less than NEGLIGIBLE of the returns is taken for that: what does not differ is not blown up. Zero for
    a single task.
    """
    tasks = len(gain)
    if tasks == 1:
        return torch.zeros_like(gain)
    beyond = (gain - gain.mean()) * tasks / (tasks - 1)  # the task's own is not in what it is compared with
    least = NEGLIGIBLE * gain.square().mean().sqrt()
    return beyond / gain.std().maximum(least).clamp(min=1e-12)


def explored(inner: Inner, value: Tensor, weight: float) -> Extra:
    """The loss by whose gradient inner samples become likelier as their tasks are worth `value` [M]: a sum over lanes."""

    def extra(path: Sequence[Params], experience: Sequence[Experience], tasks: slice) -> Tensor:
        paid = torch.zeros_like(value[tasks])
        for params, (rollout, advantage) in zip(path[:-1], experience[:-1], strict=True):
            log_prob = inner.distribution.log_prob(inner.dist(params, rollout), rollout.action)
            ratio = (log_prob - rollout.log_prob).exp()
            paid = paid + advantage.shape[1] * masks.mean(ratio * value[tasks, None, None], rollout.valid)
        return -weight * paid

    return extra


def make(policy: nn.Module, spec: Spec, parts: dict[str, Any], stream: Stream) -> ByGradient:
    """E-MAML with the settings in `parts`."""
    loop, outer = Inner(policy, spec, parts["inner"]), parts["outer"]

    def extra(problems: Sequence[Problem], crew: Crew) -> list[Extra]:
        last = [problem.experience[-1].rollout for problem in problems]
        values = worth(torch.cat(crew.all([gain(rollout) for rollout in last]))).to(last[0].reward)
        return [explored(loop, values[crew.part(shard, len(values))], outer.exploration) for shard in crew.own]

    step = OuterStep(loop.meta, outer, second_order=True)
    step.extra = extra
    return ByGradient(loop, step)
