"""What an algorithm with memory learns from."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from pliant.types import Inputs, Rollout, inputs_of


class Trials(NamedTuple):
    """Trials with the lanes of all tasks side by side: N lanes of T steps."""

    inputs: Inputs
    """[1, N, T, *]"""
    rollout: Rollout
    """[1, N, T, *], and `task` [N, K]."""
    elapsed: Tensor
    """[T], the share of a whole trial that is over."""

    def lanes(self, chosen: Tensor | slice) -> "Trials":
        """Some of the lanes."""
        rollout = self.rollout.each(lambda x: x[:, chosen])._replace(task=self.rollout.task[chosen])
        return Trials(Inputs(*(x[:, chosen] for x in self.inputs)), rollout, self.elapsed)

    def times(self, chunk: slice) -> "Trials":
        """Some of the steps."""
        inputs = Inputs(*(x[:, :, chunk] for x in self.inputs))
        return Trials(inputs, self.rollout.each(lambda x: x[:, :, chunk]), self.elapsed[chunk])

    def chunks(self, size: int) -> Iterator[slice]:
        """Time in pieces of `size` steps, 0 for one piece."""
        return chunks(self.rollout.reward.shape[2], size)


class Lesson(NamedTuple):
    """Trials to learn from, and what is to be learned of each step."""

    trials: Trials
    """N lanes of T steps."""
    advantage: Tensor
    """[1, N, T], standardised."""
    target: Tensor
    """[1, N, T], of the critic, standardised."""
    reward: Tensor
    """[1, N, T], of each step, standardised."""

    def lanes(self, chosen: Tensor) -> "Lesson":
        """Some of the lanes."""
        return Lesson(self.trials.lanes(chosen), *(x[:, chosen] for x in self[1:]))

    def times(self, chunk: slice) -> "Lesson":
        """Some of the steps."""
        return Lesson(self.trials.times(chunk), *(x[:, :, chunk] for x in self[1:]))


def chunks(steps: int, size: int) -> Iterator[slice]:
    """`steps` steps in pieces of `size`, 0 for one piece."""
    size = size or steps
    return (slice(t, t + size) for t in range(0, steps, size))


def trials_of(rollout: Rollout, whole: int) -> Trials:
    """The trials of a rollout [M, B, T, *], lane by lane; a whole one has `whole` steps, 0 where T is all of it."""
    lanes, steps = rollout.reward.shape[1:3]
    flat = rollout.each(lambda x: x.flatten(0, 1)[None])  # [1, M*B, T, *]
    flat = flat._replace(task=rollout.task.repeat_interleave(lanes, dim=0))  # [M*B, K]
    elapsed = torch.arange(steps, device=rollout.reward.device, dtype=rollout.reward.dtype) / (whole or steps)
    return Trials(inputs_of(flat), flat, elapsed)
