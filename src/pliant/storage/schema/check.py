"""`pliant.check/1`: whether a family, an algorithm or a policy keeps its contract, from `pliant check`."""

from collections.abc import Iterator
from typing import Any, Final, Literal, NotRequired

from typing_extensions import TypedDict

from pliant.storage.schema.kind import Kind, differing, strict
from pliant.storage.schema.parts import Seed, Versions

SCHEMA: Final = "pliant.check/1"


class Finding(TypedDict):
    """What one check has found."""

    check: str
    """Name of the check."""
    asks: str
    """What must hold, in words."""
    verdict: Literal["ok", "warning", "wrong", "skipped"]
    """Skipped is a check whose question makes no sense yet, because another has failed."""
    words: str
    """What is wrong, or a note; may be empty."""
    mend: str
    """The line to write where something is wrong, else empty."""


@strict()
class Check(TypedDict):
    """Whether something keeps its contract, and what is wrong in words."""

    schema: Literal["pliant.check/1"]
    """Kind of document and its version."""
    kind: NotRequired[Literal["family", "algorithm", "policy"]]
    """What was checked; a family where it is not said."""
    name: str
    """Its name, as it was asked for."""
    family: str
    """As the family calls itself; empty if there is none, and for an algorithm or a policy."""
    seed: Seed
    """Address of the random numbers of the checks."""
    settings: dict[str, Any]
    """Settings other than the defaults, by name."""
    versions: Versions
    """Versions of the packages that may change a result, by name."""
    failed: list[str]
    """Names of the checks that found something wrong."""
    findings: list[Finding]
    """What every check has found, in the order they were made."""


def faults(document: Check) -> Iterator[str]:
    """What is wrong with a check that its type cannot say."""
    wrong = [finding["check"] for finding in document["findings"] if finding["verdict"] == "wrong"]
    yield from differing("failed", document["failed"], wrong, "the findings that are wrong")


KIND = Kind(SCHEMA, Check, faults)
