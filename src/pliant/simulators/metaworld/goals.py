"""Meta-World 3.1.1: its benchmarks and the goals of its tasks. NumPy only, and Meta-World itself only where goals are made.

Yu et al. 2019, arXiv:1910.10897. A task of Meta-World is a class ("reach-v3") and a goal, a vector of three or six numbers:
where things stand at the start and where they must go. The names of the 50 classes in the order of the alphabet number them;
a task's number is 1000 class + goal. Goals 0 to 49 of every class are for training, 50 to 89 for tests (the 40 goals a
class of the published protocol), 100 to 139 are shifted: a coordinate at least lies outside the range that the class draws
from, by up to a quarter of half that range.

Meta-World's own benchmarks are not used: their tasks are pickles, come from the global NumPy stream, and those for training
under seed 1 are those for tests under seed 0. Goals here are drawn by the classes themselves, which reject what cannot be
played, from generators of our own keyed by class and split. They never change with a seed, so neither do the splits.
Drawing takes about 0.2 s a class, once: a file a class in the user's cache keeps them, with its checksum.
"""

import functools
import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pliant import errors
from pliant.simulators.metaworld import benchmark

GOALS = "1"
"""Changes with what draws the goals."""
SCHEMA = "pliant.metaworld-goals/1"


def numbers(names: Sequence[str], split: str) -> tuple[float, ...]:
    """The task numbers of a split of the classes `names`, class by class."""
    goals = range(benchmark.FIRST[split], benchmark.FIRST[split] + benchmark.COUNT[split])
    return tuple(float(benchmark.STRIDE * benchmark.CLASSES.index(name) + goal) for name in names for goal in goals)


def described(number: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
    """What a critic is told of tasks [M]: the goal, -1 to 1 over the training goals of its class, then which of `names` it is.

    [M, 6 + len(names)], without the second part for a single class; what does not vary in a class is 0.
    """
    told = np.zeros((len(number), benchmark.MOST_GOAL + (len(names) if len(names) > 1 else 0)))
    for row, one in enumerate(number.tolist()):
        name = benchmark.CLASSES[int(one) // benchmark.STRIDE]
        seen = goals(name)[: benchmark.COUNT["train"]]  # [50, K]
        low, high = seen.min(0), seen.max(0)
        place = (2 * vector(one) - low - high) / np.where(high > low, high - low, 1.0)
        told[row, : len(place)] = np.where(high > low, place, 0.0)
        if len(names) > 1:
            told[row, benchmark.MOST_GOAL + names.index(name)] = 1
    return told


def vector(number: float) -> NDArray[np.float64]:
    """The goal of a task, [3] or [6]. Raises UserError for a number that no task has."""
    kind, goal = divmod(int(number), benchmark.STRIDE)
    row = 0
    for split, first in benchmark.FIRST.items():
        if 0 <= kind < len(benchmark.CLASSES) and first <= goal < first + benchmark.COUNT[split]:
            return np.array(goals(benchmark.CLASSES[kind])[row + goal - first])
        row += benchmark.COUNT[split]
    raise errors.UserError(f"Meta-World has no task {number:g} here: expected 1000 class + goal, class 0 to 49, goal 0 to 139")


@functools.cache
def goals(name: str) -> NDArray[np.float64]:
    """All stored goals of a class, those for training first, then tests, then the shifted, [130, K].

    From the cache, or drawn and put there. Must not be changed by the caller.
    """
    path = cache_folder() / f"{name}.json"
    found = _read(path, name)
    if found is None:
        from pliant.simulators.metaworld import stage as stages

        drawn = [stages.draw_goals(name, split, benchmark.COUNT[split], generator(name, split)) for split in benchmark.FIRST]
        found = np.concatenate(drawn)
        if len(np.unique(found, axis=0)) != len(found):
            raise AssertionError(f"{name} has drawn a goal twice")
        _write(path, name, found)
    found.flags.writeable = False
    return found


def generator(name: str, split: str) -> np.random.Generator:
    """What draws the goals of a class and split."""
    key = hashlib.blake2b(f"{benchmark.VERSION}/{GOALS}/{name}/{split}".encode(), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(key, "little"))


def cache_folder() -> Path:
    """Where goals are kept: a folder of the user's cache for this version."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "pliant" / f"metaworld-{benchmark.VERSION}-{GOALS}"


def _digest(name: str, rows: list[list[float]]) -> str:
    return hashlib.sha256(json.dumps([benchmark.VERSION, GOALS, name, rows]).encode()).hexdigest()


def _read(path: Path, name: str) -> NDArray[np.float64] | None:
    """Goals from a file; None if it is not there, damaged, or of something else: then they are drawn anew."""
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
        rows = document["goals"]
        is_ours = document["schema"] == SCHEMA and document["sha256"] == _digest(name, rows)
        if not is_ours or len(rows) != sum(benchmark.COUNT.values()):
            return None
        return np.array(rows, dtype=np.float64)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _write(path: Path, name: str, found: NDArray[np.float64]) -> None:
    """Keep goals in a file that is whole or not there. Where the cache cannot be written they are drawn every time."""
    rows = found.tolist()
    document = {"schema": SCHEMA, "class": name, "sha256": _digest(name, rows), "goals": rows}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False, encoding="utf-8") as file:
            json.dump(document, file)
        os.replace(file.name, path)
    except OSError:
        pass  # a cache is a convenience: a read-only home must not stop a run
