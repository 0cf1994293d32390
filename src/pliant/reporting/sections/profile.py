"""The performance profile: all seeds and tasks instead of their mean."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pliant.maths import studies
from pliant.reporting import axes as panels
from pliant.reporting import samples
from pliant.reporting.section import Comparison, Plot, Section


def figures(comparison: Comparison) -> list[Plot]:
    return [Plot("profile", "Performance profile", "Share of seeds and tasks that end above a return.", _profile)]


def _profile(axes: Any, comparison: Comparison, style: Mapping[str, panels.Style]) -> bool:
    agents = [a for a in comparison["agents"] if a["per_task"]]
    if not agents:
        return False
    low, high = np.percentile(np.concatenate([np.ravel(a["per_task"]) for a in agents]), [1, 99])
    x = np.linspace(low, high if high > low else low + 1, panels.MOST_POINTS)
    lines: list[panels.Line] = []
    for agent in agents:
        score, one = np.array(agent["per_task"]), style[agent["name"]]  # [S, M]
        ends = studies.profile_interval(score, x, samples.layout(comparison))
        if ends is not None:
            axes.fill_between(x, *zip(*ends, strict=True), color=one.colour, alpha=0.12, linewidth=0)
        line = axes.plot(x, studies.performance_profile(score, x), color=one.colour, linestyle=one.dash)[0]
        lines.append((line, one.label))
    axes.set_xlabel("return after adaptation")
    axes.set_ylabel("share of seeds and tasks above it")
    axes.set_ylim(-0.02, 1.02)
    panels.legend(axes, lines)
    return True


SECTION = Section(
    name="profile",
    title="Performance profile",
    lead="All seeds and tasks instead of their mean: how many end above a return.",
    order=70,
    figures=figures,
)
