"""Families whose agent is told its task: what describes the task is part of every observation."""

import dataclasses

import torch

from pliant.errors import UserError
from pliant.tasks.base import BatchEnv, Family, Tasks


def told(family: Family) -> Family:
    """`family` with observations [M, B, D + K]: the K numbers of `Family.known` (else of `described`) stand behind its own.

    They say which task it is, not what has happened in it: what an agent must remember of an episode it still must remember.

    Its environments keep the sizes that they were made with: they may read them to fill their own D numbers.

    Raises UserError for images, which have no room for them.
    """
    own = family.spec
    if own.image:
        raise UserError(f"{family.name} shows images: an agent that is told its task needs observations that are vectors")

    def environment(wider: Family, tasks: Tasks, lanes: int, episodes: int) -> BatchEnv:
        batch = family.environment(family, tasks, lanes, episodes)
        sees = batch.observe
        numbers = torch.as_tensor(family.known.of(tasks)) if family.known else batch.described()
        known = numbers[:, None].expand(*batch.shape, -1)  # [M, B, K]

        def observe() -> torch.Tensor:
            seen = sees()
            return torch.cat([seen, known.to(seen)], dim=-1)

        batch.observe = observe  # type: ignore[method-assign]
        return batch

    size = own.obs_size + (family.known.size if family.known else own.task_size)
    return dataclasses.replace(family, spec=own._replace(obs_size=size), environment=environment)
