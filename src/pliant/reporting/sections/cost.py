"""What training, adapting and acting take."""

from collections.abc import Mapping
from typing import Any

from pliant.reporting import tables, words
from pliant.reporting.section import Comparison, Section

TIMES = ("simulation", "acting", "inner", "outer", "evaluation")
"""Parts of the time of training."""


def table(comparison: Comparison) -> list[tables.Table]:
    """Steps, times, operations and memory of every agent."""
    head = ["agent", "parameters", "training steps", "training", *TIMES]
    head += ["adaptation", "adapt FLOP", "action", "act FLOP", "peak memory"]
    rows = []
    for agent in comparison["agents"]:
        few = words.is_few(agent["seeds"])
        said = _said(agent["cost"])
        rows.append([tables.name(agent), *(tables.Cell(text, few=few and text != words.NONE) for text in said)])
    note = "Means over seeds. From simulation to evaluation: parts of the training time. FLOP: floating-point operations."
    return [tables.Table("Steps, times, operations, memory", head, rows, note)]


def _said(cost: Mapping[str, Any]) -> list[str]:
    action, memory = cost.get("act_microseconds"), cost.get("peak_memory_mb")
    return [
        words.count(cost.get("parameters")),
        words.count(cost.get("train_env_steps")),
        words.seconds(cost.get("train_seconds")),
        *(words.seconds(cost.get(f"{name}_seconds")) for name in TIMES),
        words.seconds(cost.get("adapt_seconds")),
        words.count(cost.get("adapt_flops")),
        words.seconds(None if action is None else action * 1e-6),
        words.count(cost.get("act_flops")),
        words.NONE if memory is None else f"{memory:,.0f}\u00a0MB",
    ]


SECTION = Section(name="cost", title="Cost", lead="What training, adapting and acting take.", order=80, tables=table)
