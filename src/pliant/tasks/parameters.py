"""In what the tasks of a family differ: named quantities, the law each is drawn from, and the cells that keep splits apart.

Every number of a task has a place in [0, 1] of the training law (its range, or the law's distribution function). That
interval is cut into `CELLS` equal cells, and the cell numbers of a task are added up. The sums that leave a certain rest when
divided by `HELD_OUT` belong to "test": the rest whose pattern of cells is its own mirror image (2 for a single range), so that
the mean test task is the mean training task. What lies outside the training box but inside the shifted one is "ood". Where the
shift changes how likely tasks are and not which exist (arms between 0.4 and 0.6 instead of 0 and 1), another fifth of the sums
belongs to "ood" instead, a mirror image of itself too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, ndtr

Array = NDArray[np.float64]

CELLS = 50
HELD_OUT = 5
MOST_LISTED = 12
"""Choices that are named one by one."""


@dataclass(frozen=True)
class Parameter:
    """One named quantity in which the tasks of a family differ."""

    name: str
    train: tuple[float, float] = (0.0, 0.0)
    """Inclusive range of the train and test splits, per component; equal ends mean a constant. For the law "normal" its mean
    and standard deviation, for "dirichlet" its concentration, twice."""
    ood: tuple[float, ...] | None = None
    """The same for the shifted split, None for the same as train. A range may contain the training range, and then what lies
    in it is left out; or lie inside it. For a parameter of choices, the shifted choices, where one that stands there three
    times is drawn three times as often."""
    size: int | None = None
    """Number of components, None for a scalar."""
    choices: tuple[float, ...] = ()
    """The values it may take, for a parameter that is no range."""
    split: bool = False
    """Hold out a fifth of the choices too. Otherwise train and test share them."""
    held_out: tuple[float, ...] = ()
    """Those of the choices that are the test split, where a family lists them itself; nothing else may vary there."""
    stride: float = 0.0
    """Choices between two multiples of it are of one kind, and draws take the kinds in turn. 0: they are all alike."""
    law: Literal["uniform", "log", "normal", "dirichlet"] = "uniform"
    """Uniform in the range or in its logarithm (scale factors), normal, or probabilities that add up to 1."""
    gaps: tuple[tuple[float, float], ...] = ()
    """Open intervals that are left out of both ranges of a uniform law, in ascending order."""
    group: int = 0
    """Length of each vector of probabilities (dirichlet), or digits of each code (choices that are digits, drawn independently
    of each other; the cell of a code is the number that it writes, least digit first)."""
    meaning: str = ""
    """What it is, with its unit."""

    @property
    def width(self) -> int:
        """Number of components, 1 for a scalar."""
        return self.size or 1

    @property
    def varies(self) -> bool:
        """Train and test tasks differ in it."""
        if self.choices:
            return bool(self.held_out) or (self.split and len(self.choices) > 1)
        return self.law in ("normal", "dirichlet") or self.train[0] < self.train[1]

    @property
    def reweighs(self) -> bool:
        """Its shift changes how likely values are, not which exist."""
        if self.ood is None or self.ood == self.train or not self.varies:
            return False
        if self.choices:
            return set(self.ood) <= set(self.choices)
        return self.law in ("normal", "dirichlet") or self.train[0] <= self.ood[0] <= self.ood[1] <= self.train[1]

    def describe(self) -> str:
        """Its domain in words, for help and errors."""
        components = f"{self.size} numbers, each " if self.size else ""
        if self.choices:
            shift = f" (ood {_listed(self.ood)})" if self.ood else ""
            return components + "one of " + _listed(self.choices) + shift
        here, shift = _range(self.law, self.train), f" (ood {_range(self.law, self.ood)})" if self.ood else ""
        here += "".join(f", not between {low:g} and {high:g}" for low, high in self.gaps)
        if self.law == "dirichlet":
            here += f", in groups of {self.group} that add up to 1"
        return components + here + shift

    def draw(self, n: int, split: str, rng: np.random.Generator) -> Array:
        """`n` values of a split's law, [n, width], before anything is held out."""
        shape = (n, self.width)
        values = self.ood if split == "ood" and self.ood else (self.choices or self.train)
        if self.held_out and split != "ood":
            values = self.held_out if split == "test" else tuple(np.setdiff1d(values, self.held_out))
        if self.choices and self.stride:
            return _in_turn(np.array(values, dtype=np.float64), n, self.stride, rng)
        if self.choices and self.group:
            return np.asarray(rng.choice(np.array(values, dtype=np.float64), shape))
        if self.choices:
            return _balanced(np.array(values, dtype=np.float64), shape, rng)
        low, high = values
        if self.law == "normal":
            return rng.normal(low, high, shape)
        if self.law == "dirichlet":
            return rng.dirichlet([low] * self.group, (n, self.width // self.group)).reshape(shape)
        if self.law == "log":
            return np.clip(np.exp(rng.uniform(np.log(low), np.log(high), shape)), low, high)
        x = rng.uniform(low, high - _left_out(self.gaps, np.array(low), np.array(high)), shape)
        for start, end in self.gaps:
            x = np.where((low < end) & (x > start), x + (end - max(low, start)), x)
        return x

    def place(self, x: Array) -> Array:
        """Where values [n, width] lie in the training law, constants and choices too, [n, width].

        In [0, 1] for what occurs in training, and beyond for what lies beyond its range.
        """
        if self.choices:
            order = np.sort(np.array(self.choices))
            return np.searchsorted(order, x) / max(1, len(order) - 1)
        low, high = self.train
        if self.law == "normal":
            return np.asarray(ndtr((x - low) / high))
        if self.law == "dirichlet":  # a component of a Dirichlet vector has a beta distribution
            return np.asarray(betainc(low, low * (self.group - 1), np.clip(x, 0, 1)))
        if self.law == "log":
            above = np.log(np.maximum(x, np.finfo(np.float64).tiny)) - np.log(low)
            return np.asarray(above / (np.log(high) - np.log(low) or 1.0))
        ends = np.array(low), np.array(high)
        covered = x - low - _left_out(self.gaps, ends[0], x)
        return np.asarray(covered / (high - low - _left_out(self.gaps, *ends) or 1.0))

    def cells(self, x: Array) -> NDArray[np.int64]:
        """The cell number of each value, [n, width]; 0 for what does not vary, or follows from the others."""
        if not self.varies:
            return np.zeros(x.shape, dtype=np.int64)
        if self.held_out:
            return np.isin(x, self.held_out).astype(np.int64)
        if self.choices:
            worth = len(self.choices) ** (np.arange(self.width) % self.group) if self.group else 1
            return np.asarray(np.searchsorted(np.sort(np.array(self.choices)), x) * worth)
        cell = np.clip(np.floor(CELLS * self.place(x)), 0, CELLS - 1).astype(np.int64)
        if self.law == "dirichlet":
            cell[:, self.group - 1 :: self.group] = 0  # what the others of its vector leave
        return cell

    @property
    def most(self) -> int:
        """The largest sum of its cell numbers."""
        if not self.varies or self.held_out:
            return int(self.varies)
        if self.choices:
            groups, choices = self.width // (self.group or 1), len(self.choices) ** (self.group or 1)
            return int(groups * (choices - 1))
        free = self.width - (self.width // self.group if self.law == "dirichlet" else 0)
        return free * (CELLS - 1)

    def inside(self, x: Array, shifted: bool) -> NDArray[np.bool_]:
        """Whether values [n, width] may occur in training, or with `shifted` in the shifted split, [n]."""
        values = self.ood if shifted and self.ood else (self.choices or self.train)
        if self.choices:
            return np.asarray(np.isin(x, values).all(1))
        if self.law == "normal":
            return np.asarray(np.isfinite(x).all(1))
        if self.law == "dirichlet":
            total = x.reshape(len(x), -1, self.group).sum(2)
            return np.asarray((x >= 0).all(1) & (np.abs(total - 1) < 1e-6).all(1))
        left_out = np.logical_or.reduce([np.zeros(x.shape, bool), *((a < x) & (x < b) for a, b in self.gaps)])
        return np.asarray(((values[0] <= x) & (x <= values[1]) & ~left_out).all(1))

    def parse(self, family: str, values: Mapping[str, Any]) -> Array:
        """Its value among named `values`, [1] or [1, size]. Raises ValueError if it is missing or of the wrong shape."""
        if self.name not in values:
            if self.choices or self.varies:
                raise ValueError(f"task of {family} has no {self.name}: add {self.name}=... ({self.describe()})")
            return np.full((1, self.size) if self.size else (1,), self.train[0])
        try:
            array = np.asarray(values[self.name], dtype=np.float64)
        except (TypeError, ValueError):
            raise ValueError(f"task of {family} got {self.name}={values[self.name]!r}: expected {self.describe()}") from None
        if array.shape != ((self.size,) if self.size else ()) or not np.isfinite(array).all():
            raise ValueError(f"task of {family} got {self.name}={values[self.name]!r}: expected {self.describe()}")
        return array[None]


def split_of(parameters: Sequence[Parameter], flat: Array) -> NDArray[np.str_]:
    """The split of each task in `flat` [n, all widths]: "train", "test", "ood", or "" outside the family; [n].

    Where nothing is held out, train and test are the same choices and both are called "train".
    """
    columns = np.split(flat, np.cumsum([p.width for p in parameters])[:-1], axis=1)
    named = list(zip(parameters, columns, strict=True))
    inside = np.logical_and.reduce([p.inside(x, shifted=False) for p, x in named])
    shifted = np.logical_and.reduce([p.inside(x, False) | p.inside(x, True) for p, x in named])
    total = np.sum([p.cells(x).sum(1) for p, x in named], axis=0)
    test, ood = _rests(sum(p.most for p in parameters))
    split = np.where(inside, "train", "ood").astype("<U5")
    if any(p.reweighs for p in parameters):
        split[inside & np.isin(total % (2 * HELD_OUT), ood)] = "ood"
    if any(p.varies for p in parameters):
        split[inside & (total % HELD_OUT == test)] = "test"
    split[~shifted] = ""
    return split


def _rests(most: int) -> tuple[int, tuple[int, int]]:
    """Which sums of cells, of 0 to `most`, are held out: what they leave of `HELD_OUT` for test, and of twice that for ood.

    Turning every range about its middle makes `most - sum` of a sum. The sums held out for test are those of which that is one
    of them again; for ood they are two rests, each the other's mirror image: with a single range 2 of 5, and 1 and 8 of 10.
    Where a sum can be no more than 1 or 3 there is no such pattern, and the upper middle is held out.
    """
    test = most * (HELD_OUT + 1) // 2 % HELD_OUT
    test = test if test <= most else (most + 1) // 2
    return test, ((test - 1) % (2 * HELD_OUT), (most - test + 1) % (2 * HELD_OUT))


def _left_out(gaps: Sequence[tuple[float, float]], low: Array, x: Array) -> Array:
    """What of [low, x] the gaps take, shape of x."""
    return np.asarray(sum((np.clip(np.minimum(x, b) - np.maximum(low, a), 0, None) for a, b in gaps), np.zeros_like(x)))


def _range(law: str, values: Sequence[float]) -> str:
    low, high = values
    if law == "normal":
        return f"normal with mean {low:g} and standard deviation {high:g}"
    return f"Dirichlet({low:g})" if law == "dirichlet" else f"{low:g} to {high:g}"


def _listed(values: Sequence[float]) -> str:
    words = [f"{value:g}" for value in values]
    return ", ".join(words if len(words) <= MOST_LISTED else [*words[:4], "...", *words[-2:]])


def _balanced(choices: Array, shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """Every len(choices) consecutive rows hold each choice once, in random order: a batch of 4 has 2 of each direction."""
    rounds = -(-shape[0] // len(choices))
    order = rng.permuted(np.tile(choices, (rounds, shape[1], 1)), axis=2)  # [rounds, width, choices]
    return order.swapaxes(1, 2).reshape(-1, shape[1])[: shape[0]]


def _in_turn(values: Array, n: int, stride: float, rng: np.random.Generator) -> Array:
    """`n` of the choices, [n, 1]: each round holds one of every kind in random order, and a kind repeats none before it is
    through."""
    kinds = [values[values // stride == kind] for kind in np.unique(values // stride)]
    rounds = -(-n // len(kinds))
    columns = [np.concatenate([rng.permutation(kind) for _ in range(-(-rounds // len(kind)))])[:rounds] for kind in kinds]
    return rng.permuted(np.stack(columns, axis=1), axis=1).reshape(-1, 1)[:n]
