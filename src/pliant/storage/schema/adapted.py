"""`pliant.adapted/1`: the `adapted.json` of a policy that was adapted to one task, from `pliant adapt` and `Adapted.save`."""

from collections.abc import Iterator
from typing import Any, Final, Literal, NotRequired

from typing_extensions import TypedDict

from pliant.storage.schema.kind import SETTINGS_EDITED, Kind, strict
from pliant.storage.schema.parts import Config, Digest

SCHEMA: Final = "pliant.adapted/1"


class Units(TypedDict, total=False):
    """How the environment that a policy was adapted to counts actions; empty for a task of the family.

    Nested lists have the shape of the environment's space.
    """

    start: int | list[Any]
    """Least value of each discrete action."""
    choices: list[Any]
    """Number of values of each discrete action, where there are several."""
    low: list[Any]
    """Least value of each continuous action."""
    high: list[Any]
    """Largest value of each continuous action."""
    whole: bool
    """Actions between low and high are integers."""
    dtype: str
    """Type of the environment's actions, as NumPy calls it; where it is missing, float32 or int64."""


@strict()
class Adapted(TypedDict):
    """What a policy was adapted to; its parameters are in the checkpoint beside it, its curve in evaluation.json."""

    schema: Literal["pliant.adapted/1"]
    """Kind of document and its version."""
    config: Config
    """What the run was asked to do."""
    task: dict[str, Any]
    """Values of the task's parameters by name, in their units, or the name of the environment."""
    units: NotRequired[Units]
    """How the environment counts actions; empty for a task of the family."""
    observes: NotRequired[dict[str, Any]]
    """Space of the environment's observations; missing for a task of the family."""
    sha256: NotRequired[Digest]
    """Checksum of the document without this field; documents of pliant 0.1.0 have none."""


TYPES = {"bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "float16", "float32", "float64"}
FORMS: tuple[set[str], ...] = (set(), {"start"}, {"start", "choices"}, {"low", "high"}, {"low", "high", "whole"})


def faults(document: Adapted) -> Iterator[str]:
    """What is wrong with an adapted.json that its type cannot say."""
    units = document.get("units", {})
    if units.get("dtype", "float32") not in TYPES:
        yield f"units.dtype is {units.get('dtype')!r:.40}: expected one of {', '.join(sorted(TYPES))}"
    if set(units) - {"dtype"} not in FORMS:
        yield f"units hold {sorted(units)}: expected start, choices and start, or low and high"
        return
    if isinstance(units.get("start"), list) and "choices" not in units:
        yield "units.start is a list: expected an integer where there are no choices"
    for one, other in (("start", "choices"), ("low", "high")):
        if one in units and other in units:
            first, second = _shape(units.get(one)), _shape(units.get(other))
            if first is None or first != second:
                yield f"units.{one} and units.{other} are not numbers of the same shape"


def _shape(value: object) -> tuple[int, ...] | None:
    """The shape of nested lists of numbers; None for anything else."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return ()
    if not isinstance(value, list) or not value:
        return None
    shapes = {_shape(inner) for inner in value}
    inner = shapes.pop()
    return None if shapes or inner is None else (len(value), *inner)


KIND = Kind(SCHEMA, Adapted, faults, "since 0.2", edited=SETTINGS_EDITED)
