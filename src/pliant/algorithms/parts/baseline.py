"""What a linear rule expects of a step, so that a critic's network is left with what the rule gets wrong.

Returns to come differ most by how rich a task is and by how much of the trial is left. Neither is anything an action changes,
but a network that must fit them has little precision for what an action does change: what the agent has found out.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

KEEP = 0.9
"""Weight of what was seen before at each update: the rule follows a policy that learns."""
LEAST = 1e-6
"""Ridge of the constant and of the time that is left; on what is told it is the numbers told per task seen, if that is more."""

PARTS = ("products", "returns", "error", "updates", "tasks")


class Baseline:
    """Least squares of returns to come on (1, time left) x (1, what is told of the task); the deviation of what it misses.

        value[n, t] = sum_ai weight[a, i] (1, left[t])[a] (1, task[n])[i]

    A ridge keeps what is told of few tasks from being learned by heart. The values are running averages that a checkpoint can
    hold: of products of the columns, [2(K+1), 2(K+1)], of columns times returns, [2(K+1)], and of the squared error of each
    update's returns, as the rule of the updates before it expected them.
    """

    def __init__(self, name: str, task_size: int) -> None:
        """For tasks that are described by `task_size` numbers of order 1; 0 to be told nothing."""
        self.name, self.size = name, task_size + 1
        columns = 2 * self.size
        self.products = torch.zeros(columns, columns, dtype=torch.float64)
        self.returns = torch.zeros(columns, dtype=torch.float64)
        self.error, self.updates = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.int64)
        self.tasks = torch.zeros((), dtype=torch.float64)

    def update(self, task: Tensor, left: Tensor, target: Tensor, valid: Tensor) -> None:
        """Count in returns to come `target` [N, T] where `valid` [N, T] bool, of N lanes with descriptions `task` [N, K].

        `left` [T] is how much of the trial is still to come at each step.
        """
        told, basis = self._told(task), _basis(left)  # [N, K+1], [2, T]
        weight = valid.cpu().double() / valid.sum().cpu()
        target = target.detach().cpu().double()
        both = torch.einsum("nt,at,bt->nab", weight, basis, basis)
        products = torch.einsum("nab,ni,nj->aibj", both, told, told).reshape(self.products.shape)
        returns = ((weight * target) @ basis.T).T @ told  # [2, K+1]
        first = int(self.updates) == 0
        keep = min(KEEP, 1 - 1 / (int(self.updates) + 1))
        expected = self.value(task, left).cpu()
        self.products = keep * self.products + (1 - keep) * products
        self.returns = keep * self.returns + (1 - keep) * returns.flatten()
        self.tasks = KEEP * self.tasks + len(torch.unique(told, dim=0))
        self.updates = self.updates + 1
        if first:  # there was no rule before
            expected = self.value(task, left).cpu()
        self.error = keep * self.error + (1 - keep) * (weight * (target - expected).square()).sum()

    def value(self, task: Tensor, left: Tensor) -> Tensor:
        """What the rule expects, [N, T] float64 on the tasks' device; zeros before the first update."""
        ridge = torch.full((2, self.size), max(LEAST, (self.size - 1) / max(1.0, float(self.tasks))), dtype=torch.float64)
        ridge[:, 0] = LEAST
        penalised, driver = self.products + ridge.flatten().diag(), "gelsd"  # of any rank, and always with the same bits
        weights = torch.linalg.lstsq(penalised, self.returns[:, None], driver=driver).solution
        expected: Tensor = self._told(task) @ weights.view(2, self.size).T @ _basis(left)
        return expected.to(task.device)

    @property
    def std(self) -> Tensor:
        """Standard deviation of what the rule misses, 1 before the first update and where it misses nothing."""
        return torch.where(self.error > 1e-12, self.error.sqrt(), 1.0)

    def _told(self, task: Tensor) -> Tensor:
        """[N, K+1] float64 on the CPU, a constant first."""
        told = task[:, : self.size - 1].detach().cpu().double()
        return torch.cat([told.new_ones(len(told), 1), told], dim=1)

    def state(self) -> dict[str, Tensor]:
        """Its values by name."""
        return {f"{self.name}/{part}": getattr(self, part).clone() for part in PARTS}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state()`."""
        for part in PARTS:
            setattr(self, part, state[f"{self.name}/{part}"].cpu().clone())


def _basis(left: Tensor) -> Tensor:
    left = left.cpu().double()
    return torch.stack([torch.ones_like(left), left])  # [2, T]
