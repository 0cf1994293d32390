"""MAML: learn parameters from which one gradient step on a new task is enough.

    for each iteration:
        rollouts  roll out on M tasks, step each task's parameters, roll out again
        outer     change the shared parameters so that the *adapted* policies do better,
                  differentiating through the inner steps

Finn, Abbeel, Levine 2017, arXiv:1703.03400, algorithm 3; outer step by TRPO as there, or by the clipped surrogate as in
Rothfuss et al. 2019, arXiv:1810.06784. With `inner.learn_lr`: Meta-SGD, Li et al. 2017, arXiv:1707.09835.
"""

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor, nn

from pliant.algorithms.base import Collect
from pliant.algorithms.parts.inner import Inner, InnerSettings
from pliant.algorithms.parts.outer import ClippedStep, OuterSettings, Problem, trpo
from pliant.streams import Stream
from pliant.types import Carry, Params, Rollout, Spec

POLICY = "mlp"
PARTS: dict[str, type] = {"inner": InnerSettings, "outer": OuterSettings}


class Maml:
    """Meta-parameters, their inner loop and their outer step."""

    stage: Literal["gradient step", "episode"] = "gradient step"

    def __init__(
        self, policy: nn.Module, spec: Spec, inner: InnerSettings, outer: OuterSettings, second_order: bool = True
    ) -> None:
        self.policy, self.outer, self.second_order = policy, outer, second_order
        self.inner = Inner(policy, spec, inner)
        self.clipped = ClippedStep(self.inner.meta, outer)

    def adapt(self, collect: Collect, steps: int | None = None) -> list[Rollout]:
        """Rollouts before adaptation and after each of `steps` inner steps."""
        return self.inner.adapt(collect, steps)

    def adapted(self, rollouts: list[Rollout]) -> tuple[Params, Carry | None]:
        """Parameters after one inner step per rollout, stacked per task (M = 1 without rollouts)."""
        return self.inner.constants_after(rollouts), None

    def learn(self, rollouts: list[Rollout]) -> dict[str, float]:
        """One outer step."""
        problem = Problem(self.inner, self.inner.experience(rollouts), self.second_order, self.outer)
        step = trpo if self.outer.method == "trpo" else self.clipped
        self.inner.meta, metrics = step(problem, self.inner.meta)
        return metrics

    def state(self) -> dict[str, Tensor]:
        """Meta-parameters and Adam's moments."""
        return self.inner.state() | self.clipped.state()

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state()`."""
        self.inner.load(state)
        self.clipped.load(state)


def make(policy: nn.Module, spec: Spec, parts: dict[str, Any], stream: Stream) -> Maml:
    """MAML with the settings in `parts`."""
    return Maml(policy, spec, parts["inner"], parts["outer"])
