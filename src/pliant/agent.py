"""Agents from Python: train, adapt to a new task, act, save, load.

    agent = pliant.Agent("maml", "half-cheetah-dir")
    agent.learn(iterations=100)
    adapted = agent.adapt({"direction": -1})           # or a Gymnasium environment
    action, state = adapted.predict(obs)
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pliant import checkpoint, distributions, errors, evaluate, functional, record, train
from pliant import config as configuration
from pliant.progress import Progress
from pliant.streams import Stream
from pliant.tasks import _single
from pliant.tasks.base import BatchEnv
from pliant.types import Inputs, Params, Spec, State

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
                metrics.append(train.counted(self.counters, done, self.learner.settings.episodes))
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

        `stages` inner steps, `episodes` of experience for each (default: as many as in training). The experience is drawn
        under `seed`. Raises UserError for a task outside the family or spaces the policy cannot serve.
        """
        family, settings = self.learner.family, self.learner.settings
        each = episodes or settings.lanes * settings.episodes
        batch: BatchEnv
        named: dict[str, Any]
        units: dict[str, Any]
        if isinstance(task, Mapping):
            named, units = dict(task), {}
            batch = family.batch(family.task(named), max(1, each // settings.episodes), settings.episodes)
        elif isinstance(task, gymnasium.Env):
            named = {"environment": str(task.spec.id if task.spec else task)}
            batch, units = _single.Single(family, task, each), _single.units(task)
        else:
            raise errors.UserError(f"task is a {type(task).__name__}: expected a dict of parameters or a gymnasium.Env")
        stages = evaluate.STAGES if stages is None else stages
        if stages < 0:
            raise errors.UserError(f"stages is {stages}: expected at least 0")
        measured, rollouts = evaluate.curve_on(self.learner, batch, stages, Stream(seed).at("adapt"))
        params = self.learner.algorithm.adapted(rollouts[:-1]) if stages else self.learner.algorithm.adapted([])
        protocol = {"stages": stages, "lanes": batch.lanes, "episodes_per_trial": batch.episodes, "horizon": batch.horizon}
        document = evaluate.document(self.config, self.learner, measured, "task", seed, protocol, self.counters)
        policy = self.learner.algorithm.policy
        return Adapted(self.config, policy, params, family.spec, named, document, seed, units)

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
    ) -> None:
        self.config, self.policy, self.params, self.spec = config, policy, params, spec
        self.task = dict(task)
        self.document = dict(document)
        """The adaptation curve, `pliant.evaluation/1` with one task."""
        self._units = dict(units or {})
        self._generator = Stream(seed).at("predict").generator()

    @torch.no_grad()
    def predict(
        self,
        obs: NDArray[Any],
        state: State = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[Any], State]:
        """Action for an observation [D], or actions for [n, D]; and the policy's state, to be passed to the next call.

        Same signature as Stable-Baselines3's `predict`. Actions are what the environment takes that the policy was
        adapted to: in its own units for a Gymnasium environment, continuous ones in [-1, 1] for a task of the family. Raises
        UserError for an observation of another shape or that is not finite.
        """
        x = np.asarray(obs, dtype=np.float32)
        if x.ndim not in (1, 2) or x.shape[-1] != self.spec.obs_size:
            raise errors.UserError(f"obs is {list(x.shape)}: expected [{self.spec.obs_size}] or [n, {self.spec.obs_size}]")
        if not np.isfinite(x).all():
            raise errors.UserError("obs is not finite: check the environment")
        n = len(x) if x.ndim == 2 else 1
        state = self.policy.start(1, n) if state is None else state  # type: ignore[operator]
        first = torch.zeros(1, n, 1, dtype=torch.bool)
        if episode_start is not None:
            first |= torch.as_tensor(episode_start).reshape(1, -1, 1)
        seen = Inputs(torch.as_tensor(x).view(1, n, 1, -1), self._none(n), torch.zeros(1, n, 1), first)
        device = next(iter(self.params.values())).device
        output, state = functional.apply(self.policy, self.params, Inputs(*(part.to(device) for part in seen)), state)
        action = self._act(output.dist[0, :, 0].cpu(), deterministic).numpy()  # [n, A] or [n]
        action = _single.in_units(self._units, action)
        return (action if x.ndim == 2 else action[0]), state

    def save(self, path: str | Path) -> Path:
        """Write the adapted policy to a folder that `pliant.load` understands."""
        path = Path(path)
        config = configuration.to_dict(self.config)
        if (path / "adapted.json").exists() or (path.exists() and any(path.iterdir())):
            raise errors.UserError(f"{path} is not empty: choose another folder")
        described = {"schema": SCHEMA, "config": config, "task": self.task, "units": self._units}
        record.write_json(path / "adapted.json", described)
        record.write_json(path / "evaluation.json", self.document)
        checkpoint.save(path / "checkpoints", 0, self.params, {})
        return path

    def _act(self, dist: Tensor, deterministic: bool) -> Tensor:
        distribution = distributions.of(self.spec)
        if deterministic:
            action = distribution.mode(dist)
        elif self.spec.discrete:
            action = distribution.sample(dist, torch.rand(len(dist), generator=self._generator))
        else:
            action = distribution.sample(dist, torch.randn(len(dist), self.spec.action_size, generator=self._generator))
        return action if self.spec.discrete else action.clamp(-1, 1)

    def _none(self, n: int) -> Tensor:
        return torch.full((1, n, 1), -1) if self.spec.discrete else torch.zeros(1, n, 1, self.spec.action_size)


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
    described = record.read_json(path / "adapted.json")
    if described.get("schema") != SCHEMA:
        raise errors.UserError(f"{path} has schema {described.get('schema')!r}: expected {SCHEMA!r}")
    if not isinstance(described.get("config"), dict) or not isinstance(described.get("task"), dict):
        raise errors.UserError(f"{path} is damaged: its adapted.json has no config or no task")
    config = configuration.from_dict(described["config"])
    learner = train.build(config, device, body)
    policy = learner.algorithm.policy
    found = checkpoint.load_latest(path / "checkpoints", warn=errors.warn)
    expected = {name: (1, *p.shape) for name, p in policy.named_parameters()}
    got = {name: tuple(p.shape) for name, p in found.tensors.items()}
    if got != expected:
        raise errors.UserError(f"{found.path} does not hold the parameters of this policy: they are {got}, expected {expected}")
    params = {name: tensor.to(device) for name, tensor in found.tensors.items()}
    document = record.read_json(path / "evaluation.json")
    spec, seed = learner.family.spec, int(document.get("seed", 0))
    return Adapted(config, policy, params, spec, described["task"], document, seed, described.get("units"))
