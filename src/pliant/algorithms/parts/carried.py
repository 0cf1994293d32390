"""What an agent with memory carries on from a trial."""

import torch
from torch import nn

from pliant.algorithms.parts import lesson
from pliant.maths import functional
from pliant.types import Carry, Inputs, Params, Rollout, State, inputs_of


@torch.no_grad()
def of_trial(policy: nn.Module, params: Params, rollouts: list[Rollout], chunk: int = 0) -> Carry | None:
    """What the first lane of the first task carries on from the trial of `rollouts`; None without one.

    The trial is gone through in pieces of `chunk` steps, 0 for all at once.
    """
    if not rollouts:
        return None
    lane = rollouts[0].part(slice(1), slice(1))
    lane = lane.each(lambda x: x[:, :, : lane.steps])
    inputs = inputs_of(lane)
    memory: State = ()
    for part in lesson.chunks(lane.steps, chunk):
        memory = functional.apply(policy, params, Inputs(*(x[:, :, part] for x in inputs)), memory)[1]
    return Carry(memory, lane.action[:, :, -1], lane.reward[:, :, -1])
