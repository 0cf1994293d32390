"""Which runs are one agent, and whether agents may be compared at all."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pliant import checkpoint, documents, errors, evaluate, record, registry, studies, sweep
from pliant import config as configuration

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


def require_same_family(found: Sequence[Found]) -> None:
    """Raise UserError unless all play the same tasks: one family, under the same settings."""
    first = found[0]
    for other in found[1:]:
        if other.config.family != first.config.family:
            raise errors.UserError(
                f"{first.path} is a run on {first.config.family} and {other.path} one on {other.config.family}: only runs on"
                " the same family can be compared"
            )
        mine, theirs = first.config.parts["family"], other.config.parts["family"]
        if mine != theirs:
            name = next(n for n in configuration.field_types(type(mine)) if getattr(mine, n) != getattr(theirs, n))
            raise errors.UserError(
                f"{first.path} has family.{name} {getattr(mine, name)!r} and {other.path} {getattr(theirs, name)!r}: these are"
                " other tasks, which cannot be compared"
            )


def require_same_protocol(found: Sequence[Mapping[str, Any]]) -> None:
    """Raise UserError unless evaluation documents are of the same tasks, drawn under the same seed, and played as long."""
    facts: dict[str, Callable[[Mapping[str, Any]], Any]] = {
        "evaluation seed": lambda d: d["seed"],
        "number of tasks": lambda d: d["tasks"],
        "family version": lambda d: d["protocol"]["family_version"],
        "horizon": lambda d: d["protocol"]["horizon"],
        "published protocol": lambda d: d["protocol"]["published"],
        "settings of the family": lambda d: d["protocol"]["changed"],
        "tasks (their checksum)": lambda d: d["protocol"]["tasks_sha256"],
    }
    for what, of in facts.items():
        for other in found[1:]:
            if of(other) != of(found[0]):
                one, two = (f"{d['algorithm']} with seed {d['train_seed']}" for d in (found[0], other))
                raise errors.UserError(
                    f"{one} and {two} were not measured alike: the {what} is {of(found[0])!r} and {of(other)!r};"
                    " evaluate both again"
                )


def require_same_stages(found: Sequence[Mapping[str, Any]]) -> None:
    """Raise UserError unless evaluation documents of one agent have as many stages and lanes."""
    for what in ("stages", "lanes"):
        values = [d["protocol"][what] for d in found]
        if len(set(values)) > 1:
            raise errors.UserError(
                f"evaluations of {found[0]['algorithm']} have other {what} ({' and '.join(map(str, sorted(set(values))))}):"
                " evaluate its runs alike"
            )


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


def kept(run: Path, split: str, tasks: int, stages: int | None, seed: int) -> dict[str, Any] | None:
    """An evaluation in the run's folder that answers the question and is of its newest checkpoint; None if there is none.

    Raises UserError if one that would answer was edited.
    """
    newest = checkpoint.load_latest(record.Run.open(run).checkpoints, warn=errors.warn).iteration
    for path in sorted((run / "evaluations").glob(f"{split}-seed{seed}-tasks{tasks}-*.json")):
        document = documents.read_sealed(path, evaluate.SCHEMA)
        protocol = document["protocol"]
        wanted = (_usual(document) if stages is None else stages, document["config"]["parts"]["train"]["lanes"], newest)
        fits = (protocol["stages"], protocol["lanes"], protocol["iteration"]) == wanted
        if fits and not protocol["changed"] and not protocol["published"] and document["versions"] == record.versions():
            return document
    return None


def _usual(document: Mapping[str, Any]) -> int:
    """The last stage of an evaluation that nobody asked for another."""
    if document["protocol"]["stage"] == "gradient step":
        return evaluate.STAGES
    episodes = document["config"]["parts"]["train"]["episodes"]
    if not episodes:
        config = configuration.from_dict(document["config"])
        episodes = evaluate.family_of(config).episodes
    return int(episodes) - 1


def has_split(config: configuration.Config, split: str) -> bool:
    """The family has tasks in a split."""
    try:
        evaluate.family_of(config).sample(1, split, np.random.default_rng(0))
    except ValueError:
        return False
    return True


class Training(NamedTuple):
    """Returns in training by environment steps, one per iteration."""

    env_steps: NDArray[np.float64]
    before: NDArray[np.float64]
    after: NDArray[np.float64]
    """After adaptation; empty for an agent that does not adapt while it is trained."""

    def thinned(self, most: int) -> dict[str, Any]:
        """As lists of at most `most` points, each the mean of its share."""
        parts = np.array_split(np.arange(len(self.env_steps)), min(most, len(self.env_steps)) or 1)
        parts = [part for part in parts if len(part)]
        means = {n: [float(x[p].mean()) for p in parts] if len(x) else [] for n, x in self._asdict().items()}
        return means | {"env_steps": [float(self.env_steps[part[-1]]) for part in parts]}


def training(run: Path) -> Training:
    """What a run's metrics say of its training."""
    rows = [row for row in record.Run.open(run).metrics() if row.get("env_steps") is not None]
    stages = [[value for name, value in row.items() if name.startswith("return_")] for row in rows]
    known = [(row["env_steps"], r[0], r[-1]) for row, r in zip(rows, stages, strict=True) if r and None not in r]
    columns = np.array(known, dtype=np.float64).reshape(-1, 3)
    adapts = any(len(returns) > 1 for returns in stages)
    return Training(columns[:, 0], columns[:, 1], columns[:, 2] if adapts else np.empty(0))


def command(config: configuration.Config, seeds: Sequence[int]) -> str:
    """What trains this agent again: its preset, and what differs from it."""
    words = ["pliant", "train", config.algorithm, config.family, *_seeds(seeds)]
    usual = configuration.load_config(config.algorithm, config.family, seed=config.seed)
    if config.policy != usual.policy:
        words += ["--policy", config.policy]
        usual = configuration.load_config(config.algorithm, config.family, seed=config.seed, policy=config.policy)
    for flag, _, value in configuration.differences(usual, config):
        words += [flag, ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)]
    return " ".join(words)


def command_like(algorithm: str, config: configuration.Config, seeds: Sequence[int]) -> str:
    """What trains another algorithm on the same family, under the settings of `config`."""
    usual = configuration.load_config(algorithm, config.family)
    wanted = dataclasses.replace(usual, seed=seeds[0], parts=usual.parts | {"family": config.parts["family"]})
    return command(wanted, seeds)


def _seeds(seeds: Sequence[int]) -> list[str]:
    """Some seeds as flags of `pliant train`."""
    first, last = min(seeds), max(seeds)
    if first == last:
        return ["--seed", str(first)]
    whole = sorted(seeds) == list(range(first, last + 1))
    return ["--seeds", f"{first}..{last}" if whole else ",".join(map(str, sorted(seeds)))]


def sweeps(agents: Sequence[tuple[str, Sequence[Path | None]]]) -> list[dict[str, Any]]:
    """The shift sweeps that runs keep, by axis; an agent is in it with the runs that have one over the same values."""
    found: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for name, runs in agents:
        for run in (run for run in runs if run is not None):
            for document in _kept_sweeps(run):
                protocol = document["protocol"]
                key = json.dumps([document["axis"], document["values"], *(protocol[n] for n in ("tasks", "seed", "horizon"))])
                found.setdefault(key, []).append((name, document))
    return [_swept(each) for each in found.values()]


def _kept_sweeps(run: Path) -> list[dict[str, Any]]:
    """The sweeps in a run's folder that are of its newest checkpoint."""
    paths = sorted((run / "sweeps").glob("*.json"))
    if not paths:
        return []
    newest = checkpoint.load_latest(record.Run.open(run).checkpoints, warn=errors.warn).iteration
    kept = []
    for path in paths:
        document = documents.read_sealed(path, sweep.SCHEMA)
        if document["protocol"]["iteration"] == newest:
            kept.append(document)
        else:
            errors.warn(f"{path} is of an earlier checkpoint and left out: sweep again")
    return kept


def _swept(found: Sequence[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    one = found[0][1]
    agents = []
    for name in dict.fromkeys(name for name, _ in found):
        own = [document for other, document in found if other == name]
        alike = [d for d in own if all(d["protocol"][n] == own[0]["protocol"][n] for n in ("stages", "lanes"))]
        if len(alike) < len(own):
            errors.warn(f"{len(own) - len(alike)} sweeps of {name} have other stages or lanes and are left out: sweep again")
        own = alike
        score = np.array([document["per_task"] for document in own])  # [S, values, M, stages]
        agents.append(
            {
                "name": name,
                "seeds": [document["train_seed"] for document in own],
                "before": [studies.summary(score[:, v, :, 0]) for v in range(score.shape[1])],
                "after": [studies.summary(score[:, v, :, -1]) for v in range(score.shape[1])],
            }
        )
    named = {name: one[name] for name in ("axis", "meaning", "values", "trained", "shifted")}
    return named | {"trained": [one["trained"]], "shifted": [one["shifted"]], "agents": agents}


def outside(config: configuration.Config) -> list[str]:
    """Names of code outside pliant that an agent uses."""
    return [n for n in (config.algorithm, config.family, config.policy) if registry.is_outside(n)]
