"""pliant: meta-reinforcement learning for PyTorch and Gymnasium.

Names are loaded when they are first used, so that `import pliant` and `pliant --help` cost nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

from pliant.version import VERSION as __version__

if TYPE_CHECKING:
    from pliant.agent import Adapted, Agent, load
    from pliant.errors import UserError
    from pliant.types import Inputs, Output, Rollout, Spec

_HOMES = {
    "Agent": "agent",
    "Adapted": "agent",
    "load": "agent",
    "UserError": "errors",
    "Inputs": "types",
    "Output": "types",
    "Rollout": "types",
    "Spec": "types",
}
_MODULES = (
    "advantages",
    "checkpoint",
    "distributions",
    "evaluate",
    "functional",
    "losses",
    "masks",
    "report",
    "rollout",
    "statistics",
    "streams",
    "train",
    "trust_region",
)

__all__ = [
    "Adapted",
    "Agent",
    "Inputs",
    "Output",
    "Rollout",
    "Spec",
    "UserError",
    "__version__",
    "load",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"pliant.{_HOMES[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"pliant.{name}")
    raise AttributeError(f"module 'pliant' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES])
