"""The values that travel through pliant, and the legend of their dims.

Legend, the same everywhere: M tasks, B lanes per task, T steps, D observation, A action, P distribution
parameters, K numbers that describe a task. Dims are always in the order task, lane, time, feature, with no trailing
singleton dim.

A *step* is one environment step in one lane. A *lane* plays one *trial*: a fixed number of consecutive episodes of
one task. A *stage* is one point of an adaptation curve: a number of gradient steps, or an episode index.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

Params = dict[str, Tensor]
"""A parameter set: shared `[*s]`, or stacked per task `[M, *s]`."""

State = Any
"""A policy's memory: a nest of tensors [M, B, *]; `()` where a trial opens, and always for a policy without memory."""


KEPT = "kept/"
"""What begins the names of the tensors in an algorithm's state that never change: "kept/KEY/NAME". All of one KEY, eight
digits, are a piece, which a run writes once, however many of its checkpoints need it."""


class Spec(NamedTuple):
    """What a policy must know of a family: sizes only."""

    obs_size: int
    """D, length of an observation."""
    action_size: int
    """A for continuous actions, the number of actions for discrete ones."""
    discrete: bool
    """True: actions are integers in 0..A-1. False: vectors in [-1, 1]^A, which the family scales."""
    task_size: int = 0
    """K, how many numbers describe a task; for critics, a policy never sees them. A `Family` fills it in."""
    trial_steps: int = 0
    """Steps of a whole trial in training; 0 where nobody said."""
    image: tuple[int, int, int] | None = None
    """Channels, height and width of an observation that is an image, D numbers of it; None for a vector."""


class Inputs(NamedTuple):
    """What a policy sees at each step."""

    obs: Tensor
    """[M, B, T, D] observation before acting."""
    prev_action: Tensor
    """[M, B, T, A], or [M, B, T] int64 when discrete; zeros (discrete: -1) where a trial opens."""
    prev_reward: Tensor
    """[M, B, T] reward of the previous step, 0 where a trial opens."""
    first: Tensor
    """[M, B, T] bool, the observation opens an episode."""


class Output(NamedTuple):
    """What a policy answers."""

    dist: Tensor
    """[M, B, T, P] parameters of the action distribution."""
    features: Tensor | None = None
    """[M, B, T, F] what the policy knows: its memory, for a critic to judge by. None for a policy without memory."""


class Carry(NamedTuple):
    """What crosses from one step to the next: all that an agent needs to go on in the middle of a trial."""

    memory: State
    """The policy's."""
    action: Tensor
    """[M, B, A], or [M, B] int64 when discrete: the last action; zeros (discrete: -1) where a trial opens."""
    reward: Tensor
    """[M, B] what it brought."""


class Rollout(NamedTuple):
    """What M tasks x B lanes experienced. Steps after a lane's last episode are padding: zeros, `valid` False."""

    obs: Tensor
    """[M, B, T, D] what the agent saw before acting."""
    action: Tensor
    """[M, B, T, A], or [M, B, T] int64 when discrete; as drawn, not clipped."""
    reward: Tensor
    """[M, B, T] raw."""
    next_obs: Tensor
    """[M, B, T, D] what followed, before any reset."""
    first: Tensor
    """[M, B, T] bool, `obs` opens an episode."""
    terminated: Tensor
    """[M, B, T] bool, the MDP ended with this action."""
    truncated: Tensor
    """[M, B, T] bool, a limit ended the episode; the MDP goes on."""
    valid: Tensor
    """[M, B, T] bool, a prefix of each lane."""
    log_prob: Tensor
    """[M, B, T] nats, summed over A, under the policy that acted."""
    success: Tensor
    """[M, B, T] bool, as the environment reports it."""
    task: Tensor
    """[M, K] what describes each task, of order 1 (`Family.described`); a critic may be told, a policy never sees it."""

    def part(self, tasks: Any, lanes: Any = slice(None)) -> "Rollout":
        """Some of the tasks, and of the lanes of each."""
        return self.each(lambda x: x[tasks, lanes])._replace(task=self.task[tasks])

    def each(self, change: Callable[[Tensor], Tensor]) -> "Rollout":
        """The same tasks, with `change` applied to every field [M, B, T, *]."""
        return Rollout._make([*map(change, self[:-1]), self.task])

    @property
    def steps(self) -> int:
        """Environment steps in this rollout, padding not counted."""
        return int(self.valid.sum())


class Acted(Protocol):
    """What a policy saw, did and got, [M, B, T, *] as in a `Rollout`."""

    @property
    def obs(self) -> Tensor: ...
    @property
    def action(self) -> Tensor: ...
    @property
    def reward(self) -> Tensor: ...
    @property
    def first(self) -> Tensor: ...


def inputs_of(rollout: Acted) -> Inputs:
    """The inputs under which `rollout` was acted, [M, B, T, *]: action and reward shifted by one step."""
    action, reward = rollout.action, rollout.reward
    none = torch.full_like(action[:, :, :1], -1 if not action.is_floating_point() else 0)
    return Inputs(
        obs=rollout.obs,
        prev_action=torch.cat([none, action[:, :, :-1]], dim=2),
        prev_reward=torch.cat([torch.zeros_like(reward[:, :, :1]), reward[:, :, :-1]], dim=2),
        first=rollout.first,
    )
