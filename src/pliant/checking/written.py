"""Settings: frozen dataclasses whose defaults can be written to run.json and come back the same."""

import dataclasses
import json
from typing import Any

from pliant.checking.answer import Fault
from pliant.config import config

FROZEN = "@dataclass(frozen=True) above `class Settings:`"
SIMPLE = "fields of type int, float, bool, str, Literal[...] or tuple[float, ...], with a default of that type"


def class_fault(kind: Any, name: str = "Settings") -> Fault | None:
    """What is wrong with a class of settings, if anything; `name` as the module has it."""
    line = FROZEN.replace("Settings", kind.__name__ if isinstance(kind, type) else "Settings")
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        return Fault(f"{name} is not a dataclass", line)
    if not kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        return Fault(f"{name} can be changed after it is made", line)
    without = [f for f in dataclasses.fields(kind) if f.init and f.default is f.default_factory is dataclasses.MISSING]
    if without:
        mend = f"{without[0].name}: ... = a value that works on a laptop"
        return Fault(f"{name}.{without[0].name} has no default", mend)
    return None


def round_trip(default: config.Config, part: str, name: str = "Settings") -> Fault | None:
    """What is wrong when the settings of `part` are written to run.json and read back, if anything."""
    try:
        written = config.to_dict(default)["parts"][part]
        document = {**config.to_dict(default), "parts": {part: json.loads(json.dumps(written, allow_nan=False))}}
        again = config.from_dict(document).parts[part]
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        return Fault(f"{name}() cannot be written to run.json and read back: {reason}", SIMPLE)
    if again != default.parts[part]:
        return Fault(f"{name}() is not the same after it was written to run.json and read back", SIMPLE)
    return None


def counted(number: int) -> str:
    """How many settings, in words."""
    return "1 setting" if number == 1 else f"{number} settings"
