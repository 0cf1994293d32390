"""Which runs are one agent, and whether agents may be compared at all."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pliant.config import config as configuration
from pliant.system.outside import is_outside

BASELINES = ("random", "scratch", "pretrain", "conditioned")
FREE = {"train": {"checkpoint_every", "evaluate_every", "evaluate_tasks", "evaluate_stages", "threads"}}
"""Settings that do not make another agent."""


@dataclass(frozen=True)
class Asked:
    """How agents are to be measured."""

    split: str = "test"
    tasks: int = 40
    stages: int | None = None
    seed: int = 0
    splits: tuple[str, ...] = ("train", "test", "ood")
    """Splits that are set side by side; `split` is the one of everything else."""
    device: str = "cpu"


class Agent(NamedTuple):
    """Runs that differ in the seed only, and what was measured of each."""

    name: str
    config: configuration.Config
    runs: list[Path | None]
    """One per seed; None for a baseline that was made for this comparison."""
    measured: dict[str, list[dict[str, Any]]]
    """Evaluation documents by split, one per seed."""

    @property
    def is_baseline(self) -> bool:
        """It is there to be compared with."""
        return self.config.algorithm in BASELINES

    def score(self, split: str, stage: int) -> NDArray[np.float64]:
        """[S, M] returns of a stage by seed and task."""
        return np.array([[row["return"][stage] for row in d["per_task"]] for d in self.measured[split]])


class Found(NamedTuple):
    """A run, or an evaluation document that was kept, and what has been measured of it."""

    path: Path
    config: configuration.Config
    measured: dict[str, dict[str, Any]]
    """Evaluation documents by split."""


def from_document(path: Path, document: dict[str, Any]) -> Found:
    """An evaluation document as if it were its run."""
    return Found(path, configuration.from_dict(document["config"]), {document["split"]: document})


def grouped(found: Sequence[Found]) -> dict[str, list[Found]]:
    """Runs that differ in the seed only, by a name that says in what the agents differ."""
    groups: dict[str, list[Found]] = {}
    for each in found:
        groups.setdefault(json.dumps(_identity(each.config), sort_keys=True), []).append(each)
    firsts = [group[0].config for group in groups.values()]
    return {_named(config, firsts): group for config, group in zip(firsts, groups.values(), strict=True)}


def _identity(config: configuration.Config) -> dict[str, Any]:
    """Everything that makes an agent another one."""
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


def outside(config: configuration.Config) -> list[str]:
    """Names of code outside pliant that an agent uses."""
    return [n for n in (config.algorithm, config.family, config.policy) if is_outside(n)]
