"""RL^2: the memory does the learning; its parameters are trained by PPO on whole trials.

    for each iteration:
        rollout   every lane plays one trial, several episodes of its task, with one memory
        credit    advantages across episodes: what an early step finds out is paid for in later ones
        outer     epochs of Adam on the clipped surrogate, through the memory in chunks of time

Duan et al. 2016, arXiv:1611.02779; Wang et al. 2016, arXiv:1611.05763. PPO as in Schulman et al. 2017, arXiv:1707.06347.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from pliant.algorithms.base import Collect
from pliant.algorithms.parts import adam
from pliant.algorithms.parts.adam import Adam, require_finite
from pliant.algorithms.parts.baseline import Baseline
from pliant.algorithms.parts.critic import Critic, CriticSettings, Judgement
from pliant.algorithms.parts.lesson import Lesson
from pliant.algorithms.parts.moments import Moments
from pliant.errors import UserError
from pliant.maths import advantages, distributions, functional, losses, masks
from pliant.streams import Stream
from pliant.types import Carry, Inputs, Params, Rollout, Spec, State, inputs_of


@dataclass(frozen=True)
class OuterSettings:
    """How the memory's parameters are trained."""

    lr: float = 1e-3
    """Adam's learning rate at the start."""
    lr_end: float = 0.1
    """Share of it that is left in the last iteration; it falls linearly."""
    epochs: int = 4
    """Passes over the trials of an iteration."""
    minibatches: int = 4
    """Parts the trials are dealt into, one Adam step each."""
    chunk: int = 0
    """Steps of a trial that gradients flow back through at a time, 0 for the whole trial. Bounds the memory of learning."""
    gamma: float = 0.99
    """Discount per step."""
    lam: float = 0.95
    """Trace decay of the generalised advantage estimate, per step."""
    clip: float = 0.2
    """Largest change of a probability ratio that is rewarded."""
    entropy: float = 0.0
    """Weight of the entropy bonus at the start, per nat of an advantage's standard deviation."""
    entropy_end: float = 0.0
    """Weight of the entropy bonus in the last iteration; it changes linearly."""
    max_grad_norm: float = 0.5
    """Gradients longer than this are scaled down to it."""
    max_kl: float = 0.05
    """Mean KL divergence from the policy that acted, nats, after which no further epoch begins; 0 for no limit. It is the mean
    over an epoch's minibatches, each taken before its own Adam step, so the policy at the end is some times further away."""
    scale: Literal["none", "obs", "reward", "both"] = "none"
    """Inputs of the policy that are brought to unit size by running statistics, which are saved with it."""

    def __post_init__(self) -> None:
        for name in ("lr", "clip", "max_grad_norm"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}: expected above 0")
        for name in ("epochs", "minibatches"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: expected at least 1")
        for name in ("lr_end", "gamma", "lam"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}: expected between 0 and 1")
        for name in ("entropy", "entropy_end", "max_kl", "chunk"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}: expected at least 0")


POLICY = "gru"
MEMORIES = "gru, lstm, linear-attention, external, episodic or transformer"
PARTS: dict[str, type] = {"outer": OuterSettings, "critic": CriticSettings}


class Rl2:
    """Parameters of a policy with memory and of its critic, and how both learn."""

    stage: Literal["gradient step", "episode"] = "episode"

    def __init__(
        self, policy: nn.Module, spec: Spec, outer: OuterSettings, critic: CriticSettings, iterations: int, stream: Stream
    ) -> None:
        if not getattr(policy, "memory", False):
            raise UserError(f"rl2 needs a policy with memory: choose --policy {MEMORIES}")
        if 0 < spec.trial_steps < outer.chunk:
            raise ValueError(f"outer.chunk is {outer.chunk}: expected at most {spec.trial_steps}, a trial, or 0 for all")
        self.policy, self.spec, self.outer, self.settings = policy, spec, outer, critic
        self.iterations, self.stream = iterations, stream
        self.distribution = distributions.of(spec)
        device = next(policy.parameters()).device
        features = int(policy.size_out)  # type: ignore[arg-type]
        self.critic = Critic(features, spec, critic, stream.at("critic").generator()).to(device)
        values = _named("policy", functional.parameters(policy)) | _named("critic", functional.parameters(self.critic))
        self.adam = Adam(values, outer.lr)
        self.fixed = {name: b.detach().clone() for name, b in policy.named_buffers()}
        self.baseline = Baseline("baseline", spec.task_size if critic.told else 0)
        self.obs, self.reward = Moments("obs", (spec.obs_size,)), Moments("reward")
        self.updates = torch.zeros((), dtype=torch.int64)

    # ---- acting

    @property
    def params(self) -> Params:
        """What the policy acts with: its parameters as constants, and its fixed scales."""
        return {name: p.detach() for name, p in self._of("policy").items()} | self.fixed

    def adapt(self, collect: Collect, steps: int | None = None) -> list[Rollout]:
        """One trial in every lane; how many episodes it has is the batch's business."""
        return [collect(self.policy, self.params, 0)]

    def adapted(self, rollouts: list[Rollout]) -> tuple[Params, Carry | None]:
        """The parameters, stacked (M = 1), and what the first lane of the first task carries on from its trial."""
        params = functional.stack(self.params, 1)
        if not rollouts:
            return params, None
        lane = rollouts[0].part(slice(1), slice(1))
        lane = lane.each(lambda x: x[:, :, : lane.steps])
        inputs = inputs_of(lane)
        memory: State = ()
        with torch.no_grad():
            for chunk in self._chunks(lane):
                memory = functional.apply(self.policy, self.params, Inputs(*(x[:, :, chunk] for x in inputs)), memory)[1]
        return params, Carry(memory, lane.action[:, :, -1], lane.reward[:, :, -1])

    # ---- learning

    def learn(self, rollouts: list[Rollout]) -> dict[str, float]:
        """Epochs of Adam on the trials of one iteration."""
        if not bool(torch.isfinite(rollouts[0].reward).all()):
            raise UserError("a reward is not finite: nothing was learned from this iteration, parameters are unchanged")
        before = self.state()
        try:
            return self._learn(rollouts[0])
        except UserError:
            self.load(before)
            raise

    def _learn(self, rollout: Rollout) -> dict[str, float]:
        lesson, metrics = self._lesson(rollout)
        lanes, over = lesson.advantage.shape[1], min(1.0, int(self.updates) / max(1, self.iterations - 1))
        lr = self.outer.lr * (1 + over * (self.outer.lr_end - 1))
        entropy = self.outer.entropy + over * (self.outer.entropy_end - self.outer.entropy)
        passes, order = 0, self.stream.at("lanes", int(self.updates)).generator()
        while passes < self.outer.epochs and not (passes and 0 < self.outer.max_kl < metrics["kl"]):
            parts = torch.randperm(lanes, generator=order).to(rollout.reward.device).tensor_split(self.outer.minibatches)
            sums = [self._step(lesson.lanes(part), lr, entropy) for part in parts if len(part)]
            metrics |= {name: sum(each[name] for each in sums) / len(sums) for name in sums[0]}
            passes += 1
        self.updates = self.updates + 1
        self._rescale(rollout)
        return metrics | {"epochs": passes, "lr": lr}

    def _lesson(self, rollout: Rollout) -> tuple[Lesson, dict[str, float]]:
        """Advantages across episodes, and the critic's targets; how much of the targets the critic knew."""
        lanes = rollout.reward.shape[1]
        flat = rollout.each(lambda x: x.flatten(0, 1)[None])  # [1, M*B, T, *]
        flat = flat._replace(task=rollout.task.repeat_interleave(lanes, dim=0))  # [M*B, K]
        inputs = inputs_of(flat)
        value = self._values(inputs, flat) * flat.valid
        discount, trace = advantages.horizons(flat, self.outer.gamma, self.outer.lam, "trial")
        following = torch.cat([value[:, :, 1:], torch.zeros_like(value[:, :, :1])], dim=2)
        advantage = advantages.gae(flat.reward, value, following, discount, trace)
        target = advantage + value
        error, spread = (advantage[flat.valid].var(), target[flat.valid].var().clamp(min=1e-12))
        left = self._left(flat)
        self.baseline.update(flat.task, left, target[0], flat.valid[0])
        scaled = (target - self.baseline.value(flat.task, left).to(target)) / self.baseline.std.to(target)
        lesson = Lesson(
            inputs, flat, masks.standardise(advantage, flat.valid), scaled, masks.standardise(flat.reward, flat.valid)
        )
        return lesson, {"explained": float(1 - error / spread)}

    @torch.no_grad()
    def _values(self, inputs: Inputs, rollout: Rollout) -> Tensor:
        """What the critic expects of each step, in units of return, [1, N, T]."""
        state: State = ()
        values = []
        for chunk in self._chunks(rollout):
            output, state = functional.apply(self.policy, self.params, Inputs(*(x[:, :, chunk] for x in inputs)), state)
            values.append(self._critic(output.features, rollout, chunk).value)
        value = torch.cat(values, dim=2)
        return value * self.baseline.std.to(value) + self.baseline.value(rollout.task, self._left(rollout)).to(value)

    def _critic(self, features: Tensor | None, rollout: Rollout, chunk: slice) -> Judgement:
        """Of a chunk of time, L steps: its value is by how many deviations the baseline is off, [1, N, L]."""
        assert features is not None, "a policy with memory gives features"
        steps = torch.arange(rollout.reward.shape[2], device=features.device, dtype=features.dtype)
        elapsed = steps[chunk] / self._whole(rollout)
        known = features[0], rollout.task, elapsed, rollout.action[0, :, chunk]
        judged: Judgement = functional_call(self.critic, self._of("critic"), known)
        return judged._replace(value=judged.value[None])

    def _whole(self, rollout: Rollout) -> int:
        """Steps of a whole trial."""
        return self.spec.trial_steps or rollout.reward.shape[2]

    def _left(self, rollout: Rollout) -> Tensor:
        """Discounted steps of a trial that are still to come, as a share of all, [T]."""
        weight = self.outer.gamma ** torch.arange(self._whole(rollout), dtype=torch.float64)
        return (weight.cumsum(0).flip(0) / weight.sum())[: rollout.reward.shape[2]]

    def _step(self, lesson: Lesson, lr: float, entropy: float) -> dict[str, float]:
        """One Adam step on some lanes, the graph of one chunk of time held at a time."""
        leaves = list(self.adam.values.values())
        gradients = [torch.zeros_like(p) for p in leaves]
        state: State = ()
        metrics: dict[str, float] = {}
        for chunk in self._chunks(lesson.rollout):
            loss, state, found = self._loss(lesson.times(chunk), lesson.rollout, chunk, state, entropy)
            share = int(lesson.rollout.valid[:, :, chunk].sum()) / lesson.rollout.steps
            pieces = torch.autograd.grad(share * loss, leaves, allow_unused=True)
            gradients = [g if piece is None else g + piece for g, piece in zip(gradients, pieces, strict=True)]
            state = functional.detached(state)
            metrics = {name: metrics.get(name, 0.0) + float(share * value) for name, value in found.items()}
        scaled, norm = adam.clipped(gradients, self.outer.max_grad_norm)
        if not math.isfinite(norm):
            require_finite(dict(zip(self.adam.values, gradients, strict=True)), "gradient")
        self.adam.step(scaled, lr)
        return metrics | {"gradient_norm": norm}

    def _loss(
        self, lesson: Lesson, whole: Rollout, chunk: slice, state: State, entropy: float
    ) -> tuple[Tensor, State, dict[str, Tensor]]:
        """Mean loss over the valid steps of a chunk, the memory after it, and numbers for the record."""
        rollout, valid = lesson.rollout, lesson.rollout.valid
        params = self._of("policy") | self.fixed
        output, state = functional.apply(self.policy, params, lesson.inputs, state)
        log_prob = self.distribution.log_prob(output.dist, rollout.action)
        policy = losses.clipped(log_prob, rollout.log_prob, lesson.advantage, valid, self.outer.clip)[0]
        judged = self._critic(output.features, whole, chunk)
        value = losses.value(judged.value, lesson.target, valid)[0]
        disorder = losses.entropy(self.distribution.entropy(output.dist), valid)[0]
        change = (log_prob - rollout.log_prob).detach()
        kl = masks.mean(change.exp() - 1 - change, valid)[0]
        loss = policy + self.settings.weight * value + entropy * disorder
        found = {"loss": policy.detach(), "value_loss": value.detach(), "entropy": -disorder.detach(), "kl": kl}
        if judged.task is not None:
            missed = 0.5 * masks.mean((judged.task - whole.task[:, None]).square().mean(-1)[None], valid)[0]
            loss = loss + self.settings.infer * missed
            found["infer_loss"] = missed.detach()
        if judged.reward is not None:
            missed = 0.5 * masks.mean((judged.reward - lesson.reward[0]).square()[None], valid)[0]
            loss = loss + self.settings.predict * missed
            found["predict_loss"] = missed.detach()
        return loss, state, found

    def _chunks(self, rollout: Rollout) -> Iterator[slice]:
        steps = rollout.reward.shape[2]
        size = self.outer.chunk or steps
        return (slice(t, t + size) for t in range(0, steps, size))

    def _rescale(self, rollout: Rollout) -> None:
        """Bring what the policy will see from the next iteration on to unit size."""
        if self.outer.scale in ("obs", "both"):
            self.obs.update(rollout.obs[rollout.valid])
            self.fixed["encoder.obs_shift"] = self.obs.mean.to(self.fixed["encoder.obs_shift"])
            self.fixed["encoder.obs_scale"] = (1 / self.obs.std).to(self.fixed["encoder.obs_scale"])
        if self.outer.scale in ("reward", "both"):
            self.reward.update(rollout.reward[rollout.valid])
            self.fixed["encoder.reward_scale"] = (1 / self.reward.std).to(self.fixed["encoder.reward_scale"]).view(1)

    def _of(self, part: str) -> Params:
        return {name.partition("/")[2]: p for name, p in self.adam.values.items() if name.startswith(part + "/")}

    # ---- the checkpoint

    def state(self) -> dict[str, Tensor]:
        """Parameters, Adam's moments, running statistics."""
        moments = self.baseline.state() | self.obs.state() | self.reward.state()
        values = {name: p.detach().clone() for name, p in self.adam.values.items()}
        fixed = {name: b.clone() for name, b in _named("fixed", self.fixed).items()}
        return values | fixed | self.adam.moments() | moments | {"updates": self.updates.clone()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state()`."""
        self.adam.set(dict(state))
        self.adam.load_moments(state)
        self.fixed = {name: state[f"fixed/{name}"].clone() for name in self.fixed}
        for moments in (self.baseline, self.obs, self.reward):
            moments.load(state)
        self.updates = state["updates"].cpu().clone()


def make(policy: nn.Module, spec: Spec, parts: dict[str, Any], stream: Stream) -> Rl2:
    """RL^2 with the settings in `parts`."""
    return Rl2(policy, spec, parts["outer"], parts["critic"], parts["train"].iterations, stream)


def _named(part: str, values: Params) -> Params:
    return {f"{part}/{name}": value for name, value in values.items()}
