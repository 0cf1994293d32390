"""What a linear rule expects of a step, so that a critic's network is left with what the rule gets wrong.

Returns to come differ most by how rich a task is and by how much of the trial is left. Neither is anything an action changes,
but a network that must fit them has little precision for what an action does change: what the agent has found out.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

KEEP = 0.9
"""Weight of what was seen before at each update: the rule follows a policy that learns."""
RIDGE = 1e-6
"""Of the mean square of the returns' features, which are of order 1."""


class Baseline:
    """Least squares of returns to come on (1, time left) x (1, what is told of the task); the deviation of what remains.

    Values that a checkpoint can hold: running sums of products, [2(K+1), 2(K+1)] and [2(K+1)], and of squared errors.
    """

    def __init__(self, name: str, task_size: int) -> None:
        """For tasks that are described by `task_size` numbers, 0 to be told nothing."""
        self.name, self.size = name, task_size + 1
        columns = 2 * self.size
        self.products = torch.zeros(columns, columns, dtype=torch.float64)
        self.returns = torch.zeros(columns, dtype=torch.float64)
        self.error, self.updates = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.int64)

    def update(self, task: Tensor, left: Tensor, target: Tensor, valid: Tensor) -> None:
        """Count in returns to come [N, T] of tasks [N, K], with `left` [T] of the trial's discounted steps to come."""
        told, basis = self._told(task), _basis(left)  # [N, K+1], [2, T]
        weight = valid.cpu().double() / valid.sum().cpu()
        target = target.detach().cpu().double()
        both = torch.einsum("nt,at,bt->nab", weight, basis, basis)
        products = torch.einsum("nab,ni,nj->aibj", both, told, told).reshape(self.products.shape)
        returns = ((weight * target) @ basis.T).T @ told  # [2, K+1]
        keep = min(KEEP, 1 - 1 / (int(self.updates) + 1))
        self.products = keep * self.products + (1 - keep) * products
        self.returns = keep * self.returns + (1 - keep) * returns.flatten()
        self.updates = self.updates + 1
        missed = (weight * (target - self.value(task, left).cpu()).square()).sum()
        self.error = keep * self.error + (1 - keep) * missed

    def value(self, task: Tensor, left: Tensor) -> Tensor:
        """What the rule expects, [N, T] float64 on the tasks' device; zeros before the first update."""
        ridge = RIDGE * torch.eye(len(self.returns), dtype=torch.float64)
        weights = torch.linalg.solve(self.products + ridge, self.returns).view(2, self.size)
        expected: Tensor = self._told(task) @ weights.T @ _basis(left)
        return expected.to(task.device)

    @property
    def std(self) -> Tensor:
        """Standard deviation of what the rule misses, 1 before the first update and where it misses nothing."""
        return torch.where(self.error > 1e-12, self.error.sqrt(), 1.0)

    def _told(self, task: Tensor) -> Tensor:
        """[N, K+1] float64 on the CPU, a constant first."""
        told = task[:, : self.size - 1].detach().cpu().double()
        return torch.cat([torch.ones_like(told[:, :1]) if self.size > 1 else torch.ones(len(task), 1).double(), told], dim=1)

    def state(self) -> dict[str, Tensor]:
        """Its values by name."""
        return {f"{self.name}/{part}": getattr(self, part).clone() for part in ("products", "returns", "error", "updates")}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state()`."""
        for part in ("products", "returns", "error", "updates"):
            setattr(self, part, state[f"{self.name}/{part}"].cpu().clone())


def _basis(left: Tensor) -> Tensor:
    left = left.cpu().double()
    return torch.stack([torch.ones_like(left), left])  # [2, T]
