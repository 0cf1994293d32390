"""When an agent adapts and what is measured: the stages of an adaptation curve, the same for both schools.

    by gradient    stage k is a rollout after k gradient steps: every lane plays a trial, and what all lanes saw is learned from
    by memory      stage e is episode e of one rollout: every lane plays one trial, and remembers what itself has seen
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pliant import errors
from pliant.system import given
from pliant.types import Rollout

STEPS = 3
"""Gradient steps of an evaluation, if nothing else is asked for."""


@dataclass(frozen=True)
class Schedule:
    """How long agents adapt, and where they are measured. Made by `Learner.schedule`."""

    last: int
    """Index of the last stage; at stage 0 nothing is adapted yet."""
    episodes: int
    """E, episodes of a trial."""
    lanes: int
    """B, trials of a task side by side."""
    by_episode: bool
    """Stages are the episodes of one trial (an agent with memory), else rollouts between gradient steps."""
    deterministic: bool = False
    """The policy takes its most likely actions."""

    @property
    def stage(self) -> Literal["gradient step", "episode"]:
        """What stages count, as documents say it."""
        return "episode" if self.by_episode else "gradient step"

    @property
    def added(self) -> int:
        """Episodes that each stage adds to what an agent has seen of its task."""
        return 1 if self.by_episode else self.lanes * self.episodes

    @property
    def shown(self) -> Sequence[int]:
        """The stages that a line of training metrics names."""
        return sorted({0, self.last}) if self.by_episode else range(self.last + 1)

    def means(self, each: Sequence[Tensor]) -> Tensor:
        """[M, S], the mean over lanes by stage, of values [M, B, E] of each rollout."""
        if self.by_episode:
            return each[0].mean(1)
        return torch.stack([x.mean((1, 2)) for x in each], dim=1)

    def totals(self, each: Sequence[Tensor]) -> dict[int, float]:
        """The mean over tasks and lanes at the stages that are `shown`, of values [M, B, E] of each rollout."""
        if self.by_episode:
            return {stage: float(each[0][:, :, stage].mean()) for stage in self.shown}
        return {stage: float(x.mean()) for stage, x in enumerate(each)}

    def before(self, rollouts: list[Rollout]) -> list[Rollout]:
        """What an agent adapts from: all that it played, or all before the last gradient step."""
        return rollouts if self.by_episode else rollouts[:-1]


def without_chance(schedule: Schedule) -> Schedule:
    """The same, by most likely actions. Raises UserError for an agent without memory."""
    if not schedule.by_episode:
        raise errors.UserError(
            "deterministic is true: expected an agent with memory, because others are measured by the rollouts that they adapt"
            " from, with actions drawn by chance; leave --deterministic out"
        )
    return dataclasses.replace(schedule, deterministic=True)


def of_memory(stages: int | None, episodes: int | None, usual: int, lanes: int) -> Schedule:
    """The schedule of an agent with memory; a trial of `usual` episodes if nothing is said.

    Raises UserError if `stages` and `episodes` contradict each other.
    """
    if stages is not None and episodes is not None and stages != episodes - 1:
        raise errors.UserError(
            f"stages is {stages} and episodes is {episodes}: the stages of an agent with memory are the episodes of its trial,"
            f" so {episodes} of them end with stage {episodes - 1}; give one of the two"
        )
    if stages is not None:
        episodes = stages + 1
    episodes = episodes or usual
    return Schedule(episodes - 1, episodes, lanes, by_episode=True)


def of_gradient(stages: int | None, episodes: int | None, trial: int, lanes: int, steps: int = STEPS) -> Schedule:
    """The schedule of a gradient-based agent, in trials of `trial` episodes; `steps` gradient steps if nothing is said.

    `episodes` is the experience of a stage, of all lanes together. Raises UserError unless it makes whole trials.
    """
    if episodes is not None:
        if episodes % trial:
            raise errors.UserError(f"episodes is {episodes}: expected a multiple of {trial}, the episodes of a trial here")
        lanes = episodes // trial
    return Schedule(steps if stages is None else stages, trial, lanes, by_episode=False)


def require_sizes(**sizes: int | None) -> list[int | None]:
    """The sizes as integers of Python; UserError for a number of stages below 0, or one of lanes, episodes or tasks below 1."""
    least = {"stages": 0}
    return [None if size is None else given.integer(name, size, least.get(name, 1)) for name, size in sizes.items()]
