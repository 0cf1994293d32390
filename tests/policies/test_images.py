"""The convolutional body: numbers by hand, stacked weights as one by one, twice differentiable, in every policy."""

from typing import Any

import pytest
import torch

from pliant.config import registry
from pliant.maths import advantages, functional
from pliant.policies import gru, mlp
from pliant.policies.parts import images
from pliant.streams import Stream
from pliant.types import Inputs, Rollout, Spec

POLICIES = [name for name in registry.names("policy") if name != "module"]


def spec_of(channels: int, height: int, width: int, discrete: bool = True) -> Spec:
    return Spec(channels * height * width, 3, discrete, image=(channels, height, width))


def inputs_of(spec: Spec, M: int = 2, B: int = 2, T: int = 3, dtype: torch.dtype = torch.float32) -> Inputs:
    generator = torch.Generator().manual_seed(0)
    obs = torch.rand(M, B, T, spec.obs_size, generator=generator, dtype=dtype)
    reward = torch.rand(M, B, T, generator=generator, dtype=dtype)
    return Inputs(obs, torch.randint(0, 3, (M, B, T), generator=generator), reward, torch.zeros(M, B, T, dtype=torch.bool))


def test_a_convolution_by_hand() -> None:
    """A 3x3 kernel with stride 2 and a border of zeros on a 4x4 image: outputs look at the pixels around (0, 0), (0, 2), ..."""
    layer = images.Convolution(1, 1, torch.Generator())
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[[[0.0, 0, 0], [0, 1, 2], [0, 3, -4]]]]))  # own pixel, right, below, below right
        layer.bias.fill_(0.5)
    picture = torch.arange(16.0).view(1, 1, 1, 4, 4)
    # at (0, 0): 0 + 2*1 + 3*4 - 4*5 + 0.5 = -5.5; (0, 2): 2 + 6 + 18 - 28 + 0.5 = -1.5; (2, 0): 8 + 18 + 36 - 52 + 0.5 = 10.5
    # at (2, 2): 10 + 22 + 42 - 60 + 0.5 = 14.5
    assert layer(picture).view(2, 2).tolist() == [[0.0, 0.0], [10.5, 14.5]]


@pytest.mark.parametrize(
    "image, sizes",
    [((3, 7, 7), (16, 4, 4)), ((1, 84, 84), (32, 6, 6)), ((3, 210, 160), (32, 7, 5)), ((4, 8, 8), (16, 4, 4))],
)
def test_images_of_any_size_become_a_few_hundred_features(image: tuple[int, int, int], sizes: tuple[int, int, int]) -> None:
    body = images.Body(spec_of(*image), torch.Generator())
    features = body(torch.rand(2, 3, image[0] * image[1] * image[2]))
    assert features.shape == (2, 3, body.size_out) and body.size_out == sizes[0] * sizes[1] * sizes[2]


@pytest.mark.parametrize("make", [mlp, gru])
def test_stacked_weights_are_those_of_each_task(make: Any) -> None:
    spec = spec_of(3, 9, 10)
    policies = [make.make(spec, make.Settings(), Stream(seed)) for seed in range(2)]
    params = [functional.parameters(policy) for policy in policies]
    stacked = {name: torch.stack([p[name] for p in params]) for name in params[0]}
    inputs = inputs_of(spec)
    together, _ = functional.apply(policies[0], stacked, inputs)
    for m, p in enumerate(params):
        own = Inputs(*(x[m : m + 1] for x in inputs))
        alone, _ = functional.apply(policies[0], p, own)
        assert torch.allclose(together.dist[m : m + 1], alone.dist, atol=1e-6)
    assert not torch.allclose(together.dist[0], together.dist[1])


@pytest.mark.parametrize("stacked", [False, True])
def test_second_derivatives_are_those_of_finite_differences(stacked: bool) -> None:
    layer = images.Convolution(2, 3, torch.Generator().manual_seed(1)).double()
    picture = torch.rand(2, 2, 2, 5, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    shape = (2, *layer.weight.shape) if stacked else layer.weight.shape
    weight = layer.weight.detach().expand(shape).clone().requires_grad_()

    def out(w: torch.Tensor) -> torch.Tensor:
        bias = torch.zeros(shape[:-3], dtype=torch.float64)
        return torch.func.functional_call(layer, {"weight": w, "bias": bias}, (picture,)).square().sum(-1)

    assert torch.autograd.gradcheck(out, (weight,)) and torch.autograd.gradgradcheck(out, (weight,))


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_sees_images_and_where_things_are_in_them(name: str) -> None:
    spec = spec_of(1, 12, 12)
    module = registry.load("policy", name)
    policy = module.make(spec, module.Settings(), Stream(0))
    inputs = inputs_of(spec)
    output, _ = policy(inputs, ())
    assert output.dist.shape == (2, 2, 3, 3) and bool(torch.isfinite(output.dist).all())
    names = [n for n, _ in policy.named_parameters()]
    assert any("images" in n for n in names)
    moved = inputs._replace(obs=inputs.obs.unflatten(-1, (12, 12)).roll(5, -1).flatten(-2))
    assert not torch.allclose(policy(moved, ())[0].dist, output.dist)
    gradient = torch.autograd.grad(output.dist.square().sum(), [p for n, p in policy.named_parameters() if "images" in n])
    assert all(bool(g.abs().sum() > 0) for g in gradient)


def test_the_linear_baseline_averages_neighbours_of_an_image() -> None:
    M, B, T, D = 2, 3, 5, 4 * advantages.MOST_NUMBERS
    obs = torch.rand(M, B, T, D, generator=torch.Generator().manual_seed(0))
    none = torch.zeros(M, B, T, dtype=torch.bool)
    first = none.clone()
    first[..., 0] = True
    reward = torch.zeros(M, B, T)
    rollout = Rollout(obs, reward, reward, obs, first, none, none, ~none, reward, none, torch.zeros(M, 1))
    target = torch.rand(M, B, T, generator=torch.Generator().manual_seed(1))
    scaled = obs / obs.abs().amax((1, 2))[:, None, None]
    coarse = scaled.unflatten(-1, (-1, 4)).mean(-1)
    value, following = advantages.linear_baseline(rollout, target)
    expected, _ = advantages.linear_baseline(rollout._replace(obs=coarse, next_obs=coarse), target)
    assert value.shape == following.shape == (M, B, T)
    assert torch.allclose(value, expected, atol=0.02) and not torch.allclose(value, torch.zeros_like(value))
