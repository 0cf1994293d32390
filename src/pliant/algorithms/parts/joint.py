"""One policy for all tasks at once: what pre-training and the agent that is told its task have in common.

    for each iteration:
        rollout   roll out on M tasks with the shared parameters
        outer     change them so that the mean return over tasks rises

That is MAML's outer step with no inner step before it.
"""

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor, nn

from pliant.algorithms.base import Collect
from pliant.algorithms.parts.inner import Inner, InnerSettings
from pliant.algorithms.parts.outer import ClippedStep, OuterSettings, Problem, trpo
from pliant.types import Carry, Params, Rollout, Spec


class Joint:
    """Shared parameters, trained on all tasks as one; `tunes` says whether they are fine-tuned to a new task."""

    stage: Literal["gradient step", "episode"] = "gradient step"

    def __init__(self, policy: nn.Module, spec: Spec, inner: InnerSettings, outer: OuterSettings, tunes: bool) -> None:
        self.policy, self.outer, self.tunes = policy, outer, tunes
        self.inner = Inner(policy, spec, inner)
        self.clipped = ClippedStep(self.inner.meta, outer)

    def adapt(self, collect: Collect, steps: int | None = None) -> list[Rollout]:
        """One rollout in training; in an evaluation one before and after each of `steps` steps, or as many without any."""
        steps = steps or 0
        if self.tunes:
            return self.inner.adapt(collect, steps)
        return [collect(self.policy, self.inner.meta_policy(), stage) for stage in range(steps + 1)]

    def adapted(self, rollouts: list[Rollout]) -> tuple[Params, Carry | None]:
        """Parameters after one inner step per rollout, stacked per task (M = 1 without rollouts)."""
        return self.inner.constants_after(rollouts if self.tunes else []), None

    def learn(self, rollouts: list[Rollout]) -> dict[str, float]:
        """One outer step on what the shared parameters did."""
        problem = Problem(self.inner, self.inner.experience(rollouts[:1]), False, self.outer)
        step = trpo if self.outer.method == "trpo" else self.clipped
        self.inner.meta, metrics = step(problem, self.inner.meta)
        return metrics

    def state(self) -> dict[str, Tensor]:
        """Parameters and Adam's moments."""
        return self.inner.state() | self.clipped.state()

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state()`."""
        self.inner.load(state)
        self.clipped.load(state)


def as_maml(table: dict[str, Any]) -> dict[str, Any]:
    """The preset of MAML for a family, for an algorithm whose iteration has one rollout: as many rollouts in all."""
    table = {part: dict(settings) for part, settings in table.items()}
    rollouts = 1 + int(table.get("inner", {}).get("steps", InnerSettings.steps))
    if "iterations" in table.get("train", {}):
        table["train"]["iterations"] *= rollouts
    table.get("outer", {}).pop("stages", None)
    return table
