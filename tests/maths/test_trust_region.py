"""Trust-region parts against explicit matrices."""

import numpy as np
import pytest
import torch
from torch import Tensor

from pliant.maths import trust_region
from pliant.maths.distributions import CATEGORICAL, GAUSSIAN, Distribution

N, D = 6, 3


def data(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """(inputs [N, D], weights of rows [N], targets [N])."""
    rng = torch.Generator().manual_seed(seed)
    rows = torch.rand(N, generator=rng, dtype=torch.float64)
    rows[-1] = 0.0  # padding counts nothing
    return (
        torch.randn(N, D, generator=rng, dtype=torch.float64),
        rows / rows.sum(),
        torch.randn(N, generator=rng, dtype=torch.float64),
    )


def start(seed: int = 1) -> list[Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return [torch.randn(s, generator=rng, dtype=torch.float64) for s in ((4, D), (4,))]


def direct(weight: Tensor, bias: Tensor) -> Tensor:
    return (data()[0] @ weight.mT + bias).tanh()  # [N, 4]


def after_a_step(weight: Tensor, bias: Tensor) -> Tensor:
    """Distribution parameters after an inner gradient step, which J must see through."""
    x, _, target = data()
    if not weight.requires_grad:
        weight, bias = weight.detach().requires_grad_(), bias.detach().requires_grad_()
    loss = ((x @ weight.mT + bias).sin().sum(-1) - target).square().mean()
    g_weight, g_bias = torch.autograd.grad(loss, [weight, bias], create_graph=True)
    return direct(weight - 0.3 * g_weight, bias - 0.3 * g_bias)


def information(dist: Tensor, distribution: Distribution) -> Tensor:
    """The Fisher matrix of one row, the Hessian of the KL divergence."""
    return torch.autograd.functional.hessian(lambda q: distribution.kl(dist, q), dist)


@pytest.mark.parametrize("distribution", [GAUSSIAN, CATEGORICAL], ids=["gaussian", "categorical"])
@pytest.mark.parametrize("network", [direct, after_a_step])
def test_fisher_product_is_the_explicit_matrix_product(network, distribution) -> None:
    params = [p.requires_grad_() for p in start()]
    weight = data()[1]
    product = trust_region.fisher_product(network(*params), weight, params, distribution, damping=0.07)
    jacobians = torch.autograd.functional.jacobian(network, tuple(params))
    J = torch.cat([j.reshape(N, 4, -1) for j in jacobians], dim=-1).detach()  # [N, 4, params]
    dist = network(*params).detach()
    matrix = sum(weight[n] * J[n].mT @ information(dist[n], distribution) @ J[n] for n in range(N))
    matrix = matrix + 0.07 * torch.eye(J.shape[-1], dtype=torch.float64)
    for seed in range(3):
        v = torch.randn(J.shape[-1], generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        assert torch.allclose(product(v), matrix @ v, rtol=1e-10, atol=1e-12)


def test_fisher_product_is_the_hessian_of_the_mean_kl() -> None:
    params = [p.requires_grad_() for p in start()]
    weight = data()[1]
    old = direct(*params).detach()
    product = trust_region.fisher_product(direct(*params), weight, params, GAUSSIAN)

    def kl(vector: Tensor) -> Tensor:
        return (weight * GAUSSIAN.kl(old, direct(vector[:12].view(4, D), vector[12:]))).sum()

    hessian = torch.autograd.functional.hessian(kl, torch.cat([p.detach().flatten() for p in params]))
    eye = torch.eye(16, dtype=torch.float64)
    assert torch.allclose(torch.stack([product(e) for e in eye]), hessian, atol=1e-12)


def test_fisher_product_leaves_unused_parameters_at_zero() -> None:
    params = [*(p.requires_grad_() for p in start()), torch.ones(2, dtype=torch.float64, requires_grad=True)]
    product = trust_region.fisher_product(direct(*params[:2]), data()[1], params, GAUSSIAN)
    assert product(torch.ones(18, dtype=torch.float64))[16:].tolist() == [0.0, 0.0]


# ---- conjugate gradient


def spd(size: int, seed: int = 0) -> Tensor:
    a = torch.randn(size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return a @ a.mT + 0.5 * torch.eye(size, dtype=torch.float64)


def test_conjugate_gradient_solves_in_as_many_steps_as_dims() -> None:
    matrix, b = spd(8), torch.arange(1.0, 9.0, dtype=torch.float64)
    x = trust_region.conjugate_gradient(lambda v: matrix @ v, b, steps=8, tolerance=1e-30)
    assert torch.allclose(x, torch.linalg.solve(matrix, b), atol=1e-9)


def test_conjugate_gradient_after_k_steps_is_the_best_of_its_krylov_space() -> None:
    matrix, b = spd(8), torch.arange(1.0, 9.0, dtype=torch.float64)
    for k in (1, 2, 4):
        x = trust_region.conjugate_gradient(lambda v: matrix @ v, b, steps=k)
        basis = np.linalg.qr(np.stack([np.linalg.matrix_power(matrix.numpy(), i) @ b.numpy() for i in range(k)], axis=1))[0]
        small = np.linalg.solve(basis.T @ matrix.numpy() @ basis, basis.T @ b.numpy())
        assert np.allclose(x.numpy(), basis @ small, atol=1e-9)


def test_conjugate_gradient_makes_no_more_products_than_it_needs() -> None:
    calls = []

    def product(v: Tensor) -> Tensor:
        calls.append(1)
        return 2 * v

    b = torch.ones(3, dtype=torch.float64)
    assert torch.allclose(trust_region.conjugate_gradient(product, b, steps=10), b / 2)
    assert len(calls) == 1
    assert trust_region.conjugate_gradient(product, torch.zeros(3), steps=10).tolist() == [0.0] * 3
    assert len(calls) == 1


def test_conjugate_gradient_solves_small_problems_as_well_as_large_ones() -> None:
    matrix, b = spd(8), torch.arange(1.0, 9.0, dtype=torch.float64)
    one, tiny = (trust_region.conjugate_gradient(lambda v: matrix @ v, s * b, steps=8) for s in (1.0, 1e-8))
    assert torch.allclose(1e8 * tiny, one, rtol=1e-6)


# ---- line search

START, STEP = torch.tensor([1.0]), torch.tensor([1.0])


def test_line_search_takes_the_full_step_when_it_may() -> None:
    found = trust_region.line_search(lambda v: (float(v), 0.001), START, STEP, loss=1.0, max_kl=0.01)
    assert found.accepted and found.vector.tolist() == [0.0]
    assert (found.loss, found.kl, found.tries) == (0.0, 0.001, 1)


def test_line_search_shortens_until_the_divergence_fits() -> None:
    found = trust_region.line_search(
        lambda v: (float(v), (1 - float(v)) ** 2), START, STEP, loss=1.0, max_kl=0.3, backtracks=9, ratio=0.5
    )
    # Steps of 1, 0.5: divergences of 1, 0.25.
    assert found.vector.tolist() == [0.5] and found.tries == 2 and found.kl == 0.25


@pytest.mark.parametrize(
    "worse",
    [
        lambda v: (1.0, 0.0),  # not lower
        lambda v: (2.0, 0.0),
        lambda v: (0.0, 0.011),
        lambda v: (float("nan"), 0.0),
        lambda v: (0.0, float("nan")),
    ],
    ids=["equal", "higher", "too far", "loss is nan", "divergence is nan"],
)
def test_line_search_rejects(worse) -> None:
    calls = []

    def evaluate(v: Tensor) -> tuple[float, float]:
        calls.append(float(v))
        result: tuple[float, float] = worse(v)
        return result

    found = trust_region.line_search(evaluate, START, STEP, loss=1.0, max_kl=0.01, backtracks=4, ratio=0.5)
    assert not found.accepted and torch.equal(found.vector, START)
    assert (found.loss, found.kl, found.tries) == (1.0, 0.0, 4)
    assert calls == [0.0, 0.5, 0.75, 0.875]


def test_line_search_accepts_a_divergence_exactly_at_the_limit() -> None:
    assert trust_region.line_search(lambda v: (0.0, 0.01), START, STEP, loss=1.0, max_kl=0.01).accepted
