"""Reference agents for random tabular MDPs: the seven of Duan et al. 2016, and two that know how MDPs are drawn.

All of them count what they have seen, plan by finite-horizon value iteration where an episode opens, and follow the plan.

- `random`.
- `greedy` and `epsilon-greedy` plan with averages of what was observed.
- `psrl` plans for one MDP drawn from the posterior. Strens 2000; Osband et al. 2013, arXiv:1306.0940.
- `optimistic-psrl` takes the largest value of each action over several such draws.
- `beb` adds a bonus that falls with the number of visits. Kolter and Ng 2009, section 3.
- `ucrl2` plans for the best MDP within confidence bounds. Jaksch et al. 2010, section 3.
- `informed-greedy` and `informed-beb` are their namesakes with the prior from which MDPs are drawn; the latter adds its
  bonus to rewards alone, which earned most in training tasks.

The published numbers (arXiv:1611.02779, table 2) belong to agents of Osband's TabulaRL with its default prior, which is not the
law of the tasks: mean rewards N(0, 1) for the Bayesian agents, and next to no prior for the others, which believe that an
action never tried brings 0 and leads anywhere. These defaults are kept here: with N(1, 1) PSRL earns 134, not the published
138. What that costs is shown by the informed agents: 155 and 157 in ten episodes, where the best published classical agent has
150.2 and RL^2 156.2. The last transition of an episode is not learned from, as no agent sees where it leads.

Constants were tuned as in the paper, on its grids (epsilon 0.1 to 1; 21 scales from 1e-4 to 1; up to 20 samples), each for the
best mean over ten episodes, but on 4,000 training tasks: the paper tuned on the tasks it reports.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pliant.families.tabular import CONCENTRATION, MEAN_REWARD, NOISE, REWARD_SPREAD, Settings, mdps, value_iteration
from pliant.players.parts import choices
from pliant.streams import Stream
from pliant.tasks.base import Family, Tasks
from pliant.types import Inputs, Output, State

EPSILON = 0.1
"""Share of random actions of `epsilon-greedy`."""
SAMPLES = 20
"""Draws of `optimistic-psrl`."""
BEB_SCALE = 10**-2.8
"""Of the 2 H^2 that Kolter and Ng prove, what `beb` uses for the bonus of transitions."""
UCRL2_SCALE = 10**-0.4
"""Of the width of the confidence bounds, what `ucrl2` uses."""
UCRL2_DELTA = 0.05
"""Probability with which the unscaled confidence bounds may fail."""
ROUNDING = 1e-9
"""Values that differ by less are equal."""


class Prior(NamedTuple):
    """What is believed before the first step: mean rewards normal, transitions Dirichlet."""

    reward: float
    """Mean of the mean rewards."""
    strength: float
    """Weight of that mean, in observations."""
    concentration: float
    """Dirichlet concentration, in observations of each next state."""


INFORMED = Prior(MEAN_REWARD, (NOISE / REWARD_SPREAD) ** 2, CONCENTRATION)
"""The law of the training tasks."""
PUBLISHED = Prior(0.0, 1.0, 1.0)
"""Of the published Bayesian agents."""
VAGUE = Prior(0.0, 1e-4, 1e-4)
"""Of the published agents that are not Bayesian."""


class Counts(NamedTuple):
    """What was seen in a trial, for M tasks x B lanes."""

    visits: Tensor
    """[M, B, S, A] observed rewards."""
    reward: Tensor
    """[M, B, S, A] their sum."""
    moves: Tensor
    """[M, B, S, A, S] observed transitions."""

    def reward_mean(self, prior: Prior) -> Tensor:
        """Posterior mean of the mean rewards, [M, B, S, A]."""
        return (prior.strength * prior.reward + self.reward) / (prior.strength + self.visits)

    def transition_mean(self, prior: Prior) -> Tensor:
        """Posterior mean of the transition probabilities, [M, B, S, A, S]."""
        weight = prior.concentration + self.moves
        return weight / weight.sum(-1, keepdim=True)


class Memory(NamedTuple):
    """What an agent carries through a trial."""

    counts: Counts
    plan: Tensor
    """[M, B, H, S, A] values of actions in this episode."""
    row: Tensor
    """[M, B] the previous state."""
    elapsed: Tensor
    """[M, B] steps of this episode."""
    episode: Tensor
    """[M, B] episodes before this one."""
    rng: np.random.Generator


Plan = Callable[[Counts, Tensor, np.random.Generator], Tensor]
"""(counts, episode [M, B], rng) -> values of actions in the coming episode, [M, B, H, S, A]."""


class Planner(nn.Module):
    """Counts, plans where an episode opens, and takes the best action; equals are equally likely."""

    broadcasts = True

    def __init__(self, settings: Settings, plan: Plan, stream: Stream, epsilon: float = 0.0) -> None:
        super().__init__()
        self.settings, self.plan, self.stream, self.epsilon = settings, plan, stream, epsilon

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        """Act for one step: inputs [M, B, 1, *], dist [M, B, 1, A]."""
        place, first = inputs.obs.squeeze(2).argmax(-1), inputs.first.squeeze(2)  # [M, B]
        memory: Memory = self._open(place) if state == () else self._learn(state, inputs, place, first)
        if bool(first.any()):
            plan = self.plan(memory.counts, memory.episode, memory.rng)
            memory = memory._replace(plan=torch.where(first[..., None, None, None], plan, memory.plan))
        m, b = (torch.arange(n) for n in place.shape)
        value = memory.plan[m[:, None], b, memory.elapsed, place]  # [M, B, A]
        return Output(self._logits(value).to(inputs.obs.dtype).unsqueeze(2)), memory

    def _open(self, place: Tensor) -> Memory:
        S, A, H = self.settings.states, self.settings.actions, self.settings.horizon
        seen = torch.zeros(*place.shape, S, A, dtype=torch.float64)
        counts = Counts(seen, seen, torch.zeros(*place.shape, S, A, S, dtype=torch.float64))
        none = torch.zeros_like(place)
        plan = torch.zeros(*place.shape, H, S, A, dtype=torch.float64)
        return Memory(counts, plan, place, none, none, self.stream.rng())

    def _learn(self, memory: Memory, inputs: Inputs, place: Tensor, first: Tensor) -> Memory:
        action, reward = inputs.prev_action.squeeze(2), inputs.prev_reward.squeeze(2).double()  # [M, B]
        m, b = (torch.arange(n) for n in place.shape)
        where = (m[:, None], b, memory.row, action)
        visits, total, moves = memory.counts
        counts = Counts(
            visits.index_put(where, torch.ones_like(reward), accumulate=True),
            total.index_put(where, reward, accumulate=True),
            moves.index_put((*where, place), (~first).double(), accumulate=True),  # where an episode ended is not seen
        )
        elapsed = torch.where(first, 0, memory.elapsed + 1).clamp(max=self.settings.horizon - 1)  # of idle lanes too
        return Memory(counts, memory.plan, place, elapsed, memory.episode + first, memory.rng)

    def _logits(self, value: Tensor) -> Tensor:
        best = value >= value.amax(-1, keepdim=True) - ROUNDING
        if not self.epsilon:
            return torch.where(best, 0.0, choices.NEVER)
        share = best.double() / best.sum(-1, keepdim=True)
        return (self.epsilon / self.settings.actions + (1 - self.epsilon) * share).log()


def by_mean(horizon: int, prior: Prior) -> Plan:
    """Plan for the posterior mean."""

    def plan(counts: Counts, episode: Tensor, rng: np.random.Generator) -> Tensor:
        return value_iteration(counts.reward_mean(prior), counts.transition_mean(prior), horizon)

    return plan


def by_sampling(horizon: int, prior: Prior, samples: int) -> Plan:
    """Plan for MDPs drawn from the posterior; each action is worth the most that any of them says."""

    def draw(counts: Counts, rng: np.random.Generator) -> Tensor:
        noise = torch.from_numpy(rng.standard_normal(counts.visits.shape))
        reward = counts.reward_mean(prior) + NOISE * noise / (prior.strength + counts.visits).sqrt()
        weight = torch.from_numpy(rng.standard_gamma((prior.concentration + counts.moves).numpy()))
        return value_iteration(reward, weight / weight.sum(-1, keepdim=True), horizon)

    def plan(counts: Counts, episode: Tensor, rng: np.random.Generator) -> Tensor:
        value = draw(counts, rng)
        for _ in range(1, samples):
            value = torch.maximum(value, draw(counts, rng))
        return value

    return plan


def by_bonus(horizon: int, prior: Prior, scale: float) -> Plan:
    """Plan for the posterior mean with a bonus for what is little known.

        1 / (1 + visits(s,a)) at once, and 2 H^3 scale / (1 + moves(s,a)) for every step that follows

    where both counts include the prior's. Kolter and Ng 2009 give 2 H^2 / (1 + moves) where rewards are known; rewards and
    transitions apart, and a further H because values here are not bounded by 1, as in the published agent.
    """

    def plan(counts: Counts, episode: Tensor, rng: np.random.Generator) -> Tensor:
        reward = counts.reward_mean(prior) + 1 / (1 + prior.strength + counts.visits)
        bonus = 2 * horizon**3 * scale / (1 + (prior.concentration + counts.moves).sum(-1))
        return value_iteration(reward, counts.transition_mean(prior), horizon, bonus)

    return plan


def by_bounds(horizon: int, prior: Prior, scale: float, delta: float) -> Plan:
    """Plan for the best MDP within confidence bounds.

        |reward - mean| <= scale sqrt(4 log(2 S A k / delta) / n),  |P - mean|_1 <= scale sqrt(4 S log(2 S A k / delta) / n)

    with n the number of observations (at least 1) and k the number of this episode, from 2: the constants are those of the
    published agent.
    """

    def plan(counts: Counts, episode: Tensor, rng: np.random.Generator) -> Tensor:
        S, A = counts.visits.shape[-2:]
        spread = 4 * (2 * S * A * (episode.double() + 2) / delta).log()[..., None, None]  # [M, B, 1, 1]
        reward = counts.reward_mean(prior) + scale * (spread / counts.visits.clamp(min=1)).sqrt()
        width = scale * (S * spread / counts.moves.sum(-1).clamp(min=1)).sqrt()
        mean, values = counts.transition_mean(prior), [reward]
        for _ in range(1, horizon):
            values.append(reward + most(mean, width, values[-1].amax(-1)[..., None, None, :]))
        return torch.stack(values[::-1], dim=-3)

    return plan


def most(p: Tensor, width: Tensor, value: Tensor) -> Tensor:
    """The largest sum_s q(s) value(s) over distributions q with |q - p|_1 <= width, [*].

    Jaksch et al. 2010, figure 2: half of the width is added to the best state and taken from the worst ones. Args: p [*, S],
    width [*], value [*, S].
    """
    value, order = value.expand_as(p).sort(-1, descending=True)
    q = p.gather(-1, order)
    total = (q.cumsum(-1) + width[..., None] / 2).clamp(max=1)
    return (torch.diff(total, dim=-1, prepend=torch.zeros_like(total[..., :1])) * value).sum(-1)


def players(family: Family, stream: Stream) -> dict[str, nn.Module]:
    """The agents by name."""
    settings: Settings = family.settings
    H = settings.horizon
    plans = {
        "random": by_mean(H, VAGUE),
        "greedy": by_mean(H, VAGUE),
        "epsilon-greedy": by_mean(H, VAGUE),
        "psrl": by_sampling(H, PUBLISHED, 1),
        "optimistic-psrl": by_sampling(H, PUBLISHED, SAMPLES),
        "beb": by_bonus(H, PUBLISHED, BEB_SCALE),
        "ucrl2": by_bounds(H, VAGUE, UCRL2_SCALE, UCRL2_DELTA),
        "informed-greedy": by_mean(H, INFORMED),
        "informed-beb": by_bonus(H, INFORMED, 0.0),
    }
    epsilon = {"random": 1.0, "epsilon-greedy": EPSILON}
    return {name: Planner(settings, plan, stream.at(name), epsilon.get(name, 0.0)) for name, plan in plans.items()}


def ceiling(family: Family, tasks: Tasks, episodes: int) -> NDArray[np.float64]:
    """Expected return of a trial of an agent that knows the MDP, [M]: value iteration from state 0. Mean over the law 21.83."""
    settings: Settings = family.settings
    value = value_iteration(*mdps(tasks, settings), settings.horizon)[:, 0, 0].amax(-1)  # [M]
    return episodes * value.numpy()


def optimum(family: Family, episodes: int) -> float | None:
    """None: the belief over 550 numbers has no small state."""
    return None
