"""Scratch: an untrained policy, adapted by MAML's inner loop. What adaptation gains without anything learned before.

    on a new task:
        inner     gradient steps from random parameters, exactly as in MAML

Trained for no iterations: `pliant train scratch FAMILY` only writes its random parameters down.
"""

from typing import Any

from torch import nn

from pliant.algorithms.parts.gradient import ByGradient
from pliant.algorithms.parts.inner import Inner, InnerSettings
from pliant.streams import Stream
from pliant.types import Spec


def _borrowed(table: dict[str, Any]) -> dict[str, Any]:
    """MAML's preset without its outer loop."""
    return {part: settings for part, settings in table.items() if part != "outer"}


POLICY = "mlp"
PARTS: dict[str, type] = {"inner": InnerSettings}
BORROWS = "maml", _borrowed


def make(policy: nn.Module, spec: Spec, parts: dict[str, Any], stream: Stream) -> ByGradient:
    """An untrained policy with the settings in `parts`: an inner loop, and no outer step."""
    return ByGradient(Inner(policy, spec, parts["inner"]), None)
