"""Families whose agent is told its task."""

import dataclasses

import numpy as np
import pytest
import torch

from pliant import errors
from pliant.config import registry
from pliant.families import tabular
from pliant.streams import Stream
from pliant.tasks import told


def test_what_is_told_stands_behind_what_is_seen() -> None:
    own = registry.load("family", "point").family()
    family = told.told(own)
    tasks = own.sample(3, "test", np.random.default_rng(0))
    seen, plain = (each.batch(tasks, 2).reset(Stream(0)) for each in (family, own))
    assert torch.equal(seen[..., :2], plain)
    assert torch.equal(seen[..., 2:], own.described(tasks)[:, None].expand(3, 2, 2).to(seen))


def test_an_agent_of_an_mdp_is_told_what_every_action_costs() -> None:
    """Acting by what is told alone is acting by value iteration, in the first step."""
    family = tabular.family()
    assert family.known is not None
    tasks = family.sample(5, "test", np.random.default_rng(0))
    states, actions = family.settings.states, family.settings.actions
    known = family.known.of(tasks)
    assert known.shape == (5, family.known.size)
    lost = known[:, -states * actions :].reshape(5, states, actions)
    worth = tabular.value_iteration(*tabular.mdps(tasks, family.settings), family.settings.horizon)[:, 0]
    assert (lost.max(-1) == 0).all() and np.array_equal(lost.argmax(-1), worth.argmax(-1).numpy())


def test_an_agent_that_sees_images_is_told_nothing() -> None:
    own = registry.load("family", "point").family()
    family = dataclasses.replace(own, spec=own.spec._replace(obs_size=256, image=(1, 16, 16)))
    with pytest.raises(errors.UserError, match="shows images: an agent that is told its task needs observations"):
        told.told(family)
