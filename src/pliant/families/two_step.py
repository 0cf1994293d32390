"""The two-step task: a first choice leads commonly to one second stage and rarely to the other; one of the two pays.

Wang et al. 2016, arXiv:1611.05763, section 3.2.1, after Daw et al. 2011. From the first stage, action 0 leads to second stage 0
with probability 0.75 and to second stage 1 otherwise; action 1 the other way round. There the next action, whichever it is,
brings 1 with probability 0.9 in the better second stage and 0.1 in the other. That is one episode of two steps; a trial is 100
of them, in which the better second stage stays the same. Stages are observed one-hot: first, second stage 0, second stage 1.

The same group's later version (Wang et al. 2018, Nature Neuroscience 21, simulation 4) has `common` 0.8 and lets the second
stages change places before an episode with probability `swap` 0.025.

What differs between tasks is which second stage is the better one at the start: two tasks, which train and test share.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le, Lt
from torch import Tensor

from pliant.tasks import checks
from pliant.tasks.base import BatchEnv, Family, Parameter, Tasks
from pliant.types import Spec

STEPS = 2
"""Steps of an episode: one in the first stage, one in the second."""
FASTER = ((2.0, 0.025), (4.0, 0.1))
"""Where the shifted split's swaps begin and end: so many times those of training, and at least this probability."""


@dataclass(frozen=True)
class Settings:
    """Probabilities of the task, length of a trial."""

    common: Annotated[float, Gt(0.5), Le(1)] = 0.75
    """Probability that a first action leads to its common second stage."""
    reward: Annotated[float, Gt(0.5), Lt(1)] = 0.9
    """Probability of a reward in the better second stage; in the other it is 1 minus this."""
    swap: Annotated[float, Ge(0), Le(0.25)] = 0.0
    """Probability that the second stages change places before an episode, the first excepted."""
    episodes: Annotated[int, Ge(1)] = 100
    """Episodes of a trial, unless asked otherwise."""

    def __post_init__(self) -> None:
        checks.settings(self)

    @property
    def best(self) -> float:
        """Expected reward of an episode that begins with the right action."""
        return self.common * self.reward + (1 - self.common) * (1 - self.reward)

    @property
    def cost(self) -> float:
        """Expected reward that the wrong first action costs."""
        return (2 * self.common - 1) * (2 * self.reward - 1)


class TwoStep(BatchEnv):
    """Stages and the better second stages as tensors [M, B]: stage 0 is the first, 1 and 2 are the second ones."""

    reset_noise = 1
    step_noise = 1

    def __init__(self, family: Family, tasks: Tasks, lanes: int, episodes: int) -> None:
        super().__init__(family, tasks, lanes, episodes)
        self.settings: Settings = family.settings
        self.opening = tasks.tensor("better").long()[:, None].expand(self.shape)  # [M, B]
        self.swap = tasks.tensor("swap")[:, None]  # [M, 1]
        self.one_hot = torch.eye(3, dtype=torch.float64)
        self.better = self.opening
        self.stage = torch.zeros(self.shape, dtype=torch.int64)

    def begin(self, chosen: Tensor, noise: Tensor) -> None:
        kept = torch.where(noise[..., 0] < self.swap, 1 - self.better, self.better)
        better = torch.where(self._episode == 0, self.opening, kept)
        self.better = torch.where(chosen, better, self.better)
        self.stage = torch.where(chosen, 0, self.stage)

    def observe(self) -> Tensor:
        return self.one_hot[self.stage]

    def advance(self, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        u, second = noise[..., 0], self.stage > 0
        chance = torch.where(self.stage - 1 == self.better, self.settings.reward, 1 - self.settings.reward)
        reward = (second & (u < chance)).double()
        there = torch.where(u < self.settings.common, action, 1 - action)
        self.stage = torch.where(second, self.stage, 1 + there)
        return reward, second, torch.zeros_like(second)


def family(settings: Settings | None = None) -> Family:
    """The family of two tasks."""
    settings = settings or Settings()
    slow, fast = (max(times * settings.swap, least) for times, least in FASTER)
    parameters = (
        Parameter("better", choices=(0.0, 1.0), meaning="the second stage that pays where the trial opens"),
        Parameter(
            "swap",
            (settings.swap, settings.swap),
            ood=(slow, fast),
            meaning="probability that the second stages change places before an episode",
        ),
    )
    return Family(
        name="two-step",
        summary="find out which second stage pays, and which first action leads there",
        parameters=parameters,
        spec=Spec(obs_size=3, action_size=2, discrete=True),
        horizon=STEPS,
        environment=TwoStep,
        shift=f"the second stages change places during the trial, before an episode with probability {slow:g} to {fast:g}",
        episodes=settings.episodes,
        settings=settings,
    )
