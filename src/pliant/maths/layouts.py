"""What M numbers know of a mean over tasks, when some of the M tasks are one and the same.

    drawn   distinct tasks are drawn from something larger, the tasks of one are repeats: G means of distinct tasks vary, and
            for G of them Student's t has G - 1 degrees of freedom, however often each was played
    whole   the distinct tasks are all there are, such as two directions: a stratification. How they differ is no uncertainty
            of their mean; what is left are the trials within each, with M - G degrees of freedom

Nothing is known with one distinct task that was drawn, or with one trial of each where they are all.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Layout(NamedTuple):
    """Which of the M tasks of a sample are the same."""

    number: NDArray[np.int64]
    """[M] number of the distinct task that each is, from 0 without gaps."""
    is_whole: bool = False
    """There are no other tasks than these."""

    @property
    def distinct(self) -> int:
        """Distinct tasks, G."""
        return int(self.number.max()) + 1

    def means(self, x: Array) -> Array:
        """Means over the tasks of each distinct one: [..., M] -> [..., G]."""
        order = np.argsort(self.number, kind="stable")
        count = np.bincount(self.number)
        sums = np.add.reduceat(x[..., order], np.cumsum(count) - count, axis=-1)
        return np.asarray(sums / count)

    def within(self, x: Array) -> Array:
        """What tells trials of one distinct task apart: [..., M] -> [..., M]."""
        return np.asarray(x - self.means(x)[..., self.number])


class Squares(NamedTuple):
    """Mean squares of a two-way layout without replication, seeds by tasks."""

    seed: float
    """Of seeds; 0 for one."""
    task: float
    """Of distinct tasks, or of trials within them."""
    rest: float
    """Of what is neither of the seed nor of the task; 0 for one seed."""
    columns: int
    """How many tasks or trials a seed's mean square counts."""
    freedom: int
    """Degrees of freedom of `task`; with 0 of them nothing is known."""
    share: float
    """Of the variance of one task, what the mean over all has: 1 / M where no two are the same."""


def distinct(count: int) -> Layout:
    """`count` tasks of which no two are the same."""
    return Layout(np.arange(count))


def numbered(tasks: Sequence[object]) -> NDArray[np.int64]:
    """[M] the same number for the same task, in the order of their first appearance."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(repr(task), len(numbers)) for task in tasks], dtype=np.int64)


def squares(x: Array, layout: Layout | None = None) -> Squares:
    """Mean squares of a score [S, M]; without a layout no two tasks are the same. Raises ValueError for one of other tasks."""
    layout = layout or distinct(x.shape[1])
    if layout.number.shape != x.shape[1:]:
        raise ValueError(f"layout is of {len(layout.number)} tasks and the score of {x.shape[1]}: expected the same tasks")
    return _of_trials(x, layout) if layout.is_whole else _of_tasks(x, layout)


def _of_tasks(x: Array, layout: Layout) -> Squares:
    """Repeats are averaged; a mean over M tasks weighs each distinct one by how often it is there."""
    count = np.bincount(layout.number)
    share = float(((count / len(layout.number)) ** 2).sum())
    z = layout.means(x) if count.max() > 1 else x
    S, G = z.shape
    seed, task, whole = z.mean(1, keepdims=True), z.mean(0, keepdims=True), z.mean()
    of_seed = G * float(((seed - whole) ** 2).sum()) / max(1, S - 1)
    of_task = S * float(((task - whole) ** 2).sum()) / max(1, G - 1)
    rest = float(((z - seed - task + whole) ** 2).sum()) / max(1, (S - 1) * (G - 1))
    return Squares(of_seed, of_task, rest, G, G - 1, share)


def _of_trials(x: Array, layout: Layout) -> Squares:
    """Only what varies within distinct tasks counts."""
    (S, M), freedom = x.shape, x.shape[1] - layout.distinct
    of_seed = M * float(((x.mean(1) - x.mean()) ** 2).sum()) / max(1, S - 1)
    within = layout.within(x)
    trial = within.mean(0)
    of_trial = S * float((trial**2).sum()) / max(1, freedom)
    rest = float(((within - trial) ** 2).sum()) / max(1, (S - 1) * freedom)
    return Squares(of_seed, of_trial, rest, M, freedom, 1 / M)
