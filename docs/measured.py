"""What the tracked files in benchmarks/results say, as curves and tables for the pages and figures of the documentation."""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
SPLITS = {"test": "test", "ood": "shifted"}
BEST_PLAYERS = 3

Document = dict[str, Any]


class Curve(NamedTuple):
    """What an agent returned per episode at each stage."""

    name: str
    steps: list[float]
    """[S] environment steps of the task seen before each stage."""
    seeds: list[list[float]]
    """[seeds][S] mean over tasks; one row for a player."""
    band: list[list[float]] | None = None
    """[S] 95% intervals, where the file has them of all seeds together."""

    @property
    def mean(self) -> list[float]:
        """[S], over seeds."""
        return [statistics.fmean(stage) for stage in zip(*self.seeds, strict=True)]

    @property
    def spread(self) -> list[float] | None:
        """[S] standard deviation over seeds, None for a single one."""
        return [statistics.stdev(stage) for stage in zip(*self.seeds, strict=True)] if len(self.seeds) > 1 else None


def read(name: str) -> Document:
    """A tracked file of benchmarks/results."""
    document: Document = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return document


def of_schema(schema: str) -> dict[str, Document]:
    """All tracked files of a schema, by name."""
    found = {path.stem: read(path.stem) for path in sorted(RESULTS.glob("*.json"))}
    return {name: document for name, document in found.items() if document.get("schema") == schema}


def learning(document: Document, algorithm: str) -> list[Curve]:
    """An algorithm on test and on shifted tasks, and the same adaptation from untrained parameters (`pliant.learning/1`)."""
    curves = [_learned(document, algorithm, split, f"{algorithm}, {said}") for split, said in SPLITS.items()]
    return [*curves, _learned(document, f"untrained {algorithm}", "test", "untrained, test")]


def trials(document: Document, players: int = BEST_PLAYERS) -> list[Curve]:
    """RL^2 and the best classical players on the same tasks (`pliant.trials/1`)."""
    runs, summary = document["runs"], document["summary"]
    steps = list(summary.get("steps_seen") or range(len(runs[0]["return"])))  # where a file has none, episodes are of one step
    curves = [Curve("rl2", steps, [run["return"] for run in runs])]
    some = [name for name in summary["players"] if name != "random"] or list(summary["players"])
    best = sorted(some, key=lambda name: -summary["players"][name])[:players]
    for name in best:
        each = [run["players"]["each"][name]["return"] for run in runs]
        curves.append(Curve(name, curves[0].steps, [[statistics.fmean(stage) for stage in zip(*each, strict=True)]]))
    return curves


def replayed(document: Document) -> list[Curve]:
    """First and last episode of trials, by environment steps of training (`pliant.replay/1`)."""
    steps = [point["env_steps"] for point in document["runs"][0]["curve"]]
    ends = ("first", "last") if len(document["summary"]["return"]) > 1 else ("first",)
    return [
        Curve(f"{name} episode", steps, [[point[name] for point in run["curve"]] for run in document["runs"]]) for name in ends
    ]


def compared(document: Document) -> list[Curve]:
    """Every agent of a comparison (`pliant.comparison/1`), with the intervals of its means."""
    curves = []
    for agent in document["agents"]:
        points = agent["curve"]
        means, ends = ([point["return"][name] for point in points] for name in ("mean", "ci95"))
        band = None if None in ends else ends
        curves.append(Curve(agent["name"], [point["steps_seen"] for point in points], [means], band))
    return curves


def schools() -> list[Curve]:
    """Both schools on `point`, test tasks: gradients and a memory."""
    document = read("point")
    found = [_learned(document, name, "test", name) for name in ("maml", "fomaml", "reptile")]
    return [trials(read("rl2-point"), players=0)[0], *found]


def row_of(rows: Sequence[Mapping[str, Any]], **wanted: Any) -> Mapping[str, Any]:
    """The one row that has these values."""
    (found,) = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    return found


def _learned(document: Document, algorithm: str, split: str, name: str) -> Curve:
    runs = [run for run in document["runs"] if (run["algorithm"], run["split"]) == (algorithm, split)]
    steps = [statistics.fmean(stage) for stage in zip(*(run["steps_seen"] for run in runs), strict=True)]
    return Curve(name, steps, [run["return"] for run in runs])

