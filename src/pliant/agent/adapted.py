"""A policy adapted to one task: it acts, it is saved, it is loaded."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from pliant import errors
from pliant.agent import carry as carrying
from pliant.config import config as configuration
from pliant.maths import distributions, functional
from pliant.running import learner as learners
from pliant.simulators.gymnasium import spaces
from pliant.storage import checkpoint, documents
from pliant.storage.schema import adapted, evaluation
from pliant.streams import Stream
from pliant.types import Carry, Inputs, Params, Spec

SCHEMA = adapted.SCHEMA


class Adapted:
    """A policy adapted to one task."""

    def __init__(
        self,
        config: configuration.Config,
        policy: nn.Module,
        params: Params,
        spec: Spec,
        task: Mapping[str, Any],
        document: Mapping[str, Any],
        seed: int = 0,
        units: Mapping[str, Any] | None = None,
        carry: Carry | None = None,
    ) -> None:
        self.config, self.policy, self.params, self.spec = config, policy, params, spec
        self.task = dict(task)
        self.document = dict(document)
        """The adaptation curve, `pliant.evaluation/1` with one task."""
        self.carry = carry
        """Where an agent with memory stands after its trial of adaptation; None for one without."""
        self.see: Callable[[Any], NDArray[np.float64]] | None = None
        """Turns an observation of the environment that the policy was adapted to into numbers [D]; not saved."""
        self._units = dict(units or {})
        self._generator = Stream(seed).at("predict").generator()

    @torch.no_grad()
    def predict(
        self,
        obs: NDArray[Any],
        state: Carry | None = None,
        episode_start: NDArray[np.bool_] | bool | None = None,
        deterministic: bool = False,
        reward: NDArray[Any] | float | None = None,
    ) -> tuple[NDArray[Any], Carry]:
        """Action for an observation [D], or actions for [n, D]; and the policy's state, to be passed to the next call.

        A policy that was adapted to a Gymnasium environment also takes an observation as that gives it: a dict, an image.

        Same signature as Stable-Baselines3's `predict`, and `reward`: what the last action brought, a number or [n], from
        which an agent with memory goes on learning; without it the agent is told that the action brought 0. Without a state
        an episode opens, after the trial the agent was adapted in. An episode's start (a bool, or one for each
        observation) opens an episode of the same trial: it forgets nothing. Actions are what the environment takes that
        the policy was adapted to: in its own units for a Gymnasium environment, continuous ones in [-1, 1] for a task of the
        family. Raises UserError for an observation of another shape or that is not finite, and for the state of another
        policy or of another number of observations.
        """
        x = self._seen(obs)
        n = len(x) if x.ndim == 2 else 1
        carry = self._opened(n) if state is None else self._checked(state, n)
        if reward is not None:
            given = torch.as_tensor(np.asarray(reward, dtype=np.float32)).reshape(1, -1)
            carry = carry._replace(reward=given.expand(1, n).to(carry.reward))
        first = torch.full((1, n, 1), state is None)
        if episode_start is not None:
            first = torch.as_tensor(episode_start, dtype=torch.bool).reshape(1, -1, 1).expand(1, n, 1)
        like = next(iter(self.params.values()))
        seen = Inputs(torch.as_tensor(x).view(1, n, 1, -1), carry.action.unsqueeze(2), carry.reward.unsqueeze(2), first)
        output, memory = functional.apply(self.policy, self.params, Inputs(*(p.to(like.device) for p in seen)), carry.memory)
        drawn = self._act(output.dist[0, :, 0].cpu(), deterministic)  # [n, A] or [n]
        action = spaces.in_units(self._units, (drawn if self.spec.discrete else drawn.clamp(-1, 1)).numpy())
        following = Carry(memory, drawn[None].to(like.device), torch.zeros_like(carry.reward))
        return (action if x.ndim == 2 else action[0]), following

    def _seen(self, obs: Any) -> NDArray[np.float32]:
        """An observation as numbers [D] or [n, D]."""
        if isinstance(obs, tuple) and len(obs) == 2 and isinstance(obs[1], dict):
            raise errors.UserError("obs is a pair (obs, info): pass the observation alone, as in obs, info = env.reset()")
        is_flat = isinstance(obs, np.ndarray) and obs.ndim in (1, 2) and obs.shape[-1] == self.spec.obs_size
        x = np.asarray(obs if is_flat or self.see is None else self.see(obs), dtype=np.float32)
        if x.ndim not in (1, 2) or x.shape[-1] != self.spec.obs_size:
            raise errors.UserError(f"obs is {list(x.shape)}: expected [{self.spec.obs_size}] or [n, {self.spec.obs_size}]")
        if not np.isfinite(x).all():
            raise errors.UserError("obs is not finite: check the environment")
        return x

    def save(self, path: str | Path) -> Path:
        """Write the adapted policy to a folder that `pliant.load` understands."""
        path = Path(path)
        config = configuration.to_dict(self.config)
        require_free(path)
        described = {"schema": SCHEMA, "config": config, "task": self.task, "units": self._units}
        documents.write_json(path / "adapted.json", documents.sealed(described))
        documents.write_json(path / "evaluation.json", self.document)
        checkpoint.save(path / "checkpoints", 0, self.params | carrying.flat(self.carry), {})
        return path

    def _act(self, dist: Tensor, deterministic: bool) -> Tensor:
        distribution = distributions.of(self.spec)
        if deterministic:
            return distribution.mode(dist)
        if self.spec.discrete:
            return distribution.sample(dist, torch.rand(len(dist), generator=self._generator))
        return distribution.sample(dist, torch.randn(len(dist), self.spec.action_size, generator=self._generator))

    def _opened(self, n: int) -> Carry:
        """Where each of `n` lanes goes on from: the trial of adaptation, or the opening of one."""
        if self.carry is not None:
            return Carry(*tree_map(lambda x: x.expand(1, n, *x.shape[2:]), tuple(self.carry)))
        like = next(iter(self.params.values()))
        none = torch.full((1, n), -1) if self.spec.discrete else torch.zeros(1, n, self.spec.action_size)
        return Carry((), none.to(like.device), torch.zeros(1, n, device=like.device))

    def _checked(self, state: Any, n: int) -> Carry:
        """`state` if it is of this policy and of `n` lanes."""
        expected = carrying.shapes(self._opened(n)._replace(memory=carrying.memory_of(self.policy, self.spec, n)))
        if not isinstance(state, Carry) or carrying.shapes(state) != expected:
            got = carrying.shapes(state) if isinstance(state, Carry) else type(state).__name__
            raise errors.UserError(f"state is {got}: expected what this policy returned for {n} observations, {expected}")
        return state


def require_free(path: Path) -> None:
    """Raise UserError unless a policy may be saved in `path`: a folder that is new or empty."""
    if os.path.lexists(path) and (not path.is_dir() or any(path.iterdir())):
        raise errors.UserError(f"{path} is not an empty folder: choose another one")


def load_adapted(path: Path, device: str, body: nn.Module | None) -> Adapted:
    described = documents.read(path / "adapted.json", adapted.KIND, unsealed=True, folder=path)
    config = configuration.from_dict(described["config"])
    learner = learners.build(config, device, body)
    policy, spec = learner.algorithm.policy, learner.family.spec
    found = checkpoint.load_latest(path / "checkpoints", warn=errors.warn)
    own = [*policy.named_parameters(), *(policy.named_buffers() if learner.by_episode else ())]
    tensors = {name: tensor.to(device) for name, tensor in found.tensors.items()}
    params = {name: tensor for name, tensor in tensors.items() if not name.startswith(carrying.PREFIX)}
    expected = {name: (1, *p.shape) for name, p in own}
    got = {name: tuple(p.shape) for name, p in params.items()}
    if got != expected:
        raise errors.UserError(f"{found.path} does not hold the parameters of this policy: they are {got}, expected {expected}")
    carried = {name: tensor for name, tensor in tensors.items() if name.startswith(carrying.PREFIX)}
    carry = carrying.unflat(carried, policy, spec, found.path)
    document = documents.read(path / "evaluation.json", evaluation.KIND, unsealed=True, folder=path)
    return Adapted(config, policy, params, spec, described["task"], document, document["seed"], described.get("units"), carry)
