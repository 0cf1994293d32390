"""Reference agents for Bernoulli bandits, and what perfect play is worth.

Those of Duan et al. 2016, arXiv:1611.02779, Table 1. All of them know s successes and f failures of each arm and take
arms as independent with a uniform prior (then the mean is (s + 1) / (s + f + 2)), whatever the prior of the family.
"""

from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pliant.families import bandit
from pliant.players.parts import choices, exact, gittins
from pliant.streams import Stream
from pliant.tasks.base import Family, Tasks
from pliant.types import Inputs, Output, State

CONFIDENCE = 0.2
"""Width of UCB1's bound, which the paper tunes too: the best of 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4 and 0.6 on training tasks
of 100 pulls and 10 arms (`benchmarks/bandits.py tune`), used for every number of pulls and arms."""
EPSILON = 0.02
"""How often epsilon-greedy pulls any arm; the best of 0.005, 0.01, 0.02, 0.05 and 0.1, chosen in the same way."""
SAMPLES = 20
"""Samples of which `likeliest-thompson` takes one. The paper does not give it: of 3, 10 and 20 the one closest to its table."""


class Tally(NamedTuple):
    """What has been seen of each arm in this trial."""

    success: Tensor
    """[M, B, arms]"""
    failure: Tensor
    """[M, B, arms]"""

    @property
    def mean(self) -> Tensor:
        """Posterior mean, [M, B, arms]."""
        return (self.success + 1) / (self.success + self.failure + 2)

    @property
    def pulls(self) -> int:
        """Pulls so far; every lane has made as many."""
        return int(self.success[0, 0].sum() + self.failure[0, 0].sum())


class Player(nn.Module):
    """Counts what each arm has paid, gives each arm a score, and pulls by a rule."""

    broadcasts = True

    def __init__(self, arms: int, score: Callable[[Tally], Tensor], rule: Callable[[Tensor], Tensor]) -> None:
        """`score`: tally -> [M, B, arms]; `rule`: that -> logits [M, B, arms]."""
        super().__init__()
        self.arms, self.score, self.rule = arms, score, rule

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        if state == ():
            nothing = inputs.prev_reward.new_zeros(*inputs.first.shape[:2], self.arms)
            tally = Tally(nothing, nothing)
        else:
            paid = inputs.prev_reward  # [M, B, 1]
            success = state.success.scatter_add(2, inputs.prev_action, paid)
            tally = Tally(success, state.failure.scatter_add(2, inputs.prev_action, 1 - paid))
        return Output(self.rule(self.score(tally)).unsqueeze(2)), tally


def players(family: Family, stream: Stream) -> dict[str, nn.Module]:
    """The agents by name; for two arms that add up to 1 also `bayes`, which is optimal there."""
    settings: bandit.Settings = family.settings
    table = partial(_gittins_index, settings.pulls)
    made: dict[str, tuple[Callable[[Tally], Tensor], Callable[[Tensor], Tensor]]] = {
        "thompson": (partial(_sample, stream.at("thompson")), spread),
        "optimistic-thompson": (partial(_optimistic, stream.at("optimistic-thompson")), spread),
        "likeliest-thompson": (partial(_likeliest, stream.at("likeliest-thompson")), spread),
        "ucb1": (upper_bound, spread),
        "epsilon-greedy": (attrgetter("mean"), partial(first, epsilon=EPSILON)),
        "greedy": (attrgetter("mean"), first),
        "gittins": (table, spread),
        "random": (lambda tally: torch.zeros_like(tally.success), spread),
    }
    if settings.prior != "independent":
        made["bayes"] = (_paired, spread)
    return {name: Player(settings.arms, score, rule) for name, (score, rule) in made.items()}


def ceiling(family: Family, tasks: Tasks, episodes: int) -> NDArray[np.float64]:
    """Expected return of a trial of an agent that knows the best arm, [M]."""
    return np.asarray(episodes * bandit.probabilities(tasks).max(1))


def optimum(family: Family, episodes: int) -> float | None:
    """Expected return of a trial of the Bayes-optimal agent, over the prior; None where that is too much to compute.

    By dynamic programming for independent arms (up to 122 pulls of 2, 23 of 5, 15 of many), in closed form for two that add up
    to 1. The prior is meant whole, with the fifths that are kept for the other splits.
    """
    settings: bandit.Settings = family.settings
    if settings.prior == "independent":
        return exact.independent(episodes, settings.arms)
    return exact.paired(episodes, bandit.PAIRS.get(settings.prior))


# ---- scores: tally -> [M, B, arms]


def _sample(stream: Stream, tally: Tally) -> Tensor:
    """A draw from each arm's posterior. Thompson 1933."""
    return _draw(stream.at(tally.pulls), tally)


def _optimistic(stream: Stream, tally: Tally) -> Tensor:
    """A draw, or the mean if larger. May et al. 2012, "Optimistic Bayesian sampling in contextual-bandit problems"."""
    return torch.maximum(_sample(stream, tally), tally.mean)


def _likeliest(stream: Stream, tally: Tally) -> Tensor:
    """Of `SAMPLES` draws of all arms the one of highest posterior density.

    So we read the OTS of Duan et al. 2016. It plays as published there, flooring at the mean does not (6.5 and 6.0 for 10 pulls
    of 5 arms).
    """
    here = stream.at(tally.pulls)
    best = _draw(here.at(0), tally)
    height = _log_density(tally, best)
    for i in range(1, SAMPLES):
        other = _draw(here.at(i), tally)
        other_height = _log_density(tally, other)
        best = torch.where((other_height > height)[..., None], other, best)
        height = torch.maximum(height, other_height)
    return best


def upper_bound(tally: Tally, confidence: float = CONFIDENCE) -> Tensor:
    """mean + confidence sqrt(2 log t / n) at pull t; n counts prior success and failure too. Duan et al. 2016, section 3.1."""
    log_t = float(np.log(tally.pulls + 1))
    return tally.mean + confidence * (2 * log_t / (tally.success + tally.failure + 2)).sqrt()


def _gittins_index(pulls: int, tally: Tally) -> Tensor:
    """The index at a discount whose horizon is the trial's length: 1 - 1 / pulls."""
    if tally.pulls >= pulls:
        raise ValueError(f"gittins has made {pulls} pulls: a trial has no more, set pulls to its number of episodes")
    place = tally.success * pulls + tally.failure  # [M, B, arms]
    return gittins.table(1 - 1 / pulls, pulls).take(place.long())


def _paired(tally: Tally) -> Tensor:
    """What speaks for each of two arms that add up to 1, less what speaks against it."""
    speaks = tally.success - tally.failure
    return speaks - speaks.flip(-1)


def _draw(stream: Stream, tally: Tally) -> Tensor:
    """Beta(s + 1, f + 1) as a ratio of two gamma variables, each with its own numbers: more tasks do not change the first."""
    one, two = (
        torch.from_numpy(stream.at(name).rng().standard_gamma((x + 1).numpy(), dtype=np.float32))
        for name, x in zip(("success", "failure"), tally, strict=True)
    )
    return one / (one + two)


def _log_density(tally: Tally, x: Tensor) -> Tensor:
    """Of all arms at once, but for a constant, [M, B]."""
    return (torch.xlogy(tally.success, x) + torch.xlogy(tally.failure, 1 - x)).sum(-1)


# ---- rules: scores [M, B, arms] -> logits


def spread(score: Tensor) -> Tensor:
    """The best arm, evenly over ties."""
    return torch.where(score == score.amax(-1, keepdim=True), 0.0, choices.NEVER)


def first(score: Tensor, epsilon: float = 0.0) -> Tensor:
    """The first of the best arms; with chance `epsilon` any arm.

    Ties are common with greedy (1 of 2 and untried are both 1/2). The published returns are those of an agent that stays
    with the arm it tried first; one that spreads gets 80.5 where 78.0 is published (100 pulls, 50 arms).
    """
    best = nn.functional.one_hot(score.argmax(-1), score.shape[-1])
    return ((1 - epsilon) * best + epsilon / score.shape[-1]).log().clamp(min=choices.NEVER)
