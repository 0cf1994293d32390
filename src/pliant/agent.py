"""Agents from Python: train, adapt to a new task, act, save, load.

    agent = pliant.Agent("maml", "half-cheetah-dir")
    agent.learn(iterations=100)
    adapted = agent.adapt({"direction": -1})           # or a Gymnasium environment
    action, state = adapted.predict(obs)
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from pliant import _carry, checkpoint, distributions, documents, errors, evaluate, functional, record, train
from pliant import config as configuration
from pliant.progress import Progress
from pliant.streams import Stream
from pliant.tasks import _single, _spaces
from pliant.tasks.base import BatchEnv
from pliant.types import Carry, Inputs, Params, Spec

SCHEMA = "pliant.adapted/1"


class Agent:
    """An algorithm with its policy, on a family of tasks.

    Settings are those of the command line: `Agent("maml", "point", settings={"inner.steps": 2})`; the pair's preset is the
    default. `body` is any nn.Module from observations [N, D] to features [N, F], in place of the policy's own layers.

    Raises UserError for unknown names and for settings out of range.
    """

    def __init__(
        self,
        algorithm: str,
        family: str,
        *,
        seed: int = 0,
        device: str = "cpu",
        preset: str | None = None,
        policy: str | None = None,
        settings: Mapping[str, Any] | None = None,
        body: nn.Module | None = None,
    ) -> None:
        policy = "module" if body is not None else policy
        self.config = configuration.load_config(algorithm, family, settings, preset, seed, policy)
        self._start(device, body)

    @classmethod
    def _of(cls, config: configuration.Config, device: str, body: nn.Module | None) -> "Agent":
        agent = cls.__new__(cls)
        agent.config = config
        agent._start(device, body)
        return agent

    def _start(self, device: str, body: nn.Module | None) -> None:
        self.device = device
        self.learner = train.build(self.config, device, body)
        self.counters: dict[str, Any] = {"iteration": 0, "env_steps": 0, "seconds": 0.0}

    def learn(self, iterations: int, progress: bool = False) -> list[dict[str, float]]:
        """Meta-train for `iterations` more; the metrics of each. The same loop as `pliant train`."""
        begin = int(self.counters["iteration"])
        metrics = []
        with Progress(begin + iterations, begin, quiet=not progress) as bar:
            for done in train.iterate(self.learner, begin, begin + iterations):
                metrics.append(train.counted(self.counters, done, self.learner))
                bar.update(done.number + 1, metrics[-1])
        return metrics

    def adapt(
        self,
        task: "Mapping[str, Any] | gymnasium.Env[Any, Any]",
        stages: int | None = None,
        seed: int = 0,
        episodes: int | None = None,
    ) -> "Adapted":
        """Adapt to one task: named values of the family's parameters, or a Gymnasium environment of the same spaces.

        A gradient-based agent takes `stages` inner steps with `episodes` of experience for each (default: as many as in
        training). An agent with memory plays one trial of `episodes` episodes (default: as in training), and its memory is what
        adapts. The experience is drawn under `seed`. Raises UserError for a task outside the family or spaces the policy
        cannot serve.
        """
        if stages is not None and stages < 0:
            raise errors.UserError(f"stages is {stages}: expected at least 0")
        family, has_memory = self.learner.family, self.learner.algorithm.stage == "episode"
        last, per_trial = evaluate.plan(self.learner, episodes - 1 if has_memory and episodes and stages is None else stages)
        lanes = 1 if has_memory else max(1, (episodes or self.learner.settings.lanes * per_trial) // per_trial)
        batch: BatchEnv
        named: dict[str, Any]
        units: dict[str, Any]
        if isinstance(task, Mapping):
            named, units = dict(task), {}
            batch = family.batch(family.task(named), lanes, per_trial)
        elif isinstance(task, gymnasium.Env):
            named = {"environment": str(task.spec.id if task.spec else task)}
            each = per_trial if has_memory else episodes or lanes * per_trial
            batch, units = _single.Single(family, task, each), _spaces.units(task.action_space)
        else:
            raise errors.UserError(f"task is a {type(task).__name__}: expected a dict of parameters or a gymnasium.Env")
        measured, rollouts = evaluate.curve_on(self.learner, batch, last, Stream(seed).at("adapt"))
        algorithm = self.learner.algorithm
        params, carry = algorithm.adapted(rollouts if has_memory else rollouts[:-1])
        protocol = {
            "stage": algorithm.stage,
            "stages": last,
            "lanes": batch.lanes,
            "episodes_per_trial": batch.episodes,
            "horizon": batch.horizon,
        }
        costs = evaluate.costs_of(self.learner, measured, rollouts, self.counters)
        document = documents.sealed(evaluate.document(self.config, self.learner, measured, "task", seed, protocol, costs))
        adapted = Adapted(self.config, algorithm.policy, params, family.spec, named, document, seed, units, carry)
        if isinstance(batch, _single.Single):
            adapted.see = batch.see
        return adapted

    def save(self, path: str | Path) -> Path:
        """Write the agent to a folder that `pliant.load` and every command understand."""
        path = Path(path)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise errors.UserError(f"{path} exists and is not an empty folder: save to another one")
        with record.Run.start(path, configuration.to_dict(self.config)) as run:
            run.save(int(self.counters["iteration"]), self.learner.algorithm.state(), self.counters)
        return path


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
        is_flat = isinstance(obs, np.ndarray) and obs.ndim in (1, 2) and obs.shape[-1] == self.spec.obs_size
        x = np.asarray(obs if is_flat or self.see is None else self.see(obs), dtype=np.float32)
        if x.ndim not in (1, 2) or x.shape[-1] != self.spec.obs_size:
            raise errors.UserError(f"obs is {list(x.shape)}: expected [{self.spec.obs_size}] or [n, {self.spec.obs_size}]")
        if not np.isfinite(x).all():
            raise errors.UserError("obs is not finite: check the environment")
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
        action = _spaces.in_units(self._units, (drawn if self.spec.discrete else drawn.clamp(-1, 1)).numpy())
        following = Carry(memory, drawn[None].to(like.device), torch.zeros_like(carry.reward))
        return (action if x.ndim == 2 else action[0]), following

    def save(self, path: str | Path) -> Path:
        """Write the adapted policy to a folder that `pliant.load` understands."""
        path = Path(path)
        config = configuration.to_dict(self.config)
        if (path / "adapted.json").exists() or (path.exists() and any(path.iterdir())):
            raise errors.UserError(f"{path} is not empty: choose another folder")
        described = {"schema": SCHEMA, "config": config, "task": self.task, "units": self._units}
        documents.write_json(path / "adapted.json", described)
        documents.write_json(path / "evaluation.json", self.document)
        checkpoint.save(path / "checkpoints", 0, self.params | _carry.flat(self.carry), {})
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
        expected = _carry.shapes(self._opened(n)._replace(memory=_carry.memory_of(self.policy, self.spec, n)))
        if not isinstance(state, Carry) or _carry.shapes(state) != expected:
            got = _carry.shapes(state) if isinstance(state, Carry) else type(state).__name__
            raise errors.UserError(f"state is {got}: expected what this policy returned for {n} observations, {expected}")
        return state


def load(path: str | Path, device: str = "cpu", body: nn.Module | None = None) -> Any:
    """The `Agent` of a run or saved agent, or the `Adapted` policy of a folder that `Adapted.save` wrote.

    Executes nothing that the folder holds. Raises UserError for anything else.
    """
    path = Path(path)
    if (path / "adapted.json").is_file():
        return _load_adapted(path, device, body)
    run = record.Run.open(path)
    agent = Agent._of(configuration.from_dict(run.config), device, body)
    found = checkpoint.load_latest(run.checkpoints, warn=errors.warn)
    train.load(agent.learner.algorithm, found, device)
    agent.counters = dict(found.facts)
    return agent


def _load_adapted(path: Path, device: str, body: nn.Module | None) -> Adapted:
    described = documents.read_json(path / "adapted.json")
    if described.get("schema") != SCHEMA:
        raise errors.UserError(f"{path} has schema {described.get('schema')!r}: expected {SCHEMA!r}")
    if not isinstance(described.get("config"), dict) or not isinstance(described.get("task"), dict):
        raise errors.UserError(f"{path} is damaged: its adapted.json has no config or no task")
    config = configuration.from_dict(described["config"])
    learner = train.build(config, device, body)
    policy, spec = learner.algorithm.policy, learner.family.spec
    found = checkpoint.load_latest(path / "checkpoints", warn=errors.warn)
    own = [*policy.named_parameters(), *(policy.named_buffers() if learner.algorithm.stage == "episode" else ())]
    tensors = {name: tensor.to(device) for name, tensor in found.tensors.items()}
    params = {name: tensor for name, tensor in tensors.items() if not name.startswith(_carry.PREFIX)}
    expected = {name: (1, *p.shape) for name, p in own}
    got = {name: tuple(p.shape) for name, p in params.items()}
    if got != expected:
        raise errors.UserError(f"{found.path} does not hold the parameters of this policy: they are {got}, expected {expected}")
    carry = _carry.unflat({n: tensor for n, tensor in tensors.items() if n.startswith(_carry.PREFIX)}, policy, spec, found.path)
    document = documents.read_json(path / "evaluation.json")
    seed = int(document.get("seed", 0))
    return Adapted(config, policy, params, spec, described["task"], document, seed, described.get("units"), carry)
