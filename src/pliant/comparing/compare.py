"""Compare runs on the same tasks: who adapts faster, further, with less; and whether that is more than luck.

Runs that differ in nothing but the seed are one agent. Every agent is measured by documents `pliant.evaluation/1` on the same
tasks; what has not been measured yet is. The result is one document `pliant.comparison/1`, of which tables and pages are made.
Baselines that need no training, `random` and `scratch`, are added where nobody made runs of them.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pliant import errors
from pliant.comparing import alike, beside, contenders, retrain
from pliant.comparing import kept as keeping
from pliant.comparing.contenders import Agent, Asked
from pliant.config import config as configuration
from pliant.maths import measures, studies
from pliant.running import evaluate
from pliant.storage import checkpoint, documents, record
from pliant.storage.schema import comparison
from pliant.system import machine
from pliant.system.progress import Progress

SCHEMA = comparison.SCHEMA
FRACTION = 0.9
"""Share of the way from the random agent to the reference that counts as having learned a task."""
MOST_POINTS = 200
"""Points of a training curve that a document keeps."""


def compare(paths: Sequence[Path], asked: Asked | None = None, quiet: bool = True) -> dict[str, Any]:
    """The document `pliant.comparison/1` of some runs, or of evaluation documents that were kept.

    Raises UserError for runs that cannot be compared, and says why: another family, other settings of it, other tasks or
    another protocol; two runs of one agent with the same seed; a run without a checkpoint; a document that was edited.
    """
    asked = asked or Asked()
    found = [_opened(Path(path)) for path in paths]
    if not found:
        raise errors.UserError("compare needs the folders of one or more runs, e.g. pliant compare runs/maml-point-seed*")
    alike.require_same_family(found)
    asked = _as_kept(found, asked)
    jobs = [(each, split) for each in found for split in _splits(each, asked)]
    with Progress(len(jobs), 0, quiet, "evaluating", "evaluation") as progress:
        for number, (each, split) in enumerate(jobs):
            each.measured[split] = _measured(each, split, asked)
            progress.update(number + 1, {})
    agents = [_agent(name, group) for name, group in contenders.grouped(found).items()]
    agents += beside.untrained(agents, asked)
    for split in asked.splits:
        alike.require_same_protocol([d for a in agents for d in a.measured.get(split, [])])
    return document(sorted(agents, key=_order), asked)


def document(agents: Sequence[Agent], asked: Asked) -> dict[str, Any]:
    """Everything a comparison says, as JSON values."""
    split, one = asked.split, agents[0].measured[asked.split][0]
    players = beside.players(agents, asked)
    low, reference = _span(agents, split, players["optimum"])
    last = max((a.measured[split][0]["curve"][-1]["steps_seen"] for a in agents if not a.is_baseline), default=0.0) or max(
        a.measured[split][0]["curve"][-1]["steps_seen"] for a in agents
    )
    target = measures.target(low, reference["value"], FRACTION) if low is not None and reference["value"] > low else None
    few = [a.name for a in agents if len(a.runs) < 3]
    notes = [f"fewer than three seeds: {', '.join(few)}; with one seed, intervals leave out how seeds differ"] if few else []
    return {
        "schema": SCHEMA,
        "family": one["family"],
        "family_version": one["protocol"]["family_version"],
        "family_settings": one["config"]["parts"]["family"],
        "split": split,
        "seed": one["seed"],
        "tasks": one["tasks"],
        "horizon": one["protocol"]["horizon"],
        "tasks_sha256": one["protocol"]["tasks_sha256"],
        "versions": record.versions(),
        "machine": machine.described(),
        "what": "return",
        "random": low,
        "reference": reference,
        "fraction": FRACTION,
        "agents": [_entry(a, asked, low, reference["value"], last, target) for a in agents],
        "against": _against(agents, split),
        "players": players,
        "missing": beside.missing(agents),
        "notes": notes,
        "sweeps": keeping.sweeps([(a.name, a.runs) for a in agents]),
    }


def _entry(agent: Agent, asked: Asked, low: float | None, high: float, end: float, target: float | None) -> dict[str, Any]:
    """What the document says of one agent."""
    split, found = asked.split, agent.measured[asked.split]
    stages = len(found[0]["curve"])
    scores = [agent.score(split, stage) for stage in range(stages)]  # each [S, M]
    value = np.array([s.mean() for s in scores])  # [stages]
    seen = np.array([np.mean([d["curve"][stage]["steps_seen"] for d in found]) for stage in range(stages)])
    episodes = np.array([found[0]["curve"][stage]["episodes_seen"] for stage in range(stages)], dtype=np.float64)
    steps = np.array([[row["steps_seen"] for row in d["per_task"]] for d in found])  # [S, M, stages]
    returns = np.array([[row["return"] for row in d["per_task"]] for d in found])
    area = measures.area(steps, returns, end, low, high) if low is not None and high > low and end > 0 else None
    curves = {d["train_seed"]: keeping.training(run) for run, d in zip(agent.runs, found, strict=True) if run is not None}
    trained = [(c.env_steps, c.after) for c in curves.values() if len(c.after)]
    enough = [] if target is None else [measures.train_steps_to(*curve, target) for curve in trained]
    costs = [d["cost"] for d in found]
    return {
        "name": agent.name,
        "algorithm": agent.config.algorithm,
        "policy": agent.config.policy,
        "baseline": agent.is_baseline,
        "seeds": [d["train_seed"] for d in found],
        "runs": [str(run) for run in agent.runs if run is not None],
        "by_episode": found[0]["protocol"]["stage"] == "episode",
        "curve": [
            {
                "stage": stage,
                "episodes_seen": int(episodes[stage]),
                "steps_seen": float(seen[stage]),
                "return": studies.summary(scores[stage]),
                "success": _success(found, stage),
            }
            for stage in range(stages)
        ],
        "no_adaptation": studies.summary(scores[0]),
        "final": studies.summary(scores[-1]),
        "gain": studies.paired_difference(scores[-1], scores[0], same_seeds=True),
        "speed": {
            "area": None if area is None else studies.summary(area),
            "steps_to_fraction": _reached(seen, value, target),
            "episodes_to_fraction": _reached(episodes, value, target),
            "stages_to_fraction": _reached(np.arange(stages, dtype=np.float64), value, target),
        },
        "efficiency": {
            "train_env_steps": _mean(costs, "train_env_steps"),
            "train_steps_to_target": _mean_of(enough) if len(enough) == len(found) else None,
            "adapt_env_steps": float(seen[-1]),
            "target": target,
        },
        "generalisation": _generalisation(agent, asked.splits),
        "cost": {name: _mean(costs, name) for name in costs[0]},
        "training": [c.thinned(MOST_POINTS) | {"seed": seed} for seed, c in curves.items()],
        "per_task": scores[-1].tolist(),
        "config": configuration.to_dict(agent.config),
        "command": retrain.command(agent.config, [d["train_seed"] for d in found]),
    }


def _generalisation(agent: Agent, splits: Iterable[str]) -> dict[str, Any]:
    """Returns after adaptation on each split, and the gaps between them: tasks differ, so seeds are what is paired."""
    final = {split: agent.score(split, -1) for split in splits if agent.measured.get(split)}
    shown: dict[str, Any] = {split: studies.summary(final[split]) if split in final else None for split in splits}
    for one, other in (("test", "train"), ("ood", "test")):
        both = one in final and other in final
        shown[f"{one}_minus_{other}"] = studies.gap(final[one], final[other]) if both else None
    return shown


def _against(agents: Sequence[Agent], split: str) -> list[dict[str, Any]]:
    """Every agent against every other, on common tasks, after adaptation; p-values corrected for their number (Holm)."""
    final = {a.name: a.score(split, -1) for a in agents}
    pairs = [(a, b) for i, a in enumerate(agents) for b in agents[i + 1 :]]
    found = [studies.paired_difference(final[a.name], final[b.name]) for a, b in pairs]
    corrected = studies.holm([each["p_value"] for each in found]) if found else []
    return [
        {
            "agent": a.name,
            "other": b.name,
            "difference": each["mean"],
            "ci95": each["ci95"],
            "p_value": each["p_value"],
            "p_holm": p,
            "probability_of_improvement": studies.probability_of_improvement(final[a.name], final[b.name]),
            "verdict": studies.verdict(final[a.name], final[b.name]),
        }
        for (a, b), each, p in zip(pairs, found, corrected, strict=True)
    ]


def _span(agents: Sequence[Agent], split: str, optimum: float | None) -> tuple[float | None, dict[str, Any]]:
    """The return of the random agent, if there is one, and what can be reached: exactly, else if told the task, else here."""
    final = {a.name: float(a.score(split, -1).mean()) for a in agents}
    low = next((final[a.name] for a in agents if a.config.algorithm == "random"), None)
    if optimum is not None:
        return low, {"value": optimum, "name": "the exact optimum"}
    told = next((a.name for a in agents if a.config.algorithm == "conditioned"), None)
    name = told if told and final[told] >= max(final.values()) else max(final, key=lambda n: final[n])
    return low, {"value": final[name], "name": name}


def _opened(path: Path) -> contenders.Found:
    if path.is_file():
        return contenders.from_document(path, documents.read_sealed(path, evaluate.SCHEMA))
    run = record.Run.open(path)
    if not checkpoint.paths(run.checkpoints):
        raise errors.UserError(f"{path} has no checkpoint: train it first (pliant train ... --resume), or leave it out")
    return contenders.Found(path, configuration.from_dict(run.config), {})


def _as_kept(found: Sequence[contenders.Found], asked: Asked) -> Asked:
    """What is asked, where documents settle it: the tasks that the first of them is of."""
    kept = next((document for each in found for document in each.measured.values()), None)
    if kept is None:
        return asked
    return dataclasses.replace(asked, split=kept["split"], tasks=kept["tasks"], seed=kept["seed"])


def _splits(found: contenders.Found, asked: Asked) -> list[str]:
    """Those to be measured: a document that was kept is what it is, and a family may lack a split."""
    if found.path is None or found.path.is_file():
        return []
    return [s for s in dict.fromkeys((asked.split, *asked.splits)) if s == asked.split or keeping.has_split(found.config, s)]


def _measured(found: contenders.Found, split: str, asked: Asked) -> dict[str, Any]:
    """The evaluation of a run that was kept, if it is of the newest checkpoint; else a new one."""
    assert found.path is not None
    kept = keeping.kept(found.path, split, asked.tasks, asked.stages, asked.seed)
    if kept is not None:
        return kept
    return evaluate.evaluate_run(found.path, split, asked.tasks, asked.stages, None, asked.seed, asked.device)


def _agent(name: str, group: Sequence[contenders.Found]) -> Agent:
    group = sorted(group, key=lambda each: each.config.seed)
    seeds = [each.config.seed for each in group]
    if len(set(seeds)) < len(seeds):
        twice = next(s for s in seeds if seeds.count(s) > 1)
        places = " and ".join(str(each.path) for each in group if each.config.seed == twice)
        raise errors.UserError(f"{places} are both {name} with seed {twice}: that is no second seed, leave one out")
    runs = [each.path if each.path and each.path.is_dir() else None for each in group]
    alike.require_same_stages([d for each in group for d in each.measured.values()])
    splits = set.intersection(*(set(each.measured) for each in group))
    return Agent(name, group[0].config, runs, {split: [each.measured[split] for each in group] for split in splits})


def _success(found: Sequence[dict[str, Any]], stage: int) -> dict[str, Any] | None:
    if any(row["success"] is None for d in found for row in d["per_task"]):
        return None
    return studies.summary(np.array([[row["success"][stage] for row in d["per_task"]] for d in found]))


def _reached(x: measures.Array, value: measures.Array, target: float | None) -> float | None:
    """Where a target is reached, if there is one: none where nobody does better than at random."""
    return None if target is None else measures.reached(x, value, target)


def _mean(costs: Sequence[dict[str, Any]], name: str) -> float | None:
    return _mean_of([c.get(name) for c in costs])


def _mean_of(values: Sequence[float | None]) -> float | None:
    """The mean of numbers that are all known."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None


def _order(agent: Agent) -> tuple[bool, str]:
    return agent.is_baseline, agent.name
