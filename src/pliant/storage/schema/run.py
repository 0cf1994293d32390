"""`pliant.run/1`: the `run.json` of a run folder, what the run was asked to do and where it was begun and resumed."""

from typing import Final, Literal, NotRequired

from typing_extensions import TypedDict

from pliant.storage.schema.kind import SETTINGS_EDITED, Kind, strict
from pliant.storage.schema.parts import Config, Digest, Versions

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
    sha256: NotRequired[Digest]
    """Checksum of the document without this field; documents of pliant 0.1.0 have none."""


KIND = Kind(SCHEMA, Run, sealed="since 0.2", edited=SETTINGS_EDITED)
