"""What an algorithm with memory learns from."""

from typing import NamedTuple

from torch import Tensor

from pliant.types import Inputs, Rollout


class Lesson(NamedTuple):
    """Trials to learn from, lanes of all tasks side by side: N lanes of T steps."""

    inputs: Inputs
    """[1, N, T, *]"""
    rollout: Rollout
    """[1, N, T, *], and `task` [N, K]."""
    advantage: Tensor
    """[1, N, T], standardised."""
    target: Tensor
    """[1, N, T], of the critic, standardised."""
    reward: Tensor
    """[1, N, T], of each step, standardised."""

    def lanes(self, chosen: Tensor) -> "Lesson":
        """Some of the lanes."""
        rollout = self.rollout.each(lambda x: x[:, chosen])._replace(task=self.rollout.task[chosen])
        inputs = Inputs(*(x[:, chosen] for x in self.inputs))
        return Lesson(inputs, rollout, self.advantage[:, chosen], self.target[:, chosen], self.reward[:, chosen])

    def times(self, chunk: slice) -> "Lesson":
        """Some of the steps."""
        inputs = Inputs(*(x[:, :, chunk] for x in self.inputs))
        rollout = self.rollout.each(lambda x: x[:, :, chunk])
        return Lesson(inputs, rollout, self.advantage[:, :, chunk], self.target[:, :, chunk], self.reward[:, :, chunk])
