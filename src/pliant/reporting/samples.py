"""What a reader must be told of the tasks that numbers are of: how many differ, and what an interval over so few is worth."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pliant.maths.layouts import Layout
from pliant.maths.statistics import FEW_TASKS
from pliant.reporting import tables, words


def distinct(document: Mapping[str, Any], split: str = "") -> int | None:
    """Distinct tasks of an evaluation or a comparison in a split, by default its own; None where it does not say."""
    known = document.get("distinct_tasks")
    return known.get(split or document["split"]) if isinstance(known, Mapping) else known


def is_whole(document: Mapping[str, Any], split: str = "") -> bool:
    """Those are all the tasks there are."""
    known = document.get("all_tasks", False)
    return bool(known.get(split or document["split"]) if isinstance(known, Mapping) else known)


def is_few(document: Mapping[str, Any], split: str = "") -> bool:
    """They are fewer than five. A task that was named is no sample of anything."""
    number = distinct(document, split)
    return number is not None and number < FEW_TASKS and (split or document["split"]) != "task"


def layout(comparison: Mapping[str, Any]) -> Layout | None:
    """Which tasks of a comparison are the same; None where an older one does not say."""
    numbers = comparison.get("task_numbers")
    return None if numbers is None else Layout(np.array(numbers, dtype=np.int64), is_whole(comparison))


def are_few(sweep: Mapping[str, Any]) -> list[bool]:
    """[V] of a sweep, alone or in a comparison: at this value are few distinct tasks, and there are others than those."""
    whole = sweep.get("all_tasks", [False] * len(sweep["values"]))
    numbers = sweep.get("task_numbers")
    counts = sweep.get("distinct_tasks") if numbers is None else [len(set(each)) for each in numbers]
    return [not w and n < FEW_TASKS for w, n in zip(whole, counts or [FEW_TASKS] * len(whole), strict=True)]


def tasks(document: Mapping[str, Any]) -> str:
    """`40 test tasks`; where some of them are the same, `40 test tasks (2 distinct)`."""
    kind, number = tables.SPLITS.get(document["split"], words.shown(document["split"])), distinct(document)
    return f"{document['tasks']} {kind}" + ("" if number in (None, document["tasks"]) else f" ({number} distinct)")


def caution(document: Mapping[str, Any], split: str = "") -> str:
    """What the mark of few tasks means here, in a sentence; empty where there are enough."""
    if not is_few(document, split):
        return ""
    number = distinct(document, split)
    said = f"{words.FEW_TASKS} marks numbers of {number} distinct {'task' if number == 1 else 'tasks'}"
    said += f" ({tables.SPLITS[split]})" if split else ""
    if is_whole(document, split):
        return f"{said}, all that there are: intervals say how trials of them differ, and nothing of other tasks."
    if number == 1:
        return f"{said}: how tasks differ is unknown, so there is no interval."
    return f"{said}: so few say little of how tasks differ, which makes intervals wide."
