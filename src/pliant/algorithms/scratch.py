"""Scratch: an untrained policy, adapted by MAML's inner loop. What adaptation gains without anything learned before.

    on a new task:
        inner     gradient steps from random parameters, exactly as in MAML

Trained for no iterations: `pliant train scratch FAMILY` only writes its random parameters down.
"""

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor, nn

from pliant.algorithms.base import Collect
from pliant.algorithms.parts.inner import Inner, InnerSettings
from pliant.streams import Stream
from pliant.types import Carry, Params, Rollout, Spec


def _borrowed(table: dict[str, Any]) -> dict[str, Any]:
    """MAML's preset without its outer loop."""
    return {part: settings for part, settings in table.items() if part != "outer"}


POLICY = "mlp"
PARTS: dict[str, type] = {"inner": InnerSettings}
BORROWS = "maml", _borrowed


class Scratch:
    """Random parameters and an inner loop."""

    stage: Literal["gradient step", "episode"] = "gradient step"
    learns = False

    def __init__(self, policy: nn.Module, spec: Spec, inner: InnerSettings) -> None:
        self.policy, self.inner = policy, Inner(policy, spec, inner)

    def adapt(self, collect: Collect, steps: int | None = None) -> list[Rollout]:
        """Rollouts before adaptation and after each of `steps` inner steps."""
        return self.inner.adapt(collect, steps)

    def adapted(self, rollouts: list[Rollout]) -> tuple[Params, Carry | None]:
        """Parameters after one inner step per rollout, stacked per task (M = 1 without rollouts)."""
        return self.inner.constants_after(rollouts), None

    def learn(self, rollouts: list[Rollout]) -> dict[str, float]:
        """Nothing."""
        return {}

    def state(self) -> dict[str, Tensor]:
        """The random parameters."""
        return self.inner.state()

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state()`."""
        self.inner.load(state)


def make(policy: nn.Module, spec: Spec, parts: dict[str, Any], stream: Stream) -> Scratch:
    """An untrained policy with the settings in `parts`."""
    return Scratch(policy, spec, parts["inner"])
