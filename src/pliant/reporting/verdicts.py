"""What may be said of agents beside each other, and the answer to "meta-learning or transfer learning?" in words.

Nothing is called better or worse but by the verdict of the comparison, which needs three seeds and a p-value that is below
0.05 when it is corrected for all pairs of the table.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pliant.maths.studies import SIGNIFICANCE
from pliant.reporting import samples, tables, words

BASELINE = "pretrain"
"""What meta-learning has to beat: trained on all training tasks together, then fine-tuned."""
UNLIKE = 1.25
"""By how much one may be trained longer than another before a reader is told."""
MOST_LETTERS = 34
"""Of the name of an agent in a sentence."""
OPPOSITE = {"better": "worse", "worse": "better"}


class Answer(NamedTuple):
    """To "meta-learning or transfer learning?"."""

    short: str
    sentences: list[str]


def against(comparison: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every agent that is no baseline beside the reference baseline; none if nobody trained that."""
    other = next((a["name"] for a in comparison["agents"] if a["algorithm"] == BASELINE), None)
    agents = [a["name"] for a in comparison["agents"] if not a["baseline"]]
    found = [beside(comparison, name, other) for name in agents] if other is not None else []
    return [row for row in found if row is not None]


def said(row: Mapping[str, Any]) -> str:
    """The verdict of a pair, which the corrected p-value in its row decides: older documents looked at one interval only."""
    verdict: str = row["verdict"]
    is_decided = verdict in OPPOSITE and (row["p_holm"] is None or row["p_holm"] >= SIGNIFICANCE)
    return "no difference shown" if is_decided else verdict


def beside(comparison: Mapping[str, Any], name: str, other: str) -> dict[str, Any] | None:
    """What the comparison says of one agent beside another, whichever it names first; "few": with too few seeds."""
    few = any(words.is_few(a["seeds"]) for a in comparison["agents"] if a["name"] in (name, other))
    for row in comparison["against"]:
        if (row["agent"], row["other"]) == (name, other):
            return {**row, "verdict": said(row), "few": few}
        if (row["agent"], row["other"]) == (other, name):
            ends = row["ci95"]
            return {
                **row,
                "agent": name,
                "other": other,
                "difference": -row["difference"],
                "ci95": None if ends is None else [-ends[1], -ends[0]],
                "probability_of_improvement": 1 - row["probability_of_improvement"],
                "verdict": OPPOSITE.get(said(row), said(row)),
                "few": few,
            }
    return None


def answer(comparison: Mapping[str, Any]) -> Answer:
    """Does meta-learning beat fine-tuning what was trained on all tasks? In words, with intervals."""
    rows = against(comparison)
    if all(a["baseline"] for a in comparison["agents"]):
        return Answer("Not answered: there are baselines only.", [])
    if not rows:
        return Answer("Not answered: no run of the baseline pretrain, which learns all training tasks together.", [])
    by_verdict: dict[str, list[str]] = {}
    for row in rows:
        by_verdict.setdefault(row["verdict"], []).append(words.shown(row["agent"]))
    other, number = words.shown(rows[0]["other"]), len(rows)
    better, worse = by_verdict.get("better", []), by_verdict.get("worse", [])
    if len(by_verdict.get("too few seeds", [])) == number:
        text = "Not answered: fewer than three seeds."
    elif len(by_verdict.get("too few tasks", [])) == number:
        text = "Not answered: one distinct task, or one trial of each."
    elif better and not worse:
        text = f"Meta-learning: {_of(better, number)} better than fine-tuning after joint training ({other})."
    elif worse and not better:
        text = f"Transfer learning: {_of(worse, number)} worse than fine-tuning after joint training ({other})."
    elif better:
        text = f"It depends on the agent: {len(better)} of {number} do better than {other}, {len(worse)} worse."
    else:
        text = f"No difference shown between meta-learning and fine-tuning after joint training ({other})."
    return Answer(text, [_sentence(row) for row in rows])


def cautions(comparison: Mapping[str, Any]) -> list[str]:
    """What a reader must know before the numbers: the same on the page, in Markdown and in the terminal."""
    told = [words.shown(note) for note in comparison.get("notes", [])]
    if any(words.is_few(a["seeds"]) for a in comparison["agents"]):
        told.append(f"{words.FEW} marks every number of fewer than three seeds: nobody knows how much trainings differ.")
    splits = [split for split in comparison.get("distinct_tasks", {}) if split != comparison["split"]]
    told += filter(None, [samples.caution(comparison), *(samples.caution(comparison, split) for split in splits)])
    return [*told, *_budgets(comparison), *_experience(comparison)]


def _budgets(comparison: Mapping[str, Any]) -> list[str]:
    """How much each was trained, where that is not alike; a baseline that learns nothing has no budget."""
    spent = {a["name"]: a["efficiency"]["train_env_steps"] for a in comparison["agents"]}
    budgets = {name: steps for name, steps in spent.items() if steps}
    if not budgets or max(budgets.values()) <= UNLIKE * min(budgets.values()):
        return []
    each = words.listed([f"{words.short(name, MOST_LETTERS)}\u00a0{words.count(steps)}" for name, steps in budgets.items()])
    few, many = words.count(min(budgets.values())), words.count(max(budgets.values()))
    return [f"Training differs: from {few} to {many} environment steps ({each})."]


def _experience(comparison: Mapping[str, Any]) -> list[str]:
    """How much of a task each has seen when it counts as adapted."""
    seen = [steps for a in comparison["agents"] if (steps := tables.seen(a))]
    if not seen or max(seen) <= 2 * min(seen):
        return []
    few, many = words.count(min(seen)), words.count(max(seen))
    return [f"Experience differs: agents have seen from {few} to {many} steps of a task when they count as adapted."]


def _of(names: Sequence[str], number: int) -> str:
    does = "does" if len(names) == 1 else "do"
    return f"{len(names)} of {number} agents ({words.listed(names)}) {does}"


def _sentence(row: Mapping[str, Any]) -> str:
    """`maml minus pretrain: +10.1 (95% interval 9.2 to 11.0): better. P(improvement) 0.99, p (Holm) < 0.001.`"""
    one, mark = {"mean": row["difference"], "ci95": row["ci95"]}, words.FEW if row["few"] else ""
    p, chance = words.probability(row["p_holm"]), words.share(row["probability_of_improvement"])
    text = f"{words.shown(row['agent'])} minus {words.shown(row['other'])}: {words.mean(one, sign=True)}{mark}"
    ends = f"95% interval {words.interval(row['ci95'])}{mark}" if row["ci95"] else "no interval"
    return f"{text} ({ends}): {row['verdict']}. P(improvement)\u00a0{chance}{mark}, p\u00a0(Holm)\u00a0{p}{mark}."
