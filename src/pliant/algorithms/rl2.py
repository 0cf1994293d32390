"""RL^2: the memory does the learning; its parameters are trained by PPO on whole trials.

    for each iteration:
        rollout   every lane plays one trial, several episodes of its task, with one memory
        credit    advantages across episodes: what an early step finds out is paid for in later ones
        outer     epochs of Adam on the clipped surrogate, through the memory in chunks of time

Duan et al. 2016, arXiv:1611.02779; Wang et al. 2016, arXiv:1611.05763. PPO as in Schulman et al. 2017, arXiv:1707.06347.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn
from torch.func import functional_call

from pliant.algorithms.base import Collect
from pliant.algorithms.parts import adam, carried, gathered, lesson
from pliant.algorithms.parts.adam import Adam, require_finite
from pliant.algorithms.parts.credit import Credit
from pliant.algorithms.parts.critic import Critic, CriticSettings
from pliant.algorithms.parts.lesson import Lesson, Trials
from pliant.algorithms.parts.lessons import Lessons
from pliant.algorithms.parts.objective import Objective
from pliant.algorithms.parts.ring import Piece
from pliant.algorithms.parts.scales import Scales, Which
from pliant.errors import UserError
from pliant.maths import distributions, functional
from pliant.policies.base import Deciding, traits
from pliant.streams import Stream
from pliant.system import ranges, threads
from pliant.system.crew import ALONE, Crew
from pliant.types import Carry, Inputs, Output, Params, Rollout, Spec, State


@dataclass(frozen=True)
class OuterSettings:
    """How the memory's parameters are trained."""

    lr: Annotated[float, Gt(0)] = 1e-3
    """Adam's learning rate at the start."""
    lr_end: Annotated[float, Ge(0), Le(1)] = 0.1
    """Share of it that is left in the last iteration; it falls linearly."""
    epochs: Annotated[int, Ge(1)] = 4
    """Passes over the trials of an iteration."""
    minibatches: Annotated[int, Ge(1)] = 4
    """Parts the trials are dealt into, one Adam step each."""
    chunk: Annotated[int, Ge(0)] = 0
    """Steps of a trial that gradients flow back through at a time, 0 for the whole trial. Bounds the memory of learning."""
    gamma: Annotated[float, Ge(0), Le(1)] = 0.99
    """Discount per step."""
    lam: Annotated[float, Ge(0), Le(1)] = 0.95
    """Trace decay of the generalised advantage estimate, per step."""
    clip: Annotated[float, Gt(0)] = 0.2
    """Largest change of a probability ratio that is rewarded."""
    entropy: Annotated[float, Ge(0)] = 0.0
    """Weight of the entropy bonus at the start, per nat of an advantage's standard deviation."""
    entropy_end: Annotated[float, Ge(0)] = 0.0
    """Weight of the entropy bonus in the last iteration; it changes linearly."""
    max_grad_norm: Annotated[float, Gt(0)] = 0.5
    """Gradients longer than this are scaled down to it."""
    max_kl: Annotated[float, Ge(0)] = 0.05
    """Mean KL divergence from the policy that acted, nats, after which no further epoch begins; 0 for no limit. It is the mean
    over an epoch's minibatches, each taken before its own Adam step, so the policy at the end is some times further away."""
    cut: bool = False
    """The gradient of what the policy is paid for stops at the features: its critic and its lessons alone shape the memory."""
    scale: Which = "none"
    """Inputs of the policy that are brought to unit size by running statistics, which are saved with it."""

    def __post_init__(self) -> None:
        ranges.check(self)


Value = TypeVar("Value")
POLICY = "gru"
MEMORIES = "gru, lstm, mean, linear-attention, external, episodic or transformer"
PARTS: dict[str, type] = {"outer": OuterSettings, "critic": CriticSettings}


class Rl2:
    """Parameters of a policy with memory and of its critic, and how both learn."""

    stage: Literal["gradient step", "episode"] = "episode"

    def __init__(
        self, policy: nn.Module, spec: Spec, outer: OuterSettings, critic: CriticSettings, iterations: int, stream: Stream
    ) -> None:
        self.features = _features_of(policy)
        if 0 < spec.trial_steps < outer.chunk:
            raise ValueError(f"outer.chunk is {outer.chunk}: expected at most {spec.trial_steps}, a trial, or 0 for all")
        if outer.cut and not isinstance(policy, Deciding):
            name = type(policy).__name__
            raise UserError(f"outer.cut is on: {name} does not remember and decide apart, choose --policy {MEMORIES}")
        if outer.cut and not (critic.any or critic.shared * critic.weight):
            raise UserError("outer.cut is on, and nothing else shapes the memory: add --critic.foresee 1")
        self.policy, self.spec, self.outer = policy, spec, outer
        self.iterations, self.stream = iterations, stream
        device = next(policy.parameters()).device
        self.critic = Critic(self.features, spec, critic, stream.at("critic").generator()).to(device)
        self.lessons = Lessons(self.features, spec, critic, stream.at("lessons").generator()).to(device)
        parts = {"policy": policy, "critic": self.critic, "lessons": self.lessons}
        values = [_named(part, functional.parameters(module)) for part, module in parts.items()]
        self.adam = Adam({name: p for part in values for name, p in part.items()})
        self.least = _named("policy", traits(policy).least)
        self.scales = Scales(policy, spec.obs_size, outer.scale)
        self.credit = Credit(outer.gamma, outer.lam, spec.trial_steps, spec.task_size if critic.told else 0)
        self.objective = Objective(distributions.of_policy(policy, spec), outer.clip, critic.weight)
        self.updates = torch.zeros((), dtype=torch.int64)

    # ---- acting

    @property
    def params(self) -> Params:
        """What the policy acts with: its parameters as constants, and its fixed scales."""
        return {name: p.detach() for name, p in self._of("policy").items()} | self.scales.fixed

    def adapt(self, collect: Collect, steps: int | None = None) -> list[Rollout]:
        """One trial in every lane; how many episodes it has is the batch's business."""
        return [collect(self.policy, self.params, 0)]

    def adapted(self, rollouts: list[Rollout]) -> tuple[Params, Carry | None]:
        """The parameters, stacked (M = 1), and what the first lane of the first task carries on from its trial."""
        return functional.stack(self.params, 1), carried.of_trial(self.policy, self.params, rollouts, self.outer.chunk)

    # ---- learning

    def learn(self, rollouts: list[Rollout]) -> dict[str, float]:
        """Epochs of Adam on the trials of one iteration."""
        return self.learn_shared([rollouts], ALONE)

    def learn_shared(self, shards: Sequence[list[Rollout]], crew: Crew) -> dict[str, float]:
        """The same by all processes: every one has the trials of all, and learns from some of their lanes."""
        rollout = gathered.whole(shards, crew)
        if not bool(torch.isfinite(rollout.reward).all()):
            raise UserError("a reward is not finite: nothing was learned from this iteration, parameters are unchanged")
        before = self.state()
        try:
            with threads.one(rollout.reward[..., 0].numel() * self.features < threads.SMALL * self.outer.minibatches):
                return self._learn(rollout, crew)
        except UserError:
            self.load(before)
            raise

    def _learn(self, rollout: Rollout, crew: Crew) -> dict[str, float]:
        given, metrics = self._lesson(rollout, crew)
        over = min(1.0, int(self.updates) / max(1, self.iterations - 1))  # the share of training that is over
        lr = self.outer.lr * (1 + over * (self.outer.lr_end - 1))
        entropy = self.outer.entropy + over * (self.outer.entropy_end - self.outer.entropy)
        lanes, order = given.advantage.shape[1], self.stream.at("lanes", int(self.updates)).generator()
        steps = self.stream.at("lessons", int(self.updates))
        draws = [steps.at("shard", shard).generator() if crew.shards > 1 else steps.generator() for shard in crew.own]
        passes = 0
        while passes < self.outer.epochs and not (passes and 0 < self.outer.max_kl < metrics["kl"]):
            parts = torch.randperm(lanes, generator=order).to(rollout.reward.device).tensor_split(self.outer.minibatches)
            sums = [self._step(given.lanes(part), lr, entropy, draws, crew) for part in parts if len(part)]
            metrics |= {name: sum(each[name] for each in sums) / len(sums) for name in sums[0]}
            passes += 1
        self.adam.set(functional.lifted(self.adam.values, self.least))
        self.updates = self.updates + 1
        self.scales.update(rollout)
        return metrics | {"epochs": passes, "lr": lr}

    def _lesson(self, rollout: Rollout, crew: Crew = ALONE) -> tuple[Lesson, dict[str, float]]:
        """What a rollout [M, B, T, *] teaches: its trials, judged by the critic as it is, and credit for each step."""
        trials = lesson.trials_of(rollout, self.spec.trial_steps)
        lanes = rollout.reward[..., 0].numel()
        values = [self._values(trials.lanes(crew.part(shard, lanes)) if crew.shards > 1 else trials) for shard in crew.own]
        return self.credit.lesson(trials, torch.cat(crew.all(values), dim=1))

    @torch.no_grad()
    def _values(self, trials: Trials) -> Tensor:
        """What the critic expects of each step, in units of return, [1, N, T]."""
        state: State = ()
        values = []
        for chunk in trials.chunks(self.outer.chunk):
            part = trials.times(chunk)
            output, state = functional.apply(self.policy, self.params, part.inputs, state)
            values.append(self._judge(output, part)[None])
        return self.credit.expected(torch.cat(values, dim=2), trials)

    def _judge(self, output: Output, trials: Trials) -> Tensor:
        """By how many deviations the critic says that the linear rule is off at the L steps of `trials`, [N, L]."""
        features, shape = output.features, (*trials.elapsed.shape, self.features)
        if features is None or features.shape[2:] != shape:
            got = None if features is None else list(features.shape)
            raise UserError(f"{type(self.policy).__name__} gives features {got}: expected [M, B, T, {self.features}]")
        known = features[0], trials.rollout.task, trials.elapsed.to(features.dtype)
        judged: Tensor = functional_call(self.critic, self._of("critic"), known)
        return judged

    def _step(
        self, given: Lesson, lr: float, entropy: float, draws: Sequence[torch.Generator], crew: Crew = ALONE
    ) -> dict[str, float]:
        """One Adam step on some lanes, dealt out to the shards; lessons have chance by `draws`, of each shard of ours."""
        lanes, steps = torch.arange(given.advantage.shape[1], device=given.advantage.device), given.trials.rollout.steps
        parts = [given.lanes(part) for part in lanes.tensor_split(crew.shards)] if crew.shards > 1 else [given]
        found = [self._gradient(parts[shard], steps, entropy, own) for shard, own in zip(crew.own, draws, strict=True)]
        gradients, metrics = found[0]
        if crew.shards > 1:
            flat = [torch.cat([g.reshape(-1) for g in each]) for each, _ in found]
            gradients = list(functional.unflatten(crew.total(flat), self.adam.values).values())
            sums = crew.total([torch.tensor(list(each.values()), dtype=torch.float64) for _, each in found]).tolist()
            metrics = dict(zip(metrics, sums, strict=True))
        scaled, norm = adam.clipped(gradients, self.outer.max_grad_norm)
        if not math.isfinite(norm):
            require_finite(dict(zip(self.adam.values, gradients, strict=True)), "gradient")
        self.adam.step(scaled, lr)
        return metrics | {"gradient_norm": norm}

    def _gradient(
        self, given: Lesson, steps: int, entropy: float, draws: torch.Generator
    ) -> tuple[list[Tensor], dict[str, float]]:
        """What some lanes add to the gradient and the record of all `steps`; the graph of one chunk is held at a time."""
        leaves = list(self.adam.values.values())
        gradients = [torch.zeros_like(p) for p in leaves]
        state: State = ()
        metrics: dict[str, float] = {}
        for chunk in given.trials.chunks(self.outer.chunk):
            part = given.times(chunk)
            loss, state, found = self._loss(part, state, entropy, draws)
            share = part.trials.rollout.steps / steps
            pieces = torch.autograd.grad(share * loss, leaves, allow_unused=True)
            gradients = [g if piece is None else g + piece for g, piece in zip(gradients, pieces, strict=True)]
            state = functional.detached(state)
            metrics = {name: metrics.get(name, 0.0) + float(share * value) for name, value in found.items()}
        return gradients, metrics

    def _loss(
        self, given: Lesson, state: State, entropy: float, draws: torch.Generator
    ) -> tuple[Tensor, State, dict[str, Tensor]]:
        """Mean loss over the valid steps of a lesson, the memory after it, and numbers for the record."""
        output, state = self._acted(given.trials.inputs, state)
        loss, found = self.objective.loss(output.dist, self._judge(output, given.trials), given, entropy)
        if not self.lessons.weights.any:
            return loss, state, found
        rollout = given.trials.rollout
        piece = Piece._make([*(getattr(rollout, name)[0] for name in Piece._fields[:-1]), rollout.task])
        piece = piece._replace(obs=self.scales.seen(piece.obs), reward=given.reward[0])
        assert output.features is not None
        more, told = functional.attached(self.lessons, self._of("lessons")).loss(output.features[0], piece, draws)
        return loss + more, state, found | told

    def _acted(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        """What the policy answers to a lesson, and the memory after it."""
        params = self._of("policy") | self.scales.fixed
        if not self.outer.cut:
            return functional.apply(self.policy, params, inputs, state)
        live = functional.attached(self.policy, params)
        features, state = live.remember(inputs, state)
        dist = live.decide(features.detach().flatten(1, 2)).unflatten(1, features.shape[1:3])
        return Output(dist, features), state

    def _of(self, part: str) -> Params:
        return {name.partition("/")[2]: p for name, p in self.adam.values.items() if name.startswith(part + "/")}

    # ---- the checkpoint

    def state(self) -> dict[str, Tensor]:
        """Parameters, Adam's moments, running statistics."""
        kept = self.adam.state() | self.scales.state() | self.credit.baseline.state()
        return kept | {"updates": self.updates.clone()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state()`."""
        for part in (self.adam, self.scales, self.credit.baseline):
            part.load(state)
        self.updates = state["updates"].cpu().clone()


def make(policy: nn.Module, spec: Spec, parts: dict[str, Any], stream: Stream) -> Rl2:
    """RL^2 with the settings in `parts`."""
    train, outer = parts["train"], parts["outer"]
    if (lanes := train.meta_batch * train.lanes) < train.shards * outer.minibatches and train.shards > 1:
        raise UserError(f"{lanes} lanes are fewer than --train.shards times --outer.minibatches: lower one of them")
    return Rl2(policy, spec, outer, parts["critic"], train.iterations, stream)


def scheduled(parts: dict[str, Any]) -> list[str]:
    """The settings that change over a training, from its first iteration to its last."""
    outer: OuterSettings = parts["outer"]
    changes = {"outer.lr": outer.lr_end != 1, "outer.entropy": outer.entropy != outer.entropy_end}
    return [name for name, does in changes.items() if does]


def _features_of(policy: nn.Module) -> int:
    """F, how many features a policy with memory has. Raises UserError for one without memory, or that does not say."""
    own = traits(policy)
    if not own.memory:
        raise UserError(f"rl2 needs a policy with memory: choose --policy {MEMORIES}")
    if own.size_out < 1:
        raise UserError(f"{type(policy).__name__} has size_out {own.size_out}: expected the number of its features, at least 1")
    return own.size_out


def _named(part: str, values: Mapping[str, Value]) -> dict[str, Value]:
    return {f"{part}/{name}": value for name, value in values.items()}
