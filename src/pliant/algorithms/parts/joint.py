"""One policy for all tasks at once: what pre-training and the agent that is told its task have in common.

    for each iteration:
        rollout   roll out on M tasks with the shared parameters
        outer     change them so that the mean return over tasks rises

That is MAML's outer step with no inner step before it.
"""

from typing import Any

from torch import nn

from pliant.algorithms.parts.gradient import ByGradient
from pliant.algorithms.parts.inner import Inner, InnerSettings
from pliant.algorithms.parts.outer import OuterSettings
from pliant.algorithms.parts.shards import OuterStep
from pliant.types import Spec


def joint(policy: nn.Module, spec: Spec, inner: InnerSettings, outer: OuterSettings, tunes: bool) -> ByGradient:
    """Shared parameters, trained on all tasks as one; `tunes` says whether they are fine-tuned to a new task."""
    loop = Inner(policy, spec, inner)
    return ByGradient(loop, OuterStep(loop.meta, outer, second_order=False, steps=0), train_steps=0, tunes=tunes)


def as_maml(table: dict[str, Any]) -> dict[str, Any]:
    """The preset of MAML for a family, for an algorithm whose iteration has one rollout: as many rollouts in all."""
    table = {part: dict(settings) for part, settings in table.items()}
    rollouts = 1 + int(table.get("inner", {}).get("steps", InnerSettings.steps))
    if "iterations" in table.get("train", {}):
        table["train"]["iterations"] *= rollouts
    table.get("outer", {}).pop("stages", None)
    return table
