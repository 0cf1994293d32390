"""Adaptation curves: returns by the experience of a task."""

from collections.abc import Mapping
from typing import Any

from pliant.reporting import axes as panels
from pliant.reporting import svg as vector
from pliant.reporting import tables, words
from pliant.reporting.section import Comparison, Draw, Plot, Section


def figures(comparison: Comparison) -> list[Plot]:
    steps = "by the environment steps it has seen of the task; bands are 95% intervals, level lines agents that do not adapt"
    return [
        Plot("adaptation", "Adaptation to a new task", f"Return of an episode {steps}.", _adaptation("return")),
        Plot("success", "Success on a new task", f"Share of episodes with success {steps}.", _adaptation("success")),
    ]


def _adaptation(what: str) -> Draw:
    def draw(axes: Any, comparison: Comparison, style: Mapping[str, panels.Style]) -> bool:
        agents = [a for a in comparison["agents"] if all(point[what] for point in a["curve"])]
        lines = [_curve(axes, agent, what, style[agent["name"]]) for agent in agents]
        if what == "return":
            lines += _bounds(axes, comparison)
        learn = [a for a in agents if tables.adapts(a)]
        first = min((p["steps_seen"] for a in learn for p in a["curve"] if p["steps_seen"] > 0), default=1.0)
        panels.by_steps(axes, [a["curve"][-1]["steps_seen"] for a in learn], first)
        axes.set_xlabel("environment steps seen of the task")
        axes.set_ylabel("return of an episode" if what == "return" else "success, share of episodes")
        panels.legend(axes, lines)
        return bool(agents)

    return draw


def _curve(axes: Any, agent: Mapping[str, Any], what: str, style: panels.Style) -> panels.Line:
    """The curve of one agent; a level line for one that has a single stage, or that does not adapt.

    A policy that learns by gradients stays what it is from one gradient step to the next.
    """
    points = panels.thinned(agent["curve"])
    each = [point[what] for point in points]
    if len(points) == 1 or not tables.adapts(agent):
        line = axes.axhline(each[-1]["mean"], color=style.colour, linestyle=style.dash, linewidth=1.2)
    else:
        line = panels.banded(axes, [point["steps_seen"] for point in points], each, style, not agent["by_episode"])
    return line, style.label


def _bounds(axes: Any, comparison: Comparison) -> list[panels.Line]:
    """Lines at what others make of the same tasks, and at what nobody can exceed."""
    dots = ((0, (1, 2)), (0, (3, 1, 1, 1)), (0, (8, 3)))
    lines: list[panels.Line] = []
    for number, (name, _, summary) in enumerate(tables.bounds(comparison)):
        line = axes.axhline(summary["mean"], color=vector.INK, linewidth=0.9, linestyle=dots[number % len(dots)], zorder=1)
        lines.append((line, words.short(name, panels.MOST_LETTERS)))
    return lines


SECTION = Section(
    name="curves",
    title="Adaptation curves",
    lead="What agents reach on tasks they have never seen, by what they have seen of them.",
    order=20,
    figures=figures,
)
