"""pliant: meta-reinforcement learning for PyTorch and Gymnasium.

Names are loaded when they are first used, so that `import pliant` and `pliant --help` cost nothing.
"""

import importlib
import os

from pliant.version import VERSION as __version__

if "OMP_WAIT_POLICY" not in os.environ:  # read by the threads' library (GNU OpenMP), once, when torch is loaded
    os.environ.setdefault("GOMP_SPINCOUNT", "100")  # a torch thread looks out for work for so long, then it sleeps

TYPE_CHECKING = False  # without `typing`: `python -m pliant` has not yet left the working directory out of its path here
if TYPE_CHECKING:
    from pliant import rollout, streams
    from pliant.agent import Adapted, Agent, load, load_adapted, load_agent
    from pliant.errors import UserError
    from pliant.maths import advantages, distributions, functional, losses, masks, statistics, trust_region
    from pliant.reporting import terminal as report
    from pliant.running import evaluate, train
    from pliant.storage import checkpoint
    from pliant.types import Inputs, Output, Rollout, Spec

_HOMES = {
    "Agent": "agent",
    "Adapted": "agent",
    "load": "agent",
    "load_adapted": "agent",
    "load_agent": "agent",
    "UserError": "errors",
    "Inputs": "types",
    "Output": "types",
    "Rollout": "types",
    "Spec": "types",
}
_MODULES = {
    "advantages": "maths.advantages",
    "checkpoint": "storage.checkpoint",
    "distributions": "maths.distributions",
    "evaluate": "running.evaluate",
    "functional": "maths.functional",
    "losses": "maths.losses",
    "masks": "maths.masks",
    "report": "reporting.terminal",
    "rollout": "rollout",
    "statistics": "maths.statistics",
    "streams": "streams",
    "train": "running.train",
    "trust_region": "maths.trust_region",
}
"""Parts that are useful by themselves: `from pliant import losses` finds them in their rooms."""

__all__ = [
    "Adapted",
    "Agent",
    "Inputs",
    "Output",
    "Rollout",
    "Spec",
    "UserError",
    "__version__",
    "advantages",
    "checkpoint",
    "distributions",
    "evaluate",
    "functional",
    "load",
    "load_adapted",
    "load_agent",
    "losses",
    "masks",
    "report",
    "rollout",
    "statistics",
    "streams",
    "train",
    "trust_region",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(importlib.import_module(f"pliant.{_HOMES[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"pliant.{_MODULES[name]}")
    raise AttributeError(f"module 'pliant' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
