"""Our plain functions against torch.distributions, and the Fisher information against the Hessian of the KL divergence."""

import math

import pytest
import torch
from scipy import stats
from torch import Tensor
from torch import distributions as reference

from pliant.maths import distributions
from pliant.maths.distributions import CATEGORICAL, GAUSSIAN, SQUASHED
from pliant.types import Spec

A = 3


def gaussian(dist: Tensor) -> reference.Distribution:
    mean, log_std = dist.chunk(2, -1)
    return reference.Independent(reference.Normal(mean, log_std.exp()), 1)


def categorical(dist: Tensor) -> reference.Distribution:
    return reference.Categorical(logits=dist)


CASES = [
    pytest.param(GAUSSIAN, gaussian, 2 * A, id="gaussian"),
    pytest.param(CATEGORICAL, categorical, A, id="categorical"),
]


def some(size: int, seed: int = 0) -> Tensor:
    return torch.randn(4, 5, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("ours, theirs, size", CASES)
def test_log_prob_is_that_of_torch_distributions(ours, theirs, size) -> None:
    dist = some(size)
    torch.manual_seed(0)
    action = theirs(dist).sample()
    result = ours.log_prob(dist, action)
    assert result.shape == (4, 5)
    assert torch.allclose(result, theirs(dist).log_prob(action), atol=1e-13)


def test_gaussian_log_prob_is_a_sum_over_action_dims() -> None:
    dist = torch.zeros(2 * A, dtype=torch.float64)
    action = torch.tensor([0.0, 1.0, -2.0], dtype=torch.float64)
    by_hand = -(0 + 1 + 4) / 2 - A * 0.5 * math.log(2 * math.pi)
    assert math.isclose(float(GAUSSIAN.log_prob(dist, action)), by_hand, abs_tol=1e-14)


@pytest.mark.parametrize("ours, theirs, size", CASES)
def test_entropy_is_that_of_torch_distributions(ours, theirs, size) -> None:
    dist = some(size)
    assert torch.allclose(ours.entropy(dist), theirs(dist).entropy(), atol=1e-13)


@pytest.mark.parametrize("ours, theirs, size", CASES)
def test_kl_is_that_of_torch_distributions_and_in_that_order(ours, theirs, size) -> None:
    p, q = some(size, 1), some(size, 2)
    expected = reference.kl_divergence(theirs(p), theirs(q))
    assert torch.allclose(ours.kl(p, q), expected, rtol=1e-12, atol=1e-12)
    assert not torch.allclose(ours.kl(q, p), expected, rtol=1e-3)
    assert torch.allclose(ours.kl(p, p), torch.zeros(4, 5, dtype=torch.float64), atol=1e-14)


@pytest.mark.parametrize("ours, theirs, size", CASES)
def test_fisher_is_the_hessian_of_the_kl_divergence(ours, theirs, size) -> None:
    for seed in range(5):
        dist, tangent = some(size, seed)[0, 0], some(size, seed + 50)[0, 0]
        hessian = torch.autograd.functional.hessian(lambda q, p=dist: ours.kl(p, q), dist)
        assert torch.allclose(ours.fisher(dist, tangent), hessian @ tangent, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("ours, theirs, size", CASES)
def test_mode_is_the_most_likely_action(ours, theirs, size) -> None:
    dist = some(size)
    best = ours.log_prob(dist, ours.mode(dist))
    torch.manual_seed(0)
    for _ in range(50):
        assert bool((ours.log_prob(dist, theirs(dist).sample()) <= best).all())


def test_gaussian_sample_is_mean_plus_std_times_noise() -> None:
    dist = torch.tensor([1.0, -2.0, math.log(3.0), math.log(0.5)], dtype=torch.float64)
    noise = torch.tensor([2.0, -4.0], dtype=torch.float64)
    assert torch.allclose(GAUSSIAN.sample(dist, noise), torch.tensor([7.0, -4.0], dtype=torch.float64), atol=1e-14)


def test_categorical_sample_inverts_the_cumulative_distribution() -> None:
    dist = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64).log()
    noise = torch.tensor([0.0, 0.1999, 0.2001, 0.6999, 0.7001, 1 - 2**-53], dtype=torch.float64)
    assert CATEGORICAL.sample(dist.expand(6, 3), noise).tolist() == [0, 0, 1, 1, 2, 2]


def test_categorical_samples_have_their_probabilities() -> None:
    dist = some(A)[0, 0]
    noise = torch.rand(100_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    counts = CATEGORICAL.sample(dist.expand(100_000, A), noise).bincount(minlength=A)
    assert stats.chisquare(counts.numpy(), 100_000 * dist.softmax(-1).numpy()).pvalue > 1e-3


def test_categorical_sample_stays_inside_when_probabilities_add_up_to_less_than_one() -> None:
    dist = torch.randn(5000, 50, generator=torch.Generator().manual_seed(0))
    largest = torch.full((5000,), 1 - 2**-24)
    assert bool((dist.softmax(-1).cumsum(-1)[:, -1] <= largest).any()), "as rounding in float32 has it"
    assert int(CATEGORICAL.sample(dist, largest).max()) == 49


@pytest.mark.parametrize("ours, theirs, size", CASES)
def test_everything_works_under_vmap_and_in_double_backward(ours, theirs, size) -> None:
    p, q = some(size, 1), some(size, 2)
    action = ours.mode(p)
    mapped = torch.func.vmap(ours.log_prob)(p, action)
    assert torch.allclose(mapped, ours.log_prob(p, action))
    assert torch.allclose(torch.func.vmap(ours.kl)(p, q), ours.kl(p, q))
    assert torch.allclose(torch.func.vmap(ours.fisher)(p, q), ours.fisher(p, q))
    one = q[:1, :1].clone().requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: ours.log_prob(x, action[:1, :1]), one)
    assert torch.autograd.gradgradcheck(lambda x: ours.kl(p[:1, :1], x), one)
    assert torch.autograd.gradgradcheck(ours.entropy, one)


def test_extreme_parameters_give_finite_numbers() -> None:
    sure = torch.tensor([800.0, 0.0, -800.0], dtype=torch.float64)
    assert float(CATEGORICAL.entropy(sure)) == 0.0
    assert math.isclose(float(CATEGORICAL.log_prob(sure, torch.tensor(2))), -1600.0)
    assert bool(torch.isfinite(CATEGORICAL.fisher(sure, torch.ones(3, dtype=torch.float64))).all())


def test_a_spec_chooses_the_distribution_and_its_number_of_parameters() -> None:
    assert distributions.of(Spec(4, 3, discrete=False)) is GAUSSIAN
    assert distributions.of(Spec(4, 3, discrete=True)) is CATEGORICAL
    assert distributions.parameter_count(Spec(4, 3, discrete=False)) == 6
    assert distributions.parameter_count(Spec(4, 3, discrete=True)) == 3


# ---- squashed


def squashed(dist: Tensor) -> reference.Distribution:
    mean, log_std = dist.chunk(2, -1)
    tanh = reference.transforms.TanhTransform(cache_size=1)
    return reference.Independent(reference.TransformedDistribution(reference.Normal(mean, log_std.exp()), tanh), 1)


def test_squashed_log_prob_is_that_of_torch_distributions() -> None:
    dist = 0.4 * some(2 * A)
    torch.manual_seed(0)
    action = squashed(dist).sample()
    expected = squashed(dist).log_prob(action)
    assert torch.allclose(SQUASHED.log_prob(dist, action), expected, atol=1e-6)


def test_squashed_density_adds_up_to_one_and_entropy_is_its_integral() -> None:
    inner = torch.linspace(-12, 12, 400_001, dtype=torch.float64)
    action = inner.tanh()
    for mean, std in ((0.0, 0.9), (0.7, 0.3), (-1.5, 1.4)):
        dist = torch.tensor([mean, math.log(std)], dtype=torch.float64)
        log_prob = SQUASHED.log_prob(dist.expand(len(action), 2), action[:, None])
        keep = action.abs() < distributions.LARGEST
        p, x = log_prob[keep].exp(), action[keep]
        assert float(torch.trapezoid(p, x)) == pytest.approx(1, abs=2e-4)
        assert float(torch.trapezoid(-p * log_prob[keep], x)) == pytest.approx(float(SQUASHED.entropy(dist)), abs=2e-3)


def test_drawn_is_sample_and_its_log_prob() -> None:
    for ours, size, noise in (
        (GAUSSIAN, 2 * A, some(A, 3)),
        (SQUASHED, 2 * A, some(A, 3)),
        (CATEGORICAL, A, some(1, 3)[..., 0].sigmoid()),
    ):
        dist = 0.4 * some(size)
        action, log_prob = ours.drawn(dist, noise)
        assert torch.equal(action, ours.sample(dist, noise))
        assert torch.allclose(log_prob, ours.log_prob(dist, action), atol=1e-6)


def test_squashed_actions_and_their_density_stay_finite_far_out() -> None:
    dist = torch.tensor([40.0, -30.0, 0.0, 1.0]).requires_grad_()
    action, log_prob = SQUASHED.drawn(dist, torch.tensor([3.0, -3.0]))
    assert bool((action.abs() < 1).all()) and bool(torch.isfinite(log_prob))
    assert torch.isfinite(torch.autograd.grad(log_prob, dist)[0]).all()
    assert torch.isfinite(SQUASHED.log_prob(dist, action)).all()


def test_of_policy_is_squashed_where_the_policy_says_so() -> None:
    module = torch.nn.Linear(1, 1)
    assert distributions.of_policy(module, Spec(1, 2, False)) is GAUSSIAN
    module.squashed = True
    assert distributions.of_policy(module, Spec(1, 2, False)) is SQUASHED
    assert distributions.of_policy(module, Spec(1, 2, True)) is CATEGORICAL
