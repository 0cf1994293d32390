"""Reference agents for the two-step task, and the analysis that tells model-free from model-based choices.

- `bayes` infers which second stage is better, as in a training task, and takes the first action that commonly leads there:
  optimal (see `optimum`).
- `model-free` learns the values of the two first actions from the rewards that follow them: TD(1).
- `model-based` learns the values of the two second stages and combines them by the known transition probabilities.
- `random`.

The two learners choose by a softmax. Daw et al. 2011, experimental procedures; learning rate and inverse temperature are
round numbers near those fitted to people there, not tuned for reward.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn
from torch.nn.functional import one_hot

from pliant.families.two_step import Settings
from pliant.players.parts import choices
from pliant.streams import Stream
from pliant.tasks.base import Family, Tasks
from pliant.types import Inputs, Output, Rollout, State

LEARNING_RATE = 0.5
INVERSE_TEMPERATURE = 5.0
ROUNDING = 1e-9
"""Log odds closer to 0 than this are even."""
FINENESS = 1000
"""Points of the belief grid per observation's worth of evidence."""
SURE = 40.0
"""Log odds at which the belief grid ends."""


class Rule(NamedTuple):
    """How an agent learns and chooses."""

    opening: tuple[float, ...]
    """What it believes where a trial opens: N numbers."""
    learn: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    """(belief [M, B, N], first action [M, B], second stage [M, B], reward [M, B]) -> belief, after an episode."""
    logits: Callable[[Tensor], Tensor]
    """belief [M, B, N] -> logits of the first action, [M, B, 2]."""


class Memory(NamedTuple):
    """What an agent carries through a trial."""

    belief: Tensor
    """[M, B, N]"""
    action: Tensor
    """[M, B] what led to the step last seen: where an episode has ended, its first action."""
    stage: Tensor
    """[M, B] second stage of the step last seen, 0 or 1; meaningless in the first stage."""


class Player(nn.Module):
    """Follows a rule: learns where an episode opens, chooses in the first stage, and is indifferent in the second."""

    broadcasts = True

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule = rule

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        """Act for one step: inputs [M, B, 1, *], dist [M, B, 1, 2]."""
        obs, action, reward, first = (x.squeeze(2) for x in inputs)
        if state == ():
            none = torch.zeros_like(action)
            belief = torch.tensor(self.rule.opening, dtype=torch.float64).expand(*action.shape, -1)  # [M, B, N]
            memory = Memory(belief, none, none)
        else:
            learned = self.rule.learn(state.belief, state.action, state.stage, reward.double())
            memory = Memory(torch.where(first[..., None], learned, state.belief), action, obs[..., 2].long())
        logits = self.rule.logits(memory.belief)
        logits = torch.where(first[..., None], logits, 0.0).to(obs.dtype)
        return Output(logits.unsqueeze(2)), memory


def bayes(reward: float, swap: float) -> Rule:
    """Belief: log odds that second stage 1 is the better one."""
    weight = _weight(reward)

    def learn(belief: Tensor, action: Tensor, stage: Tensor, reward: Tensor) -> Tensor:
        for_one = torch.where(stage == 1, 2 * reward - 1, 1 - 2 * reward)  # [M, B] 1 or -1
        return _swapped(belief + weight * for_one[..., None], swap)

    def logits(belief: Tensor) -> Tensor:
        against = torch.cat([belief, -belief], dim=-1)  # [M, B, 2]
        return torch.where(against <= ROUNDING, 0.0, choices.NEVER)

    return Rule((0.0,), learn, logits)


def model_free() -> Rule:
    """Belief: values of the two first actions."""

    def learn(belief: Tensor, action: Tensor, stage: Tensor, reward: Tensor) -> Tensor:
        return _moved(belief, action, reward)

    return Rule((0.5, 0.5), learn, lambda belief: INVERSE_TEMPERATURE * belief)


def model_based(common: float) -> Rule:
    """Belief: values of the two second stages."""

    def learn(belief: Tensor, action: Tensor, stage: Tensor, reward: Tensor) -> Tensor:
        return _moved(belief, stage, reward)

    def logits(belief: Tensor) -> Tensor:
        return INVERSE_TEMPERATURE * (common * belief + (1 - common) * belief.flip(-1))

    return Rule((0.5, 0.5), learn, logits)


def _moved(value: Tensor, index: Tensor, reward: Tensor) -> Tensor:
    """The value [M, B, 2] at `index` [M, B] moved towards the reward."""
    here = torch.arange(2) == index[..., None]  # [M, B, 2]
    return torch.where(here, value + LEARNING_RATE * (reward[..., None] - value), value)


def _weight(reward: float) -> float:
    """What one observation adds to the log odds."""
    return math.log(reward / (1 - reward))


def _swapped(odds: Tensor, swap: float) -> Tensor:
    """Log odds after the two may have changed places."""
    if not swap:
        return odds
    p = odds.sigmoid()
    return torch.logit(p * (1 - swap) + (1 - p) * swap)


def players(family: Family, stream: Stream) -> dict[str, nn.Module]:
    """The agents by name. None of them draws random numbers of its own."""
    settings: Settings = family.settings
    rules = {
        "random": Rule((0.0, 0.0), lambda belief, *_: belief, lambda belief: belief),
        "bayes": bayes(settings.reward, settings.swap),
        "model-free": model_free(),
        "model-based": model_based(settings.common),
    }
    return {name: Player(rule) for name, rule in rules.items()}


def ceiling(family: Family, tasks: Tasks, episodes: int) -> NDArray[np.float64]:
    """Expected return of a trial of an agent that sees at all times which second stage is the better one, [M]."""
    settings: Settings = family.settings
    return np.full(len(tasks), episodes * settings.best)


def optimum(family: Family, episodes: int) -> float:
    """Expected return of a trial of the Bayes-optimal agent over the training tasks.

    Whatever the first action, an episode says equally much about which second stage is better: its outcome agrees with the
    truth with probability `reward`, in either stage. So there is nothing to explore for, the optimal action follows the belief,
    and with regret `cost` min(b, 1 - b) for a belief b

        V[t](b) = cost min(b, 1 - b) + sum_e P(e | b) V[t+1](b'),  b' = b updated by the evidence e, then by a possible swap.

    Solved on a grid of log odds of which evidence is a multiple (so exactly without swaps, else with an error below 1e-5).
    Defaults: 70 - 0.3125.
    """
    settings: Settings = family.settings
    weight = _weight(settings.reward)
    points = FINENESS * math.ceil(SURE / weight)
    odds = weight / FINENESS * torch.arange(-points, points + 1, dtype=torch.float64)  # [points]
    belief = odds.sigmoid()
    agrees = belief * settings.reward + (1 - belief) * (1 - settings.reward)  # P(e says stage 1)
    up, down = (_swapped(odds + step, settings.swap).numpy() for step in (weight, -weight))
    wrong = settings.cost * torch.minimum(belief, 1 - belief).numpy()
    value, grid, chance = np.zeros_like(wrong), odds.numpy(), agrees.numpy()
    for _ in range(episodes):
        value = wrong + chance * np.interp(up, grid, value) + (1 - chance) * np.interp(down, grid, value)
    return float(episodes * settings.best - value[points])


class Effect(NamedTuple):
    """A difference of probabilities; its standard error and two-sided p-value take the trial as the unit that varies."""

    size: float
    std_error: float
    p_value: float


class Signature(NamedTuple):
    """What the last episode's reward and transition did to the next first action."""

    stay: Tensor
    """[2, 2] probability of repeating the first action, by (rewarded, common): `stay[1, 0]` after a reward reached by the rare
    transition."""
    reward: Effect
    """How much more often it is repeated after a reward: model-free and, where rewards are common, model-based too."""
    interaction: Effect
    """(stay[1, 1] - stay[1, 0]) - (stay[0, 1] - stay[0, 0]): model-based."""


def stay_probabilities(rollout: Rollout, better: Tensor | None = None) -> Signature:
    """How first actions are repeated, by what followed them. Daw et al. 2011, figure 2.

    The plain comparison sees a model where there is none: an agent that has learned which action is right repeats it, and
    rewards after common and failures after rare transitions are what the right action brings (Akam et al. 2015, PLoS Comput.
    Biol. 11(12)). With `better`, the better second stage of each lane [M, B] or of each episode [M, B, E], episodes that began
    with the right action are compared with each other, and so are the others; that removes it.

    Raises ValueError for a single lane, and where one of the four outcomes was never seen.
    """
    action, rewarded = rollout.action[:, :, ::2], rollout.reward[:, :, 1::2] > 0.5  # [M, B, E]
    common = (rollout.obs[:, :, 1::2, 2] > 0.5) == (action == 1)
    outcome = 2 * rewarded.long() + common  # 0 to 3
    if better is not None:
        right = action == (better if better.dim() == 3 else better[..., None])
        outcome = outcome + 4 * right
    stay = (action[..., 1:] == action[..., :-1]).flatten(0, 1).double()  # [M*B, E-1]
    cell = one_hot(outcome[..., :-1].flatten(0, 1), 8).double()  # [M*B, E-1, 8]
    return _signature(cell.sum(1), (cell * stay[..., None]).sum(1))


def _signature(count: Tensor, stayed: Tensor) -> Signature:
    """From how often each lane met each outcome, and stayed after it, [lanes, 8]: wrong choices first."""
    lanes, seen = len(count), count.sum(0)
    complete = (seen.unflatten(0, (2, 4)) > 0).all(-1)  # [2]
    if lanes < 2 or not bool(complete.any()):
        raise ValueError(f"{lanes} lanes met the four outcomes {seen.tolist()} times: play at least 2 lanes, and more episodes")
    weight = torch.where(complete, seen.unflatten(0, (2, 4)).sum(-1), 0.0)
    weight = (weight / weight.sum()).repeat_interleave(4)  # [8]
    chance = stayed.sum(0) / seen.clamp(min=1)
    influence = (stayed - chance * count) / seen.clamp(min=1)  # [lanes, 8] of a lane on each probability

    def effect(*contrast: float) -> Effect:
        by = weight * torch.tensor(contrast, dtype=torch.float64).repeat(2)
        size, error = float(by @ chance), float((influence @ by).norm()) * math.sqrt(lanes / (lanes - 1))
        p = 2 * float(stats.norm.sf(abs(size) / error)) if error else float(size == 0)
        return Effect(size, error, p)

    together = stayed.sum(0).view(2, 2, 2).sum(0) / seen.view(2, 2, 2).sum(0)
    return Signature(together, effect(-0.5, -0.5, 0.5, 0.5), effect(1.0, -1.0, -1.0, 1.0))


def regret(rollout: Rollout, tasks: Tasks, family: Family) -> Tensor:
    """Expected reward that wrong first actions cost in each trial, [M, B]: without the noise of rewards and transitions.

    Raises ValueError for tasks whose second stages change places, as the rollout does not say when.
    """
    if tasks.arrays["swap"].any():
        raise ValueError("the second stages of these tasks change places: compare their returns with the ceiling")
    wrong = rollout.action[:, :, ::2] != tasks.tensor("better")[:, None, None]  # [M, B, E]
    cost: float = family.settings.cost
    return cost * wrong.sum(-1)
