"""Who is compared: trainings, and contenders, which are trainings that differ in nothing but the seed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pliant import errors
from pliant.config import config as configuration
from pliant.storage import checkpoint, documents, record
from pliant.storage.schema import evaluation
from pliant.storage.schema.evaluation import Evaluation
from pliant.tasks.base import SPLITS

BASELINES = ("random", "scratch", "pretrain", "conditioned")
FREE = {"train": {"checkpoint_every", "evaluate_every", "evaluate_tasks", "evaluate_stages", "threads"}}
"""Settings that do not make another contender."""


@dataclass(frozen=True)
class Asked:
    """How contenders are to be measured. Raises UserError for what nobody can measure."""

    split: str = "test"
    tasks: int = 40
    stages: int | None = None
    """The last stage; None is the usual one of each."""
    seed: int = 0
    splits: tuple[str, ...] = SPLITS
    """Splits that are set side by side; `split` is the one of everything else."""
    device: str = "cpu"

    def __post_init__(self) -> None:
        for split in self.splits:
            if split not in SPLITS:
                raise errors.unknown("split", split, SPLITS)
        for name, value, least in (("tasks", self.tasks, 1), ("stages", self.stages, 0)):
            if value is not None and value < least:
                raise errors.UserError(f"--{name} is {value}: expected at least {least}")

    @property
    def every_split(self) -> list[str]:
        """All of them, `split` first, each once."""
        return list(dict.fromkeys((self.split, *self.splits)))


@dataclass
class Training:
    """One training of a contender: a run, an evaluation document of one that was kept, or a baseline that learns nothing."""

    config: configuration.Config
    path: Path | None = None
    """Of the folder or the document; None for a baseline that is made for a comparison."""
    iteration: int | None = None
    """Of the newest checkpoint of a run, None where there is no run."""
    measured: dict[str, Evaluation] = field(default_factory=dict)
    """Evaluation documents by split."""

    @property
    def run(self) -> Path | None:
        """The folder of the run, if it is one."""
        return None if self.iteration is None else self.path

    @property
    def is_document(self) -> bool:
        """There is nothing but an evaluation: it cannot be measured again."""
        return self.path is not None and self.iteration is None


@dataclass(frozen=True)
class Contender:
    """Trainings that differ in the seed only, ordered by it."""

    name: str
    trainings: Sequence[Training]

    @property
    def config(self) -> configuration.Config:
        """The settings that all trainings share, and the seed of the first."""
        return self.trainings[0].config

    @property
    def is_baseline(self) -> bool:
        """It is there to be compared with."""
        return self.config.algorithm in BASELINES

    @property
    def seeds(self) -> list[int]:
        """The seed of each training."""
        return [training.config.seed for training in self.trainings]

    @property
    def runs(self) -> list[Path]:
        """The folders of those that are runs."""
        return [training.run for training in self.trainings if training.run is not None]

    def documents(self, split: str) -> list[Evaluation]:
        """The evaluation of each training on a split; [] unless all have one."""
        found = [t.measured[split] for t in self.trainings if split in t.measured]
        return found if len(found) == len(self.trainings) else []

    def score(self, split: str, stage: int) -> NDArray[np.float64]:
        """[S, M] returns of a stage by seed and task."""
        return np.array([[row["return"][stage] for row in d["per_task"]] for d in self.documents(split)])


def opened(path: Path) -> Training:
    """The training behind the folder of a run or an evaluation document.

    Raises UserError for anything else, for a document that was edited, and for a run without a whole checkpoint.
    """
    if path.is_file():
        document = documents.read(path, evaluation.KIND)
        if document["split"] not in SPLITS:
            raise errors.UserError(f"{path} is of a single task: expected an evaluation of a split, {', '.join(SPLITS)}")
        return Training(configuration.from_dict(document["config"]), path, measured={document["split"]: document})
    run = record.Run.open(path)
    if not checkpoint.paths(run.checkpoints):
        raise errors.UserError(f"{path} has no checkpoint: train it first (pliant train ... --resume), or leave it out")
    config = configuration.from_dict(run.config)
    return Training(config, path, checkpoint.load_latest(run.checkpoints, warn=errors.warn, kept=False).iteration)


def grouped(trainings: Sequence[Training]) -> list[Contender]:
    """Trainings as contenders, by names that say in what they differ. Raises UserError for a seed that is there twice."""
    groups: dict[str, list[Training]] = {}
    for each in trainings:
        groups.setdefault(json.dumps(_identity(each.config), sort_keys=True), []).append(each)
    firsts = [group[0].config for group in groups.values()]
    return [_contender(_named(config, firsts), group) for config, group in zip(firsts, groups.values(), strict=True)]


def _contender(name: str, group: Sequence[Training]) -> Contender:
    group = sorted(group, key=lambda each: each.config.seed)
    for one, other in zip(group[:-1], group[1:], strict=True):
        if one.config.seed == other.config.seed:
            raise errors.UserError(
                f"{one.path} and {other.path} are both {name} with seed {one.config.seed}: that is no second seed, leave one"
                " out"
            )
    return Contender(name, group)


def _identity(config: configuration.Config) -> Mapping[str, Any]:
    """Everything that makes a contender another one."""
    document = configuration.to_dict(config)
    parts = {p: {n: v for n, v in s.items() if n not in FREE.get(p, ())} for p, s in document["parts"].items()}
    return {"algorithm": config.algorithm, "policy": config.policy, "parts": parts}


def _named(config: configuration.Config, among: Sequence[configuration.Config]) -> str:
    """The algorithm; with the policy, and then every setting that tells it from its like, where that is not enough."""
    alike = [c for c in among if c.algorithm == config.algorithm]
    if len(alike) == 1:
        return config.algorithm
    name = f"{config.algorithm} {config.policy}" if len({c.policy for c in alike}) > 1 else config.algorithm
    alike = [c for c in alike if c.policy == config.policy]
    own = {flag for c in alike for flag, _, _ in configuration.differences(config, c)} - {"--seed"}
    own -= {f"--{part}.{setting}" for part, free in FREE.items() for setting in free}
    said = []
    for flag in sorted(own):
        part, _, setting = flag.removeprefix("--").partition(".")
        said.append(f"{setting}={getattr(config.parts[part], setting)}")
    return " ".join([name, *said])
