"""A policy adapted to one task: it acts, it is saved, it is loaded."""

import contextlib
import os
from collections.abc import Mapping
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
from pliant.simulators.gymnasium import spaces, written
from pliant.storage import checkpoint, documents
from pliant.storage.schema import adapted, evaluation
from pliant.streams import Stream
from pliant.system import given
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
        observes: spaces.Space | None = None,
    ) -> None:
        self.config, self.policy, self.params, self.spec = config, policy, params, spec
        self.task = dict(task)
        self.document = dict(document)
        """The adaptation curve, `pliant.evaluation/1` with one task."""
        self.carry = carry
        """Where an agent with memory stands after its trial of adaptation; None for one without."""
        self.observes = observes
        """What the environment that the policy was adapted to shows; None for a task of the family."""
        self._see = spaces.observer(observes).of if observes else None
        self._units = dict(units or {})
        self._act = spaces.in_units(self._units)
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

        A policy that was adapted to a Gymnasium environment takes observations as that gives them, dicts and images too: one
        of its space, or n of them along a leading dim; numbers [D] or [n, D] only where they are neither.

        Same signature as Stable-Baselines3's `predict`, and `reward`: what the last action brought, a number or [n], from
        which an agent with memory goes on learning; without it the agent is told that the action brought 0. Without a state
        an episode opens, after the trial the agent was adapted in. An episode's start (a bool, or one for each
        observation) opens an episode of the same trial: it forgets nothing. Actions are what the environment takes that
        the policy was adapted to: in the units, the shape and the type of a Gymnasium environment's space, continuous ones in
        [-1, 1] for a task of the family.

        Raises UserError for an observation of another shape or that is not finite, and for the state of another policy or of
        another number of observations.
        """
        deterministic = given.flag("deterministic", deterministic)
        x, is_one = self._seen(obs)
        n = len(x)
        carry = self._opened(n) if state is None else self._checked(state, n)
        if reward is not None:
            carry = carry._replace(reward=_each("reward", reward, n, torch.float32).to(carry.reward))
        first = torch.full((1, n, 1), state is None)
        if episode_start is not None:
            first = _each("episode_start", episode_start, n, torch.bool).unsqueeze(2)
        like = next(iter(self.params.values()))
        seen = Inputs(torch.as_tensor(x).view(1, n, 1, -1), carry.action.unsqueeze(2), carry.reward.unsqueeze(2), first)
        output, memory = functional.apply(self.policy, self.params, Inputs(*(p.to(like.device) for p in seen)), carry.memory)
        drawn = self._drawn(output.dist[0, :, 0].cpu(), deterministic)  # [n, A] or [n]
        action = self._act((drawn if self.spec.discrete else drawn.clamp(-1, 1)).numpy())  # [n, *shape of the space]
        following = Carry(memory, drawn[None].to(like.device), torch.zeros_like(carry.reward))
        return (action[0] if is_one else action), following

    def _seen(self, obs: Any) -> tuple[NDArray[np.float32], bool]:
        """Observations as numbers [n, D], and whether it is one alone."""
        x = self._of_space(obs)
        is_one = x.ndim == 1
        if x.ndim not in (1, 2) or x.shape[-1] != self.spec.obs_size or not x.size:
            raise errors.UserError(f"obs is {list(x.shape)}: expected {self._expected()}")
        if not np.isfinite(x).all():
            raise errors.UserError("obs is not finite: check the environment")
        return x.reshape(-1, self.spec.obs_size), is_one

    def _of_space(self, obs: Any) -> NDArray[np.float32]:
        """Observations of the environment as numbers [D] or [n, D]; what may be numbers already, as it is."""
        if self.observes is not None and self._see is not None:
            with contextlib.suppress(ValueError, TypeError, KeyError):
                n = spaces.batch_size(self.observes, obs)
                if n is None:
                    return np.asarray(self._see(obs), np.float32)
                rows = [self._see(spaces.row(self.observes, obs, i)) for i in range(n)]
                return np.asarray(rows, np.float32).reshape(n, -1)
        if isinstance(obs, tuple) and len(obs) in (2, 5) and isinstance(obs[-1], dict):
            how = "obs, info = env.reset()" if len(obs) == 2 else "obs, reward, terminated, truncated, info = env.step(action)"
            raise errors.UserError(f"obs is a tuple that ends with an info: pass the observation, not (obs, info), as in {how}")
        try:
            shown = np.asarray(obs)
        except (TypeError, ValueError):  # a ragged list
            shown = np.asarray(None)
        if shown.dtype.kind not in "biuf":
            raise errors.UserError(f"obs is {given.shown(obs)}: expected numbers {self._expected()}")
        with np.errstate(over="ignore"):  # what is too large for the policy is not finite, and refused as that
            return shown.astype(np.float32)

    def _expected(self) -> str:
        numbers = f"[{self.spec.obs_size}] or [n, {self.spec.obs_size}]"
        return numbers if self.observes is None else f"an observation of {self.observes}, several of them, or {numbers}"

    @errors.mendable()
    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the adapted policy to a folder that `pliant.load` understands."""
        path = given.place("path", path)
        config = configuration.to_dict(self.config)
        require_free(path)
        described = {"schema": SCHEMA, "config": config, "task": self.task, "units": self._units}
        if self.observes is not None and (observes := written.written(self.observes)):
            described["observes"] = observes
        documents.write_json(path / "adapted.json", documents.sealed(described))
        documents.write_json(path / "evaluation.json", self.document)
        checkpoint.save(path / "checkpoints", 0, self.params | carrying.flat(self.carry), {})
        return path

    def _drawn(self, dist: Tensor, deterministic: bool) -> Tensor:
        distribution = distributions.of_policy(self.policy, self.spec)
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


def _each(name: str, value: Any, n: int, kind: torch.dtype) -> Tensor:
    """One number or bool for each of `n` observations, or one for all, [1, n]. Raises UserError for anything else, and NaN."""
    what = "numbers" if kind.is_floating_point else "True or False"
    try:
        array = np.asarray(value)
        known = array.dtype.kind in "biuf" and (kind != torch.bool or bool(np.isin(array, (0, 1)).all()))
    except ValueError:  # a ragged list
        known = False
    if not known or array.size not in (1, n):
        raise errors.UserError(f"{name} is {given.shown(value)}: expected {what}, one or [{n}]")
    found = torch.as_tensor(array.astype(np.float64)).to(kind)
    if not bool(torch.isfinite(found).all()):
        raise errors.UserError(f"{name} is {given.shown(value)}: expected finite {what}")
    return found.reshape(1, -1).expand(1, n)


def read(path: Path, device: str, body: nn.Module | None) -> Adapted:
    """The policy in a folder that `Adapted.save` wrote. Raises UserError for anything else."""
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
    units, observes = described.get("units"), _observed(described, spec, path)
    return Adapted(config, policy, params, spec, described["task"], document, document["seed"], units, carry, observes)


def _observed(described: Mapping[str, Any], spec: Spec, path: Path) -> spaces.Space | None:
    """What the environment showed that a policy was adapted to. Raises UserError if the policy cannot see that."""
    if "observes" not in described:
        return None
    try:
        space = written.read(described["observes"])
        observer = spaces.observer(space)
    except ValueError as error:
        raise errors.UserError(f"{path / 'adapted.json'}: observes: {error}") from error
    if (observer.size, observer.image) != (spec.obs_size, spec.image):
        raise errors.UserError(f"{path / 'adapted.json'}: observes {space}, which this policy cannot see")
    return space
