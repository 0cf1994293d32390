"""Tables of comparisons, and of how often intervals hold the truth."""

from collections.abc import Sequence

from table_cells import Document, read, said

from pliant.reporting import tables, verdicts

FAMILIES = ("point", "half-cheetah-vel")
HEAD = ("agent", "million training steps", "steps seen of a task", "first stage", "after", "minus pretrain", "")


def studies() -> str:
    """A table for each comparison that has been made."""
    return "\n\n".join(_study(document) for family in FAMILIES if (document := read(f"compared-{family}")))


def _study(document: Document) -> str:
    family, spent = document["family"], document["study"]["minutes"]
    seeds = len(document["agents"][0]["seeds"])
    text = (
        f"Every learner and every baseline on `{family}`; budgets of training differ{_budgets(document)}. Return on"
        f" {document['tasks']} test tasks, {seeds} seeds, 95 % intervals over seeds and tasks, verdicts corrected for all pairs"
        f" (`python benchmarks/compared.py {family}`; trained {spent['training, of one core']:.0f} minutes of one core,"
        f" evaluated {spent['evaluations']:.0f}; [the page](studies/{family}.html)):"
    )
    rows = []
    for agent in document["agents"]:
        row, name = verdicts.beside(document, agent["name"], "pretrain"), f"`{agent['name']}`"
        steps = agent["efficiency"]
        counts = [f"{steps['train_env_steps'] / 1e6:.1f}", f"{tables.seen(agent):,.0f}"]
        means = [_mean(each["mean"], each["ci95"]) for each in (tables.first(agent), agent["final"])]
        rows.append([name, *counts, *means, *([_mean(row["difference"], row["ci95"]), row["verdict"]] if row else ["", ""])])
    return said(text, HEAD, rows)


def _budgets(document: Document) -> str:
    """From the least to the most, in million steps."""
    spent = [steps for agent in document["agents"] if (steps := agent["efficiency"]["train_env_steps"])]
    if max(spent) <= verdicts.UNLIKE * min(spent):
        return " little"
    return f" (from {min(spent) / 1e6:.1f} to {max(spent) / 1e6:.1f} million steps)"


def _mean(value: float, ends: Sequence[float] | None) -> str:
    return f"{value:.1f}" + ("" if ends is None else f" [{ends[0]:.1f}, {ends[1]:.1f}]")


def intervals() -> str:
    """How often intervals hold the truth."""
    document = read("coverage")
    if not document:
        return ""
    found = {row["interval"]: row for row in document["summary"] if row["kind"] == "normal"}
    both, one = found["difference"], found["mean"]
    return (
        f"In {document['studies']:,} made-up studies each of {both['settings']} kinds of normal effects, 95 % intervals of the"
        f" difference of two agents hold the truth in {100 * both['least']:.1f} to {100 * both['largest']:.1f} %, mean"
        f" {100 * both['mean']:.1f} %; of the mean of one, in {100 * one['least']:.1f} to {100 * one['largest']:.1f} %, mean"
        f" {100 * one['mean']:.1f} % (`python benchmarks/coverage.py`; [all kinds](evaluation.md#statistics))."
    )
