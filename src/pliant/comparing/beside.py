"""What stands beside contenders: baselines that need no training, reference agents, what can be reached at all."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from pliant import errors
from pliant.comparing import retrain
from pliant.comparing.contenders import Asked, Contender, Training
from pliant.config import config as configuration
from pliant.config import registry
from pliant.running.players import others
from pliant.storage import documents
from pliant.streams import Stream
from pliant.tasks.base import Family

MOST_SEEDS = 3
"""Of a baseline that needs no training."""


def untrained(contenders: Sequence[Contender]) -> list[Contender]:
    """`random` and `scratch`, where there are no runs of them: as many seeds as the contenders have, at most three.

    None beside documents alone, which say nothing of what else to play. They are not measured yet.
    """
    if any(contender.trainings[0].is_document for contender in contenders):
        return []
    there = {contender.config.algorithm for contender in contenders}
    most = _largest(contenders)
    like = next((c.config for c in contenders if "inner" in c.config.parts), most.config)
    return [
        Contender(name, [Training(_like(name, like, seed)) for seed in most.seeds[:MOST_SEEDS]])
        for name in ("random", "scratch")
        if name not in there
    ]


def missing(contenders: Sequence[Contender]) -> list[dict[str, str]]:
    """Baselines that somebody would have to train, with the command."""
    there = {contender.config.algorithm for contender in contenders}
    one = _largest(contenders)
    wanted = [name for name in ("pretrain", "conditioned") if name not in there]
    return [{"name": name, "command": retrain.command_like(name, one.config, one.seeds)} for name in wanted]


def _largest(contenders: Sequence[Contender]) -> Contender:
    """The first with the most seeds."""
    return max(contenders, key=lambda contender: len(contender.trainings))


def _like(algorithm: str, like: configuration.Config, seed: int) -> configuration.Config:
    """A baseline that learns nothing, with what it shares with a contender: policy, inner loop, family."""
    fresh = configuration.load_config(algorithm, like.family, preset="none", seed=seed)
    shared = {part: like.parts[part] for part in fresh.parts if part in like.parts and part != "policy"}
    if like.policy == fresh.policy:
        shared["policy"] = like.parts["policy"]
    return dataclasses.replace(fresh, parts=fresh.parts | shared)


def players(contenders: Sequence[Contender], asked: Asked, family: Family) -> dict[str, Any]:
    """Reference agents on the same tasks, in trials as long as the longest here; empty for a family without.

    "each" holds the return of one in its last episode and in the whole trial. "ceiling" is what an agent that knows the task
    returns in an episode; "optimum" the exact Bayes-optimal return, where a trial is one episode.
    """
    try:
        module = registry.players(contenders[0].config.family)
    except errors.UserError:
        return {"episodes": 0, "each": {}, "optimum": None, "ceiling": None}
    measured = [d for contender in contenders for d in contender.documents(asked.split)]
    episodes = max([d["protocol"]["episodes_per_trial"] for d in measured if documents.by_episode(d)], default=1)
    tasks = family.sample(asked.tasks, asked.split, Stream(asked.seed).at("evaluate", asked.split, "tasks").rng())
    lanes = measured[0]["protocol"]["lanes"]
    found = others(module, family, tasks, asked.split, lanes, episodes, asked.seed)
    rest = {name: one for name, one in found["each"].items() if name != "random"}  # that baseline is here already
    each = {name: {"return": one["final"], "trial_return": one["trial_return"]} for name, one in rest.items()}
    optimum = found["optimum"] if episodes == 1 else None
    return {"episodes": episodes, "each": each, "optimum": optimum, "ceiling": found["ceiling"] / episodes}
