"""Pre-training: one policy for all training tasks together, then fine-tuned to a new one by MAML's inner loop.

    for each iteration:
        rollout   roll out on M tasks with the shared parameters
        outer     change them so that the mean return over tasks rises: no inner step, nothing differentiated through one
    on a new task:
        inner     gradient steps, exactly as in MAML

Transfer learning, and the baseline that decides whether meta-learning was needed: "pretrained" in Finn et al. 2017,
arXiv:1703.03400, section 5. Its inner rate is the one it is given: nothing in training depends on it.
"""

from typing import Any

from torch import nn

from pliant.algorithms.parts import joint
from pliant.algorithms.parts.gradient import ByGradient
from pliant.algorithms.parts.inner import InnerSettings
from pliant.algorithms.parts.outer import OuterSettings
from pliant.streams import Stream
from pliant.types import Spec

POLICY = "mlp"
PARTS: dict[str, type] = {"inner": InnerSettings, "outer": OuterSettings}
BORROWS = "maml", joint.as_maml


def make(policy: nn.Module, spec: Spec, parts: dict[str, Any], stream: Stream) -> ByGradient:
    """Pre-training with the settings in `parts`."""
    return joint.joint(policy, spec, parts["inner"], parts["outer"], tunes=True)
