"""Every contender against every other on the same tasks."""

from collections.abc import Sequence
from typing import Any

from pliant.comparing.contenders import Contender
from pliant.maths import studies
from pliant.maths.layouts import Layout


def pairs(contenders: Sequence[Contender], split: str, layout: Layout) -> list[dict[str, Any]]:
    """A row for every pair, after adaptation; p-values, and the verdicts that follow them, corrected for their number (Holm).

    `layout` says which tasks are the same.
    """
    final = {c.name: c.score(split, -1) for c in contenders}
    both = [(a, b) for i, a in enumerate(contenders) for b in contenders[i + 1 :]]
    found = [studies.paired_difference(final[a.name], final[b.name], layout=layout) for a, b in both]
    known = [each["p_value"] for each in found if each["p_value"] is not None]
    corrected = iter(studies.holm(known))
    holm = [None if each["p_value"] is None else next(corrected) for each in found]
    return [
        {
            "agent": a.name,
            "other": b.name,
            "difference": each["mean"],
            "ci95": each["ci95"],
            "p_value": each["p_value"],
            "p_holm": p,
            "probability_of_improvement": studies.probability_of_improvement(final[a.name], final[b.name]),
            "verdict": studies.verdict(final[a.name], final[b.name], p, layout),
        }
        for (a, b), each, p in zip(both, found, holm, strict=True)
    ]
