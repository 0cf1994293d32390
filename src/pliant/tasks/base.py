"""Tasks are arrays, environments are batches.

A family file exports `Settings` (a frozen dataclass) and `family(settings) -> Family`. A `Family` says in which
`Parameter`s its tasks differ and how to make a `BatchEnv`; sampling, splits, horizons, auto-reset and padding are here,
so that no family can get them wrong.

The three splits of a family are disjoint by construction (see `parameters.py`): a fifth of the training tasks, in a pattern
that no seed can change, belongs to "test", the others to "train", and shifted tasks to "ood". It is decided by what changes
the environment, so that no test task is a training task in other words. Families whose tasks are a few named choices (two
directions) have the same choices in "train" and "test".
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pliant.streams import Stream
from pliant.tasks.arrays import Axis as Axis
from pliant.tasks.arrays import Tasks as Tasks
from pliant.tasks.arrays import along
from pliant.tasks.parameters import Parameter as Parameter
from pliant.tasks.parameters import split_of as split_by
from pliant.types import Spec

SPLITS = ("train", "test", "ood")
MOST_DRAWS = 1000
"""Batches of candidates after which a split that has kept none has no tasks."""


class Told(NamedTuple):
    """What of a task is worth telling."""

    size: int
    """K."""
    of: Callable[[Tasks], NDArray[np.float64]]
    """tasks -> [M, K], of order 1."""


class Protocol(NamedTuple):
    """How those who published a benchmark measure an agent."""

    source: str
    tasks: int
    """Test tasks."""
    adapt: int
    """Episodes of a task in which an agent adapts."""
    measure: int
    """Episodes after those, which are measured."""
    horizon: int
    """Steps of an episode."""


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
    episodes: int = 1
    """Episodes of a trial, unless asked otherwise."""
    memory_episodes: int = 0
    """The same for an agent with memory, which adapts from episode to episode; 0 for `episodes`."""
    success: str = ""
    """What success means, in words; empty where the family reports none."""
    version: str = "1"
    """Changes whenever the same seed would give other tasks or other rewards."""
    settings: Any = None
    """The family's own settings, for the record."""
    told: Told | None = None
    """What describes a task to a critic; None: where its parameters lie in the training law, -1 to 1, beyond if shifted."""
    known: Told | None = None
    """What describes a task to an agent that is told it: all that it needs to act best. None: the same as to a critic."""
    protocol: Protocol | None = None
    """The published evaluation, where there is one."""
    seen: Callable[[Tasks], Tasks] | None = None
    """The same tasks as their environment sees them: tasks that are equal in it are the same environment, and in the same
    split. None: each number of a task changes the environment."""
    own_axes: Mapping[str, Axis] = field(default_factory=dict)
    """Axes other than the family's scalar parameters, by name."""
    layout: str = ""
    """The parameter that is the seed of every reset, where there is one: all episodes of a task open alike."""
    doubts: Callable[[], Sequence[str]] | None = None
    """Asked before a training: what looks wrong with the tasks, in words. Raises UserError for tasks that cannot be right."""

    def __post_init__(self) -> None:
        size = self.told.size if self.told else sum(p.width for p in self.parameters)
        object.__setattr__(self, "spec", self.spec._replace(task_size=size))

    @property
    def axes(self) -> dict[str, Axis]:
        """Along what tasks can be shifted: every scalar parameter with a range, and the family's own axes, by name."""
        scalar = [p for p in self.parameters if p.size is None and not p.choices and p.law in ("uniform", "log") and p.varies]
        return {p.name: along(p) for p in scalar} | dict(self.own_axes)

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
            flat = np.concatenate([p.draw(8 * n + 32, split, rng) for p in self.parameters], axis=1)
            for rows in np.split(flat, [2 * n + 8]):  # mostly the first ones are enough
                if sum(map(len, kept)) < n:
                    kept.append(rows[self._allowed(rows, split)])
        return self._unflatten(np.concatenate(kept)[:n])

    def split_of(self, tasks: Tasks) -> NDArray[np.str_]:
        """The split each task belongs to, [M]: "train", "test", "ood", or "" outside the family.

        Without a continuum of tasks, train and test are the same choices and both are called "train".
        """
        named = split_by(self.parameters, self.flatten(tasks))
        if self.seen is None:
            return named
        return np.where(named == "", "", split_by(self.parameters, self.flatten(self.seen(tasks))))

    def task(self, values: Mapping[str, Any]) -> Tasks:
        """One task (M = 1) from named values; constants may be left out.

        Raises ValueError for unknown, missing or out-of-range values.
        """
        known = ", ".join(f"{p.name} ({p.describe()})" for p in self.parameters)
        if unknown := set(values) - {p.name for p in self.parameters}:
            raise ValueError(f"task of {self.name} got unknown {sorted(unknown)[0]!r}: its parameters are {known}")
        arrays = {p.name: p.parse(self.name, values) for p in self.parameters}
        tasks = Tasks(self.name, arrays)
        if not self.split_of(tasks)[0]:
            got = ", ".join(f"{name}={array[0].tolist()}" for name, array in arrays.items())
            raise ValueError(f"task {got} is outside {self.name}: its parameters are {known}")
        return tasks

    def batch(self, tasks: Tasks, lanes: int, episodes: int = 1) -> "BatchEnv":
        """A batched environment: M tasks x `lanes` lanes, each playing `episodes` episodes."""
        return self.environment(self, tasks, lanes, episodes)

    def trial(self, memory: bool) -> int:
        """Episodes of a trial of an agent with or without a memory, unless asked otherwise."""
        return (memory and self.memory_episodes) or self.episodes

    def described(self, tasks: Tasks) -> Tensor:
        """What a critic is told of each task, [M, K] float64."""
        if self.told:
            return torch.as_tensor(self.told.of(tasks), dtype=torch.float64)
        columns = [p.place(tasks.arrays[p.name].reshape(len(tasks), -1)) for p in self.parameters]
        return torch.as_tensor(2 * np.concatenate(columns, axis=1) - 1, dtype=torch.float64)

    def flatten(self, tasks: Tasks) -> NDArray[np.float64]:
        """Tasks as rows of numbers, [M, all widths], parameter after parameter."""
        return np.concatenate([tasks.arrays[p.name].reshape(len(tasks), -1) for p in self.parameters], axis=1)

    def _allowed(self, flat: NDArray[np.float64], split: str) -> NDArray[np.bool_]:
        shared = split == "test" and not any(p.varies for p in self.parameters)
        return np.asarray(self.split_of(self._unflatten(flat)) == ("train" if shared else split))

    def _unflatten(self, flat: NDArray[np.float64]) -> Tasks:
        arrays, column = {}, 0
        for p in self.parameters:
            block = flat[:, column : column + p.width]
            arrays[p.name] = block.copy() if p.size else block[:, 0].copy()
            column += p.width
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
        self.family, self.spec, self.horizon, self.tasks = family, family.spec, family.horizon, tasks
        self.lanes, self.episodes = lanes, episodes
        self.reports_success = bool(family.success)
        """Whether success is measured."""
        self.shape = (len(tasks), lanes)
        self.device = torch.device("cpu")

    # ---- what a family implements

    def prepare(self, noise: Tensor) -> None:
        """A trial opens; `noise` [M, B, episodes, reset_noise] is what `begin` will get, episode by episode.

        For families that must know all starts beforehand; `begin` follows.
        """

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

    def described(self) -> Tensor:
        """What a critic is told of each task, [M, K]."""
        return self.family.described(self.tasks)

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
        self.prepare(self._reset_noise)
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
                # What the step returned may be the family's own state, which `begin` may change in place.
                reward, next_obs, terminated, success = (x.clone() for x in (reward, next_obs, terminated, success))
                self.begin(first, self._reset_noise.gather(2, index).squeeze(2))  # [M, B, reset_noise]
                obs = self.observe()
        return Transition(reward, next_obs, terminated, truncated, success, obs, first)
