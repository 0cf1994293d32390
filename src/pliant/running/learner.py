"""A learner: an algorithm, the tasks it learns from, and how both are made from a config or a checkpoint."""

from typing import NamedTuple

import torch
from torch import nn

from pliant import errors
from pliant.algorithms.base import Algorithm
from pliant.config import config as configuration
from pliant.config import registry, training
from pliant.storage import checkpoint, record
from pliant.streams import Stream
from pliant.system import outside
from pliant.tasks import told
from pliant.tasks.base import Family


class Learner(NamedTuple):
    """An algorithm and the tasks it learns from."""

    algorithm: Algorithm
    family: Family
    settings: training.Settings
    streams: Stream

    @property
    def episodes(self) -> int:
        """Episodes of a trial."""
        return self.settings.episodes or self.family.episodes


def build(config: configuration.Config, device: str = "cpu", body: nn.Module | None = None) -> Learner:
    """The learner that a config describes, freshly initialised. `body` replaces the policy's hidden layers."""
    settings: training.Settings = config.parts["train"]
    if settings.threads:
        torch.set_num_threads(settings.threads)
    module = registry.load("algorithm", config.algorithm)
    family: Family = registry.load("family", config.family).family(config.parts["family"])
    if getattr(module, "TOLD", False):
        family = told.told(family)
    streams = Stream(config.seed)
    maker = registry.load("policy", config.policy).make
    body = body or _named_body(config, family.spec.obs_size, streams.at("policy", "body"))
    policy = maker(family.spec, config.parts["policy"], streams.at("policy"), **({"body": body} if body else {}))
    spec = family.spec._replace(trial_steps=(settings.episodes or family.episodes) * family.horizon)
    algorithm = module.make(policy.to(device), spec, config.parts, streams.at("algorithm"))
    return Learner(algorithm, family, settings, streams)


def _named_body(config: configuration.Config, obs_size: int, stream: Stream) -> nn.Module | None:
    """The module that the policy's settings name, built under the seed of `stream`."""
    name: str = getattr(config.parts["policy"], "body", "")
    if not name:
        return None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream.key % 2**63)
        made: nn.Module = outside.attribute(name)(obs_size)
    return made


def trained(
    run: record.Run, device: str = "cpu", config: configuration.Config | None = None
) -> tuple[Learner, checkpoint.Checkpoint]:
    """The learner of a run as its newest checkpoint has it, and that checkpoint; under the settings `config`, or the run's own.

    Raises UserError if there is no usable checkpoint.
    """
    learner = build(config or configuration.from_dict(run.config), device)
    found = checkpoint.load_latest(run.checkpoints, warn=errors.warn)
    load(learner.algorithm, found, device)
    return learner, found


def load(algorithm: Algorithm, found: checkpoint.Checkpoint, device: str) -> None:
    """Restore an algorithm from a checkpoint. Raises UserError if it is of another policy or algorithm."""
    expected = algorithm.state()
    wrong = [n for n in expected if n not in found.tensors or found.tensors[n].shape != expected[n].shape]
    if wrong:
        got = list(found.tensors[wrong[0]].shape) if wrong[0] in found.tensors else "absent"
        raise errors.UserError(
            f"checkpoint {found.path} does not fit these settings: {wrong[0]} is {got}, expected"
            f" {list(expected[wrong[0]].shape)}"
        )
    algorithm.load({name: tensor.to(device) for name, tensor in found.tensors.items()})
