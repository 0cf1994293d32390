"""What an agent does before and after adaptation: the same task, the same lane, drawn.

    play        adapt as an evaluation does, and keep the scenes of one lane at the first and the last stage
    drawings    figures of it for a report: paths as SVG where a family has them, film strips elsewhere

A trial that is filmed is the one that an evaluation plays under the same address: `recording` only looks on.
"""

import io
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from pliant import errors
from pliant.drawing import base, film
from pliant.reporting import svg
from pliant.rollout import episode_returns, rollout
from pliant.running.learner import Learner
from pliant.streams import Stream
from pliant.tasks.base import BatchEnv, Tasks
from pliant.types import Params, Rollout

STRIP = 5
"""Pictures of a film strip."""
STRIP_WIDTH = 200
"""Of one of them, pixels."""
MOST_LANES = 12
"""Lanes whose paths a figure shows."""


class Take(NamedTuple):
    """One episode of a task at one stage; one lane of it was filmed."""

    title: str
    """Which stage, in words."""
    rollout: Rollout
    """[1, B, T, *], in which all lanes play the episode."""
    episode: int
    """Its index in each lane's trial."""
    scenes: list[base.Scene]
    """Of the filmed lane: the opening, and after every step."""
    reward: NDArray[np.float64]
    """Of the filmed lane, step by step."""
    total: float
    """Return of the filmed lane's episode."""


def play(
    learner: Learner,
    batch: BatchEnv,
    stream: Stream,
    stages: int,
    lane: int = 0,
    deterministic: bool = False,
) -> list[Take]:
    """Adapt to the only task of `batch`, whose last stage is `stages`; the first and the last stage, one lane filmed.

    For a gradient these are the first episodes before and after all gradient steps, for a memory the first and the last episode
    of its trial. With `deterministic` the policy takes its most likely actions in what is filmed; a gradient still adapts on
    what it tries. Raises UserError if there is nothing to compare, and for what cannot be drawn.
    """
    by_episode = learner.by_episode
    if stages < 1:
        what = "its trial is a single episode" if by_episode else f"--stages is {stages}"
        raise errors.UserError(f"{what}: expected a stage after the first, e.g. --stages 1")
    if not 0 <= lane < batch.lanes:
        raise errors.UserError(f"lane is {lane}: expected 0 to {batch.lanes - 1}")
    filmed: dict[int, tuple[Rollout, list[list[base.Scene]]]] = {}
    turn = partial(rollout, batch, stream)

    def collect(policy: nn.Module, params: Params, stage: int) -> Rollout:
        if stage not in (0, stages):
            return turn(policy, params, stage)
        with base.recording(batch, 0, lane) as episodes:
            shown = turn(policy, params, stage, deterministic)
        filmed[stage] = shown, episodes
        return shown if by_episode or not deterministic else turn(policy, params, stage)

    learner.algorithm.adapt(collect, stages)
    if by_episode:
        trial, episodes = filmed[0]
        return [_take(f"episode {e + 1}", trial, episodes, batch, lane, e) for e in (0, stages)]
    titles = {0: "before adaptation", stages: f"after {stages} gradient step{'s' if stages > 1 else ''}"}
    return [_take(titles[stage], *filmed[stage], batch, lane, 0) for stage in (0, stages)]


def drawings(
    learner: Learner, tasks: Tasks, seed: int, stages: int | None = None, split: str = "test"
) -> list[dict[str, Any]]:
    """Figures of what an agent does on the first of `tasks` before and after adaptation; none for a family that is not drawn.

    Each is {"title", "caption", "svg"} with the text of an SVG file, or {"title", "caption", "png"} with the bytes of a PNG:
    one figure of paths where the family has them (before left, after right), else a film strip for each stage.
    """
    schedule = learner.schedule(stages)
    batch = learner.family.batch(tasks[0], schedule.lanes, schedule.episodes)
    try:
        base.of(batch).prepare(batch)
    except errors.UserError:
        return []
    if schedule.last < 1:
        return []
    takes = play(learner, batch, Stream(seed).at("evaluate", split, "acts"), schedule.last)
    if base.lines_of(batch):
        shown = min(batch.lanes, MOST_LANES)
        title = f"{takes[0].title} and {takes[1].title}"
        return [{"title": title, "caption": f"{shown} trials of one task", "svg": paths(takes, batch, title)}]
    return [
        {"title": take.title, "caption": f"one episode, return {take.total:.2f}", "png": _png(_strip(take, takes, batch))}
        for take in takes
    ]


def paths(takes: Sequence[Take], batch: BatchEnv, title: str) -> str:
    """`trajectories` as the text of an SVG file."""
    from matplotlib.figure import Figure

    with svg.look():
        figure = Figure(figsize=(2 * svg.SIZE[0] * 0.75, svg.SIZE[1]), layout="constrained")
        trajectories(takes, batch, figure)
        return svg.drawn(figure, title)


def trajectories(takes: Sequence[Take], batch: BatchEnv, figure: Any) -> None:
    """Draw the paths of several lanes on a matplotlib figure, a panel for each take, at one scale.

    Raises UserError for a family without paths.
    """
    lines = base.lines_of(batch)
    if lines is None:
        raise errors.UserError(f"{batch.family.name} has no paths to draw")
    panels = figure.subplots(1, len(takes), sharex=True, sharey=True, squeeze=False)[0]
    for take, axes in zip(takes, panels, strict=True):
        some = take.rollout.part(slice(None), slice(MOST_LANES))
        lines.trajectories(axes, batch, 0, some, take.episode)
        mean = float(episode_returns(take.rollout, batch.episodes)[0, :, take.episode].mean())
        axes.set_title(f"{take.title}: return {mean:.2f}", fontsize=9)
        axes.label_outer()
    handles, labels = panels[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))


def _take(title: str, data: Rollout, episodes: Sequence[list[base.Scene]], batch: BatchEnv, lane: int, episode: int) -> Take:
    steps = base.played(data, 0, lane, episode)
    reward = data.reward[0, lane, steps].double().cpu().numpy()
    total = float(episode_returns(data, batch.episodes)[0, lane, episode])
    return Take(title, data, episode, episodes[episode], reward, total)


def _strip(take: Take, takes: Sequence[Take], batch: BatchEnv) -> base.Image:
    times = film.spaced(len(take.scenes), STRIP)
    others = [other.scenes for other in takes]
    pictures = list(base.of(batch).pictures(batch, 0, take.scenes, times, others))
    return film.strip([film.narrowed(picture, STRIP_WIDTH) for picture in pictures], len(pictures))


def _png(image: base.Image) -> bytes:
    """With 128 colours: a third of the bytes, and no eye sees it in a strip."""
    from PIL import Image as Pictures

    buffer = io.BytesIO()
    Pictures.fromarray(image).quantize(128, dither=Pictures.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
