"""Trust-region steps: Gauss-Newton Fisher products, conjugate gradient, line search. Schulman et al. 2015, arXiv:1502.05477.

The KL divergence's Hessian at the old policy is J^T F J: J the derivative of the distribution's parameters, F the Fisher
information in closed form at those parameters. Both products cost one backward pass through a graph built once, and no
third derivative is taken even when J itself holds an inner gradient step.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pliant.maths.distributions import Distribution

Product = Callable[[Tensor], Tensor]


def fisher_product(
    dist: Tensor, weight: Tensor, params: Sequence[Tensor], distribution: Distribution, damping: float = 0.0
) -> Product:
    """v -> (J^T W F J + damping) v, for `dist` [..., P] computed from `params` with its graph still in place.

    `weight` [...] is what each row counts, typically valid / number of valid steps. Vectors are the concatenation of
    `params`. J v is the double-vjp trick: J^T u is linear in u, so differentiating it by u gives J.
    """
    seed = torch.zeros_like(dist, requires_grad=True)
    pulled = _flat(torch.autograd.grad(dist, params, seed, create_graph=True, allow_unused=True), params)
    fixed, rows = dist.detach(), weight[..., None]

    def product(v: Tensor) -> Tensor:
        (pushed,) = torch.autograd.grad(pulled, seed, v, retain_graph=True)
        information = rows * distribution.fisher(fixed, pushed)
        back = torch.autograd.grad(dist, params, information, retain_graph=True, allow_unused=True)
        return _flat(back, params) + damping * v

    return product


def conjugate_gradient(product: Product, b: Tensor, steps: int, tolerance: float = 1e-10) -> Tensor:
    """Approximately solve product(x) = b, in at most `steps` products, until |residual|^2 <= tolerance |b|^2."""
    x, residual, direction = torch.zeros_like(b), b.clone(), b.clone()
    rr = residual @ residual
    enough = tolerance * float(rr)
    for _ in range(steps):
        if float(rr) <= enough:
            break
        z = product(direction)
        alpha = rr / (direction @ z)
        x = x + alpha * direction
        residual = residual - alpha * z
        rr, previous = residual @ residual, rr
        direction = residual + (rr / previous) * direction
    return x


class Searched(NamedTuple):
    """What a line search found."""

    vector: Tensor
    accepted: bool
    loss: float
    kl: float
    tries: int


def line_search(
    evaluate: Callable[[Tensor], tuple[float, float]],
    start: Tensor,
    step: Tensor,
    loss: float,
    max_kl: float,
    backtracks: int = 15,
    ratio: float = 0.8,
) -> Searched:
    """The first of start - ratio^i step, i = 0.., that lowers the loss within `max_kl` nats; `start` if none does.

    `evaluate(vector) -> (loss, kl)`; `loss` is that of `start`.
    """
    for i in range(backtracks):
        candidate = start - ratio**i * step
        new_loss, kl = evaluate(candidate)
        if new_loss < loss and kl <= max_kl:
            return Searched(candidate, True, new_loss, kl, i + 1)
    return Searched(start, False, loss, 0.0, backtracks)


def _flat(gradient: Sequence[Tensor | None], params: Sequence[Tensor]) -> Tensor:
    pairs = zip(gradient, params, strict=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).reshape(-1) for g, p in pairs])
