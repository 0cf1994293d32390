"""The adaptation curve of one evaluation as a picture."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pliant.reporting import samples
from pliant.storage import documents, shown
from pliant.system import files

MOST_LINES = 40
"""Tasks whose own curve a picture shows; none where a curve is so long that nobody could tell them apart."""
MOST_TICKS = 6
MOST_ROWS = 12
"""Stages that a table shows; of more, some are left out, never the first and the last."""


def title(document: Mapping[str, Any]) -> str:
    """What was evaluated, in one line."""
    subject = f"{shown.name(document['algorithm'])} on {shown.family_of(document)}"
    subject += " by its most likely actions" if document["protocol"].get("deterministic") else ""
    if document["split"] == "task":
        return f"{subject}: one task"
    kind = {"test": "held-out", "train": "training", "ood": "shifted"}[document["split"]]
    different = len({str(row["task"]) for row in document["per_task"]})
    if samples.is_whole(document):  # two directions, say: what is new are the trials
        return f"{subject}: {document['tasks']} new trials of {different} tasks ({document['split']})"
    few = f" ({different} distinct)" if different < document["tasks"] else ""
    return f"{subject}: {document['tasks']} {kind} tasks{few}"


def curve_picture(document: Mapping[str, Any], path: Path, folder: Path | None = None) -> Path:
    """Draw the curve as a picture (PNG, SVG, PDF by its suffix): every task thin, the mean with its 95% interval thick.

    It is written as `files.write` does.
    """
    picture = io.BytesIO()
    _figure(document).savefig(picture, format=path.suffix.removeprefix("."), dpi=150)
    files.write(path, picture.getvalue(), folder)
    return path


def _figure(document: Mapping[str, Any]) -> Any:
    """The picture as a figure of matplotlib."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    curve = document["curve"]
    stages = [point["stage"] for point in curve]
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for n, task in enumerate(document["per_task"][: MOST_LINES if len(curve) <= MOST_ROWS else 0]):
        axes.plot(stages, task["return"], color="0.75", linewidth=0.7, label="one trial" if n == 0 else None, zorder=1)
    mean = [point["return"]["mean"] for point in curve]
    ends, label = [point["return"]["ci95"] for point in curve], "mean"
    if None not in ends:
        low, high = zip(*ends, strict=True)
        axes.fill_between(stages, low, high, color="C0", alpha=0.3, linewidth=0, zorder=2)
        label = "mean, 95% interval"
    marker = "o" if len(curve) <= MOST_ROWS else None
    axes.plot(stages, mean, color="C0", marker=marker, linewidth=2, label=label, zorder=3)
    places = sorted({round(i * (len(curve) - 1) / (MOST_TICKS - 1)) for i in range(MOST_TICKS)})
    for place in places:
        label = f"{mean[place]:.1f}" if max(map(abs, mean)) >= 10 else f"{mean[place]:.2f}"
        axes.annotate(label, (stages[place], mean[place]), textcoords="offset points", xytext=(6, 7), zorder=4)
    others = document.get("players", {}).get("each", {}) if documents.by_episode(document) else {}
    for number, (name, each) in enumerate(others.items(), start=1):
        axes.plot(stages, each["return"], color=f"C{number}", linewidth=1, linestyle="--", label=name, zorder=2)
    axes.set_xticks(places, [f"{curve[i]['stage']}\n{curve[i]['steps_seen']:,.0f} steps" for i in places])
    what = "episode of the trial" if documents.by_episode(document) else "gradient steps on the task"
    axes.set_xlabel(f"{what}, and environment steps seen before")
    axes.set_ylabel("return per episode")
    axes.set_title(title(document))
    axes.margins(x=0.08)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure
