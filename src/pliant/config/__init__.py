"""What a run is asked to do: settings, presets, names.

Names are loaded when they are first used: a list of names must not cost what checking settings does.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pliant.config.config import Config, differences, from_dict, load_config, override, part_classes, to_dict
    from pliant.config.values import expected, field_types

_HOMES = {
    "Config": "config",
    "differences": "config",
    "from_dict": "config",
    "load_config": "config",
    "override": "config",
    "part_classes": "config",
    "to_dict": "config",
    "expected": "values",
    "field_types": "values",
}

__all__ = [
    "Config",
    "differences",
    "expected",
    "field_types",
    "from_dict",
    "load_config",
    "override",
    "part_classes",
    "to_dict",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"pliant.config.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'pliant.config' has no attribute {name!r}")
