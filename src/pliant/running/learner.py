"""A learner: an algorithm, the tasks it learns from, and how both are made from a config or a checkpoint."""

import inspect
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pliant import errors
from pliant.algorithms.base import Algorithm, Sharing, by_episode
from pliant.config import config as configuration
from pliant.config import registry, training
from pliant.policies.base import traits
from pliant.running import schedule as scheduling
from pliant.running.schedule import Schedule
from pliant.storage import checkpoint, record
from pliant.streams import Stream
from pliant.system import outside
from pliant.system.crew import ALONE, Crew
from pliant.tasks import told
from pliant.tasks.base import Family
from pliant.types import Spec


class Learner(NamedTuple):
    """An algorithm and the tasks it learns from, as a config describes both."""

    algorithm: Algorithm
    family: Family
    """As the agent sees it: one that is told the task observes it."""
    config: configuration.Config
    streams: Stream
    crew: Crew = ALONE
    """Who shares the work of its training."""

    @property
    def settings(self) -> training.Settings:
        """Those of training."""
        settings: training.Settings = self.config.parts["train"]
        return settings

    @property
    def episodes(self) -> int:
        """Episodes of a trial."""
        return self.settings.episodes or self.family.trial(traits(self.algorithm.policy).memory)

    @property
    def by_episode(self) -> bool:
        """The agent adapts by memory, from episode to episode of a trial; else by gradient, from rollout to rollout."""
        return by_episode(self.algorithm)

    @property
    def adapts(self) -> bool:
        """What it has seen of a task changes how it acts: not of an agent that acts by chance, or that is told the task."""
        return self.by_episode or bool(getattr(self.algorithm, "tunes", True))

    @property
    def iterations(self) -> int:
        """Of its training; none for an algorithm that learns nothing."""
        return self.settings.iterations if getattr(self.algorithm, "learns", True) else 0

    def schedule(
        self,
        stages: int | None = None,
        lanes: int | None = None,
        episodes: int | None = None,
        one_lane: bool = False,
        steps: int = scheduling.STEPS,
    ) -> Schedule:
        """How the agent adapts up to stage `stages`, in `lanes` lanes a task; as in training where nothing is said.

        `episodes` is the experience of each stage of a gradient-based agent, the whole trial of one with memory. With
        `one_lane` one lane plays all episodes of a stage, as a single environment must. A gradient-based agent takes `steps`
        gradient steps where no stage is named. Raises UserError for numbers out of range or that contradict each other.
        """
        stages, lanes, episodes = scheduling.require_sizes(stages=stages, lanes=lanes, episodes=episodes)
        many = lanes or self.settings.lanes
        if self.by_episode:
            return scheduling.of_memory(stages, episodes, self.episodes, lanes or 1 if one_lane else many)
        if one_lane:
            return scheduling.of_gradient(stages, None, episodes or many * self.episodes, 1, steps)
        return scheduling.of_gradient(stages, episodes, self.episodes, many, steps)


def family_of(config: configuration.Config) -> Family:
    """The family that a config describes; nobody is told the task."""
    family: Family = registry.load("family", config.family).family(config.parts["family"])
    return family


def build(
    config: configuration.Config,
    device: str = "cpu",
    body: nn.Module | None = None,
    family: Family | None = None,
    place: tuple[int, int] = (0, 1),
) -> Learner:
    """The learner that a config describes, freshly initialised.

    `body` replaces the policy's hidden layers. `family` is `family_of(config)`, if it is made already. `place` is which of how
    many processes this is, that share the work of a training. Raises UserError for more of them than there are shards.
    """
    settings: training.Settings = config.parts["train"]
    if settings.threads:
        torch.set_num_threads(settings.threads)
    module = registry.load("algorithm", config.algorithm)
    family = family or family_of(config)
    if getattr(module, "TOLD", False):
        family = told.told(family)
    streams, seen = Stream(config.seed), _seen(module, config, family)
    maker = registry.load("policy", config.policy).make
    if body is not None and "body" not in inspect.signature(maker).parameters:
        raise errors.UserError(f"a body is given, but the policy {config.policy} has layers of its own: it takes none")
    if body is None:
        body = _named_body(config, seen.obs_size, streams.at("policy", "body"))
    bodies = {} if body is None else {"body": body}
    policy = maker(seen, config.parts["policy"], streams.at("policy"), **bodies)
    episodes = settings.episodes or family.trial(traits(policy).memory)
    spec = family.spec._replace(trial_steps=episodes * family.horizon)
    algorithm = module.make(policy.to(device), spec, config.parts, streams.at("algorithm"))
    if settings.shards > 1 and not isinstance(algorithm, Sharing):
        raise errors.UserError(
            f"--train.shards is {settings.shards}: expected 1, because {config.algorithm} learns from all tasks at once"
        )
    if place[1] > settings.shards:
        advice = f"add --train.shards {place[1]}, or a multiple of it"
        raise errors.UserError(f"{place[1]} processes share a training of --train.shards {settings.shards}: {advice}")
    return Learner(algorithm, family, config, streams, Crew(settings.shards, *place))


def warn_of_doubts(family: Family) -> None:
    """Say what looks wrong with the tasks of a family, before anything is learned from them.

    Raises UserError for tasks that cannot be right.
    """
    for doubt in family.doubts() if family.doubts else ():
        errors.warn(doubt)


def _seen(algorithm: ModuleType, config: configuration.Config, family: Family) -> Spec:
    """What the policy reads: the family's observations, and behind them the numbers that the algorithm says it adds.

    Raises UserError for images, which have no room for them.
    """
    inputs = getattr(algorithm, "inputs", None)
    if inputs is None:
        return family.spec
    if family.spec.image:
        raise errors.UserError(
            f"{family.name} shows images: {config.algorithm} hands its policy numbers beside observations that are vectors,"
            " use maml or anil"
        )
    return family.spec._replace(obs_size=family.spec.obs_size + inputs(config.parts))


def _named_body(config: configuration.Config, obs_size: int, stream: Stream) -> nn.Module | None:
    """The module that the policy's settings name, built under the seed of `stream`."""
    name: str = getattr(config.parts["policy"], "body", "")
    if not name:
        return None
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(stream.generator().get_state())
        made: nn.Module = outside.attribute(name)(obs_size)
    return made


def trained(
    run: record.Run,
    device: str = "cpu",
    config: configuration.Config | None = None,
    body: nn.Module | None = None,
    family: Family | None = None,
    kept: bool = False,
) -> tuple[Learner, checkpoint.Checkpoint]:
    """The learner of a run as its newest checkpoint has it, and that checkpoint; under the settings `config`, or the run's own.

    What it has kept to learn from is read only with `kept`. `body` and `family` are as in `build`. Raises UserError if there is
    no usable checkpoint.
    """
    learner = build(config or configuration.from_dict(run.config), device, body, family)
    found = checkpoint.load_latest(run.checkpoints, warn=errors.warn, kept=kept)
    load(learner.algorithm, found, device)
    return learner, found


def load(algorithm: Algorithm, found: checkpoint.Checkpoint, device: str) -> None:
    """Restore an algorithm from a checkpoint. Raises UserError if it is of another policy or algorithm."""
    expected = algorithm.state()
    wrong = [n for n in expected if n not in found.tensors or _kind(found.tensors[n]) != _kind(expected[n])]
    if wrong:
        got = _kind(found.tensors[wrong[0]]) if wrong[0] in found.tensors else "absent"
        raise errors.UserError(
            f"checkpoint {found.path} does not fit these settings: {wrong[0]} is {got}, expected {_kind(expected[wrong[0]])}"
        )
    algorithm.load({name: tensor.to(device) for name, tensor in found.tensors.items()})


def _kind(tensor: Tensor) -> str:
    """The shape of a tensor, and its type where that is not the usual one."""
    kind = str(tensor.dtype).removeprefix("torch.")
    return f"{list(tensor.shape)}" + ("" if kind == "float32" else f" of {kind}")
