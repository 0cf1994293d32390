"""ANIL: MAML whose inner loop moves the last layer alone.

    inner     gradient steps on the head and the log standard deviation; what the layers before it make of an observation stays
    outer     as in MAML: all of the shared parameters, so that the adapted heads do better

Raghu, Raghu, Bengio, Vinyals 2020, arXiv:1909.09157, "almost no inner loop": most of what MAML gains on a new task is in the
features it has learned, not in changing them. An inner step costs a backward pass through the head alone.
"""

from typing import Any

from torch import nn

from pliant.algorithms import maml
from pliant.algorithms.parts.gradient import ByGradient
from pliant.algorithms.parts.inner import Inner
from pliant.algorithms.parts.shards import OuterStep
from pliant.errors import UserError
from pliant.streams import Stream
from pliant.types import Spec

POLICY = maml.POLICY
PARTS = maml.PARTS
BORROWS = "maml", dict
LAST = ("head", "log_std")
"""Names of a policy's own that make an action distribution of its features."""


def make(policy: nn.Module, spec: Spec, parts: dict[str, Any], stream: Stream) -> ByGradient:
    """ANIL with the settings in `parts`. Raises UserError for a policy without a `head`."""
    if not hasattr(policy, LAST[0]):
        raise UserError(f"anil adapts the layer that a policy calls head, and {type(policy).__name__} has none: use maml")
    loop = Inner(policy, spec, parts["inner"], adapts=lambda name: name.partition(".")[0] in LAST)
    return ByGradient(loop, OuterStep(loop.meta, parts["outer"], second_order=True))
