"""Whether agents may be compared at all."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pliant import errors
from pliant.comparing.contenders import Found
from pliant.config import values as valued


def require_same_family(found: Sequence[Found]) -> None:
    """Raise UserError unless all play the same tasks: one family, under the same settings."""
    first = found[0]
    for other in found[1:]:
        if other.config.family != first.config.family:
            raise errors.UserError(
                f"{first.path} is a run on {first.config.family} and {other.path} one on {other.config.family}: only runs on"
                " the same family can be compared"
            )
        mine, theirs = first.config.parts["family"], other.config.parts["family"]
        if mine != theirs:
            name = next(n for n in valued.field_types(type(mine)) if getattr(mine, n) != getattr(theirs, n))
            raise errors.UserError(
                f"{first.path} has family.{name} {getattr(mine, name)!r} and {other.path} {getattr(theirs, name)!r}: these are"
                " other tasks, which cannot be compared"
            )


def require_same_protocol(found: Sequence[Mapping[str, Any]]) -> None:
    """Raise UserError unless evaluation documents are of the same tasks, drawn under the same seed, and played as long."""
    facts: dict[str, Callable[[Mapping[str, Any]], Any]] = {
        "evaluation seed": lambda d: d["seed"],
        "number of tasks": lambda d: d["tasks"],
        "family version": lambda d: d["protocol"]["family_version"],
        "horizon": lambda d: d["protocol"]["horizon"],
        "published protocol": lambda d: d["protocol"]["published"],
        "settings of the family": lambda d: d["protocol"]["changed"],
        "tasks (their checksum)": lambda d: d["protocol"]["tasks_sha256"],
    }
    for what, of in facts.items():
        for other in found[1:]:
            if of(other) != of(found[0]):
                one, two = (f"{d['algorithm']} with seed {d['train_seed']}" for d in (found[0], other))
                raise errors.UserError(
                    f"{one} and {two} were not measured alike: the {what} is {of(found[0])!r} and {of(other)!r};"
                    " evaluate both again"
                )


def require_same_stages(found: Sequence[Mapping[str, Any]]) -> None:
    """Raise UserError unless evaluation documents of one agent have as many stages and lanes."""
    for what in ("stages", "lanes"):
        values = [d["protocol"][what] for d in found]
        if len(set(values)) > 1:
            raise errors.UserError(
                f"evaluations of {found[0]['algorithm']} have other {what} ({' and '.join(map(str, sorted(set(values))))}):"
                " evaluate its runs alike"
            )
