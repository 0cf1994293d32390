"""What the families of Meta-World share: their tasks, what a critic is told, and the batch of lanes.

A family is a list of classes for training and one for tests (`_metaworld`); its tasks are numbers.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pliant import errors
from pliant.tasks import _metaworld
from pliant.tasks.base import BatchEnv, Family, Parameter, Tasks, Told
from pliant.types import Spec

EPISODES = 10
"""Of a trial: those in which an agent adapts by Meta-World's protocol, before the 3 that count."""


def made(name: str, summary: str, train: Sequence[str], test: Sequence[str], settings: Any) -> Family:
    """A family that trains on the training goals of the classes `train`, and tests on the test goals of the classes `test`.

    Its shifted tasks are classes of `test` with goals beyond the range of their class.
    """
    named = sorted({*train, *test})
    held_out = _metaworld.numbers(test, "test")
    parameter = Parameter(
        "task",
        choices=_metaworld.numbers(train, "train") + held_out,
        held_out=held_out,
        ood=_metaworld.numbers(test, "ood"),
        stride=_metaworld.STRIDE,
        meaning="1000 times the number of the class, plus that of the goal",
    )
    told = _metaworld.MOST_GOAL + (len(named) if len(named) > 1 else 0)
    return Family(
        name=name,
        summary=summary,
        parameters=(parameter,),
        spec=Spec(obs_size=39, action_size=4, discrete=False),
        horizon=settings.horizon,
        environment=Lanes,
        shift="goals beyond the range from which a class draws its own, by up to a quarter of half its width",
        episodes=EPISODES,
        success="Meta-World's own, at any step of an episode",
        version=f"{_metaworld.VERSION}-{_metaworld.GOALS}",
        settings=settings,
        told=Told(told, lambda tasks: _installed(name, _metaworld.described, tasks.arrays["task"], named)),
    )


class Lanes(BatchEnv):
    """All lanes in this process, one after another."""

    reset_noise = 1

    def __init__(self, family: Family, tasks: Tasks, lanes: int, episodes: int) -> None:
        super().__init__(family, tasks, lanes, episodes)
        number = np.repeat(tasks.arrays["task"], lanes)  # [M*B]
        for every in np.unique(number):
            _installed(family.name, _metaworld.vector, float(every))
        self._rows = number[:, None]  # [M*B, 1]
        self._lanes = [_installed(family.name, _lane, self.horizon) for _ in number]
        self._obs = torch.zeros(len(number), self.spec.obs_size, dtype=torch.float64)
        self._cut = torch.zeros(self.shape, dtype=torch.bool)

    def begin(self, chosen: Tensor, noise: Tensor) -> None:
        seeds = (noise[..., 0] * 2**31).long().flatten().tolist()
        for n in chosen.flatten().nonzero().flatten().tolist():
            self._obs[n] = torch.from_numpy(self._lanes[n].begin(self._rows[n], seeds[n]))

    def observe(self) -> Tensor:
        return self._obs.view(*self.shape, -1).clone()  # [M, B, 39]

    def advance(self, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        acts = action.to(torch.float64).flatten(0, 1).numpy()  # [M*B, 4]
        count = len(acts)
        reward, success = torch.zeros(count, dtype=torch.float64), torch.zeros(count, dtype=torch.bool)
        terminated, truncated = torch.zeros_like(success), torch.zeros_like(success)
        for n in self.active.flatten().nonzero().flatten().tolist():
            obs, reward[n], terminated[n], truncated[n], success[n] = self._lanes[n].advance(acts[n])
            self._obs[n] = torch.from_numpy(obs)
        self._cut = truncated.view(self.shape)
        return reward.view(self.shape), terminated.view(self.shape), success.view(self.shape)

    def cut(self) -> Tensor:
        return self._cut


def _lane(horizon: int) -> Any:
    from pliant.tasks import _metaworld_env

    return _metaworld_env.Lane(horizon=horizon)


def _installed(family: str, function: Any, *args: Any) -> Any:
    """`function(*args)`, which may need Meta-World. Raises UserError that names the extra if it is not installed."""
    try:
        return function(*args)
    except ModuleNotFoundError as error:
        raise errors.missing_extra(error, family) or error from None
