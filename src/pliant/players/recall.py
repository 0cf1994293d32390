"""Reference agents for recall: exact posteriors of each context's good arm, kept or forgotten; exact values; regret.

With one good arm among equals, pulling the likeliest arm is optimal whatever the number of pulls that are left: Feldman 1962
(Annals of Mathematical Statistics 33) for two arms, and for more by comparison with full dynamic programming (the
tests). So one policy is optimal for every schedule of contexts, contexts being independent.
"""

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn

from pliant.families import recall
from pliant.players.parts import choices
from pliant.simulators import codes
from pliant.streams import Stream
from pliant.tasks.base import Family, Tasks
from pliant.types import Inputs, Output, Rollout, State

TIE = 1e-9
"""Posterior log-odds nearer than this are the same."""
MOST_STATES = 100_000
"""Different posteriors beyond which no exact value is computed: about ten seconds."""


class Bayes(nn.Module):
    """Pulls the likeliest arm of the context whose barcode it sees; `forgets` everything as an episode opens, or nothing."""

    broadcasts = True

    def __init__(self, settings: recall.Settings, forgets: bool) -> None:
        super().__init__()
        self.settings, self.forgets = settings, forgets
        self.win, self.lose = _evidence(settings.p_good, settings.p_bad)

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        s = self.settings
        barcode = ((inputs.obs[:, :, 0] > 0) * 2 ** torch.arange(s.bits)).sum(-1, keepdim=True)  # [M, B, 1]
        if state == ():
            known = torch.full((*barcode.shape[:2], s.contexts), -1)
            evidence = torch.zeros(*barcode.shape[:2], s.contexts, s.arms, dtype=torch.float64)
        else:
            known, evidence = state[0], self._learned(inputs, *state[1:])
        if self.forgets:
            evidence = torch.where(inputs.first[..., None], 0.0, evidence)
        match = (known == barcode).long()
        room = (known >= 0).sum(-1, keepdim=True).clamp(max=s.contexts - 1)
        place = torch.where(match.any(-1, keepdim=True), match.argmax(-1, keepdim=True), room)  # [M, B, 1]
        here = evidence.gather(2, place[..., None].expand(-1, -1, 1, s.arms))  # [M, B, 1, arms]
        against = here < here.amax(-1, keepdim=True) - TIE
        return Output(against * choices.NEVER), (known.scatter(2, place, barcode), evidence, place)

    def _learned(self, inputs: Inputs, evidence: Tensor, place: Tensor) -> Tensor:
        """The log-likelihood ratios [M, B, contexts, arms] after the last pull, which was in the context at `place`."""
        gain = self.lose + (self.win - self.lose) * (inputs.prev_reward > 0.5).double()  # [M, B, 1]
        pulled = place * self.settings.arms + inputs.prev_action
        return evidence.flatten(2).scatter_add(2, pulled, gain).view_as(evidence)


class Random(nn.Module):
    """Pulls every arm equally often."""

    broadcasts = True

    def __init__(self, settings: recall.Settings) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        return Output(torch.zeros(*inputs.first.shape, self.settings.arms)), state


def players(family: Family, stream: Stream) -> dict[str, nn.Module]:
    """`bayes` remembers every context and is optimal; `amnesic` is what forgetting at the end of each episode leaves of it."""
    s: recall.Settings = family.settings
    return {"bayes": Bayes(s, forgets=False), "amnesic": Bayes(s, forgets=True), "random": Random(s)}


def ceiling(family: Family, tasks: Tasks, episodes: int) -> NDArray[np.float64]:
    """Expected return of a trial of an agent that knows the good arms, [M]."""
    return np.full(len(tasks), episodes * family.settings.pulls * family.settings.p_good)


def optimum(family: Family, episodes: int) -> float | None:
    """Expected return of a trial of the Bayes-optimal agent, exact, or None where there are too many posteriors.

    The sum over i of (contexts met at least i times) x (return of the i-th encounter); in a trial that ends before its bag is
    empty the number of encounters is hypergeometric.
    """
    s: recall.Settings = family.settings
    opened, rest = divmod(episodes, s.episodes)
    full = opened * s.repeats
    more = stats.hypergeom.sf(np.arange(s.repeats), s.episodes, s.repeats, rest)  # P(at least 1, 2... of the last bag)
    met = np.concatenate([np.ones(full), more[more > 0]])
    reward = _pull_rewards(s.arms, len(met) * s.pulls, s.p_good, s.p_bad)
    return None if reward is None else float(s.contexts * met @ reward.reshape(-1, s.pulls).sum(1))


def expected_regret(family: Family, forgets: bool = False) -> NDArray[np.float64] | None:
    """Expected regret per episode of `bayes` (or, with `forgets`, of `amnesic`) by encounter, [repeats], exact.

    None where there are too many posteriors.
    """
    s: recall.Settings = family.settings
    reward = _pull_rewards(s.arms, s.pulls * (1 if forgets else s.repeats), s.p_good, s.p_bad)
    if reward is None:
        return None
    regret = s.pulls * s.p_good - reward.reshape(-1, s.pulls).sum(1)
    return np.resize(regret, s.repeats)


def regret_by_encounter(rollout: Rollout, family: Family, tasks: Tasks) -> NDArray[np.float64]:
    """Mean regret of an episode by the encounter of its context, first, second... in its trial: [M, encounters].

    Regret is expected reward lost against always pulling the good arm: (p_good - p_bad) x (pulls of other arms). NaN where no
    lane of a task met a context that often. Raises ValueError for a rollout of other tasks, or one that is cut short.
    """
    s: recall.Settings = family.settings
    if rollout.reward.shape[2] % s.pulls or not bool(rollout.valid.all()):
        raise ValueError(f"rollout has {rollout.reward.shape[2]} steps: expected whole episodes of {s.pulls}")
    barcode = rollout.obs[:, :, :: s.pulls, None].cpu() > 0  # [M, B, E, 1, bits]
    met = (barcode == (codes.codes(tasks, "barcode", s.bits) > 0)[:, None, None]).all(-1)  # [M, B, E, contexts]
    if not bool(met.any(-1).all()):
        raise ValueError("rollout shows barcodes that its tasks do not have: pass the tasks it was played on")
    good = (met * tasks.tensor("arm").long()[:, None, None]).sum(-1, keepdim=True)  # [M, B, E, 1]
    action = rollout.action.cpu().unflatten(2, (-1, s.pulls))  # [M, B, E, pulls]
    regret = (s.p_good - s.p_bad) * (action != good).double().sum(-1)  # [M, B, E]
    encounter = (met.cumsum(2) * met).sum(-1) - 1  # [M, B, E]
    is_nth = encounter[..., None] == torch.arange(int(encounter.max()) + 1)  # [M, B, E, encounters]
    mean = (regret[..., None] * is_nth).sum((1, 2)) / is_nth.sum((1, 2))
    return np.asarray(mean.numpy())


def _evidence(p_good: float, p_bad: float) -> tuple[float, float]:
    """What a success and a failure add to the log-odds that an arm is the good one."""
    good, bad = (min(max(p, 1e-12), 1 - 1e-12) for p in (p_good, p_bad))
    return math.log(good / bad), math.log((1 - good) / (1 - bad))


@lru_cache(maxsize=64)
def _pull_rewards(arms: int, pulls: int, p_good: float, p_bad: float) -> NDArray[np.float64] | None:
    """Expected reward of each pull in one context when the likeliest arm is pulled, [pulls]; exact, forward over posteriors.

    A posterior is the arms' log-odds in ascending order, less the last, which is pulled. None beyond `MOST_STATES`.
    """
    win, lose = _evidence(p_good, p_bad)
    odds, chance, reward = np.zeros((1, arms)), np.ones(1), np.empty(pulls)
    for t in range(pulls):
        pays = p_bad + (p_good - p_bad) / np.exp(odds).sum(1)  # the likeliest arm is good with probability 1 / sum
        reward[t] = chance @ pays
        chance = np.concatenate([chance * pays, chance * (1 - pays)])
        odds = np.concatenate([odds, odds])
        odds[: len(pays), -1] += win
        odds[len(pays) :, -1] += lose
        odds = np.sort(odds, axis=1)
        odds -= odds[:, -1:]
        _, index, inverse = np.unique(np.round(odds / TIE).astype(np.int64), axis=0, return_index=True, return_inverse=True)
        odds, chance = odds[index], np.bincount(inverse.reshape(-1), chance).astype(np.float64)
        if len(odds) > MOST_STATES:
            return None
    return reward
