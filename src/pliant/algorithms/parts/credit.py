"""Credit across the episodes of a trial: what an early step finds out is paid for in later ones.

expected    what a linear rule expects of a step, and a critic's correction of it in units of what the rule misses
advantage   what came, episode after episode to the end of the trial, beyond what was expected
target      what the critic should have said: expected + advantage, as its correction of the rule
"""

import torch
from torch import Tensor

from pliant.algorithms.parts.baseline import Baseline
from pliant.algorithms.parts.lesson import Lesson, Trials
from pliant.maths import advantages, masks


class Credit:
    """A linear rule of returns to come, and what it makes of a critic's values."""

    def __init__(self, gamma: float, lam: float, whole: int, task_size: int) -> None:
        """Discount `gamma` and trace decay `lam` per step; trials of `whole` steps, 0 for as many as a rollout has.

        The rule is told `task_size` numbers of a task.
        """
        self.gamma, self.lam, self.whole = gamma, lam, whole
        self.baseline = Baseline("baseline", task_size)

    def left(self, steps: int) -> Tensor:
        """Discounted steps of a trial that are still to come, as a share of all, [steps] float64."""
        weight = self.gamma ** torch.arange(self.whole or steps, dtype=torch.float64)
        return (weight.cumsum(0).flip(0) / weight.sum())[:steps]

    def expected(self, value: Tensor, trials: Trials) -> Tensor:
        """A critic's values [1, N, T], standardised, in units of return."""
        return value * self.baseline.std.to(value) + self._rule(trials).to(value)

    def lesson(self, trials: Trials, value: Tensor) -> tuple[Lesson, dict[str, float]]:
        """What is to be learned from trials, of which `value` [1, N, T] was expected; and how much of it the critic knew.

        The rule learns from them, too: targets are standardised by the rule as it is afterwards.
        """
        rollout, valid = trials.rollout, trials.rollout.valid
        value = value * valid
        advantage = self._advantage(trials, value)
        target = advantage + value
        missed, spread = advantage[valid].var(), target[valid].var().clamp(min=1e-12)
        self.baseline.update(rollout.task, self.left(valid.shape[2]), target[0], valid[0])
        correction = (target - self._rule(trials).to(target)) / self.baseline.std.to(target)
        advantage, reward = masks.standardise(advantage, valid), masks.standardise(rollout.reward, valid)
        return Lesson(trials, advantage, correction, reward), {"explained": float(1 - missed / spread)}

    def _rule(self, trials: Trials) -> Tensor:
        """What the rule expects, [N, T] float64."""
        return self.baseline.value(trials.rollout.task, self.left(trials.rollout.reward.shape[2]))

    def _advantage(self, trials: Trials, value: Tensor) -> Tensor:
        """Generalised advantages [1, N, T] through all episodes of a trial; nothing follows its last step."""
        discount, trace = advantages.horizons(trials.rollout, self.gamma, self.lam, "trial")
        following = torch.cat([value[:, :, 1:], torch.zeros_like(value[:, :, :1])], dim=2)
        return advantages.gae(trials.rollout.reward, value, following, discount, trace)
