"""What stands beside agents in a comparison: baselines that need no training, classical players, what can be reached at all."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from pliant import errors
from pliant.comparing import retrain
from pliant.comparing.contenders import Agent, Asked
from pliant.config import config as configuration
from pliant.config import registry
from pliant.running import evaluate
from pliant.running import learner as learners
from pliant.running.players import others
from pliant.storage import documents
from pliant.streams import Stream


def untrained(agents: Sequence[Agent], asked: Asked) -> list[Agent]:
    """`random` and `scratch`, where there are no runs of them: as many seeds as the agents have, at most three."""
    there = {a.config.algorithm for a in agents}
    most = max(agents, key=lambda a: len(a.runs))
    splits = [s for s in asked.splits if s in most.measured] or [asked.split]
    made = []
    for algorithm in ("random", "scratch"):
        if algorithm in there or not all(a.runs[0] for a in agents):  # documents alone say nothing of what else to play
            continue
        like = next((a.config for a in agents if "inner" in a.config.parts), most.config)
        configs = [_like(algorithm, like, d["train_seed"]) for d in most.measured[asked.split][:3]]
        measured: dict[str, list[dict[str, Any]]] = {split: [_played(c, split, asked) for c in configs] for split in splits}
        made.append(Agent(algorithm, configs[0], [None] * len(configs), measured))
    return made


def _played(config: configuration.Config, split: str, asked: Asked) -> dict[str, Any]:
    """The evaluation of an agent that was never trained."""
    learner = learners.build(config, asked.device)
    facts = {"iteration": 0, "env_steps": 0, "seconds": 0.0}
    return evaluate.evaluate_learner(learner, split, asked.tasks, learner.schedule(asked.stages), asked.seed, facts)[0]


def missing(agents: Sequence[Agent]) -> list[dict[str, str]]:
    """Baselines that somebody would have to train, with the command."""
    there = {a.config.algorithm for a in agents}
    one = max(agents, key=lambda a: len(a.runs))
    seeds = sorted({d["train_seed"] for d in next(iter(one.measured.values()))})
    wanted = [name for name in ("pretrain", "conditioned") if name not in there]
    return [{"name": name, "command": retrain.command_like(name, one.config, seeds)} for name in wanted]


def _like(algorithm: str, like: configuration.Config, seed: int) -> configuration.Config:
    """A baseline that learns nothing, with what it shares with another agent: policy, inner loop, family."""
    fresh = configuration.load_config(algorithm, like.family, preset="none", seed=seed)
    shared = {part: like.parts[part] for part in fresh.parts if part in like.parts and part != "policy"}
    if like.policy == fresh.policy:
        shared["policy"] = like.parts["policy"]
    return dataclasses.replace(fresh, parts=fresh.parts | shared)


def players(agents: Sequence[Agent], asked: Asked) -> dict[str, Any]:
    """Classical players on the same tasks, in trials as long as the longest here; empty for a family without.

    "each" holds a player's return in its last episode and in the whole trial. "ceiling" is what knowing the task returns in an
    episode; "optimum" the exact Bayes-optimal return, where a trial is one episode.
    """
    config = agents[0].config
    try:
        module = registry.players(config.family)
    except errors.UserError:
        return {"episodes": 0, "each": {}, "optimum": None, "ceiling": None}
    measured = [d for agent in agents for d in agent.measured[asked.split]]
    family = learners.family_of(config)
    episodes = max([d["protocol"]["episodes_per_trial"] for d in measured if documents.by_episode(d)], default=1)
    tasks = family.sample(asked.tasks, asked.split, Stream(asked.seed).at("evaluate", asked.split, "tasks").rng())
    lanes = measured[0]["protocol"]["lanes"]
    found = others(module, family, tasks, asked.split, lanes, episodes, asked.seed)
    rest = {name: one for name, one in found["each"].items() if name != "random"}  # that baseline is here already
    each = {name: {"return": one["final"], "trial_return": one["trial_return"]} for name, one in rest.items()}
    optimum = found["optimum"] if episodes == 1 else None
    return {"episodes": episodes, "each": each, "optimum": optimum, "ceiling": found["ceiling"] / episodes}
