"""Every kind of document that has a page in the docs and a JSON schema that ships."""

from typing import Any

from pliant.storage.schema import adapted, check, checkpoint, comparison, evaluation, run, sweep
from pliant.storage.schema.kind import Kind

KINDS: dict[str, Kind[Any]] = {
    kind.name: kind
    for kind in (run.KIND, checkpoint.KIND, evaluation.KIND, sweep.KIND, comparison.KIND, adapted.KIND, check.KIND)
}
"""By name: "run", "checkpoint", "evaluation", "sweep", "comparison", "adapted", "check"."""
