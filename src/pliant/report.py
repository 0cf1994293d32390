"""Adaptation curves for people: a table for the terminal, a picture with intervals."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table


def curve_table(document: Mapping[str, Any]) -> Table:
    """The curve of a document `pliant.evaluation/1`, one row per stage."""
    has_success = document["curve"][0]["success"] is not None
    table = Table(title=title(document))
    columns = ["stage", "steps seen", "return", "95% interval", *(["success"] if has_success else [])]
    for name in columns:
        table.add_column(name, justify="right")
    for point in document["curve"]:
        value = point["return"]
        low, high = value["ci95"]
        row = [str(point["stage"]), f"{point['steps_seen']:,.0f}", f"{value['mean']:.2f}", f"{low:.2f} to {high:.2f}"]
        table.add_row(*row, *([f"{point['success']['mean']:.0%}"] if has_success else []))
    return table


def title(document: Mapping[str, Any]) -> str:
    """What was evaluated, in one line."""
    subject = f"{document['algorithm']} on {document['family']}"
    if document["split"] == "task":
        return f"{subject}: one task"
    kind = {"test": "held-out", "train": "training", "ood": "shifted"}[document["split"]]
    different = len({str(row["task"]) for row in document["per_task"]})
    if different < document["tasks"]:  # two directions, say: what is new are the trials
        return f"{subject}: {document['tasks']} new trials of {different} tasks ({document['split']})"
    return f"{subject}: {document['tasks']} {kind} tasks"


def curve_picture(document: Mapping[str, Any], path: Path) -> Path:
    """Draw the curve as a picture (PNG, SVG, PDF by its suffix): every task thin, the mean with its 95% interval thick."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    curve = document["curve"]
    stages = [point["stage"] for point in curve]
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for n, task in enumerate(document["per_task"]):
        axes.plot(stages, task["return"], color="0.75", linewidth=0.7, label="one trial" if n == 0 else None, zorder=1)
    mean = [point["return"]["mean"] for point in curve]
    low, high = zip(*(point["return"]["ci95"] for point in curve), strict=True)
    axes.fill_between(stages, low, high, color="C0", alpha=0.3, linewidth=0, zorder=2)
    axes.plot(stages, mean, color="C0", marker="o", linewidth=2, label="mean, 95% interval", zorder=3)
    for stage, value in zip(stages, mean, strict=True):
        axes.annotate(f"{value:.1f}", (stage, value), textcoords="offset points", xytext=(6, 7), zorder=4)
    axes.set_xticks(stages, [f"{p['stage']}\n{p['steps_seen']:,.0f} steps" for p in curve])
    axes.set_xlabel("gradient steps on the task, and environment steps seen before")
    axes.set_ylabel("return per episode")
    axes.set_title(title(document))
    axes.margins(x=0.08)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    return path
