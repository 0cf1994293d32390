"""FOMAML: MAML with the inner gradient taken as a constant.

    outer gradient   d loss(adapted) / d adapted, applied to the shared parameters

Finn et al. 2017, arXiv:1703.03400, section 5.2. Two terms of the true meta-gradient are dropped: the derivative of the
inner gradient by the parameters (the second-order term), and, as in every likelihood-ratio MAML, the dependence of the
inner *samples* on the parameters. About half of MAML's outer cost; nothing else differs.
"""

from typing import Any

from torch import nn

from pliant.algorithms import maml
from pliant.algorithms.parts.gradient import ByGradient
from pliant.streams import Stream
from pliant.types import Spec

POLICY = maml.POLICY
PARTS = maml.PARTS
BORROWS = "maml", dict  # without a preset of its own: MAML's as it is


def make(policy: nn.Module, spec: Spec, parts: dict[str, Any], stream: Stream) -> ByGradient:
    """FOMAML with the settings in `parts`."""
    return maml.maml(policy, spec, parts["inner"], parts["outer"], second_order=False)
