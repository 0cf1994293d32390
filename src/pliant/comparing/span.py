"""Between what a comparison places returns: the random agent below, what can be reached above."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pliant.comparing.contenders import Contender
from pliant.maths import measures

FRACTION = 0.9
"""Share of the way from the random agent to the reference that counts as having learned a task."""


class Span(NamedTuple):
    """What counts as nothing and as everything, in return and in steps."""

    low: float | None
    """The return of the random agent, None where there is none."""
    high: float
    """The return of the reference."""
    reference: str
    """What the reference is called."""
    end: float
    """Steps of a task up to which areas are measured."""

    @property
    def is_defined(self) -> bool:
        """Somebody does better than at random."""
        return self.low is not None and self.high > self.low

    @property
    def target(self) -> float | None:
        """The return that counts as having learned a task, None where nobody does better than at random."""
        return measures.target(self.low, self.high, FRACTION) if self.low is not None and self.is_defined else None

    def area(self, steps: measures.Array, returns: measures.Array) -> measures.Array | None:
        """Areas under curves [..., stages] within the span; None where it is not defined."""
        if self.low is None or not self.is_defined or self.end <= 0:
            return None
        return measures.area(steps, returns, self.end, self.low, self.high)

    def reached(self, x: measures.Array, value: measures.Array) -> float | None:
        """Where a curve over `x` has the target; None if there is none, or it never has it."""
        return None if self.target is None else measures.reached(x, value, self.target)


def of(contenders: Sequence[Contender], split: str, optimum: float | None) -> Span:
    """The span of a comparison: up to the exact optimum, else to an agent that is told the task, else to the best here."""
    final = {c.name: float(c.score(split, -1).mean()) for c in contenders}
    low = next((final[c.name] for c in contenders if c.config.algorithm == "random"), None)
    end = _end(contenders, split)
    if optimum is not None:
        return Span(low, optimum, "the exact optimum", end)
    told = next((c.name for c in contenders if c.config.algorithm == "conditioned"), None)
    name = told if told and final[told] >= max(final.values()) else max(final, key=lambda n: final[n])
    return Span(low, final[name], name, end)


def _end(contenders: Sequence[Contender], split: str) -> float:
    """The most steps of a task that any contender but a baseline sees; of baselines too, where nobody else sees any."""
    seen: dict[bool, list[Any]] = {True: [], False: []}
    for contender in contenders:
        seen[contender.is_baseline].append(contender.documents(split)[0]["curve"][-1]["steps_seen"])
    return float(max(seen[False], default=0.0) or max(seen[False] + seen[True]))
