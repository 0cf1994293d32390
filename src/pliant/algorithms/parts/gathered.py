"""Trials that several processes have played, in all of them: what learns from memory judges each trial beside all others."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pliant.system.crew import Crew
from pliant.types import Rollout


def whole(shards: Sequence[list[Rollout]], crew: Crew) -> Rollout:
    """The trials [M, B, T, *] of all tasks, from those of this process's shards, the one rollout [m, B, t, *] of each.

    Shorter ones are padded to the longest, as lanes are that ended sooner.
    """
    if crew.shards == 1:
        return shards[0][0]
    steps = crew.agree(max(rollout.reward.shape[2] for (rollout,) in shards))
    parts = zip(*(_padded(rollout, steps) for (rollout,) in shards), strict=True)
    return Rollout._make(_all(each, crew) for each in parts)


def _padded(rollout: Rollout, steps: int) -> Rollout:
    """A rollout with zeros behind, up to so many steps."""
    missing = steps - rollout.reward.shape[2]
    if not missing:
        return rollout
    return rollout.each(lambda x: torch.cat([x, x.new_zeros(*x.shape[:2], missing, *x.shape[3:])], dim=2))


def _all(parts: Sequence[Tensor], crew: Crew) -> Tensor:
    """One field of all shards, task after task; bits of a truth value do not travel, bytes do."""
    if not parts[0].numel():  # nothing describes a task
        return parts[0].new_zeros(crew.shards * len(parts[0]), *parts[0].shape[1:])
    if parts[0].dtype == torch.bool:
        return torch.cat(crew.all([part.to(torch.uint8) for part in parts])).bool()
    return torch.cat(crew.all(parts))
