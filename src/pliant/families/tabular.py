"""Random tabular MDPs: ten states, five actions, unknown rewards and transitions, ten short episodes to learn them.

Duan et al. 2016, arXiv:1611.02779, section 3.2 and table 2. The mean reward of every state and action is N(1, 1), an observed
reward adds N(0, 1), the next state's distribution is Dirichlet(1, ..., 1) for every state and action. An episode opens in state
0 and is cut after `horizon` steps; the observation is the state, one-hot. An agent that knows the MDP earns 21.83 an
episode, one that acts at random 10.

A critic is told the mean rewards, and what the MDP is worth instead of its transitions: for the best and for the random policy
the value of a whole episode from state 0, how much better or worse each other state is, and what one step in each state brings.
An agent that is told its task is also told how much each action loses where an episode opens, which says how to act.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge
from numpy.typing import NDArray
from torch import Tensor

from pliant.tasks import checks
from pliant.tasks.base import BatchEnv, Family, Parameter, Tasks, Told
from pliant.types import Spec

MEAN_REWARD = 1.0
REWARD_SPREAD = 1.0
"""Standard deviation of the mean rewards of different states and actions."""
NOISE = 1.0
"""Standard deviation of an observed reward around its mean."""
CONCENTRATION = 1.0
"""Of the Dirichlet distribution of the transition probabilities."""
SPARSE = 0.1
"""The same in the shifted split: most of the probability goes to one or two states."""
SMALLEST = 2.0**-54
"""Stands for a uniform number of 0, whose normal quantile is not finite."""


@dataclass(frozen=True)
class Settings:
    """Size of the MDPs, length of an episode and of a trial."""

    states: Annotated[int, Ge(2)] = 10
    """Number of states."""
    actions: Annotated[int, Ge(2)] = 5
    """Number of actions."""
    horizon: Annotated[int, Ge(1)] = 10
    """Steps after which an episode is truncated."""
    episodes: Annotated[int, Ge(1)] = 10
    """Episodes of a trial, unless asked otherwise."""

    def __post_init__(self) -> None:
        checks.settings(self)


class Tabular(BatchEnv):
    """All states as one tensor [M, B] of indices. Rewards and transitions lie in tables with a row per task, state, action."""

    step_noise = 2

    def __init__(self, family: Family, tasks: Tasks, lanes: int, episodes: int) -> None:
        super().__init__(family, tasks, lanes, episodes)
        self.settings: Settings = family.settings
        S, A, M = self.settings.states, self.settings.actions, len(tasks)
        reward, transition = mdps(tasks, self.settings)
        self.reward = reward.flatten()  # [M*S*A]
        self.cumulative = transition.cumsum(-1).flatten(0, 2)  # [M*S*A, S]
        self.opening = S * A * torch.arange(M)[:, None]  # [M, 1], a task's first row
        self.one_hot = torch.eye(S, dtype=torch.float64)
        self.state = torch.zeros(self.shape, dtype=torch.int64)

    def begin(self, chosen: Tensor, noise: Tensor) -> None:
        self.state = torch.where(chosen, 0, self.state)

    def observe(self) -> Tensor:
        return self.one_hot[self.state]

    def advance(self, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        row = self.opening + self.settings.actions * self.state + action
        reward = self.reward[row] + NOISE * torch.special.ndtri(noise[..., 0].clamp(min=SMALLEST))
        below = self.cumulative[row] <= noise[..., 1:]  # [M, B, S]
        self.state = below.sum(-1).clamp(max=self.settings.states - 1)
        never = torch.zeros(self.shape, dtype=torch.bool)
        return reward, never, never


def mdps(tasks: Tasks, settings: Settings) -> tuple[Tensor, Tensor]:
    """The mean rewards [M, S, A] and transition probabilities [M, S, A, S] of tasks."""
    S, A = settings.states, settings.actions
    reward, transition = tasks.tensor("reward"), tasks.tensor("transition")
    return reward.unflatten(-1, (S, A)), transition.unflatten(-1, (S, A, S))


def value_iteration(reward: Tensor, transition: Tensor, horizon: int, bonus: Tensor | None = None) -> Tensor:
    """Optimal action values of a finite-horizon MDP, [*, H, S, A] float64 in order of time: entry t has H - t steps to go.

        Q[H-1](s,a) = reward(s,a)
        Q[t](s,a)   = reward(s,a) + sum_s' transition(s,a,s') max_a' Q[t+1](s',a') + (H-1-t) bonus(s,a)

    Args: reward [*, S, A]; transition [*, S, A, S]; horizon H in steps; bonus [*, S, A] for every step that follows, or None.
    """
    S, A = reward.shape[-2:]
    flat = transition.flatten(-3, -2)  # [*, S*A, S]
    values = [reward]
    for left in range(1, horizon):
        best = values[-1].amax(-1, keepdim=True)  # [*, S, 1]
        value = reward + (flat @ best).squeeze(-1).unflatten(-1, (S, A))  # [*, S, A]
        values.append(value if bonus is None else value + left * bonus)
    return torch.stack(values[::-1], dim=-3)


def random_values(reward: Tensor, transition: Tensor, horizon: int) -> Tensor:
    """What a whole episode from each state brings an agent that acts at random, [*, S]; arguments as in `value_iteration`."""
    one, move = reward.mean(-1), transition.mean(-2)  # [*, S], [*, S, S]
    value = one
    for _ in range(1, horizon):
        value = one + (move @ value[..., None]).squeeze(-1)
    return value


def told(tasks: Tasks, settings: Settings) -> NDArray[np.float64]:
    """What an MDP is worth, [M, 2 + 4S + SA]: under two policies gain, advantages of states, next rewards; all mean rewards."""
    reward, transition = mdps(tasks, settings)
    best = value_iteration(reward, transition, settings.horizon)[:, 0].amax(-1)  # [M, S]
    even = random_values(reward, transition, settings.horizon)
    columns = []
    for whole, one in ((best, reward.amax(-1)), (even, reward.mean(-1))):
        gain = whole[:, :1] / settings.horizon - MEAN_REWARD  # [M, 1]
        columns += [gain, whole - whole.mean(-1, keepdim=True), one - MEAN_REWARD]
    return torch.cat([*columns, (reward - MEAN_REWARD).flatten(1)], dim=-1).numpy()


def known(tasks: Tasks, settings: Settings) -> NDArray[np.float64]:
    """`told`, and how much less than the best action each one is worth with a whole episode to go, [M, 2 + 4S + 2SA]."""
    best = value_iteration(*mdps(tasks, settings), settings.horizon)[:, 0]  # [M, S, A]
    lost = best - best.amax(-1, keepdim=True)
    return np.concatenate([told(tasks, settings), lost.flatten(1).numpy()], axis=1)


def family(settings: Settings | None = None) -> Family:
    """The family of random MDPs."""
    settings = settings or Settings()
    S, A = settings.states, settings.actions
    parameters = (
        Parameter("reward", (MEAN_REWARD, REWARD_SPREAD), size=S * A, law="normal", meaning="mean reward, state by state"),
        Parameter(
            "transition",
            (CONCENTRATION, CONCENTRATION),
            ood=(SPARSE, SPARSE),
            size=S * A * S,
            law="dirichlet",
            group=S,
            meaning="probability of each next state, state by state and action by action",
        ),
    )
    return Family(
        name="tabular",
        summary="random MDPs of unknown rewards and transitions",
        parameters=parameters,
        spec=Spec(obs_size=S, action_size=A, discrete=True),
        horizon=settings.horizon,
        environment=Tabular,
        shift="sparser transitions: Dirichlet(0.1) instead of Dirichlet(1), so that most actions have one likely outcome",
        episodes=settings.episodes,
        version="2",
        settings=settings,
        told=Told(2 + 4 * S + S * A, partial(told, settings=settings)),
        known=Told(2 + 4 * S + 2 * S * A, partial(known, settings=settings)),
    )
