"""The figures of a comparison, as SVG files for papers and as parts of a page. An agent has one colour in all of them.

Agents are drawn in the colours of Okabe and Ito (2008), which the colour-blind can tell apart, with solid lines; baselines in
greys with broken lines. Bands and bars are 95% intervals of the mean over seeds and tasks.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pliant.maths import studies
from pliant.reporting import axes as panels
from pliant.reporting import svg as vector
from pliant.reporting import tables, verdicts, words
from pliant.reporting.axes import Line, Style
from pliant.system import files


class Figure(NamedTuple):
    """A figure of a comparison."""

    name: str
    """Of its file, without the ending."""
    section: str
    """Of the page: "headline", "curves", "training", "splits", "sweeps" or "profile"."""
    title: str
    caption: str
    svg: str
    """The text of the file."""


def figures(comparison: Mapping[str, Any]) -> list[Figure]:
    """All that the comparison has numbers for."""
    style, made = panels.styles(comparison["agents"]), []
    with vector.look():
        for name, section, title, caption, draw in _plan(comparison):
            figure, axes = _room(name, comparison)
            if draw(axes, comparison, style):
                made.append(Figure(name, section, title, caption, vector.drawn(figure, title)))
    return made


def save_all(comparison: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write every figure to `folder` as an SVG file. Raises UserError if the system cannot."""
    return save(figures(comparison), Path(folder))


def save(made: Sequence[Figure], folder: Path) -> list[Path]:
    """Write figures to `folder`."""
    paths = []
    for figure in made:
        paths.append(folder / f"{figure.name}.svg")
        files.write(paths[-1], figure.svg.encode("utf-8"))
    return paths


def _room(name: str, comparison: Mapping[str, Any]) -> tuple[Any, Any]:
    """A canvas as high as the figure needs."""
    agents = len(comparison["agents"])
    rows = {"against": len(verdicts.against(comparison)), "splits": agents}.get(name, 0)
    return panels.canvas(0 if rows else panels.legend_rows(agents), rows)


Draw = Callable[[Any, Mapping[str, Any], Mapping[str, Style]], bool]


def _plan(comparison: Mapping[str, Any]) -> list[tuple[str, str, str, str, Draw]]:
    """Name, section, title, caption, and who draws it: True if there was something to draw."""
    steps = "by the environment steps it has seen of the task; bands are 95% intervals, level lines agents that do not adapt"
    plan: list[tuple[str, str, str, str, Draw]] = [
        ("against", "headline", "Difference from the baseline", "Right of 0: more return than fine-tuning.", _against),
        ("adaptation", "curves", "Adaptation to a new task", f"Return of an episode {steps}.", _adaptation("return")),
        ("success", "curves", "Success on a new task", f"Share of episodes with success {steps}.", _adaptation("success")),
        ("training-after", "training", "Training, after adaptation", "Thin: seeds. Thick: their mean.", _training("after")),
        ("training-before", "training", "Training, before adaptation", "Thin: seeds. Thick: their mean.", _training("before")),
        ("splits", "splits", "Training, test and shifted tasks", "Returns after adaptation with 95% intervals.", _splits),
        ("profile", "profile", "Performance profile", "Share of seeds and tasks that end above a return.", _profile),
    ]
    used: set[str] = set()
    for number, sweep in enumerate(comparison.get("sweeps", [])):
        plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in sweep["axis"])[:40].strip("-")
        name = f"sweep-{plain or number}"
        name = f"{name}-{number}" if name in used else name
        used.add(name)
        title = f"Shift along {words.short(sweep['axis'], panels.MOST_LETTERS)}"
        caption = "Shaded: where training tasks lie. Solid: after adaptation, with 95% interval. Thin: before."
        plan.append((name, "sweeps", title, caption, _sweep(sweep)))
    return plan


# ---- one figure each


def _adaptation(what: str) -> Draw:
    def draw(axes: Any, comparison: Mapping[str, Any], style: Mapping[str, Style]) -> bool:
        agents = [a for a in comparison["agents"] if all(point[what] for point in a["curve"])]
        lines: list[Line] = []
        for agent in agents:
            points, one = panels.thinned(agent["curve"]), style[agent["name"]]
            each = [point[what] for point in points]
            if len(points) == 1:
                line = axes.axhline(each[0]["mean"], color=one.colour, linestyle=one.dash, linewidth=1.2)
            else:
                line = panels.banded(axes, [point["steps_seen"] for point in points], each, one)
            lines.append((line, one.label))
        if what == "return":
            lines += _bounds(axes, comparison)
        first = min((p["steps_seen"] for a in agents for p in a["curve"] if p["steps_seen"] > 0), default=1.0)
        panels.by_steps(axes, [a["curve"][-1]["steps_seen"] for a in agents], first)
        axes.set_xlabel("environment steps seen of the task")
        axes.set_ylabel("return of an episode" if what == "return" else "success, share of episodes")
        panels.legend(axes, lines)
        return bool(agents)

    return draw


def _bounds(axes: Any, comparison: Mapping[str, Any]) -> list[Line]:
    """Lines at what others make of the same tasks, and at what nobody can exceed."""
    dots = ((0, (1, 2)), (0, (3, 1, 1, 1)), (0, (8, 3)))
    lines: list[Line] = []
    for number, (name, _, summary) in enumerate(tables.bounds(comparison)):
        line = axes.axhline(summary["mean"], color=vector.INK, linewidth=0.9, linestyle=dots[number % len(dots)], zorder=1)
        lines.append((line, words.short(name, panels.MOST_LETTERS)))
    return lines


def _training(what: str) -> Draw:
    def draw(axes: Any, comparison: Mapping[str, Any], style: Mapping[str, Style]) -> bool:
        lines: list[Line] = []
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


def _splits(axes: Any, comparison: Mapping[str, Any], style: Mapping[str, Style]) -> bool:
    looks = {"train": ("o", "full"), "test": ("s", "full"), "ood": ("D", "none")}
    agents, seen = comparison["agents"], set()
    for row, agent in enumerate(agents):
        for place, split in enumerate(looks):
            side = agent["generalisation"].get(split)
            if side:
                seen.add(split)
                panels.bar(axes, side["mean"], side["ci95"], row + 0.22 * (place - 1), style[agent["name"]], *looks[split])
    panels.rows(axes, [style[a["name"]].label for a in agents])
    axes.set_xlabel("return after adaptation")
    lines: list[Line] = []
    for split in (s for s in looks if s in seen):
        marker, fill = looks[split]
        key = axes.plot([], [], color=vector.INK, marker=marker, fillstyle=fill, linestyle="none")[0]
        lines.append((key, tables.SPLITS[split]))
    panels.legend(axes, lines)
    return len(seen) > 1


def _against(axes: Any, comparison: Mapping[str, Any], style: Mapping[str, Style]) -> bool:
    found = verdicts.against(comparison)
    if not found:
        return False
    for place, row in enumerate(found):
        panels.bar(axes, row["difference"], row["ci95"], place, style[row["agent"]], "o")
    axes.axvline(0, color=vector.INK, linewidth=0.9)
    panels.rows(axes, [style[row["agent"]].label for row in found])
    other = words.short(style[found[0]["other"]].label, panels.FEW_LETTERS)
    axes.set_xlabel(f"return after adaptation, minus that of {other}")
    return True


def _sweep(sweep: Mapping[str, Any]) -> Draw:
    def draw(axes: Any, comparison: Mapping[str, Any], style: Mapping[str, Style]) -> bool:
        lines: list[Line] = []
        for number, (low, high) in enumerate(sweep["trained"]):
            shade = axes.axvspan(low, high, color=vector.INK, alpha=0.08, linewidth=0)
            lines += [(shade, "trained on")] if number == 0 else []
        for agent in sweep["agents"]:
            one = style[agent["name"]]
            before = [summary["mean"] for summary in agent["before"]]
            axes.plot(sweep["values"], before, color=one.colour, linestyle=one.dash, linewidth=0.6)
            lines.append((panels.banded(axes, sweep["values"], agent["after"], one), one.label))
        axes.set_xlabel(words.short(sweep["axis"], panels.MOST_LETTERS))
        axes.set_ylabel("return of an episode")
        panels.legend(axes, lines)
        return bool(sweep["agents"])

    return draw


def _profile(axes: Any, comparison: Mapping[str, Any], style: Mapping[str, Style]) -> bool:
    agents = [a for a in comparison["agents"] if a["per_task"]]
    if not agents:
        return False
    low, high = np.percentile(np.concatenate([np.ravel(a["per_task"]) for a in agents]), [1, 99])
    x = np.linspace(low, high if high > low else low + 1, panels.MOST_POINTS)
    lines: list[Line] = []
    for agent in agents:
        score, one = np.array(agent["per_task"]), style[agent["name"]]  # [S, M]
        axes.fill_between(x, *zip(*studies.profile_interval(score, x), strict=True), color=one.colour, alpha=0.12, linewidth=0)
        line = axes.plot(x, studies.performance_profile(score, x), color=one.colour, linestyle=one.dash)[0]
        lines.append((line, one.label))
    axes.set_xlabel("return after adaptation")
    axes.set_ylabel("share of seeds and tasks above it")
    axes.set_ylim(-0.02, 1.02)
    panels.legend(axes, lines)
    return True
