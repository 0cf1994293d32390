"""How a family is drawn: one file a family, or one for all that share a simulator.

A film of a lane is made in two turns. While a rollout is played, `recording` keeps a scene after every step: all that a picture
needs. Pictures are drawn from scenes afterwards, as many as are wanted. A family is drawn by

    its own `BatchEnv`, if that has a method frame(task, lane) -> uint8 [H, W, 3]: the lane as it stands
    drawing/NAME.py, by the family's name
    drawing/_mujoco.py for the robots, drawing/_replay.py for what runs in worker processes

each of which is a `Drawing`. One that also has `trajectories` draws whole episodes as lines, for reports.
"""

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pliant import errors
from pliant.simulators.mujoco.batch import MujocoBatch
from pliant.tasks.base import BatchEnv
from pliant.tasks.workers import Pooled
from pliant.types import Rollout

Image = NDArray[np.uint8]
"""[H, W, 3], red, green and blue, rows from the top."""
Scene = Any
"""What a `Drawing` keeps of one moment of a lane."""

_HERE = Path(__file__).resolve().parent
_NO_FAMILY = {"base", "film", "video", "watch", "behaviour"}
_SHARED = "ant-dir, ant-goal, half-cheetah-dir, half-cheetah-vel, hopper-params, walker2d-params".split(", ")
_PLAYED_AGAIN = "atari, gymnasium, metaworld-ml1, metaworld-ml10, metaworld-ml25, metaworld-ml45".split(", ")


class Drawing(Protocol):
    """What a module draws. `batch` is the family's, `task` and `lane` are indices."""

    def prepare(self, batch: BatchEnv) -> None:
        """Raise UserError if this machine or this batch cannot be drawn: before anything is played."""

    def pace(self, batch: BatchEnv) -> float:
        """Steps that make up a second of film."""

    def scene(self, batch: BatchEnv, task: int, lane: int, given: Tensor) -> Scene:
        """The lane as it stands, copied. `given` led there: uniform noise that opened an episode, or an action."""

    def pictures(
        self, batch: BatchEnv, task: int, scenes: Sequence[Scene], times: Sequence[int], others: Sequence[Sequence[Scene]]
    ) -> Iterator[Image]:
        """Pictures of an episode's `scenes` at ascending `times`, all of one size; `others` are shown at the same scale."""

    def words(self, batch: BatchEnv, task: int, scenes: Sequence[Scene], time: int) -> str:
        """What a picture cannot say: a speed, a distance; may be empty."""


class Lines(Protocol):
    """What a module with `trajectories` draws as well."""

    def trajectories(self, axes: Any, batch: BatchEnv, task: int, rollout: Rollout, episode: int) -> None:
        """One episode of every lane of a task on matplotlib axes."""


def of(batch: BatchEnv) -> Drawing:
    """What draws `batch`. Raises UserError for a family that nothing draws."""
    name = batch.family.name
    if hasattr(batch, "frame"):
        module = "_own"
    elif isinstance(batch, MujocoBatch):
        module = "_mujoco"
    elif isinstance(batch, Pooled):
        module = "_replay"
    elif name in _named():
        module = name.replace("-", "_")
    else:
        raise refused(name)
    return cast(Drawing, importlib.import_module(f"pliant.drawing.{module}"))


def refused(name: str, reason: str = "") -> errors.UserError:
    """The error for a family that cannot be drawn."""
    known = ", ".join(sorted([*_named(), *_SHARED, *_PLAYED_AGAIN]))
    hint = "one of your own can, if its BatchEnv has frame(task, lane) -> uint8 [H, W, 3]"
    return errors.UserError(f"{name} cannot be drawn{reason}: {known} can; {hint}")


def lines_of(batch: BatchEnv) -> Lines | None:
    """What draws whole episodes of `batch` as lines, if anything does."""
    drawing = of(batch)
    return cast(Lines, drawing) if hasattr(drawing, "trajectories") else None


@contextmanager
def recording(batch: BatchEnv, task: int, lane: int) -> Iterator[list[list[Scene]]]:
    """While open, every episode that the lane plays is appended: its opening scene and the scene after each of its steps.

    It stands in for `begin` and `advance` of this one batch, so that other rollouts pay nothing.
    """
    drawing, begin, advance = of(batch), batch.begin, batch.advance
    episodes: list[list[Scene]] = []

    def begun(chosen: Tensor, noise: Tensor) -> None:
        begin(chosen, noise)
        if bool(chosen[task, lane]):
            episodes.append([drawing.scene(batch, task, lane, noise[task, lane])])

    def advanced(action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        result = advance(action, noise)
        if bool(batch.active[task, lane]):
            episodes[-1].append(drawing.scene(batch, task, lane, action[task, lane]))
        return result

    own: dict[str, Any] = {name: vars(batch)[name] for name in ("begin", "advance") if name in vars(batch)}
    vars(batch).update(begin=begun, advance=advanced)
    try:
        yield episodes
    finally:
        del batch.begin, batch.advance
        vars(batch).update(own)


def played(rollout: Rollout, task: int, lane: int, episode: int) -> NDArray[np.int64]:
    """The steps [n] of a lane's rollout that belong to an episode."""
    index = rollout.first[task, lane].cumsum(-1) - 1  # [T]
    here = rollout.valid[task, lane] & (index == episode)
    return np.asarray(here.cpu().nonzero().flatten().numpy(), dtype=np.int64)


def _named() -> list[str]:
    return [path.stem.replace("_", "-") for path in _HERE.glob("[!_]*.py") if path.stem not in _NO_FAMILY]
