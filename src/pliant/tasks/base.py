"""Tasks are arrays, environments are batches.

A family file exports `Settings` (a frozen dataclass) and `family(settings) -> Family`. A `Family` says in which
`Parameter`s its tasks differ and how to make a `BatchEnv`; sampling, splits, horizons, auto-reset and padding are here,
so that no family can get them wrong.

The three splits of a family are disjoint by construction. Each continuous training range is cut into `CELLS` equal
cells; a task whose cell numbers add up to a multiple of `HELD_OUT` belongs to "test", the other four fifths to "train",
and what lies outside the training box but inside the shifted one to "ood". Families whose tasks are a few named choices
(two directions) have the same choices in "train" and "test".
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pliant.streams import Stream
from pliant.types import Spec

SPLITS = ("train", "test", "ood")
CELLS = 50
HELD_OUT = 5
MOST_DRAWS = 1000
"""Batches of candidates after which a split that has kept none has no tasks."""


@dataclass(frozen=True)
class Parameter:
    """One named quantity in which the tasks of a family differ."""

    name: str
    train: tuple[float, float] = (0.0, 0.0)
    """Inclusive range of the train and test splits, per component; equal ends mean a constant."""
    ood: tuple[float, float] | None = None
    """Range of the shifted split, None for the same as train. May contain the training range: what lies in it is left out."""
    size: int | None = None
    """Number of components, None for a scalar."""
    choices: tuple[float, ...] = ()
    """The values it may take, for a parameter that is no range."""
    log: bool = False
    """Uniform in the logarithm, for scale factors."""
    meaning: str = ""
    """What it is, with its unit."""

    def describe(self) -> str:
        """Its domain in words, for help and errors."""
        components = f"{self.size} numbers, each " if self.size else ""
        if self.choices:
            return components + "one of " + ", ".join(f"{c:g}" for c in self.choices)
        here = f"{self.train[0]:g} to {self.train[1]:g}"
        shift = f" (ood {self.ood[0]:g} to {self.ood[1]:g})" if self.ood else ""
        return components + here + shift


@dataclass(frozen=True)
class Tasks:
    """M tasks of one family: a named array with leading dim M for each parameter."""

    family: str
    arrays: Mapping[str, NDArray[np.float64]]

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def __getitem__(self, index: Any) -> "Tasks":
        """The tasks at a slice or index array (an integer gives one task, M = 1)."""
        index = slice(index, index + 1 or None) if isinstance(index, (int, np.integer)) else index
        return Tasks(self.family, {name: array[index] for name, array in self.arrays.items()})

    def rows(self) -> list[dict[str, Any]]:
        """One JSON-able dict per task."""
        return [{name: array[m].tolist() for name, array in self.arrays.items()} for m in range(len(self))]

    def tensor(self, name: str) -> Tensor:
        """A parameter as a float64 tensor [M, *]."""
        return torch.as_tensor(self.arrays[name], dtype=torch.float64)

    @property
    def digest(self) -> str:
        """SHA-256 of family and arrays: equal digests, equal tasks."""
        return hashlib.sha256(json.dumps([self.family, self.rows()], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Family:
    """A distribution over tasks and the batched environment that plays them."""

    name: str
    summary: str
    """One line: what varies and what the agent must do."""
    parameters: tuple[Parameter, ...]
    spec: Spec
    horizon: int
    """Steps after which an episode is truncated."""
    environment: "Callable[[Family, Tasks, int, int], BatchEnv]"
    """(family, tasks, lanes, episodes) -> BatchEnv."""
    shift: str
    """What the ood split is, in words."""
    success: str = ""
    """What success means, in words; empty where the family reports none."""
    version: str = "1"
    """Changes whenever the same seed would give other tasks or other rewards."""
    settings: Any = None
    """The family's own settings, for the record."""

    def sample(self, n: int, split: str, rng: np.random.Generator) -> Tasks:
        """`n` tasks of a split, drawn from `rng`.

        Raises ValueError for an unknown split, and for one that has no tasks.
        """
        if split not in SPLITS:
            raise ValueError(f"split is {split!r}: choose one of {', '.join(SPLITS)}")
        kept: list[NDArray[np.float64]] = []
        draws = 0
        while sum(map(len, kept)) < n:
            if draws == MOST_DRAWS and not any(map(len, kept)):
                raise ValueError(f"{self.name} has no tasks in split {split!r}: give a parameter a range for it")
            draws += 1
            flat = np.concatenate([_draw(p, split, 8 * n + 32, rng) for p in self.parameters], axis=1)
            kept.append(flat[self._allowed(flat, split)])
        return self._unflatten(np.concatenate(kept)[:n])

    def split_of(self, tasks: Tasks) -> NDArray[np.str_]:
        """The split each task belongs to, [M]: "train", "test", "ood", or "" outside the family.

        Without a continuum of tasks, train and test are the same choices and both are called "train".
        """
        return self._split_of(self._flatten(tasks))

    def task(self, values: Mapping[str, Any]) -> Tasks:
        """One task (M = 1) from named values; constants may be left out.

        Raises ValueError for unknown, missing or out-of-range values.
        """
        known = ", ".join(f"{p.name} ({p.describe()})" for p in self.parameters)
        if unknown := set(values) - {p.name for p in self.parameters}:
            raise ValueError(f"task of {self.name} got unknown {sorted(unknown)[0]!r}: its parameters are {known}")
        arrays = {p.name: _parse(self.name, p, values) for p in self.parameters}
        tasks = Tasks(self.name, arrays)
        if not self.split_of(tasks)[0]:
            got = ", ".join(f"{name}={array[0].tolist()}" for name, array in arrays.items())
            raise ValueError(f"task {got} is outside {self.name}: its parameters are {known}")
        return tasks

    def batch(self, tasks: Tasks, lanes: int, episodes: int = 1) -> "BatchEnv":
        """A batched environment: M tasks x `lanes` lanes, each playing `episodes` episodes."""
        return self.environment(self, tasks, lanes, episodes)

    def _allowed(self, flat: NDArray[np.float64], split: str) -> NDArray[np.bool_]:
        has_continuum = any(not p.choices and p.train[0] < p.train[1] for p in self.parameters)
        return np.asarray(self._split_of(flat) == ("train" if split == "test" and not has_continuum else split))

    def _split_of(self, flat: NDArray[np.float64]) -> NDArray[np.str_]:
        inside = np.ones(len(flat), dtype=bool)
        known = np.ones(len(flat), dtype=bool)
        cells = np.zeros(len(flat), dtype=np.int64)
        continuum = False
        column = 0
        for p in self.parameters:
            for _ in range(p.size or 1):
                x = flat[:, column]
                column += 1
                if p.choices:
                    known &= np.isin(x, p.choices)
                    continue
                low, high = p.train
                within = (low <= x) & (x <= high)
                inside &= within
                known &= within | ((p.ood[0] <= x) & (x <= p.ood[1]) if p.ood else False)
                if low < high:
                    continuum = True
                    cells += np.clip(np.floor(CELLS * _unit(p, np.clip(x, low, high))), 0, CELLS - 1).astype(np.int64)
        split = np.where(inside, "train", "ood").astype("<U5")
        if continuum:
            split[inside & (cells % HELD_OUT == 0)] = "test"
        split[~known] = ""
        return split

    def _flatten(self, tasks: Tasks) -> NDArray[np.float64]:
        return np.concatenate([tasks.arrays[p.name].reshape(len(tasks), -1) for p in self.parameters], axis=1)

    def _unflatten(self, flat: NDArray[np.float64]) -> Tasks:
        arrays, column = {}, 0
        for p in self.parameters:
            width = p.size or 1
            block = flat[:, column : column + width]
            arrays[p.name] = block.copy() if p.size else block[:, 0].copy()
            column += width
        return Tasks(self.name, arrays)


class Transition(NamedTuple):
    """One step of every lane. All [M, B], observations [M, B, D]; what an inactive lane holds is padding."""

    reward: Tensor
    next_obs: Tensor
    terminated: Tensor
    truncated: Tensor
    success: Tensor
    obs: Tensor
    """What the policy sees next: `next_obs`, or the first observation of the next episode."""
    first: Tensor
    """`obs` opens an episode."""


class BatchEnv:
    """M tasks x B lanes, each lane playing `episodes` consecutive episodes of its task.

    A family implements `begin`, `observe` and `advance`; horizons, endings, restarts and padding are done here.
    """

    reset_noise: int = 0
    """Uniform numbers in [0, 1) that the start of one episode needs."""
    step_noise: int = 0
    """Uniform numbers in [0, 1) that one step needs."""

    def __init__(self, family: Family, tasks: Tasks, lanes: int, episodes: int = 1) -> None:
        if lanes < 1 or episodes < 1:
            raise ValueError(f"lanes is {lanes} and episodes is {episodes}: both must be at least 1")
        self.spec, self.horizon, self.tasks = family.spec, family.horizon, tasks
        self.lanes, self.episodes = lanes, episodes
        self.shape = (len(tasks), lanes)
        self.device = torch.device("cpu")

    # ---- what a family implements

    def begin(self, chosen: Tensor, noise: Tensor) -> None:
        """Start an episode in the lanes `chosen` [M, B] bool, from uniform `noise` [M, B, reset_noise] float64."""
        raise NotImplementedError

    def observe(self) -> Tensor:
        """The observation of every lane, [M, B, D]."""
        raise NotImplementedError

    def advance(self, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Act for one step: (reward, terminated, success), each [M, B].

        `action` is [M, B, A] already clipped to [-1, 1], or [M, B] int64; `noise` is [M, B, step_noise] float64 in [0, 1).
        Lanes with `self.active` False may be skipped; their results are ignored.
        """
        raise NotImplementedError

    def cut(self) -> Tensor | bool:
        """Lanes that the environment itself truncated at the last step, [M, B]; none unless a family says so."""
        return False

    # ---- what the rollout calls

    @property
    def max_steps(self) -> int:
        """Steps after which every lane has ended."""
        return self.episodes * self.horizon

    def reset(self, stream: Stream) -> Tensor:
        """Open a trial in every lane with the random numbers of `stream`; the first observation [M, B, D]."""
        M, B = self.shape
        starts = stream.at("reset").uniform(M, B, self.episodes, self.reset_noise, dtype=torch.float64)
        self._reset_noise = starts.to(self.device)
        T = self.max_steps if self.step_noise else 0
        self._step_noise = stream.at("step").uniform(M, T, B, self.step_noise, dtype=torch.float64).to(self.device)
        self._time = 0
        self._elapsed = torch.zeros(M, B, dtype=torch.int64, device=self.device)
        self._episode = torch.zeros(M, B, dtype=torch.int64, device=self.device)
        self.active = torch.ones(M, B, dtype=torch.bool, device=self.device)
        self.begin(self.active, self._reset_noise[:, :, 0])
        return self.observe()

    def step(self, action: Tensor) -> Transition:
        """Act in every lane. A lane that has played its episodes is no longer `active`; what it returns is padding."""
        if not self.spec.discrete:
            action = action.clamp(-1.0, 1.0)
        noise = self._step_noise[:, self._time] if self.step_noise else self._step_noise[:, :0, :]
        reward, terminated, success = self.advance(action, noise)
        self._time += 1
        self._elapsed += 1
        truncated = ((self._elapsed >= self.horizon) | self.cut()) & ~terminated
        next_obs = self.observe()
        ended = (terminated | truncated) & self.active
        obs, first = next_obs, torch.zeros_like(ended)
        if bool(ended.any()):
            self._episode += ended
            self.active = self.active & (self._episode < self.episodes)
            first = ended & self.active
            if bool(first.any()):
                self._elapsed = torch.where(first, 0, self._elapsed)
                index = self._episode.clamp(max=self.episodes - 1)[..., None, None].expand(-1, -1, 1, self.reset_noise)
                self.begin(first, self._reset_noise.gather(2, index).squeeze(2))  # [M, B, reset_noise]
                obs = self.observe()
        return Transition(reward, next_obs, terminated, truncated, success, obs, first)


def _draw(p: Parameter, split: str, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    shape = (n, p.size or 1)
    if p.choices:
        return _balanced(np.array(p.choices, dtype=np.float64), shape, rng)
    low, high = p.ood if split == "ood" and p.ood else p.train
    if p.log:
        return np.clip(np.exp(rng.uniform(math.log(low), math.log(high), shape)), low, high)
    return rng.uniform(low, high, shape)


def _balanced(choices: NDArray[np.float64], shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """Every len(choices) consecutive rows hold each choice once, in random order: a batch of 4 has 2 of each direction."""
    rounds = -(-shape[0] // len(choices))
    order = rng.permuted(np.tile(choices, (rounds, shape[1], 1)), axis=2)  # [rounds, width, choices]
    return order.swapaxes(1, 2).reshape(-1, shape[1])[: shape[0]]


def _unit(p: Parameter, x: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = p.train
    if p.log:
        return np.asarray((np.log(x) - math.log(low)) / (math.log(high) - math.log(low)))
    return (x - low) / (high - low)


def _parse(family: str, p: Parameter, values: Mapping[str, Any]) -> NDArray[np.float64]:
    if p.name not in values:
        if p.choices or p.train[0] < p.train[1]:
            raise ValueError(f"task of {family} has no {p.name}: add {p.name}=... ({p.describe()})")
        return np.full((1, p.size) if p.size else (1,), p.train[0])
    try:
        array = np.asarray(values[p.name], dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"task of {family} got {p.name}={values[p.name]!r}: expected {p.describe()}") from None
    if array.shape != ((p.size,) if p.size else ()) or not np.isfinite(array).all():
        raise ValueError(f"task of {family} got {p.name}={values[p.name]!r}: expected {p.describe()}")
    return array[None]
