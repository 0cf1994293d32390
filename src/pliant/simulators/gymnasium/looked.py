"""An environment looked at where it will be played, in a worker: what it shows and takes, and whether it bears what varies.

First it is made and stepped as it is, so that what fails then is not blamed on what varies; then with every parameter at its
ends.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium import spaces as kinds
from numpy.typing import NDArray

from pliant import errors
from pliant.simulators.gymnasium import contract, places, spaces, success, varied
from pliant.simulators.gymnasium import vary as varying
from pliant.simulators.gymnasium.varied import Place, Recipe, Span
from pliant.tasks.asked import Say
from pliant.tasks.worker import described

MOST_STEPS, MOST_SECONDS = 1000, 1.0
"""Of an episode in which one looks out for a report of success."""
GOALS = ("desired_goal",)
"""Keys under which environments show their goal."""


class Found(NamedTuple):
    """What is known of an environment that can be served; it travels from the worker."""

    places: tuple[Place, ...]
    observes: "kinds.Space[Any]"
    acts: "kinds.Space[Any]"
    doubts: tuple[str, ...]
    """What looks wrong with it although it can be served."""
    success: str = ""
    """Under which name it reports success, "" if it does not."""
    success_at: int = 0
    """The step of an episode at which it first did; 0 where the name is only what the user says."""


def look(
    say: Say, recipe: Recipe, axes: Sequence[varying.Axis], spans: Sequence[Span], called: str
) -> Found:
    """The environment with what varies in it, axis by axis; `recipe` has no places yet.

    Raises UserError if it cannot be served.
    """
    say("being made")
    with making(called):
        spec = varied.spec_of(recipe)
        env = varied.make(recipe, needed(spec, axes))
    doubts = _goals(env, called)
    try:
        found = tuple(places.place(axis, spec, env, called, recipe.apply is not None) for axis in axes)
        observer, actor = adapters(env.observation_space, env.action_space, called)
        _play(env, observer, actor, called, say)
        answer = Found(found, env.observation_space, env.action_space, ())
    except Exception:
        with contextlib.suppress(Exception):  # the first fault is the one to mend
            env.close()
        raise
    say("being closed")
    try:
        env.close()
    except Exception as error:  # it has played: this is a doubt, no refusal
        doubts.append(f"{called} {described(error)} in close: that is passed over wherever it is closed")
    return _try_out(answer._replace(doubts=tuple(doubts)), recipe._replace(places=found), spans, called, say)


def needed(spec: Any, axes: Sequence[varying.Axis]) -> dict[str, Any]:
    """Constructor arguments that have no default, with a value of what varies; others stay as they are."""
    given, firsts = places.arguments(spec), {}
    for axis in axes:
        name = axis.name.removeprefix("argument.")
        if given.get(name) is places.EMPTY:
            first = axis.values[0] if axis.values else axis.ranges[0].low
            firsts[name] = int(first) if axis.is_whole else first
    return firsts


@contextlib.contextmanager
def making(called: str) -> Iterator[None]:
    """UserError for whatever the environment's module or constructor raises: it is for the user to mend."""
    try:
        yield
    except errors.UserError:
        raise
    except Exception as error:
        extra = errors.missing_extra(error, called) if isinstance(error, ImportError) else None
        said = contract.blamed(error).removeprefix("raised ")
        raise extra or errors.UserError(f"{called} cannot be made: {said}") from error


def adapters(observes: Any, acts: Any, called: str) -> tuple[spaces.Observer, spaces.Actor]:
    """How its spaces are served. Raises UserError for those that are not."""
    try:
        return spaces.observer(observes), spaces.actor(acts)
    except ValueError as error:
        raise errors.UserError(f"{called} cannot be served: its {error}") from error


def _goals(env: "gymnasium.Env[Any, Any]", called: str) -> list[str]:
    """That it shows its goal, where it does."""
    space = env.observation_space
    shown = [key for key in GOALS if isinstance(space, kinds.Dict) and key in space.spaces]
    return [
        f"{called} shows its goal in every observation ({key!r}): tasks that differ in the goal leave nothing to adapt to;"
        f" --leave-out {key} hides it"
        for key in shown
    ]


def _play(env: "gymnasium.Env[Any, Any]", observer: spaces.Observer, actor: spaces.Actor, called: str, say: Say) -> None:
    """Reset and step the environment as it is. Raises UserError for what it does wrong then."""
    doing = "reset"
    try:
        say("being reset")
        obs = observer.of(contract.opened(env, 0))
        doing = "step"
        say("being stepped")
        after, reward, *_ = contract.stepped(env, actor.of(still(actor)))
        shown = (obs, observer.of(after))
    except Exception as error:  # the environment's own, whatever its type
        kind, colon, words = contract.blamed(error).partition(": ")
        where = f" in {doing}, before anything varies" if kind.startswith("raised ") else ""
        raise errors.UserError(f"{called} {kind}{where}{colon}{words}") from error
    for doing, seen in zip(("reset", "step"), shown, strict=True):
        if seen.shape != (observer.size,):
            raise errors.UserError(
                f"{called} returned an observation of {seen.size} numbers from {doing}: its observation_space has"
                f" {observer.size}"
            )
        if not np.isfinite(seen).all():
            raise errors.UserError(f"{called} returned an observation that is not finite from {doing}: {seen[:4].tolist()}")
    if not np.isfinite(reward):
        raise errors.UserError(f"{called} returned the reward {reward} from step: expected a finite number")


def still(actor: spaces.Actor) -> Any:
    """The first action, or the middle of all."""
    return 0 if actor.discrete else np.zeros(actor.size)


def _try_out(found: Found, recipe: Recipe, spans: Sequence[Span], called: str, say: Say) -> Found:
    """Reset and step the environment once in every task of `extremes`; what was found, and how it reports success.

    Raises UserError for what it does not bear.
    """
    observer, actor = adapters(found.observes, found.acts, called)
    size, lane = observer.size, varied.Varied(recipe)
    try:
        for i, task in extremes(spans):
            name, value = spans[i].name, float(task[i])
            given = recipe.places[i].of(value)
            say(f"being played with {name}={given!r}")
            try:
                obs = lane.begin(task, 0)
                lane.advance(still(actor))
            except Exception as error:  # the environment's own refusal, whatever its type
                said = contract.blamed(error).removeprefix("raised ")
                raise errors.UserError(f"--vary: {called} rejects {name}={given!r}: {said}") from error
            if obs.shape != (size,) or not np.isfinite(obs).all():
                raise errors.UserError(
                    f"--vary: with {name}={value:g} {called} shows {obs.shape[0]} numbers, not all the {size} finite ones of"
                    " its space: all tasks of a family have one observation space"
                )
        say("being played for an episode")
        return _succeeding(found, lane, next(extremes(spans))[1], actor, called)
    finally:
        lane.close()


def _succeeding(found: Found, lane: varied.Varied, task: NDArray[np.float64], actor: spaces.Actor, called: str) -> Found:
    """Under which name an episode at random reports success, and at which of its steps first.

    What the user has named is taken at their word, at step 0. One that reports success at the end of an episode alone is found
    out here; one that does so only when it succeeds may not be, and must be named.
    """
    wanted, rng, begin = lane.recipe.success, np.random.default_rng(0), time.monotonic()
    names: set[str] = set()
    try:
        lane.begin(task, 0)
        for step in range(1, MOST_STEPS + 1):
            action: Any = int(rng.integers(actor.size)) if actor.discrete else rng.uniform(-1, 1, actor.size)
            _, _, terminated, truncated, _ = lane.advance(action)
            if name := success.name_in(lane.info, wanted):
                return found._replace(success=name, success_at=0 if wanted else step)
            names |= set(lane.info)
            if terminated or truncated or time.monotonic() - begin > MOST_SECONDS:
                break
    except Exception as error:  # the environment's own, whatever its type
        raise errors.UserError(f"{called} cannot be played: {contract.blamed(error).removeprefix('raised ')}") from error
    if not wanted:
        return found
    had = sorted(map(str, names))
    doubt = f"{called} did not report {wanted!r}, which --success names, in an episode: its info had {had}"
    return found._replace(success=wanted, doubts=(*found.doubts, doubt))


def extremes(spans: Sequence[Span]) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """(parameter, task): tasks with one parameter at an end, in training or shifted, the others at their first."""
    for i, span in enumerate(spans):
        for value in (span.values[0], span.values[-1], *span.shifted):
            yield i, np.array([value if i == j else other.values[0] for j, other in enumerate(spans)])
