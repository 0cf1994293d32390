"""`pliant.checkpoint/1`: the `manifest.json` and `facts.json` of a checkpoint."""

from typing import Annotated, Final, Literal, NotRequired

from annotated_types import Ge, Le
from typing_extensions import TypedDict

from pliant.storage.schema.kind import MIB, Kind, Meaning, strict
from pliant.storage.schema.parts import Amount, Count, Digest

SCHEMA: Final = "pliant.checkpoint/1"


class File(TypedDict):
    """A file of a checkpoint, as it was written."""

    bytes: Count
    """Its size, bytes."""
    sha256: Digest
    """Its checksum."""


Files = TypedDict(
    "Files",
    {
        "state.safetensors": Annotated[File, Meaning("Every tensor.")],
        "facts.json": Annotated[File, Meaning("The counters of the run.")],
    },
)
Files.__doc__ = "The files of a checkpoint beside its manifest."


@strict()
class Manifest(TypedDict):
    """What a checkpoint consists of."""

    schema: Literal["pliant.checkpoint/1"]
    """Kind of document and its version."""
    iteration: Annotated[int, Ge(0), Le(999_999_999_999)]
    """Iterations of training before it."""
    files: Files
    """Its files, by name."""
    kept: NotRequired[dict[str, File]]
    """Files of the run's folder `kept` that belong to it, by name: what never changes is written once. None: there are none."""


@strict(extra="allow")
class Facts(TypedDict):
    """Counters of a run; whoever saves a checkpoint may add others."""

    iteration: NotRequired[Count]
    """Iterations of training so far."""
    env_steps: NotRequired[Amount]
    """Environment steps of training so far."""
    seconds: NotRequired[Amount]
    """Seconds of training so far."""
    simulation_seconds: NotRequired[Amount]
    """Seconds in the environment."""
    acting_seconds: NotRequired[Amount]
    """Seconds in the rest of rollouts."""
    inner_seconds: NotRequired[Amount]
    """Seconds in the rest of adapting."""
    outer_seconds: NotRequired[Amount]
    """Seconds in learning."""
    evaluation_seconds: NotRequired[Amount]
    """Seconds of evaluations while training."""


KIND = Kind(SCHEMA, Manifest, most=4 * MIB)
FACTS = Kind("", Facts)
