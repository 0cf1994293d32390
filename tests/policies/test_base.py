"""What a policy says of itself: defaults for what it leaves out, and scales that it sets itself."""

import pytest
import torch
from torch import nn

from pliant.config import registry
from pliant.maths import functional
from pliant.policies.base import Scaled, Traits, traits
from pliant.streams import Stream
from pliant.types import Spec

MEMORIES = ["gru", "lstm", "mean", "linear-attention", "external", "episodic", "transformer"]


def policy_of(name: str) -> nn.Module:
    module = registry.load("policy", name)
    made: nn.Module = module.make(Spec(4, 3, True), module.Settings(), Stream(0))
    return made


def test_a_module_that_says_nothing_has_no_memory_no_scales_and_runs_under_vmap() -> None:
    assert traits(nn.Linear(2, 3)) == Traits(memory=False, broadcasts=False, size_out=0, scaled=False)


def test_a_perceptron_broadcasts_and_remembers_nothing() -> None:
    assert traits(policy_of("mlp")) == Traits(memory=False, broadcasts=True, size_out=0, scaled=False)


@pytest.mark.parametrize("name", MEMORIES)
def test_our_memories_have_features_and_scales(name: str) -> None:
    policy = policy_of(name)
    assert traits(policy) == Traits(memory=True, broadcasts=True, size_out=policy.core.size_out, scaled=True)
    assert policy.core.size_out > 0


@pytest.mark.parametrize("name", MEMORIES)
def test_new_scales_are_values_and_change_no_others(name: str) -> None:
    policy = policy_of(name)
    assert isinstance(policy, Scaled)
    fixed = {n: b.clone() for n, b in policy.named_buffers()}
    kept = {n: b.clone() for n, b in fixed.items()}
    mean, std = torch.arange(4).double(), torch.arange(1, 5).double()
    reward = torch.tensor(8.0, dtype=torch.float64)
    both = policy.rescale(fixed, (mean, std), reward)
    assert list(both) == list(fixed) and all(both[n].shape == b.shape and both[n].dtype == b.dtype for n, b in kept.items())
    assert torch.equal(both["encoder.obs_shift"], mean.float())
    assert torch.equal(both["encoder.obs_scale"], (1 / std).float())
    assert both["encoder.reward_scale"].tolist() == [0.125]
    one = policy.rescale(fixed, None, reward)
    assert torch.equal(one["encoder.obs_shift"], kept["encoder.obs_shift"])
    assert policy.rescale(fixed, None, None).keys() == kept.keys()
    for values in (fixed, dict(policy.named_buffers())):
        assert all(torch.equal(values[n], kept[n]) for n in kept), "neither the argument nor the policy changes"


def test_which_parameters_a_policy_takes_stacked_is_asked_in_one_place() -> None:
    policy = policy_of("mlp")
    assert functional.broadcasts(policy) and not functional.broadcasts(nn.Linear(1, 1))
    policy.broadcasts = False
    assert not functional.broadcasts(policy) and not traits(policy).broadcasts
