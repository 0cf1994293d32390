"""What each memory is for: tasks that tell memories apart, three seeds each, one tracked document per study.

    python benchmarks/memories.py binding      # external memory beside a GRU with as many parameters, by pairs and delay
    python benchmarks/memories.py recall       # episodic memory beside an LSTM: regret by encounter of a context
    python benchmarks/memories.py two-step     # is it model-based? and its regret
    python benchmarks/memories.py dependent    # two arms that depend on each other; without the reward as input: chance

Within a study all agents are trained for equally many trials, with the same settings but for their memory. Measured are final
parameters on test tasks, held out where a family has any to hold out, as expected reward, without the luck of single rewards.
Runs live in runs/benchmarks and are continued if they were interrupted; each has its own core (`--jobs 2`).
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import learning
import numpy as np
import recorded
import torch
from scipy import stats

import pliant
from pliant.config import config, registry
from pliant.families import bandit
from pliant.players import recall, two_step
from pliant.rollout import rollout
from pliant.streams import Stream
from pliant.tasks.base import Tasks
from pliant.types import Rollout

PAIRS, DELAYS = (2, 4, 8), (0, 8, 32)
OPTIMAL_REGRET = {"easy": 0.625, "medium": 1.000, "hard": 2.312}
"""Of 100 pulls; Wang et al. 2016, arXiv:1611.05763, by the exact Bayes-optimal agent."""


class Cell(NamedTuple):
    """One agent of a study."""

    name: str
    family: str
    policy: str
    settings: dict[str, Any]
    preset: str | None = None


def as_large(cell: Cell, policy: str) -> Cell:
    """The same study with another memory, of the smallest size that has at least as many parameters."""
    wanted = parameters(cell)
    for size in range(8, 1024, 4):
        other = cell._replace(policy=policy, settings=cell.settings | {"policy.size": size})
        if parameters(other) >= wanted:
            return other
    raise SystemExit(f"no {policy} of up to 1,024 units has {wanted} parameters")


def parameters(cell: Cell) -> int:
    """Parameters of a cell's policy."""
    made = config.load_config("rl2", cell.family, cell.settings, cell.preset, 0, cell.policy)
    spec = registry.load("family", cell.family).family(made.parts["family"]).spec
    policy = registry.load("policy", cell.policy).make(spec, made.parts["policy"], Stream(0))
    return sum(p.numel() for p in policy.parameters())


def binding() -> list[Cell]:
    """External and GRU for each number of pairs and each delay."""
    cells = []
    for pairs in PAIRS:
        for delay in DELAYS:
            settings = {"family.pairs": pairs, "family.delay": delay}
            cell = Cell(f"external {pairs} pairs delay {delay}", "binding", "external", settings)
            cells += [cell, as_large(cell, "gru")._replace(name=f"gru {pairs} pairs delay {delay}")]
    return cells


def episodic() -> list[Cell]:
    """Episodic memory and an LSTM of the same size and of as many parameters."""
    cell = Cell("episodic", "recall", "episodic", {})
    return [cell, cell._replace(name="lstm", policy="lstm"), as_large(cell, "lstm")._replace(name="lstm, as many parameters")]


def planning() -> list[Cell]:
    """One agent: the task is the study."""
    return [Cell("gru", "two-step", "gru", {})]


def dependent() -> list[Cell]:
    """Three pairs of arms, with and without the reward as input."""
    seen = [Cell(prior, "bandit", "gru", {"family.prior": prior}, "dependent") for prior in OPTIMAL_REGRET]
    blind = [c._replace(name=f"{c.name}, reward hidden", settings=c.settings | {"policy.reward": False}) for c in seen]
    return [*seen, *blind]


def correct(agent: pliant.Agent, tasks: Tasks, played: Rollout) -> dict[str, Any]:
    """Share of the questions that were answered."""
    settings = agent.learner.family.settings
    return {"correct": float(played.reward.sum((1, 2)).mean()) / settings.asked, "chance": 1 / settings.labels}


def by_encounter(agent: pliant.Agent, tasks: Tasks, played: Rollout) -> dict[str, Any]:
    """Regret per episode by encounter, beside that of the Bayes-optimal agent, with memory of other episodes and without."""
    family = agent.learner.family
    bounds = {name: recall.expected_regret(family, forgets) for name, forgets in (("optimal", False), ("amnesic", True))}
    exact = {name: None if regret is None else regret.tolist() for name, regret in bounds.items()}
    return {"regret": np.nanmean(recall.regret_by_encounter(played, family, tasks), axis=0).tolist(), **exact}


def signature(agent: pliant.Agent, tasks: Tasks, played: Rollout) -> dict[str, Any]:
    """How the last episode moves the next choice, and regret."""
    better = tasks.tensor("better").long()[:, None].expand(played.reward.shape[:2])
    plain, fair = two_step.stay_probabilities(played), two_step.stay_probabilities(played, better)
    lost = float(two_step.regret(played, tasks, agent.learner.family).mean())
    effects = {"plain": plain._asdict(), "among equals": fair._asdict()}
    told = {name: {k: v._asdict() if k != "stay" else v.tolist() for k, v in each.items()} for name, each in effects.items()}
    return {"regret": lost, "optimal": 0.3125, "signature": told}


def pulled(agent: pliant.Agent, tasks: Tasks, played: Rollout) -> dict[str, Any]:
    """Expected reward lost against the better arm."""
    probability = torch.as_tensor(bandit.probabilities(tasks))[:, None].expand(*played.reward.shape[:2], -1)
    lost = probability.max(-1, keepdim=True).values - probability.gather(2, played.action)
    prior = agent.learner.family.settings.prior
    return {"regret": float(lost.sum(-1).mean()), "optimal": OPTIMAL_REGRET[prior], "chance": float(lost.shape[2] * 0.5 * (
        probability.max(-1).values - probability.min(-1).values).mean())}  # fmt: skip


STUDIES: dict[str, tuple[Callable[[], list[Cell]], Callable[[pliant.Agent, Tasks, Rollout], dict[str, Any]], int]] = {
    "binding": (binding, correct, 4_000),
    "recall": (episodic, by_encounter, 2_000),
    "two-step": (planning, signature, 2_000),
    "dependent": (dependent, pulled, 20_000),
}


def run_seed(study: str, cell: Cell, seed: int, cores: set[int]) -> dict[str, Any]:
    """Train and measure one seed of a cell, on its own cores."""
    os.sched_setaffinity(0, cores)  # of this thread
    _, measure, tasks = STUDIES[study]
    path = recorded.runs(f"memories-{study}") / f"rl2-{study}-{cell.name.replace(' ', '-').replace(',', '')}-seed{seed}"
    given = [f"--{name}={value}" for name, value in cell.settings.items()]
    preset = ["--preset", cell.preset] if cell.preset else []
    what = ["train", "rl2", cell.family, *preset, "--policy", cell.policy, *given]
    learning.pliant([*what, "--seed", str(seed), "--out", str(path), "--resume"], cores)
    agent = pliant.load(path)
    family, here = agent.learner.family, Stream(seed).at("measured")
    chosen = family.sample(tasks, "test", here.at("tasks").rng())
    batch = family.batch(chosen, 1, agent.learner.episodes)
    played = agent.learner.algorithm.adapt(partial(rollout, batch, here.at("acts")))[0]
    return {
        "cell": cell.name,
        "seed": seed,
        **measure(agent, chosen, played),
        "parameters": parameters(cell),
        "train_minutes": agent.counters["seconds"] / 60,
        "train_env_steps": agent.counters["env_steps"],
        "cores": len(cores),
        "config": config.to_dict(agent.config),
    }


def interval(values: list[Any]) -> dict[str, Any]:
    """Mean over seeds and half the width of its 95 % interval (Student's t); numbers or lists of numbers."""
    x = np.array(values, dtype=np.float64)
    half = stats.t.ppf(0.975, len(x) - 1) * x.std(0, ddof=1) / len(x) ** 0.5 if len(x) > 1 else np.full(x.shape[1:], np.nan)
    return {"mean": x.mean(0).tolist(), "ci95": half.tolist() if len(x) > 1 else None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2, help="agents trained side by side, each on its share of the cores")
    wanted = parser.parse_args()
    cells, _, tasks = STUDIES[wanted.study]
    begin, made = time.monotonic(), cells()
    jobs = [(cell, seed) for seed in wanted.seeds for cell in made]
    rows = learning.side_by_side(jobs, lambda job, cores: run_seed(wanted.study, *job, cores), wanted.jobs)
    key = "correct" if wanted.study == "binding" else "regret"
    summary = {
        cell.name: interval([row[key] for row in rows if row["cell"] == cell.name])
        | {name: next(row[name] for row in rows if row["cell"] == cell.name) for name in ("parameters",)}
        | {"train_minutes": float(np.median([row["train_minutes"] for row in rows if row["cell"] == cell.name]))}
        for cell in made
    }
    document = {
        "schema": "pliant.memories/1",
        "command": f"python benchmarks/memories.py {wanted.study}",
        "measure": key,
        "tasks": tasks,
        "machine": learning.machine(len(os.sched_getaffinity(0))),
        "minutes": (time.monotonic() - begin) / 60,
        "summary": summary,
        "runs": rows,
    }
    recorded.write(f"memories-{wanted.study}", document)
    json.dump(summary, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
