"""Replay: off-policy RL^2. The memory does the learning; it is trained again and again on trials that are kept.

    for each iteration:
        rollout   every lane plays one trial, several episodes of its task, with one memory; it joins a ring of trials
        updates   a few trials of the ring, through the memory as it is now:
                    memory  learns what tells tasks apart (critic.infer, critic.predict)
                    critic  twin judgements of actions at random steps, across the episodes of a trial
                    actor   soft actor-critic: what the critic likes, and as much chance as `breadth` says

Recurrent off-policy meta-RL as in Ni et al. 2022, arXiv:2110.05038, with one pass of the memory and target copies of the
critic's head alone (Grigsby et al. 2024, arXiv:2310.09971); soft actor-critic by Haarnoja et al. 2018, arXiv:1812.05905.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from pliant.algorithms.base import Collect
from pliant.algorithms.parts import carried, gathered, ring, soft, twins
from pliant.algorithms.parts.drawn import Drawn, Live
from pliant.algorithms.parts.lessons import Lessons
from pliant.algorithms.parts.ring import Ring
from pliant.algorithms.parts.scales import Scales, Which
from pliant.algorithms.parts.several import Several
from pliant.algorithms.parts.soft import Soft, Steps
from pliant.algorithms.parts.twins import CriticSettings
from pliant.algorithms.parts.units import Units
from pliant.errors import UserError
from pliant.maths import distributions, functional, masks
from pliant.policies.base import Deciding, traits
from pliant.streams import Stream
from pliant.system import ranges, threads
from pliant.system.crew import ALONE, Crew
from pliant.types import Carry, Params, Rollout, Spec


@dataclass(frozen=True)
class OuterSettings:
    """What is kept, and how often is learned from it."""

    capacity: Annotated[int, Ge(1)] = 1_000_000
    """Environment steps that are kept, whole trials of the newest iterations."""
    most_bytes: Annotated[int, Ge(1)] = 2**31
    """Bytes they may take."""
    warmup: Annotated[int, Ge(0)] = 2
    """Iterations at first in which the untrained policy, nearly uniform, only collects."""
    updates: Annotated[int, Ge(1)] = 400
    """Updates of actor and critic in every other iteration."""
    trials: Annotated[int, Ge(1)] = 16
    """Trials that an update draws from the ring."""
    steps: Annotated[int, Ge(1)] = 16
    """Random steps of each of them at which actor and critic learn. The memory learns from all."""
    refresh: Annotated[int, Ge(1)] = 1
    """Updates of actor and critic for one pass of the memory over the drawn trials. More are cheaper, from older features."""
    lr: Annotated[float, Gt(0)] = 3e-4
    """Adam's learning rate of actor, critic and entropy weight."""
    memory_lr: Annotated[float, Gt(0)] = 3e-4
    """The same of the memory."""
    lr_end: Annotated[float, Gt(0), Le(1)] = 1.0
    """Share of all these rates that is left in the last iteration; they fall linearly from the first on."""
    gamma: Annotated[float, Ge(0), Le(1)] = 0.99
    """Discount per step."""
    tau: Annotated[float, Gt(0), Le(1)] = 0.005
    """Share of the way that the critic's copy, which targets are made with, goes at each update."""
    breadth: Annotated[float, Gt(0), Le(1)] = 0.2
    """Share of the actions among which the policy is to choose by chance: its entropy is held at that of so many equally likely
    ones, 1 + breadth (A - 1) of A actions, or breadth of the range of each continuous one."""
    breadth_end: Annotated[float, Gt(0), Le(1)] = 1.0
    """Share of it that is left in the last iteration; it falls linearly."""
    max_grad_norm: Annotated[float, Gt(0)] = 1.0
    """Gradients of a part (memory, actor, critic) longer than this are scaled down to it."""
    scale: Which = "both"
    """Inputs that are brought to unit size by running statistics, which are saved with the policy."""

    def __post_init__(self) -> None:
        ranges.check(self)


POLICY = "mean"
PARTS: dict[str, type] = {"outer": OuterSettings, "critic": CriticSettings}
DEFAULTS: dict[str, dict[str, Any]] = {
    "train": {"meta_batch": 10, "lanes": 1},
    "policy": {"skip": True, "head": [256, 256], "squashed": True},
}
MOST_ACTIONS = 4096
"""Of a discrete space: more are no list that a critic judges one by one."""


class Replay:
    """Parameters of a policy with memory and of its critic, a ring of trials, and how the former learn from the latter."""

    stage: Literal["gradient step", "episode"] = "episode"

    def __init__(
        self, policy: nn.Module, spec: Spec, outer: OuterSettings, critic: CriticSettings, whole: int, stream: Stream
    ) -> None:
        """A training of `whole` iterations."""
        _require_fits(policy, spec, outer, critic)
        self.policy, self.spec, self.outer, self.judges, self.stream = policy, spec, outer, critic, stream
        self.whole = whole
        device, features = next(policy.parameters()).device, traits(policy).size_out
        self.critic = twins.critic(features, spec, critic, stream.at("critic").generator()).to(device)
        self.lessons = Lessons(features, spec, critic, stream.at("lessons").generator()).to(device)
        self.soft = Soft(distributions.of_policy(policy, spec), spec, outer.gamma)
        own = functional.parameters(policy)
        decides = {name for name in own if name.startswith("head.") or name == "log_std"}
        parts = {
            "memory": {name: p for name, p in own.items() if name not in decides},
            "lessons": functional.parameters(self.lessons),
            "actor": {name: p for name, p in own.items() if name in decides},
            "critic": functional.parameters(self.critic),
            "chance": {"log_weight": torch.tensor(soft.START, device=device).log()},
        }
        rates = dict.fromkeys(parts, outer.lr) | dict.fromkeys(("memory", "lessons"), outer.memory_lr)
        rates["chance"] = soft.SOONER * outer.lr
        self.values = Several(parts, rates, outer.max_grad_norm)
        self.target = functional.parameters(self.critic)
        self.scales, self.units = Scales(policy, spec.obs_size, outer.scale), Units(outer.gamma, spec.trial_steps)
        self.ring, self.least = Ring(), traits(policy).least
        self.iterations, self.rounds = (torch.zeros((), dtype=torch.int64) for _ in range(2))

    # ---- acting

    @property
    def params(self) -> Params:
        """What the policy acts with: its parameters as constants, and its fixed scales."""
        return {name: p.detach() for name, p in self._own().items()} | self.scales.fixed

    @property
    def breadth(self) -> float:
        """Among which share of the actions the policy is to choose in the iteration that was begun last."""
        return self.outer.breadth * self._left(self.outer.breadth_end)

    def _left(self, end: float) -> float:
        """What is left, in the iteration that was begun last, of something that falls linearly from 1 to `end`."""
        over = min(1.0, max(0, int(self.iterations) - 1) / max(1, self.whole - 1))  # the share of training that is over
        return 1 + over * (end - 1)

    def adapt(self, collect: Collect, steps: int | None = None) -> list[Rollout]:
        """One trial in every lane; how many episodes it has is the batch's business."""
        return [collect(self.policy, self.params, 0)]

    def adapted(self, rollouts: list[Rollout]) -> tuple[Params, Carry | None]:
        """The parameters, stacked (M = 1), and what the first lane of the first task carries on from its trial."""
        return functional.stack(self.params, 1), carried.of_trial(self.policy, self.params, rollouts)

    # ---- learning

    def learn(self, rollouts: list[Rollout]) -> dict[str, float]:
        """Keep the trials of one iteration, and update from those that are kept."""
        return self.learn_shared([rollouts], ALONE)

    def learn_shared(self, shards: Sequence[list[Rollout]], crew: Crew) -> dict[str, float]:
        """The same by all processes: every one keeps the trials of all, and learns from some of those that are drawn."""
        rollout = gathered.whole(shards, crew)
        if not bool(torch.isfinite(rollout.reward).all()):
            raise UserError("a reward is not finite: nothing was learned from this iteration, parameters are unchanged")
        before = self.state()
        try:
            with threads.one():
                return self._learn(rollout, crew)
        except UserError:
            self.load(before)
            raise

    def _learn(self, rollout: Rollout, crew: Crew) -> dict[str, float]:
        self.scales.update(rollout)
        newest = ring.piece_of(rollout)
        self.units.update(newest)
        self.ring = self.ring.with_(int(self.iterations), newest, self.outer.capacity, self.outer.most_bytes)
        self.iterations = self.iterations + 1
        metrics = {"kept_steps": float(self.ring.steps), "kept_bytes": float(self.ring.bytes)}
        if int(self.iterations) <= self.outer.warmup:
            return metrics
        live, found = self._live(), dict[str, list[Tensor]]()
        for _ in range(0, self.outer.updates, self.outer.refresh):
            for name, value in self._round(live, crew).items():
                found.setdefault(name, []).append(value)
        self.values.set("actor", functional.lifted(self.values.of("actor"), self.least))
        return metrics | {name: float(torch.stack(values).mean()) for name, values in found.items()}

    def _round(self, live: Live, crew: Crew) -> dict[str, Tensor]:
        """One pass of the memory over some trials and one step of its own, `refresh` steps of actor and critic."""
        here, steps = self.stream.at("round", int(self.rounds)), self.outer.steps
        draws = here.generator()
        self.rounds = self.rounds + 1
        piece = self.ring.sample(self.outer.trials, draws)
        seen, paid = self.scales.seen(piece.obs), masks.standardise(piece.reward[None], piece.valid[None])[0]
        drawn = Drawn(piece, seen, self.units.rewards(piece), paid, self.spec.trial_steps)
        own = [draws] if crew.shards == 1 else [here.at("shard", shard).generator() for shard in crew.own]
        trials = [crew.part(shard, len(paid)) for shard in crew.own]
        parts = [drawn.part(each, live, self.judges, chance) for each, chance in zip(trials, own, strict=True)]
        for turn in range(self.outer.refresh):
            chosen = (torch.rand(len(paid), steps, generator=draws).to(paid) * piece.valid.sum(1)[:, None]).long()
            noise = self.soft.noise(draws, len(paid) * steps).to(paid)
            gradients, found = [], []
            for part in parts:
                critic, actor, chance, more = self._losses(live, *part.at(chosen, noise))
                losses = part.losses(critic, actor, chance, turn == 0, self.judges.shared)
                gradients.append(self.values.gradients(losses))
                found.append(part.found | more)
            self._step(self.values.total(gradients, crew))
        if crew.shards == 1:
            return found[0]
        sums = crew.total([part.share * torch.stack(list(each.values())) for part, each in zip(parts, found, strict=True)])
        return dict(zip(found[0], sums, strict=True))

    def _losses(self, live: Live, at: Steps, noise: Tensor) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]:
        """(of the critic, of the actor, of the entropy's weight, numbers for the record)."""
        log_weight = self.values.of("chance")["log_weight"]
        weight = log_weight.detach().exp()
        critic = self.soft.critic_loss(live.policy.decide, live.critic, live.target, at, weight, noise[0])
        actor, entropy = self.soft.actor_loss(live.policy.decide, live.critic, at, weight, noise[1])
        found = {"critic_loss": critic.detach(), "value": -actor.detach(), "entropy": entropy, "entropy_weight": weight}
        return critic, actor, log_weight * (entropy - self.soft.held(self.breadth)), found

    def _step(self, gradients: Mapping[str, Sequence[Tensor]]) -> None:
        """One step of every part; the target follows the critic."""
        self.values.step(gradients, self._left(self.outer.lr_end))
        with torch.no_grad():
            log_weight = self.values.of("chance")["log_weight"]
            log_weight.copy_(soft.bounded(log_weight))
            torch._foreach_lerp_(list(self.target.values()), list(self.values.of("critic").values()), self.outer.tau)

    def _own(self) -> Params:
        """The policy's parameters, which learn, in its order."""
        values = self.values.of("memory") | self.values.of("actor")
        return {name: values[name] for name, _ in self.policy.named_parameters()}

    def _live(self) -> Live:
        return Live(
            functional.attached(self.policy, self._own() | self.scales.fixed),
            functional.attached(self.critic, self.values.of("critic")),
            functional.attached(self.critic, self.target),
            functional.attached(self.lessons, self.values.of("lessons")),
        )

    # ---- the checkpoint

    def state(self) -> dict[str, Tensor]:
        """Parameters, Adam's moments, the target, running statistics, and the ring, whose pieces never change."""
        kept = self.values.state() | {f"target/{name}": p.clone() for name, p in self.target.items()}
        kept |= self.scales.state() | self.units.state() | self.ring.state()
        return kept | {"iterations": self.iterations.clone(), "rounds": self.rounds.clone()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state()`. Without a ring in it learning begins with an empty one."""
        for part in (self.values, self.scales, self.units):
            part.load(state)
        self.target = {name: state[f"target/{name}"].clone() for name in self.target}
        self.iterations, self.rounds = state["iterations"].cpu().clone(), state["rounds"].cpu().clone()
        self.ring = ring.ring_of(state, self.spec)


def make(policy: nn.Module, spec: Spec, parts: dict[str, Any], stream: Stream) -> Replay:
    """Replay with the settings in `parts`."""
    outer: OuterSettings = parts["outer"]
    if outer.warmup >= parts["train"].iterations:
        raise UserError(
            f"--outer.warmup is {outer.warmup}: expected fewer than the {parts['train'].iterations} iterations of the training,"
            " for nothing is learned before it is over"
        )
    if outer.trials < parts["train"].shards:
        raise UserError(f"--outer.trials is {outer.trials}: expected at least one for each of --train.shards")
    return Replay(policy, spec, outer, parts["critic"], parts["train"].iterations, stream)


def scheduled(parts: dict[str, Any]) -> list[str]:
    """The settings that change over a training, from its first iteration to its last."""
    falls = {"lr": ["outer.lr", "outer.memory_lr"], "breadth": ["outer.breadth"]}
    return [name for what, names in falls.items() if getattr(parts["outer"], f"{what}_end") != 1 for name in names]


def _require_fits(policy: nn.Module, spec: Spec, outer: OuterSettings, critic: CriticSettings) -> None:
    """Raise UserError for a policy that cannot be trained so, or settings that no training of this family can have."""
    if not traits(policy).memory or not isinstance(policy, Deciding):
        name = type(policy).__name__
        raise UserError(
            f"replay needs a policy with memory that remembers and decides apart, and {name} does not: choose --policy mean"
        )
    if critic.told and not spec.task_size:
        raise UserError(
            "no numbers describe the tasks of this family, so the critic cannot be told them: add --critic.told false"
            " --critic.infer 0 --critic.foresee 1"
        )
    if 0 < outer.capacity < (least := outer.trials * spec.trial_steps):
        raise UserError(
            f"--outer.capacity is {outer.capacity}: expected at least {least} steps, the {outer.trials} trials of an update"
            f" (--outer.trials) of {spec.trial_steps} steps"
        )
    if spec.discrete and spec.action_size > MOST_ACTIONS:
        raise UserError(f"{spec.action_size} actions are too many for exact expectations over them: at most {MOST_ACTIONS}")
