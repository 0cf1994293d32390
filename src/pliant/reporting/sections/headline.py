"""What every agent reaches, and how far it is from the baseline."""

from collections.abc import Mapping, Sequence
from typing import Any

from pliant.reporting import axes as panels
from pliant.reporting import samples, tables, verdicts, words
from pliant.reporting import svg as vector
from pliant.reporting.section import Comparison, Plot, Section
from pliant.storage import shown


def table(comparison: Comparison) -> list[tables.Table]:
    """A row for every agent and baseline, then reference agents and what is known exactly."""
    beside_it = {row["agent"]: row for row in verdicts.against(comparison)}
    head = ["agent", "seeds", "training steps", "steps seen of a task", "first stage", "after", "gain"]
    head += [f"minus {verdicts.BASELINE}", "verdict"]
    rows = [_row(agent, beside_it.get(agent["name"])) for agent in comparison["agents"]]
    for name, kind, summary in tables.bounds(comparison):
        row = [tables.Cell(words.shown(name), kind, kind="name"), *[tables.Cell(words.NONE)] * 4]
        row += [tables.summary(summary, False), *[tables.Cell(words.NONE)] * 2, tables.Cell(words.NONE, kind="words")]
        rows.append(row)
    note = f"Return of an episode on {samples.tasks(comparison)}: mean over seeds and tasks, 95% interval below. Differences"
    note += " are paired by task; an interval is of its own pair, a verdict counts all pairs. First stage: without adaptation,"
    note += " or the first episode of an agent with memory, which adapts in it."
    return [tables.Table("What every agent reaches", head, rows, note)]


def _row(agent: Mapping[str, Any], beside: Mapping[str, Any] | None) -> list[tables.Cell]:
    few = words.is_few(agent["seeds"])
    return [
        tables.name(agent),
        tables.Cell(str(len(agent["seeds"])), few=few),
        tables.Cell(words.count(agent["efficiency"]["train_env_steps"]), few=few),
        tables.Cell(words.count(tables.seen(agent)), few=few),
        tables.summary(tables.first(agent), few),
        tables.summary(agent["final"], few),
        tables.summary(agent["gain"] if len(agent["curve"]) > 1 else None, few, sign=True),
        tables.difference(beside, bool(beside and beside["few"])),
        tables.Cell(beside["verdict"] if beside else words.NONE, kind="words"),
    ]


def brief(comparison: Comparison) -> list[tables.Table]:
    """Returns before and after adaptation, and after it on every split."""
    splits = [s for s in tables.SPLITS if any(a["generalisation"].get(s) for a in comparison["agents"])]
    head = ["agent", "seeds", "first stage", "after", "95% interval", "gain", *(f"{split} after" for split in splits)]
    rows = []
    for agent in comparison["agents"]:
        seeds, final = len(agent["seeds"]), agent["final"]
        few = words.is_few(agent["seeds"])
        said = [f"{tables.first(agent)['mean']:.2f}", f"{final['mean']:.2f}", tables.between(final["ci95"])]
        said.append(f"{agent['gain']['mean']:+.2f}")
        cells = [tables.Cell(text, few=few, over=("",)) for text in said]
        sides = [(split, agent["generalisation"].get(split)) for split in splits]
        cells += [tables.Cell(f"{side['mean']:.2f}" if side else "", few=few and bool(side), over=(s,)) for s, side in sides]
        rows.append([tables.name(agent), tables.Cell(str(seeds), few=few), *cells])
    for name, kind, summary in tables.bounds(comparison):
        ends = tables.between(summary["ci95"])
        said = ["", "", f"{summary['mean']:.2f}", ends, *[""] * (1 + len(splits))]
        rows.append([tables.Cell(words.shown(name), kind, kind="name"), *map(tables.Cell, said)])
    title = f"{shown.family_of(comparison)}: {samples.tasks(comparison)}, return per episode"
    return [tables.Table(title, head, rows)]


def figures(comparison: Comparison) -> list[Plot]:
    caption = "Right of 0: more return than fine-tuning. Each interval is of its own pair."
    return [Plot("against", "Difference from the baseline", caption, _differences, len(verdicts.against(comparison)))]


def _differences(axes: Any, comparison: Comparison, style: Mapping[str, panels.Style]) -> bool:
    found: Sequence[Mapping[str, Any]] = verdicts.against(comparison)
    if not found:
        return False
    for place, row in enumerate(found):
        panels.bar(axes, row["difference"], row["ci95"], place, style[row["agent"]], "o")
    axes.axvline(0, color=vector.INK, linewidth=0.9)
    panels.rows(axes, [style[row["agent"]].label for row in found])
    other = words.short(style[found[0]["other"]].label, panels.FEW_LETTERS)
    axes.set_xlabel(f"return after adaptation, minus that of {other}")
    return True


SECTION = Section(
    name="headline",
    title="Meta-learning or transfer learning?",
    lead="Whether meta-learning beats fine-tuning what was trained on all tasks together.",
    order=0,
    tables=table,
    figures=figures,
    brief=brief,
    apart=True,
)
