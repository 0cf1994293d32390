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
from torch import nn

from pliant import errors
from pliant.agent.adapted import Adapted, load_adapted
from pliant.config import advice
from pliant.config import config as configuration
from pliant.running import curve as curves
from pliant.running import evaluate, loop
from pliant.running import learner as learners
from pliant.simulators.gymnasium import single, spaces
from pliant.storage import checkpoint, documents, record
from pliant.streams import Stream
from pliant.system.progress import Progress
from pliant.tasks.base import BatchEnv


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
        if better := advice.of_presets(algorithm, family, settings or {}, preset):
            errors.warn(better)
        self._start(device, body)

    @classmethod
    def _of(cls, config: configuration.Config, device: str, body: nn.Module | None) -> "Agent":
        agent = cls.__new__(cls)
        agent.config = config
        agent._start(device, body)
        return agent

    def _start(self, device: str, body: nn.Module | None) -> None:
        self.device = device
        self.learner = learners.build(self.config, device, body)
        self.counters: dict[str, Any] = {"iteration": 0, "env_steps": 0, "seconds": 0.0}

    def learn(self, iterations: int, progress: bool = False) -> list[dict[str, float]]:
        """Meta-train for `iterations` more; the metrics of each. The same loop as `pliant train`."""
        begin = int(self.counters["iteration"])
        metrics = []
        with Progress(begin + iterations, begin, quiet=not progress) as bar:
            for done in loop.iterate(self.learner, begin, begin + iterations):
                metrics.append(loop.counted(self.counters, done, self.learner))
                bar.update(done.number + 1, metrics[-1])
        return metrics

    def adapt(
        self,
        task: "Mapping[str, Any] | gymnasium.Env[Any, Any]",
        stages: int | None = None,
        seed: int = 0,
        episodes: int | None = None,
    ) -> Adapted:
        """Adapt to one task: named values of the family's parameters, or a Gymnasium environment of the same spaces.

        A gradient-based agent takes `stages` inner steps with `episodes` of experience for each (default: as many as in
        training). An agent with memory plays one trial of `episodes` episodes (default: as in training), and its memory is what
        adapts. The experience is drawn under `seed`. Raises UserError for a task outside the family or spaces the policy
        cannot serve.
        """
        if stages is not None and stages < 0:
            raise errors.UserError(f"stages is {stages}: expected at least 0")
        family, has_memory = self.learner.family, self.learner.algorithm.stage == "episode"
        last, per_trial = curves.plan(self.learner, episodes - 1 if has_memory and episodes and stages is None else stages)
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
            batch, units = single.Single(family, task, each), spaces.units(task.action_space)
        else:
            raise errors.UserError(f"task is a {type(task).__name__}: expected a dict of parameters or a gymnasium.Env")
        measured, rollouts = curves.curve_on(self.learner, batch, last, Stream(seed).at("adapt"))
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
        if isinstance(batch, single.Single):
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


def load(path: str | Path, device: str = "cpu", body: nn.Module | None = None) -> Any:
    """The `Agent` of a run or saved agent, or the `Adapted` policy of a folder that `Adapted.save` wrote.

    Executes nothing that the folder holds. Raises UserError for anything else.
    """
    path = Path(path)
    if (path / "adapted.json").is_file():
        return load_adapted(path, device, body)
    run = record.Run.open(path)
    agent = Agent._of(configuration.from_dict(run.config), device, body)
    found = checkpoint.load_latest(run.checkpoints, warn=errors.warn)
    learners.load(agent.learner.algorithm, found, device)
    agent.counters = dict(found.facts)
    return agent
