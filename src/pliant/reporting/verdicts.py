"""What may be said of agents beside each other, and the answer to "meta-learning or transfer learning?" in words.

Nothing is called better or worse but by the verdict of the comparison, which needs an interval that says so and three seeds.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pliant.reporting import words

BASELINE = "pretrain"
"""What meta-learning has to beat: trained on all training tasks together, then fine-tuned."""
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


def beside(comparison: Mapping[str, Any], name: str, other: str) -> dict[str, Any] | None:
    """What the comparison says of one agent beside another, whichever it names first; "few": with too few seeds."""
    few = any(words.is_few(a["seeds"]) for a in comparison["agents"] if a["name"] in (name, other))
    for row in comparison["against"]:
        if (row["agent"], row["other"]) == (name, other):
            return {**row, "few": few}
        if (row["agent"], row["other"]) == (other, name):
            low, high = row["ci95"]
            return {
                **row,
                "agent": name,
                "other": other,
                "difference": -row["difference"],
                "ci95": [-high, -low],
                "probability_of_improvement": 1 - row["probability_of_improvement"],
                "verdict": OPPOSITE.get(row["verdict"], row["verdict"]),
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
        said = "Not answered: fewer than three seeds."
    elif better and not worse:
        said = f"Meta-learning: {_of(better, number)} better than fine-tuning after joint training ({other})."
    elif worse and not better:
        said = f"Transfer learning: {_of(worse, number)} worse than fine-tuning after joint training ({other})."
    elif better:
        said = f"It depends on the agent: {len(better)} of {number} do better than {other}, {len(worse)} worse."
    else:
        said = f"No difference shown between meta-learning and fine-tuning after joint training ({other})."
    return Answer(said, [_sentence(row) for row in rows])


def cautions(comparison: Mapping[str, Any]) -> list[str]:
    """What a reader must know before the numbers."""
    said = [words.shown(note) for note in comparison.get("notes", [])]
    if any(words.is_few(a["seeds"]) for a in comparison["agents"]):
        said.append(f"{words.FEW} marks every number of fewer than three seeds: nobody knows how much trainings differ.")
    trained = [a["efficiency"]["train_env_steps"] for a in comparison["agents"] if a["efficiency"]["train_env_steps"]]
    if trained and max(trained) > 2 * min(trained):
        said.append(f"Training differs: from {words.count(min(trained))} to {words.count(max(trained))} environment steps.")
    seen = [a["efficiency"]["adapt_env_steps"] for a in comparison["agents"] if a["efficiency"]["adapt_env_steps"]]
    if seen and max(seen) > 2 * min(seen):
        few, many = words.count(min(seen)), words.count(max(seen))
        said.append(f"Experience differs: agents have seen from {few} to {many} steps of a task when they count as adapted.")
    return said


def _of(names: Sequence[str], number: int) -> str:
    does = "does" if len(names) == 1 else "do"
    return f"{len(names)} of {number} agents ({words.listed(names)}) {does}"


def _sentence(row: Mapping[str, Any]) -> str:
    """`maml minus pretrain: +10.1 (95% interval 9.2 to 11.0): better. P(improvement) 0.99, p (Holm) < 0.001.`"""
    one, mark = {"mean": row["difference"], "ci95": row["ci95"]}, words.FEW if row["few"] else ""
    p, chance = words.probability(row["p_holm"]), words.share(row["probability_of_improvement"])
    said = f"{words.shown(row['agent'])} minus {words.shown(row['other'])}: {words.mean(one, sign=True)}{mark}"
    said += f" (95% interval {words.interval(row['ci95'])}{mark}): {row['verdict']}."
    return f"{said} P(improvement)\u00a0{chance}{mark}, p\u00a0(Holm)\u00a0{p}{mark}."
