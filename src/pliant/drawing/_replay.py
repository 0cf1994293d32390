"""What runs in worker processes, played once more in this one: same task, seeds and actions, hence the same episode.

An environment repeats itself from these (`workers` demands it), and that it does is checked step by step, up to what drawing
itself changes. It is made for pictures only here, so that workers do not pay for them.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures
from torch import Tensor

from pliant import errors
from pliant.drawing import _gl, base

PACE = 30.0
"""Steps a second, where the environment has no opinion."""
CLOSE = 1e-3
"""Drawing may change what an environment computes by a rounding error, which grows from step to step: a picture shows no less
than this share of an observation."""
MOST_WIDTH, MOST_HEIGHT = 400, 400


class Moment(NamedTuple):
    """What a worker's lane was told, and what it showed."""

    given: NDArray[np.float64]
    """[1] noise where an episode opened, else the action."""
    obs: NDArray[np.float64]
    """[D]"""


def prepare(batch: Any) -> None:
    """Make the environment once. Raises UserError for one that has no pictures."""
    lane = _lane(batch)
    try:
        lane.begin(batch.family.flatten(batch.tasks)[0], 0)
        _picture(lane)
    except errors.UserError:
        raise
    except Exception as error:  # whatever an environment raises where it draws is for the user to mend
        said = " ".join(str(error).split()) or type(error).__name__
        raise errors.UserError(f"{batch.called} cannot be drawn: {said}") from error
    finally:
        lane.close()


def pace(batch: Any) -> float:
    """As many steps as the environment says make a second."""
    return float(getattr(batch.double(), "pace", PACE))


def scene(batch: Any, task: int, lane: int, given: Tensor) -> Moment:
    """What led here, and what was seen."""
    return Moment(given.double().cpu().numpy().reshape(-1), batch.observe()[task, lane].double().cpu().numpy().copy())


def pictures(
    batch: Any, task: int, scenes: Sequence[Any], times: Sequence[int], others: Sequence[Sequence[Any]]
) -> Iterator[base.Image]:
    """Play the episode again, with pictures."""
    lane, wanted = _lane(batch), set(times)
    try:
        for t, moment in enumerate(scenes[: max(times) + 1]):
            if t == 0:
                obs = lane.begin(batch.family.flatten(batch.tasks)[task], int(moment.given[0] * 2**31))
            else:
                obs = lane.advance(int(moment.given[0]) if batch.spec.discrete else moment.given.copy())[0]
            if not np.allclose(obs, moment.obs[: len(obs)], rtol=CLOSE, atol=CLOSE):
                raise errors.UserError(
                    f"{batch.called} does not repeat itself from the same seed and actions while it is drawn (step {t}): it"
                    " cannot be drawn"
                )
            if t in wanted:
                yield _picture(lane)
    finally:
        lane.close()


def words(batch: Any, task: int, scenes: Sequence[Any], time: int) -> str:
    """Nothing is known."""
    return ""


def _lane(batch: Any) -> Any:
    """A lane in this process that will be asked for pictures. Raises UserError for one that has none."""
    _gl.quietly()
    lane = batch.double()
    if not hasattr(lane, "frame"):
        raise base.refused(batch.family.name)
    if hasattr(lane, "draw"):
        lane.draw()
    return lane


def _picture(lane: Any) -> base.Image:
    """The lane's own picture, made smaller where need be. Raises ValueError for what is no picture."""
    image = np.asarray(lane.frame())
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"its picture is {image.dtype} {list(image.shape)}, expected uint8 [H, W, 3]")
    picture = Pictures.fromarray(image)
    picture.thumbnail((MOST_WIDTH, MOST_HEIGHT), Pictures.Resampling.BOX)
    return np.asarray(picture)
