"""Agents from Python: train, adapt to a new task, act, save, load.

    agent = pliant.Agent("maml", "half-cheetah-dir")
    agent.learn(iterations=100)
    adapted = agent.adapt({"direction": -1})           # or a Gymnasium environment
    action, state = adapted.predict(obs)
"""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
from torch import nn

from pliant import errors
from pliant.agent import adapted as adapting
from pliant.agent.adapted import Adapted
from pliant.config import advice
from pliant.config import config as configuration
from pliant.running import curve as curves
from pliant.running import evaluate, loop
from pliant.running import learner as learners
from pliant.running.learner import Learner
from pliant.running.reached import Reached, gradients
from pliant.running.schedule import Schedule
from pliant.simulators.gymnasium import single, spaces
from pliant.storage import documents, record
from pliant.streams import Stream
from pliant.system import given
from pliant.system.progress import Progress
from pliant.tasks.base import BatchEnv


class Subject(NamedTuple):
    """What an agent adapts to: a batch of one task, and what a policy that is adapted to it must know of it."""

    batch: BatchEnv
    """M = 1."""
    schedule: Schedule
    named: dict[str, Any]
    """The task in words that a file can hold."""
    units: dict[str, Any]
    """Of the environment's actions; empty for a task of the family."""


class Agent:
    """An algorithm with its policy, on a family of tasks.

    Settings are those of the command line: `Agent("maml", "point", settings={"inner.steps": 2})`; the pair's preset is the
    default. `body` is any nn.Module from observations [N, D] to features [N, F], in place of the policy's own layers.

    Raises UserError for unknown names and for settings out of range.
    """

    @errors.mendable()
    def __init__(
        self,
        algorithm: str,
        family: str,
        *,
        seed: int = 0,
        device: str = "cpu",
        preset: str | Path | None = None,
        policy: str | None = None,
        settings: Mapping[str, Any] | None = None,
        body: nn.Module | None = None,
    ) -> None:
        given.device("device", device)
        _require_body(body)
        policy = "module" if body is not None and policy is None else policy
        preset = preset if preset is None else given.text("preset", str(preset) if isinstance(preset, Path) else preset)
        config = configuration.load_config(algorithm, family, settings, preset, seed, policy)
        if better := advice.of_presets(algorithm, family, settings or {}, preset):
            errors.warn(better)
        self._start(learners.build(config, device, body), {"iteration": 0, "env_steps": 0, "seconds": 0.0}, device)

    @classmethod
    def _of(cls, learner: Learner, counters: Mapping[str, Any], device: str) -> "Agent":
        agent = cls.__new__(cls)
        agent._start(learner, counters, device)
        return agent

    def _start(self, learner: Learner, counters: Mapping[str, Any], device: str) -> None:
        self._learner, self.device = learner, device
        self._reached = Reached(learner.algorithm, counters)

    @property
    def learner(self) -> Learner:
        """The algorithm and the tasks it learns from, after the last iteration of `learn` that came to its end."""
        self._reached.settle()
        return self._learner

    @property
    def counters(self) -> dict[str, Any]:
        """Iterations, environment steps and seconds so far."""
        return self._reached.counters

    @property
    def config(self) -> configuration.Config:
        """The settings of every part."""
        return self.learner.config

    @errors.mendable()
    def learn(self, iterations: int, progress: bool = False) -> list[dict[str, float]]:
        """Meta-train for `iterations` more; the metrics of each. The same loop as `pliant train`.

        What changes over a training, such as the learning rate of rl2, does so over `train.iterations`, and then stays.
        After an exception, such as Ctrl-C, the agent is as it was after the last whole iteration, bit for bit. Raises UserError
        for a number of iterations below 1.
        """
        given.integer("iterations", iterations, least=1)
        begin = int(self.counters["iteration"])
        if not begin:
            learners.warn_of_doubts(self.learner.family)
        metrics = []
        with Progress(begin + iterations, begin, quiet=not progress) as bar:
            for done, row in loop.train(self.learner, self._reached, begin + iterations):
                metrics.append(row)
                bar.update(done.number + 1, row)
        return metrics

    @errors.mendable()
    @gradients()
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
        adapts. The experience is drawn under `seed`. Where the tasks of the family are the seeds of resets, all episodes in an
        environment have the layout that it was last reset with, or one of them if it was not. Raises UserError for a task
        outside the family or spaces the policy cannot serve.
        """
        seed = given.integer("seed", seed)
        subject = self._subject(task, stages, episodes)
        batch, schedule = subject.batch, subject.schedule
        measured, rollouts = curves.curve_on(self.learner, batch, schedule.last, Stream(seed).at("adapt"))
        params, carry = self.learner.algorithm.adapted(schedule.before(rollouts))
        protocol = evaluate.played(schedule, batch.horizon)
        costs = evaluate.costs_of(self.learner, measured, rollouts, self.counters)
        document = documents.sealed(evaluate.document(self.learner, measured, "task", seed, protocol, costs))
        policy, spec = self.learner.algorithm.policy, self.learner.family.spec
        observes, named = None, subject.named
        if isinstance(batch, single.Single):
            observes, named = batch.env.observation_space, batch.named
        return Adapted(self.config, policy, params, spec, named, document, seed, subject.units, carry, observes)

    def _subject(self, task: Any, stages: int | None, episodes: int | None) -> Subject:
        """A named task or an environment, ready to be adapted to."""
        learner = self.learner
        if isinstance(task, Mapping):
            schedule = learner.schedule(stages, episodes=episodes, one_lane=learner.by_episode)
            named = given.names("task", task, "the parameters of the family")
            batch = learner.family.batch(learner.family.task(named), schedule.lanes, schedule.episodes)
            return Subject(batch, schedule, dict(task), {})
        if isinstance(task, gymnasium.Env):
            schedule = learner.schedule(stages, episodes=episodes, one_lane=True)
            made = single.Single(learner.family, task, schedule.episodes)
            return Subject(made, schedule, made.named, spaces.units(task.action_space))
        raise errors.UserError(f"task is a {type(task).__name__}: expected a dict of parameters or a gymnasium.Env")

    @errors.mendable()
    def save(self, path: str | PathLike[str]) -> Path:
        """Write the agent to a folder that `pliant.load` and every command understand."""
        path = given.place("path", path)
        adapting.require_free(path)
        with record.Run.start(path, configuration.to_dict(self.config)) as run:
            run.save(int(self.counters["iteration"]), self.learner.algorithm.state(), self.counters)
        return path


@errors.mendable()
def load(path: str | PathLike[str], device: str = "cpu", body: nn.Module | None = None) -> Agent | Adapted:
    """The `Agent` of a run or saved agent, or the `Adapted` policy of a folder that `Adapted.save` wrote.

    `load_agent` and `load_adapted` are the same for one of the two. Executes nothing that the folder holds. Raises UserError
    for anything else.
    """
    path = given.place("path", path)
    given.device("device", device)
    _require_body(body)
    if (path / "adapted.json").is_file():
        return adapting.read(path, device, body)
    learner, found = learners.trained(record.Run.open(path), device, body=body, kept=True)
    return Agent._of(learner, found.facts, device)


def load_agent(path: str | PathLike[str], device: str = "cpu", body: nn.Module | None = None) -> Agent:
    """As `load`, of a run or saved agent. Raises UserError for an adapted policy."""
    found = load(path, device, body)
    if not isinstance(found, Agent):
        raise errors.UserError(f"{path} holds a policy adapted to one task, no agent: pliant.load_adapted reads it")
    return found


def load_adapted(path: str | PathLike[str], device: str = "cpu", body: nn.Module | None = None) -> Adapted:
    """As `load`, of a policy that was adapted to one task. Raises UserError for an agent."""
    found = load(path, device, body)
    if not isinstance(found, Adapted):
        raise errors.UserError(f"{path} holds an agent, no policy adapted to one task: pliant.load_agent reads it")
    return found


def _require_body(body: Any) -> None:
    if body is not None and not isinstance(body, nn.Module):
        raise errors.UserError(f"body is {given.shown(body)}: expected a torch.nn.Module, made already")
