"""Returns in training."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pliant.reporting import axes as panels
from pliant.reporting.section import Comparison, Draw, Plot, Section

CAPTION = "Thin: seeds. Thick: their mean. Of an agent with memory: the first and the last episode of a trial."


def figures(comparison: Comparison) -> list[Plot]:
    return [
        Plot("training-after", "Training, after adaptation", CAPTION, _training("after")),
        Plot("training-before", "Training, before adaptation", CAPTION, _training("before")),
    ]


def _training(what: str) -> Draw:
    def draw(axes: Any, comparison: Comparison, style: Mapping[str, panels.Style]) -> bool:
        lines: list[panels.Line] = []
        ends = []
        for agent in comparison["agents"]:
            curves = [(c["env_steps"], c[what]) for c in agent["training"] if c[what]]
            if not curves:
                continue
            one = style[agent["name"]]
            for x, y in curves if len(curves) > 1 else ():
                axes.plot(panels.thinned(x), panels.thinned(y), color=one.colour, alpha=0.35, linewidth=0.5)
            x = np.linspace(max(c[0][0] for c in curves), min(c[0][-1] for c in curves), panels.MOST_POINTS)
            mean = np.mean([np.interp(x, *curve) for curve in curves], axis=0)
            lines.append((axes.plot(x, mean, color=one.colour, linestyle=one.dash)[0], one.label))
            ends.append(float(x[-1]))
        panels.by_steps(axes, ends)
        axes.set_xlabel("environment steps of training")
        axes.set_ylabel(f"return {what} adaptation")
        panels.legend(axes, lines)
        return bool(lines)

    return draw


SECTION = Section(
    name="training",
    title="Training",
    lead="Returns on training tasks by environment steps, those of adaptation counted.",
    order=40,
    figures=figures,
)
