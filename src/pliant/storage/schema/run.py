"""`pliant.run/1`: the `run.json` of a run folder, what the run was asked to do and where it was begun and resumed."""

from typing import Final, Literal, NotRequired

from typing_extensions import TypedDict

from pliant.storage.schema.kind import Kind, strict
from pliant.storage.schema.parts import Config, Versions

SCHEMA: Final = "pliant.run/1"


class Begun(TypedDict):
    """When and on what training was begun or resumed."""

    at: str
    """Date and time, ISO 8601."""
    versions: Versions
    """Versions of the packages that may change a result, by name."""
    platform: str
    """Operating system and processor architecture."""


@strict()
class Run(TypedDict):
    """What a run was asked to do, and where it was begun."""

    schema: Literal["pliant.run/1"]
    """Kind of document and its version."""
    config: Config
    """What the run was asked to do."""
    created: Begun
    """When and on what it was begun."""
    resumed: NotRequired[list[Begun]]
    """When and on what it was resumed, oldest first."""


KIND = Kind(SCHEMA, Run)
