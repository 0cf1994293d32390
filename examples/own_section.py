"""A section of reports of your own: how much of what an agent reaches is luck of its training.

`cp own_section.py "$(python -c 'import pliant.reporting.sections as s; print(s.__path__[0])')/luck.py"` is all: the folder is
the registry, and `pliant report`, its Markdown and `pliant compare` show the section from then on.
"""

import numpy as np

from pliant.reporting import axes, tables
from pliant.reporting.section import Plot, Section


def trainings(agent):
    """What each training reached, the mean over tasks: [K] of K seeds."""
    return np.array(agent["per_task"]).mean(1)


def table(comparison):
    """A row for every agent that was trained more than once; a table without rows is left out."""
    rows = []
    for agent in comparison["agents"]:
        reached = np.sort(trainings(agent))
        if len(reached) < 2:
            continue
        tasks = np.array(agent["per_task"]).mean(0).std(ddof=1) if comparison["tasks"] > 1 else 0.0
        said = [f"{reached[0]:.2f}", f"{reached[-1]:.2f}", f"{reached.std(ddof=1):.2f}", f"{tasks:.2f}"]
        rows.append([tables.name(agent), tables.Cell(str(len(reached))), *map(tables.Cell, said)])
    head = ["agent", "seeds", "worst seed", "best seed", "between seeds", "between tasks"]
    note = "Return at the last stage. Between: standard deviation, of trainings over tasks and of tasks over trainings."
    return [tables.Table("The same agent, trained again", head, rows, note)]


def dots(canvas, comparison, style):
    """A dot for every training; True says that there was something to draw."""
    for place, agent in enumerate(comparison["agents"]):
        reached = trainings(agent)
        canvas.plot(reached, np.full(len(reached), place), "o", color=style[agent["name"]].colour, alpha=0.7)
    axes.rows(canvas, [style[agent["name"]].label for agent in comparison["agents"]])
    canvas.set_xlabel("return after adaptation, mean over tasks")
    return True


SECTION = Section(
    name="luck",
    title="Luck of the seed",
    lead="What the same agent reaches when it is trained again from another seed.",
    order=65,  # between two that are there: pliant's own are at 0, 10, 20, ...
    tables=table,
    figures=lambda comparison: [
        Plot("luck", "Every training", "A dot is a training.", dots, rows=len(comparison["agents"]))
    ],
)
