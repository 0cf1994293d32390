"""Reference agents for ML1: Meta-World's scripted controller, which takes every goal to be the usual one, and chance.

The scripted controllers of package metaworld 3.1.1 are told where things must go. `scripted` is told the mean of the places of
the 50 training goals: what an engineer would write who knows the task and the workspace but not today's goal.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pliant import errors
from pliant.players.parts import choices
from pliant.simulators.metaworld import goals
from pliant.streams import Stream
from pliant.tasks.base import Family, Tasks
from pliant.types import Inputs, Output, State

BEST = 10.0
"""Reward of a step."""
SPELLED = {"peg-insert-side-v3": "PegInsertionSide"}
"""Classes whose controllers are not called after them."""


def players(family: Family, stream: Stream) -> dict[str, nn.Module]:
    """The agents by name."""
    return {"scripted": Scripted(family.settings.task), "random": Random(family, stream.at("random"))}


def ceiling(family: Family, tasks: Tasks, episodes: int) -> NDArray[np.float64]:
    """Return of a trial with the goal reached from the first step on, [M]; no agent reaches it."""
    return np.full(len(tasks), BEST * family.horizon * episodes)


def optimum(family: Family, episodes: int) -> float | None:
    """Not known."""
    return None


class Scripted(nn.Module):
    """Meta-World's controller of a class, told the middle of its training goals; one lane after another."""

    broadcasts = True

    def __init__(self, name: str) -> None:
        super().__init__()
        self.controller, self.goal = controller(name), targets(name).mean(0)

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        seen = inputs.obs[:, :, 0].flatten(0, 1).double().numpy().copy()  # [M*B, 39]
        seen[:, 36:] = self.goal
        acts = np.array([self.controller.get_action(row) for row in seen]).clip(-1, 1)
        return _certain(torch.from_numpy(acts).view(*inputs.obs.shape[:2], -1).to(inputs.obs)), state


class Random(nn.Module):
    """Actions drawn from the whole range, all alike."""

    broadcasts = True

    def __init__(self, family: Family, stream: Stream) -> None:
        super().__init__()
        self.stream, self.size = stream, family.spec.action_size

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        generator = self.stream.generator() if state == () else state
        return _certain((2 * torch.rand(*inputs.obs.shape[:2], self.size, generator=generator) - 1).to(inputs.obs)), generator


def _certain(action: Tensor) -> Output:
    """The action [M, B, A] and nothing else, as a distribution [M, B, 1, 2 A]."""
    return Output(torch.cat([action, torch.full_like(action, choices.CERTAIN)], dim=-1).unsqueeze(2))


def controller(name: str) -> Any:
    """Meta-World's scripted controller of a class. Raises UserError that names the extra if Meta-World is not installed."""
    try:
        from metaworld import policies
    except ModuleNotFoundError as error:
        raise errors.missing_extra(error, "metaworld-ml1") or error from error
    words = SPELLED.get(name, "".join(word.capitalize() for word in name.split("-")[:-1]))
    return getattr(policies, f"Sawyer{words}V3Policy")()


def targets(name: str) -> NDArray[np.float64]:
    """Where things must go in the training tasks of a class, [50, 3] m."""
    from pliant.simulators.metaworld import stage as stages

    stage = stages.stage(name)
    found = []
    for number in goals.numbers((name,), "train"):
        stage.clear()
        env = stages.frozen(stage.quick, goals.vector(number))
        stages.opened(env)
        found.append(np.array(env._target_pos))
    return np.array(found)
