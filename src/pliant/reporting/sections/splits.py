"""Generalisation: training, test and shifted tasks side by side."""

from collections.abc import Mapping
from typing import Any

from pliant.reporting import axes as panels
from pliant.reporting import svg as vector
from pliant.reporting import tables, words
from pliant.reporting.section import Comparison, Plot, Section

LOOKS = {"train": ("o", "full"), "test": ("s", "full"), "ood": ("D", "none")}
"""Marker and filling of each split."""


def table(comparison: Comparison) -> list[tables.Table]:
    """Returns on each split, and the gaps between them."""
    agents = comparison["agents"]
    splits = [s for s in tables.SPLITS if any(a["generalisation"].get(s) for a in agents)]
    gaps = [(f"{a}_minus_{b}", f"{a} − {b}") for a, b in (("test", "train"), ("ood", "test"))]
    gaps = [(key, title) for key, title in gaps if any(a["generalisation"].get(key) for a in agents)]
    rows = []
    for agent in agents:
        few, found = words.is_few(agent["seeds"]), agent["generalisation"]
        sides = [tables.summary(found.get(split), few, over=(split,)) for split in splits]
        differ = [tables.summary(found.get(key), few, sign=True, over=tuple(key.split("_minus_"))) for key, _ in gaps]
        rows.append([tables.name(agent), *sides, *differ])
    head = ["agent", *(tables.SPLITS[s] for s in splits), *(title for _, title in gaps)]
    return [tables.Table("Splits side by side", head, rows, "Returns after adaptation and their differences.")]


def figures(comparison: Comparison) -> list[Plot]:
    caption, rows = "Returns after adaptation with 95% intervals.", len(comparison["agents"])
    return [Plot("splits", "Training, test and shifted tasks", caption, _sides, rows)]


def _sides(axes: Any, comparison: Comparison, style: Mapping[str, panels.Style]) -> bool:
    agents, seen = comparison["agents"], set()
    for row, agent in enumerate(agents):
        for place, split in enumerate(LOOKS):
            side = agent["generalisation"].get(split)
            if side:
                seen.add(split)
                panels.bar(axes, side["mean"], side["ci95"], row + 0.22 * (place - 1), style[agent["name"]], *LOOKS[split])
    panels.rows(axes, [style[a["name"]].label for a in agents])
    axes.set_xlabel("return after adaptation")
    lines: list[panels.Line] = []
    for split in (s for s in LOOKS if s in seen):
        marker, fill = LOOKS[split]
        key = axes.plot([], [], color=vector.INK, marker=marker, fillstyle=fill, linestyle="none")[0]
        lines.append((key, tables.SPLITS[split]))
    panels.legend(axes, lines)
    return len(seen) > 1


SECTION = Section(
    name="splits",
    title="Generalisation",
    lead="The same agents on tasks of training, on held-out ones, and on tasks outside the range of training.",
    order=50,
    tables=table,
    figures=figures,
)
