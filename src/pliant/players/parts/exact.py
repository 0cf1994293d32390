"""Exact expected returns of the Bayes-optimal agent on Bernoulli bandits."""

import math

import numpy as np
from numpy.typing import NDArray

MOST_NUMBERS = 20_000_000
"""States times squared arms that the dynamic programme may go through: up to five seconds and a fifth of a gigabyte."""


def independent(pulls: int, arms: int) -> float | None:
    """Arms uniform in [0, 1], independent: dynamic programming over what is known of the arms. None where it is too much.

        V(x) = max_a p_a (1 + V(x + success at a)) + (1 - p_a) V(x + failure at a),   p_a = (s_a + 1) / (s_a + f_a + 2)

    A state x is a multiset of (successes s, failures f), because arms may change places; 100 pulls of 2 arms have 2.2 million.
    Arms beyond the number of pulls change nothing. Bellman 1956, "A problem in the sequential design of experiments".
    """
    arms = min(arms, pulls)
    if state_count(pulls, arms) * arms**2 > MOST_NUMBERS:
        return None
    state = np.zeros((1, arms), dtype=np.int32)  # an arm as pulls * s + f, in ascending order
    layers = [state]
    links: list[NDArray[np.int32]] = []
    for _ in range(pulls - 1):
        state, link = _next(state, pulls)
        layers.append(state)
        links.append(link)
    value = _chance(layers[-1], pulls).max(1)
    for state, (success, failure) in zip(layers[-2::-1], links[::-1], strict=True):
        p = _chance(state, pulls)
        value = (p * (1 + value[success]) + (1 - p) * value[failure]).max(1)
    return float(value[0])


def state_count(pulls: int, arms: int) -> float:
    """Multisets of `arms` pairs (successes, failures) with fewer than `pulls` pulls in all."""
    ways = np.zeros((arms + 1, pulls))  # of arms that have been pulled, by how many they are and by pulls
    ways[0, 0] = 1
    for size in range(1, pulls):  # of arms with `size` pulls there are size + 1 kinds
        more = ways.copy()
        for count in range(1, min(arms, (pulls - 1) // size) + 1):
            more[count:, count * size :] += math.comb(count + size, size) * ways[:-count, : pulls - count * size]
        ways = more
    return float(ways.sum())


def paired(pulls: int, pair: tuple[float, float] | None) -> float:
    """Two arms p and 1 - p, where p is one of two numbers that add up to 1 with equal chance, or uniform (None).

    Every pull tells the same, whichever arm it is: x of t pulls spoke for the first. So the best arm now is the best arm.
    """
    total = 0.0
    for t in range(pulls):
        x = np.arange(t + 1)
        if pair is None:
            weight, first = np.full(t + 1, 1 / (t + 1)), (x + 1) / (t + 2)
            total += float((weight * np.maximum(first, 1 - first)).sum())
        else:
            both = np.array([_binomial(t, p) / 2 for p in pair])  # [2, t + 1]
            first = np.array(pair) @ both
            total += float(np.maximum(first, both.sum(0) - first).sum())
    return total


def _next(state: NDArray[np.int32], pulls: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """States one pull on [N, arms], and where each of `state` [S, arms] goes by outcome and arm, [2, S, arms]."""
    S, arms = state.shape
    step = np.array([pulls, 1])[:, None, None, None] * np.eye(arms, dtype=np.int32)  # [2, 1, arms, arms]
    reached = np.sort((state[:, None] + step).astype(np.int32).reshape(-1, arms), axis=1)  # [2*S*arms, arms]
    key = np.zeros(len(reached), dtype=np.int64)
    for column in reached.T:  # a number for each distinct row, column by column
        _, first, key = np.unique(key * pulls**2 + column, return_index=True, return_inverse=True)
    return reached[first], key.astype(np.int32).reshape(2, S, arms)


def _chance(state: NDArray[np.int32], pulls: int) -> NDArray[np.float64]:
    """Posterior mean of each arm, [S, arms]."""
    success, failure = np.divmod(state, pulls)
    return np.asarray((success + 1) / (success + failure + 2))


def _binomial(t: int, p: float) -> NDArray[np.float64]:
    """Chances of 0..t successes."""
    return np.array([math.comb(t, x) * p**x * (1 - p) ** (t - x) for x in range(t + 1)])
