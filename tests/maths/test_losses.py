"""Each loss is a value per task, over valid steps only, by hand."""

import math

import pytest
import torch
from torch import Tensor

from pliant.maths import losses
from pliant.maths.distributions import GAUSSIAN

LOG_PROB = torch.tensor([[[0.1, -0.5, 9.0], [0.3, 9.0, 9.0]], [[-1.0, -2.0, 0.7], [0.2, 0.4, 9.0]]], dtype=torch.float64)
OLD = torch.tensor([[[-0.4, -0.9, -9.0], [0.8, 9.0, 9.0]], [[-1.0, -1.5, 0.2], [0.1, 0.4, -9.0]]], dtype=torch.float64)
ADVANTAGE = torch.tensor([[[1.0, -2.0, 7.0], [3.0, 7.0, 7.0]], [[0.5, -1.5, -1.0], [2.0, -2.5, 7.0]]], dtype=torch.float64)
VALID = torch.tensor([[[1, 1, 0], [1, 0, 0]], [[1, 1, 1], [1, 1, 0]]], dtype=torch.bool)


def by_loop(term) -> Tensor:
    """Minus the mean of `term(log_prob, old, advantage)` over the valid steps of each task, one at a time."""
    result = []
    for m in range(2):
        terms = [
            term(float(LOG_PROB[m, b, t]), float(OLD[m, b, t]), float(ADVANTAGE[m, b, t]))
            for b in range(2)
            for t in range(3)
            if VALID[m, b, t]
        ]
        result.append(-sum(terms) / len(terms))
    return torch.tensor(result, dtype=torch.float64)


def test_reinforce_by_hand() -> None:
    # -(0.1 * 1 + 0.5 * 2 + 0.3 * 3) / 3 = -2 / 3
    assert math.isclose(float(losses.reinforce(LOG_PROB, ADVANTAGE, VALID)[0]), -2 / 3)
    assert torch.allclose(losses.reinforce(LOG_PROB, ADVANTAGE, VALID), by_loop(lambda p, q, a: p * a))


def test_surrogate_weighs_advantages_by_the_probability_ratio() -> None:
    expected = by_loop(lambda p, q, a: math.exp(p - q) * a)
    assert torch.allclose(losses.surrogate(LOG_PROB, OLD, ADVANTAGE, VALID), expected, atol=1e-14)


def test_clipped_takes_the_pessimistic_of_both() -> None:
    def term(p: float, q: float, a: float) -> float:
        ratio = math.exp(p - q)
        return min(ratio * a, min(max(ratio, 0.8), 1.2) * a)

    result = losses.clipped(LOG_PROB, OLD, ADVANTAGE, VALID, 0.2)
    assert torch.allclose(result, by_loop(term), atol=1e-14)
    assert not torch.allclose(result, losses.surrogate(LOG_PROB, OLD, ADVANTAGE, VALID))


@pytest.mark.parametrize(
    "ratio, advantage, moves",
    [(1.5, 1.0, False), (0.5, 1.0, True), (1.5, -1.0, True), (0.5, -1.0, False), (1.1, 1.0, True)],
)
def test_clipped_rewards_no_change_beyond_the_clip_but_punishes_it(ratio: float, advantage: float, moves: bool) -> None:
    log_prob = torch.tensor([[[math.log(ratio)]]], dtype=torch.float64, requires_grad=True)
    one = torch.ones(1, 1, 1, dtype=torch.bool)
    zero = torch.zeros(1, 1, 1, dtype=torch.float64)
    losses.clipped(log_prob, zero, torch.full_like(zero, advantage), one, 0.2).sum().backward()
    expected = -ratio * advantage if moves else 0.0
    assert math.isclose(float(log_prob.grad), expected, abs_tol=1e-14)  # type: ignore[arg-type]


def test_value_is_half_the_mean_squared_error() -> None:
    target = torch.zeros_like(LOG_PROB)
    expected = [0.5 * (0.01 + 0.25 + 0.09) / 3, 0.5 * (1 + 4 + 0.49 + 0.04 + 0.16) / 5]
    assert torch.allclose(losses.value(LOG_PROB, target, VALID), torch.tensor(expected, dtype=torch.float64))


def test_entropy_is_minus_the_mean() -> None:
    assert torch.allclose(losses.entropy(LOG_PROB, VALID), by_loop(lambda p, q, a: p))


@pytest.mark.parametrize("change", [0, 1, 2])
def test_no_loss_looks_at_padding(change: int) -> None:
    given = [LOG_PROB, OLD, ADVANTAGE]
    other = [torch.where(VALID, x, -3.3) if i == change else x for i, x in enumerate(given)]
    for loss in (
        lambda p, q, a: losses.reinforce(p, a, VALID),
        lambda p, q, a: losses.surrogate(p, q, a, VALID),
        lambda p, q, a: losses.clipped(p, q, a, VALID, 0.2),
        lambda p, q, a: losses.value(p, q, VALID),
        lambda p, q, a: losses.entropy(p, VALID),
    ):
        assert torch.equal(loss(*given), loss(*other))


def test_surrogate_and_reinforce_have_one_gradient_at_the_policy_that_acted() -> None:
    a, b = (LOG_PROB.clone().requires_grad_() for _ in range(2))
    losses.reinforce(a, ADVANTAGE, VALID).sum().backward()
    losses.surrogate(b, LOG_PROB, ADVANTAGE, VALID).sum().backward()
    assert torch.allclose(a.grad, b.grad, atol=1e-15)  # type: ignore[arg-type]


def test_a_task_has_no_gradient_in_another_tasks_loss() -> None:
    log_prob = LOG_PROB.clone().requires_grad_()
    losses.surrogate(log_prob, OLD, ADVANTAGE, VALID)[0].backward()
    assert log_prob.grad is not None
    assert bool((log_prob.grad[1] == 0).all()) and bool((log_prob.grad[0][VALID[0]] != 0).all())


def test_gaussian_log_probabilities_enter_summed_over_action_dims() -> None:
    """Four action dims weigh four times one: averaging over them, a common mistake, would make both losses equal."""
    advantage, valid = torch.ones(1, 1, 1, dtype=torch.float64), torch.ones(1, 1, 1, dtype=torch.bool)
    one, four = (
        losses.reinforce(
            GAUSSIAN.log_prob(torch.zeros(1, 1, 1, 2 * n, dtype=torch.float64), torch.ones(1, 1, 1, n).double()),
            advantage,
            valid,
        )
        for n in (1, 4)
    )
    assert math.isclose(float(four), 4 * float(one))
