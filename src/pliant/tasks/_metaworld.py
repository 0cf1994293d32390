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

VERSION = "3.1.1"
"""Of Meta-World. Another one may have other classes and other goals."""
GOALS = "1"
"""Changes with what draws the goals."""
SCHEMA = "pliant.metaworld-goals/1"

FIRST = {"train": 0, "test": 50, "ood": 100}
"""The first goal of each split."""
COUNT = {"train": 50, "test": 40, "ood": 40}
"""Goals of each split."""
STRIDE = 1000
"""Task numbers between a class and the next."""
MOST_GOAL = 6
"""Numbers of the longest goal."""
WIDER = 1.25
"""Width of the box of shifted goals, in widths of the class's own."""

def _names(words: str) -> tuple[str, ...]:
    return tuple(f"{word}-v3" for word in words.split())


CLASSES = _names(
    "assembly basketball bin-picking box-close button-press-topdown button-press-topdown-wall"
    " button-press button-press-wall coffee-button coffee-pull coffee-push dial-turn disassemble"
    " door-close door-lock door-open door-unlock drawer-close drawer-open faucet-close faucet-open hammer"
    " hand-insert handle-press-side handle-press handle-pull-side handle-pull lever-pull peg-insert-side"
    " peg-unplug-side pick-out-of-hole pick-place pick-place-wall plate-slide-back-side plate-slide-back"
    " plate-slide-side plate-slide push-back push push-wall reach reach-wall shelf-place soccer"
    " stick-pull stick-push sweep-into sweep window-close window-open"
)
"""All 50, as ML1 has them, by number."""

ML10 = {
    "train": _names(
        "reach push pick-place door-open drawer-close button-press-topdown peg-insert-side window-open sweep basketball"
    ),
    "test": _names("drawer-open door-close shelf-place sweep-into lever-pull"),
}
ML25 = {
    "train": _names(
        "reach push pick-place door-open drawer-open drawer-close button-press-topdown peg-insert-side window-open window-close"
        " coffee-pull pick-out-of-hole disassemble pick-place-wall basketball stick-pull button-press-wall faucet-open"
        " door-lock lever-pull sweep-into faucet-close coffee-button button-press-topdown-wall dial-turn"
    ),
    "test": _names("basketball door-close shelf-place sweep button-press"),
}
"""`basketball-v3` is in both, as in Meta-World; its goals are not."""
_HELD_OUT_45 = _names("bin-picking box-close hand-insert door-lock door-unlock")
ML45 = {"train": tuple(name for name in CLASSES if name not in _HELD_OUT_45), "test": _HELD_OUT_45}


def require_class(name: str) -> str:
    """`name`, or UserError with the nearest of the 50 names."""
    if name not in CLASSES:
        raise errors.unknown("Meta-World task", name, CLASSES, "one of the 50 of Meta-World, such as reach-v3")
    return name


def numbers(names: Sequence[str], split: str) -> tuple[float, ...]:
    """The task numbers of a split of the classes `names`, class by class."""
    goals = range(FIRST[split], FIRST[split] + COUNT[split])
    return tuple(float(STRIDE * CLASSES.index(name) + goal) for name in names for goal in goals)


def described(number: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
    """What a critic is told of tasks [M]: the goal, -1 to 1 over the training goals of its class, then which of `names` it is.

    [M, 6 + len(names)], without the second part for a single class; what does not vary in a class is 0.
    """
    told = np.zeros((len(number), MOST_GOAL + (len(names) if len(names) > 1 else 0)))
    for row, one in enumerate(number.tolist()):
        name = CLASSES[int(one) // STRIDE]
        seen = goals(name)[: COUNT["train"]]  # [50, K]
        low, high = seen.min(0), seen.max(0)
        place = (2 * vector(one) - low - high) / np.where(high > low, high - low, 1.0)
        told[row, : len(place)] = np.where(high > low, place, 0.0)
        if len(names) > 1:
            told[row, MOST_GOAL + names.index(name)] = 1
    return told


def vector(number: float) -> NDArray[np.float64]:
    """The goal of a task, [3] or [6]. Raises UserError for a number that no task has."""
    kind, goal = divmod(int(number), STRIDE)
    row = 0
    for split, first in FIRST.items():
        if 0 <= kind < len(CLASSES) and first <= goal < first + COUNT[split]:
            return np.array(goals(CLASSES[kind])[row + goal - first])
        row += COUNT[split]
    raise errors.UserError(f"Meta-World has no task {number:g} here: expected 1000 class + goal, class 0 to 49, goal 0 to 139")


@functools.cache
def goals(name: str) -> NDArray[np.float64]:
    """All stored goals of a class, those for training first, then tests, then the shifted, [130, K].

    From the cache, or drawn and put there. Must not be changed by the caller.
    """
    path = cache_folder() / f"{name}.json"
    found = _read(path, name)
    if found is None:
        from pliant.tasks import _metaworld_env

        drawn = [_metaworld_env.draw_goals(name, split, COUNT[split], generator(name, split)) for split in FIRST]
        found = np.concatenate(drawn)
        if len(np.unique(found, axis=0)) != len(found):
            raise AssertionError(f"{name} has drawn a goal twice")
        _write(path, name, found)
    found.flags.writeable = False
    return found


def generator(name: str, split: str) -> np.random.Generator:
    """What draws the goals of a class and split."""
    key = hashlib.blake2b(f"{VERSION}/{GOALS}/{name}/{split}".encode(), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(key, "little"))


def cache_folder() -> Path:
    """Where goals are kept: a folder of the user's cache for this version."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "pliant" / f"metaworld-{VERSION}-{GOALS}"


def _digest(name: str, rows: list[list[float]]) -> str:
    return hashlib.sha256(json.dumps([VERSION, GOALS, name, rows]).encode()).hexdigest()


def _read(path: Path, name: str) -> NDArray[np.float64] | None:
    """Goals from a file; None if it is not there, damaged, or of something else: then they are drawn anew."""
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
        rows = document["goals"]
        if document["schema"] != SCHEMA or document["sha256"] != _digest(name, rows) or len(rows) != sum(COUNT.values()):
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
