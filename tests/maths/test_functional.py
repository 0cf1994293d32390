"""Stacked parameters: every task has its own, gradients flow back to the shared ones, and vmap equals broadcasting."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pliant.maths import distributions, functional
from pliant.policies import mlp, module
from pliant.streams import Stream
from pliant.types import Inputs, Output, Params, Spec

M, B, T, D, A = 3, 2, 4, 5, 2
CONTINUOUS, DISCRETE = Spec(D, A, discrete=False), Spec(D, A, discrete=True)


def inputs(spec: Spec = CONTINUOUS) -> Inputs:
    rng = torch.Generator().manual_seed(0)
    action = torch.zeros(M, B, T, dtype=torch.int64) if spec.discrete else torch.zeros(M, B, T, A, dtype=torch.float64)
    return Inputs(
        torch.randn(M, B, T, D, generator=rng, dtype=torch.float64),
        action,
        torch.zeros(M, B, T, dtype=torch.float64),
        torch.zeros(M, B, T, dtype=torch.bool),
    )


def broadcasting(spec: Spec = CONTINUOUS) -> nn.Module:
    return mlp.make(spec, mlp.Settings(hidden=(7, 6)), Stream(0)).double()


def from_users_body(spec: Spec = CONTINUOUS) -> nn.Module:
    """The same network written by a user, to go through vmap."""
    body = nn.Sequential(nn.Linear(D, 7), nn.Tanh(), nn.Linear(7, 6), nn.Tanh())
    return module.make(spec, module.Settings(), Stream(0), body).double()


NAMES = {
    "hidden.0.weight": "body.0.weight",
    "hidden.0.bias": "body.0.bias",
    "hidden.1.weight": "body.2.weight",
    "hidden.1.bias": "body.2.bias",
    "head.weight": "head.weight",
    "head.bias": "head.bias",
    "log_std": "log_std",
}


def per_task(params: Params, seed: int = 1) -> Params:
    """Different parameters for every task, as leaves."""
    rng = torch.Generator().manual_seed(seed)
    stacked = functional.stack(params, M)
    noise = {n: torch.randn(p.shape, generator=rng, dtype=p.dtype) for n, p in stacked.items()}
    return {n: (p + 0.3 * noise[n]).requires_grad_() for n, p in stacked.items()}


def test_parameters_are_a_detached_copy() -> None:
    policy = broadcasting()
    params = functional.parameters(policy)
    assert not any(p.requires_grad for p in params.values())
    params["head.bias"].add_(1.0)
    assert not torch.equal(params["head.bias"], policy.state_dict()["head.bias"])


def test_stack_copies_and_its_gradient_is_the_sum_over_tasks() -> None:
    shared = {"w": torch.tensor([1.0, 2.0], requires_grad=True), "s": torch.tensor(3.0, requires_grad=True)}
    stacked = functional.stack(shared, M)
    assert stacked["w"].tolist() == [[1.0, 2.0]] * M and stacked["s"].tolist() == [3.0] * M
    weight = torch.arange(1.0, M + 1)
    ((stacked["w"].sum(1) * weight).sum() + (stacked["s"] * weight).sum()).backward()
    assert shared["w"].grad.tolist() == [6.0, 6.0] and float(shared["s"].grad) == 6.0  # type: ignore[union-attr, arg-type]
    stacked["w"].data[0, 0] = 9.0
    assert stacked["w"].tolist()[1] == [1.0, 2.0], "tasks must not share memory"


@pytest.mark.parametrize("spec", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
@pytest.mark.parametrize("policy_of", [broadcasting, from_users_body])
def test_stacked_parameters_give_each_task_what_its_own_module_gives(policy_of, spec) -> None:
    policy = policy_of(spec)
    params = per_task(functional.parameters(policy))
    seen = inputs(spec)
    output, state = functional.apply(policy, params, seen)
    assert state == () and output.features is None
    assert output.dist.shape == (M, B, T, A if spec.discrete else 2 * A)
    for m in range(M):
        policy.load_state_dict({n: p[m].detach() for n, p in params.items()})
        alone, _ = policy(Inputs(*(x[m : m + 1] for x in seen)), ())
        assert torch.allclose(output.dist[m], alone.dist[0], atol=1e-14)


@pytest.mark.parametrize("policy_of", [broadcasting, from_users_body])
def test_shared_parameters_equal_the_same_ones_stacked(policy_of) -> None:
    policy = policy_of()
    params = functional.parameters(policy)
    shared, _ = functional.apply(policy, params, inputs())
    stacked, _ = functional.apply(policy, functional.stack(params, M), inputs())
    assert torch.allclose(shared.dist, stacked.dist, atol=1e-14)
    assert torch.allclose(shared.dist, policy(inputs(), ())[0].dist, atol=1e-14)


@pytest.mark.parametrize("spec", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
def test_a_users_module_equals_the_broadcasting_layers_to_second_order(spec) -> None:
    ours, users = broadcasting(spec), from_users_body(spec)
    params = per_task(functional.parameters(ours))
    renamed = {NAMES[n]: p for n, p in params.items()}
    assert set(renamed) == set(functional.parameters(users))
    one, _ = functional.apply(ours, params, inputs(spec))
    two, _ = functional.apply(users, renamed, inputs(spec))
    assert torch.allclose(one.dist, two.dist, atol=1e-14)

    def derivatives(dist: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        leaves = list(params.values())
        first = torch.autograd.grad(dist.sin().square().sum(), leaves, create_graph=True)
        return list(first), list(torch.autograd.grad(sum(g.square().sum() for g in first), leaves))

    for a, b in zip(derivatives(one.dist), derivatives(two.dist), strict=True):
        for x, y in zip(a, b, strict=True):
            assert torch.allclose(x, y, rtol=1e-10, atol=1e-12)


def test_a_users_memory_and_critic_go_through_vmap() -> None:
    """State in and out is [M, B, *], a value is [M, B, T], and each task has its own."""

    class Counting(nn.Module):
        broadcasts = False

        def __init__(self) -> None:
            super().__init__()
            self.gain = nn.Parameter(torch.ones(()))

        def forward(self, seen: Inputs, state: tuple[Tensor, ...]) -> tuple[Output, tuple[Tensor, ...]]:
            assert seen.obs.shape == (1, B, T, D) and state[0].shape == (1, B, 3)
            total = self.gain * seen.obs.sum(-1)
            return Output(self.gain * seen.obs, total), (state[0] + total[..., -1:],)

    gain, state = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64), (torch.ones(M, B, 3, dtype=torch.float64),)
    output, (after,) = functional.apply(Counting(), {"gain": gain}, inputs(), state)
    expected = gain[:, None, None] * inputs().obs.sum(-1)
    assert output.features is not None and torch.allclose(output.features, expected)
    assert torch.allclose(output.dist, gain[:, None, None, None] * inputs().obs)
    assert after.shape == (M, B, 3) and torch.allclose(after, 1 + expected[..., -1:])


def test_the_standard_deviation_has_a_floor_in_every_policy() -> None:
    for policy in (broadcasting(), from_users_body()):
        params = functional.stack(functional.parameters(policy), M)
        params["log_std"] = torch.full_like(params["log_std"], -9.0)
        dist = functional.apply(policy, params, inputs())[0].dist
        assert torch.allclose(dist[..., A:].exp(), torch.tensor(0.05, dtype=torch.float64))


# ---- the inner step


def quadratic(params: Params) -> Tensor:
    """loss[m] = (m+1) w[m]^2 + 3 b[m], [M]."""
    return torch.arange(1, M + 1).double() * params["w"].square() + 3 * params["b"]


def leaves() -> Params:
    return {
        "w": torch.tensor(2.0, dtype=torch.float64, requires_grad=True),
        "b": torch.tensor(1.0, dtype=torch.float64, requires_grad=True),
        "unused": torch.tensor(5.0, dtype=torch.float64, requires_grad=True),
    }


def test_inner_step_moves_every_task_down_its_own_gradient() -> None:
    params = functional.stack(leaves(), M)
    stepped = functional.inner_step(params, quadratic(params), 0.1)
    # w - 0.1 * 2 (m+1) w = 2 - 0.4 (m+1);  b - 0.1 * 3
    assert torch.allclose(stepped["w"], torch.tensor([1.6, 1.2, 0.8], dtype=torch.float64))
    assert torch.allclose(stepped["b"], torch.tensor([0.7] * 3, dtype=torch.float64))
    assert stepped["unused"].tolist() == [5.0] * 3


def test_inner_step_takes_a_rate_per_tensor() -> None:
    params = functional.stack(leaves(), M)
    rates = {"w": torch.tensor(0.0), "b": torch.tensor(1.0), "unused": torch.tensor(1.0)}
    stepped = functional.inner_step(params, quadratic(params), rates)
    assert stepped["w"].tolist() == [2.0] * 3 and stepped["b"].tolist() == [-2.0] * 3


@pytest.mark.parametrize("second_order", [True, False])
def test_inner_step_is_differentiated_to_the_order_asked_for(second_order: bool) -> None:
    shared = leaves()
    params = functional.stack(shared, M)
    stepped = functional.inner_step(params, quadratic(params), 0.1, second_order)
    (gradient,) = torch.autograd.grad(stepped["w"].sum(), shared["w"])
    # d/dw sum_m (w - 0.2 (m+1) w) = sum_m 1 - 0.2 (m+1); without the second-order term 3.
    assert abs(float(gradient) - (1.8 if second_order else 3.0)) < 1e-14


def test_flatten_and_unflatten_are_inverse() -> None:
    params = functional.parameters(broadcasting())
    vector = functional.flatten(params)
    assert vector.shape == (sum(p.numel() for p in params.values()),)
    back = functional.unflatten(vector, params)
    assert list(back) == list(params) and all(torch.equal(back[n], params[n]) for n in params)


@pytest.mark.parametrize("tasks", [1, 3])
def test_stacked_parameters_are_copies_that_gradients_flow_back_from(tasks: int) -> None:
    params = {"a": torch.arange(6.0).view(2, 3).requires_grad_(), "b": torch.tensor(2.0).requires_grad_()}
    stacked = functional.stack(params, tasks)
    kept = {name: p.detach().clone() for name, p in stacked.items()}
    gradient = torch.autograd.grad(sum(p.sum() for p in stacked.values()), list(params.values()))
    assert all(torch.equal(g, torch.full_like(p, tasks)) for g, p in zip(gradient, params.values(), strict=True))
    with torch.no_grad():
        for p in params.values():
            p += 1  # as an optimiser does
    assert all(torch.equal(stacked[name], kept[name]) for name in kept)


# ---- bounds


def test_what_is_within_bounds_is_itself_and_what_is_not_keeps_its_gradient() -> None:
    x = torch.tensor([-1e30, -3.0, 0.25, 7.0], dtype=torch.float64, requires_grad=True)
    bounded = functional.within(x, low=-2.0, high=1.0)
    assert bounded.tolist() == [-2.0, -2.0, 0.25, 1.0]
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
    (gradient,) = torch.autograd.grad((weight * bounded.square()).sum() / 2, x, create_graph=True)
    assert gradient.tolist() == (weight * bounded).tolist()
    assert torch.autograd.grad(gradient.sum(), x)[0].tolist() == weight.tolist(), "through an inner step, too"
    assert torch.func.vmap(lambda y: functional.within(y, low=-2.0))(x).tolist() == [-2.0, -2.0, 0.25, 7.0]


@pytest.mark.parametrize("make", [broadcasting, from_users_body])
def test_a_deviation_below_its_minimum_comes_back(make: Any) -> None:
    """Of actions that are spread more widely than the policy says, the likelihood rises with the deviation."""
    policy = make()
    params = functional.stack(functional.parameters(policy), M)
    params = {n: (p - 4.0 if n == "log_std" else p).requires_grad_() for n, p in params.items()}
    dist = functional.apply(policy, params, inputs())[0].dist
    assert torch.allclose(dist[..., A:].exp(), torch.tensor(0.05, dtype=torch.float64), rtol=1e-12)
    loss = -distributions.GAUSSIAN.log_prob(dist, torch.ones(M, B, T, A, dtype=torch.float64)).mean((1, 2))
    log_std = functional.inner_step(params, loss, 0.01)["log_std"]
    assert float(log_std.detach().min()) > math.log(0.05), "it acts with more noise than before"


def test_an_update_lifts_what_it_left_below_a_bound_and_nothing_else() -> None:
    params = {"log_std": torch.tensor([-5.0, 0.5], requires_grad=True), "head": torch.tensor([-9.0])}
    lifted = functional.lifted(params, {"log_std": -3.0})
    assert lifted["log_std"].tolist() == [-3.0, 0.5] and lifted["head"] is params["head"]
    assert torch.autograd.grad(lifted["log_std"].sum(), params["log_std"])[0].tolist() == [1.0, 1.0]
