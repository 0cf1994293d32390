"""What shapes a memory: `rl2` with nothing but its reward, and with lessons, at equal steps and at equal seconds.

    python benchmarks/beliefs.py                       # five families, five agents, three seeds each
    python benchmarks/beliefs.py --families gridnavi   # one of them; what was measured of the others is kept

    plain       the policy's gradient alone
    infer       the task is read from the features, by who may be told it
    predict     the reward of a step, from features and action
    foresee     reward and observation of a random other step of the trial
    hyper       plain, and the head's weights are generated from the features

The critic is told the task in all of them, and nothing else differs. Equal steps: the final agent of a short training, on new
test tasks. Equal seconds: the same training as it stood after as many seconds as the quickest agent of its seed needed for all
of it, on fewer test tasks. No rate is annealed, so that a training that is cut is as good as a shorter one. On gridnavi the
cross-entropy, in nats, with which a linear layer reads the goal from the features, beside that of the exact posterior.

Runs live in runs/benchmarks and are continued if they were interrupted; each has its own core (`--jobs 2`).
"""

import argparse
import json
import os
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import learning
import recorded
import torch
from replay import over_seeds
from torch import Tensor, nn

import pliant
from pliant.families.gridnavi import goals
from pliant.maths import functional
from pliant.players.gridnavi import PosteriorSampling
from pliant.rollout import rollout
from pliant.streams import Stream
from pliant.tasks.base import Tasks
from pliant.types import Inputs, Rollout, inputs_of

LOOKS, BETWEEN, TASKS, PROBED = 20, 400, 2_000, 2_000
"""Evaluations on the way, test tasks of each, and at the end; trials that a linear layer learns to read."""
LESSONS = {"infer": 0, "predict": 0, "foresee": 0}
AGENTS: dict[str, dict[str, Any]] = {
    "plain": {},
    **{name: {f"critic.{name}": 1} for name in LESSONS},
    "hyper": {"policy.hyper": 16, "policy.skip": True},
}


class Study(NamedTuple):
    """What is trained, and for how long."""

    family: str
    iterations: int
    settings: dict[str, Any]
    """Beside the preset."""


DARK = {"train.meta_batch": 256, "train.lanes": 1, "policy.size": 64, "critic.told": True}
DARK |= {"outer.lr": 2e-3, "outer.lam": 0.9, "outer.minibatches": 2, "outer.entropy": 0.03}
STUDIES = {
    study.family: study
    for study in (
        Study("gridnavi", 80, {}),
        Study("point", 60, {}),
        Study("half-cheetah-vel", 80, {}),
        Study("dark-room", 80, DARK),
        Study("tabular", 60, {}),
    )
}


def run_seed(name: str, agent: str, seed: int, cores: set[int]) -> dict[str, Any]:
    """Train and measure one seed of an agent."""
    study = STUDIES[name]
    path = recorded.runs("beliefs") / f"beliefs-{name}-{agent}-seed{seed}"
    own = study.settings | {f"critic.{lesson}": weight for lesson, weight in LESSONS.items()} | AGENTS[agent]
    own |= {"outer.lr_end": 1.0, "train.evaluate_every": study.iterations // LOOKS, "train.evaluate_tasks": BETWEEN}
    words = ["train", "rl2", study.family, *(f"--{key}={value}" for key, value in own.items())]
    words += ["--iterations", str(study.iterations), "--seed", str(seed), "--out", str(path), "--resume"]
    learning.pliant(words, cores)
    document = json.loads(learning.pliant(["evaluate", str(path), "--tasks", str(TASKS), "--lanes", "1", "--json"], cores))
    return {
        "family": name,
        "agent": agent,
        "seed": seed,
        "trial_return": document["trial_return"]["mean"],
        "std_error": document["trial_return"]["std_error"],
        "curve": looks(path),
        **(probed(path) if name == "gridnavi" else {}),
        "train_minutes": document["cost"]["train_seconds"] / 60,
        "train_env_steps": document["cost"]["train_env_steps"],
        "cores": len(cores),
        "config": document["config"],
    }


def looks(path: Path) -> list[dict[str, float]]:
    """The evaluations on the way: seconds of training before each, and the return of a trial."""
    lines = map(json.loads, (path / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    found = [row for row in lines if "test_trial_return" in row]
    return [{"seconds": row["clock"]["total_seconds"], "trial_return": row["test_trial_return"]} for row in found]


def probed(path: Path) -> dict[str, float]:
    """Cross-entropy of the goal as a linear layer reads it from the features, and of the exact posterior, nats a step."""
    torch.set_num_threads(1)
    agent = pliant.load_agent(path)
    learnt, read = (_played(agent, split) for split in ("train", "test"))
    probe = nn.Linear(learnt[0].shape[-1], len(_goals(agent)))
    with torch.no_grad():
        probe.weight.zero_(), probe.bias.zero_()
    search = torch.optim.LBFGS(probe.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        found = nn.functional.cross_entropy(probe(learnt[0]), learnt[1]) + 1e-6 * probe.weight.square().sum()
        found.backward()
        return found

    search.step(loss)
    with torch.no_grad():
        wrong = float(nn.functional.cross_entropy(probe(read[0]), read[1]))
    return {"read": wrong, "exact": float(read[2].mean())}


def _goals(agent: pliant.Agent) -> tuple[int, ...]:
    """Cells that may be the goal."""
    return goals(agent.learner.family.settings.size)


def _played(agent: pliant.Agent, split: str) -> tuple[Tensor, Tensor, Tensor]:
    """(features [n, F], which goal it was [n], minus the logarithm of its exact posterior [n]) of all steps of some trials."""
    family, streams = agent.learner.family, Stream(1).at("probed", split)
    tasks = family.sample(PROBED, split, streams.at("tasks").rng())
    batch = family.batch(tasks, 1, agent.learner.episodes)
    played = agent.learner.algorithm.adapt(partial(rollout, batch, streams.at("acts")))[0]
    with torch.no_grad():
        policy: Any = functional.attached(agent.learner.algorithm.policy, agent.learner.algorithm.params)  # type: ignore[attr-defined]
        features = policy(inputs_of(played), ())[0].features
    return features.flatten(0, 2), *(each.flatten() for each in _truth(agent, played, tasks))


def _truth(agent: pliant.Agent, played: Rollout, tasks: Tasks) -> tuple[Tensor, Tensor]:
    """(which goal it is, minus the logarithm of its exact posterior) at each step, [M, 1, T]."""
    goal = torch.as_tensor(tasks.arrays["goal"]).long()
    player, state, surprise = PosteriorSampling(agent.learner.family, Stream(0)), (), []
    given = inputs_of(played)
    for t in range(played.reward.shape[2]):
        _, state = player(Inputs(*(x[:, :, t : t + 1] for x in given)), state)
        possible = state.possible[:, 0]  # [M, cells]
        assert bool(possible.gather(1, goal[:, None]).all()), "the goal is never excluded"
        surprise.append(possible.sum(-1).double().log())
    index = (torch.tensor(_goals(agent)) == goal[:, None]).long().argmax(1)
    return index[:, None, None].expand(played.reward.shape), torch.stack(surprise, dim=1)[:, None]


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each agent of a family: at equal steps, at equal seconds, and how long it took beside the plain one."""
    found = []
    for family, agent in dict.fromkeys((row["family"], row["agent"]) for row in rows):
        same = [row for row in rows if (row["family"], row["agent"]) == (family, agent)]
        rivals = {s: [r for r in rows if (r["family"], r["seed"]) == (family, s)] for s in {row["seed"] for row in same}}
        cut = {seed: min(row["curve"][-1]["seconds"] for row in each) for seed, each in rivals.items()}
        plain = {row["seed"]: row for row in rows if (row["family"], row["agent"]) == (family, "plain")}
        found.append(
            {
                "family": family,
                "agent": agent,
                "trial_return": over_seeds([row["trial_return"] for row in same]),
                "at_equal_seconds": over_seeds([after(row["curve"], cut[row["seed"]]) for row in same]),
                "seconds_beside_plain": over_seeds(
                    [row["curve"][-1]["seconds"] / plain[row["seed"]]["curve"][-1]["seconds"] for row in same]
                ),
                **{name: over_seeds([row[name] for row in same]) for name in ("read", "exact") if name in same[0]},
            }
        )
    return found


def after(curve: list[dict[str, float]], seconds: float) -> float:
    """The last evaluation that lies within so many seconds; the first, if none does."""
    return [look["trial_return"] for look in curve if look["seconds"] <= seconds or look is curve[0]][-1]


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="+", choices=STUDIES, default=list(STUDIES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2, help="agents trained side by side, each on its share of the cores")
    wanted = parser.parse_args()
    jobs = [(family, agent, seed) for family in wanted.families for seed in wanted.seeds for agent in AGENTS]
    rows = learning.side_by_side(jobs, lambda job, cores: run_seed(*job, cores), wanted.jobs)
    earlier = recorded.read("beliefs") if recorded.is_current("beliefs") else None
    if earlier:
        rows += [row for row in earlier["runs"] if row["family"] not in wanted.families]
    rows.sort(key=lambda row: (list(STUDIES).index(row["family"]), row["seed"], list(AGENTS).index(row["agent"])))
    document = {
        "schema": "pliant.beliefs/1",
        "command": "python benchmarks/beliefs.py",
        "tasks": TASKS,
        "machine": learning.machine(len(os.sched_getaffinity(0))),
        "minutes": sum(row["train_minutes"] for row in rows),
        "summary": summary(rows),
        "runs": rows,
    }
    recorded.write("beliefs", document)
    for row in document["summary"]:
        print(row["family"], row["agent"], {name: value for name, value in row.items() if isinstance(value, dict)})


if __name__ == "__main__":
    main()
