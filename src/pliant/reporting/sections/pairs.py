"""Every agent beside every other."""

from pliant.reporting import tables, verdicts, words
from pliant.reporting.section import Comparison, Section


def table(comparison: Comparison) -> list[tables.Table]:
    """A row for every pair, the agent before the baseline; pairs of baselines are left out."""
    baselines = {a["name"] for a in comparison["agents"] if a["baseline"]}
    rows = []
    for found in comparison["against"]:
        if {found["agent"], found["other"]} <= baselines:
            continue
        pair = (found["agent"], found["other"])
        row = verdicts.beside(comparison, *(pair[::-1] if pair[0] in baselines else pair))
        assert row is not None
        rows.append(
            [
                tables.Cell(words.shown(row["agent"]), kind="name"),
                tables.Cell(words.shown(row["other"]), kind="name"),
                tables.difference(row, row["few"]),
                tables.Cell(words.share(row["probability_of_improvement"]), few=row["few"], over=("",)),
                tables.Cell(words.probability(row["p_holm"]), few=row["few"], over=("",)),
                tables.Cell(row["verdict"], kind="words"),
            ]
        )
    head = ["agent", "beside", "difference", "P(improvement)", "p (Holm)", "verdict"]
    note = "After adaptation. An interval is of its own pair. p is corrected for the number of pairs, and decides the verdict."
    return [tables.Table("Every agent beside every other", head, rows, note)]


def brief(comparison: Comparison) -> list[tables.Table]:
    """Every agent that is no baseline against every other."""
    baselines = {agent["name"] for agent in comparison["agents"] if agent["baseline"]}
    rows = [
        [
            tables.Cell(words.shown(row["agent"]), kind="name"),
            tables.Cell(words.shown(row["other"]), kind="name"),
            tables.Cell(f"{row['difference']:+.2f}", over=("",)),
            tables.Cell(tables.between(row["ci95"]), over=("",)),
            tables.Cell(words.NONE if row["p_holm"] is None else f"{row['p_holm']:.3f}", over=("",)),
            tables.Cell(f"{row['probability_of_improvement']:.2f}", over=("",)),
            tables.Cell(verdicts.said(row), kind="words"),
        ]
        for row in comparison["against"]
        if row["agent"] not in baselines
    ]
    head = ["agent", "beside", "difference", "95% interval", "p (Holm)", "P(improvement)", "verdict"]
    return [tables.Table("after adaptation, on the same tasks", head, rows)]


SECTION = Section(
    name="pairs",
    title="Every agent beside every other",
    lead="Differences after adaptation on the same tasks.",
    order=10,
    tables=table,
    brief=brief,
    apart=True,
)
