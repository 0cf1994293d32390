"""MAML: learn parameters from which one gradient step on a new task is enough.

    for each iteration:
        rollouts  roll out on M tasks, step each task's parameters, roll out again
        outer     change the shared parameters so that the *adapted* policies do better,
                  differentiating through the inner steps

Finn, Abbeel, Levine 2017, arXiv:1703.03400, algorithm 3; outer step by TRPO as there, or by the clipped surrogate as in
Rothfuss et al. 2019, arXiv:1810.06784. With `inner.learn_lr` and `inner.rates` "parameter": Meta-SGD, Li et al. 2017,
arXiv:1707.09835, with positive rates.
"""

from typing import Any

from torch import nn

from pliant.algorithms.parts.gradient import ByGradient
from pliant.algorithms.parts.inner import Inner, InnerSettings
from pliant.algorithms.parts.outer import OuterSettings
from pliant.algorithms.parts.shards import OuterStep
from pliant.streams import Stream
from pliant.types import Spec

POLICY = "mlp"
PARTS: dict[str, type] = {"inner": InnerSettings, "outer": OuterSettings}


def maml(policy: nn.Module, spec: Spec, inner: InnerSettings, outer: OuterSettings, second_order: bool = True) -> ByGradient:
    """Meta-parameters, their inner loop and their outer step; without `second_order` the inner gradient is a constant."""
    loop = Inner(policy, spec, inner)
    return ByGradient(loop, OuterStep(loop.meta, outer, second_order))


def make(policy: nn.Module, spec: Spec, parts: dict[str, Any], stream: Stream) -> ByGradient:
    """MAML with the settings in `parts`."""
    return maml(policy, spec, parts["inner"], parts["outer"])
