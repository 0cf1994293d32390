"""Conditioned: one policy for all tasks, told which one it acts in: the practical upper bound of adaptation.

    for each iteration:
        rollout   roll out on M tasks with parameters that see the task beside the observation
        outer     change them so that the mean return over tasks rises
    on a new task:
        nothing   it is told the task; there is nothing to find out

The "oracle" of Finn et al. 2017, arXiv:1703.03400, section 5. No bound in the strict sense: it is learned, from as many steps.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Le
from torch import nn

from pliant.algorithms.parts import joint
from pliant.algorithms.parts import outer as outer_steps
from pliant.algorithms.parts.gradient import ByGradient
from pliant.algorithms.parts.inner import InnerSettings
from pliant.streams import Stream
from pliant.types import Spec


@dataclass(frozen=True)
class OuterSettings(outer_steps.OuterSettings):
    """How the parameters are improved."""

    gamma: Annotated[float, Ge(0), Le(1)] = 0.99
    """Discount per step."""
    lam: Annotated[float, Ge(0), Le(1)] = 1.0
    """Trace decay of the generalised advantage estimate, per step."""


def _borrowed(table: dict[str, Any]) -> dict[str, Any]:
    """MAML's preset: what its inner loop says of credit belongs to the outer one here."""
    table = joint.as_maml(table)
    inner = table.pop("inner", {})
    table.setdefault("outer", {}).update({name: inner[name] for name in ("gamma", "lam") if name in inner})
    return table


POLICY = "mlp"
PARTS: dict[str, type] = {"outer": OuterSettings}
TOLD = True
BORROWS = "maml", _borrowed


def make(policy: nn.Module, spec: Spec, parts: dict[str, Any], stream: Stream) -> ByGradient:
    """The conditioned policy with the settings in `parts`."""
    outer: OuterSettings = parts["outer"]
    return joint.joint(policy, spec, InnerSettings(gamma=outer.gamma, lam=outer.lam), outer, tunes=False)
