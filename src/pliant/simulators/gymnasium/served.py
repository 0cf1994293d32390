"""Whether an environment can be served with what varies in it: it is made, looked at and tried out once per process."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from multiprocessing.reduction import ForkingPickler
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from numpy.typing import NDArray

from pliant import errors
from pliant.simulators.gymnasium import places, spaces, success, varied
from pliant.simulators.gymnasium import vary as varying
from pliant.simulators.gymnasium.varied import Recipe
from pliant.tasks.base import Parameter

MOST_KEPT = 8
"""Environments whose answer is remembered."""
MOST_STEPS, MOST_SECONDS = 1000, 1.0
"""Of an episode in which one looks out for a report of success."""


class Served(NamedTuple):
    """What is known of an environment that can be served."""

    recipe: Recipe
    """With the places of what varies."""
    parameters: tuple[Parameter, ...]
    observer: spaces.Observer
    actor: spaces.Actor
    success: str = ""
    """Under which name it reports success, "" if it does not."""
    success_at: int = 0
    """The step of an episode at which it first did; 0 where the name is only what the user says."""


_served: dict[tuple[Any, ...], tuple[Any, Served]] = {}


def served(recipe: Recipe, axes: Sequence[varying.Axis], shifted: Sequence[varying.Axis], called: str) -> Served:
    """An environment with what varies in it, and in its ood split; `recipe` has no places yet, `called` is its id in errors.

    The same code with the same settings is looked at once per process. Raises UserError, or ValueError for axes that do not fit
    together, if it cannot be served.
    """
    with _making(called):
        code = (varied.creator(recipe.spec), *(wrapper for wrapper, *_ in recipe.wrappers), recipe.apply)
    # By the code itself, not only by its name: a class that has been defined anew is another one. By what is written, as true
    # and 1 are equal in Python.
    key = (_sent(recipe, called), tuple(map(id, code)), repr((*axes, *shifted)), called)
    if key not in _served:
        found = _looked_at(recipe, axes, {axis.name: axis for axis in shifted}, called)
        name, step = _try_out(found, called)
        found = found._replace(success=name, success_at=step)
        while len(_served) >= MOST_KEPT:
            _served.pop(next(iter(_served)))
        _served[key] = code, found  # with the code, so that no other can get its id
    return _served[key][1]


def _sent(recipe: Recipe, called: str) -> bytes:
    """The recipe as it is sent to a worker. Raises UserError if it cannot be."""
    try:
        return bytes(ForkingPickler.dumps(recipe))
    except Exception as error:  # its type depends on what cannot be sent, and on the version of Python
        raise errors.UserError(
            f"{called} cannot be sent to a worker process: it, its wrappers and --apply must be classes or functions of a"
            " module, not of another function"
        ) from error


def _looked_at(recipe: Recipe, axes: Sequence[varying.Axis], shifted: dict[str, varying.Axis], called: str) -> Served:
    """The environment made once, for its spaces and for what it has where things vary."""
    with _making(called):
        env = varied.make(recipe, {})
    try:
        found = tuple(places.place(axis, recipe.spec, env, called, recipe.apply is not None) for axis in axes)
        parameters = tuple(
            varying.parameter(axis, shifted.get(axis.name), place.where) for axis, place in zip(axes, found, strict=True)
        )
        observer, actor = _adapters(env, called)
    finally:
        env.close()
    return Served(recipe._replace(places=found), parameters, observer, actor)


@contextlib.contextmanager
def _making(called: str) -> Iterator[None]:
    """UserError for whatever the environment's module or constructor raises: it is for the user to mend."""
    try:
        yield
    except Exception as error:
        extra = errors.missing_extra(error, called) if isinstance(error, ImportError) else None
        raise extra or errors.UserError(f"{called} cannot be made: {_said(error)}") from error


def _adapters(env: "gymnasium.Env[Any, Any]", called: str) -> tuple[spaces.Observer, spaces.Actor]:
    try:
        observer, actor = spaces.observer(env.observation_space), spaces.actor(env.action_space)
    except ValueError as error:
        raise errors.UserError(f"{called} cannot be served: its {error}") from error
    if observer.pictures:
        errors.warn(
            f"{called} shows the image {observer.pictures[0]!r} beside other things, so it is read as {observer.size:,} plain"
            f" numbers; alone it goes through convolutions: --wrappers \"FilterObservation(['{observer.pictures[0]}'])\""
        )
    return observer, actor


def _try_out(found: Served, called: str) -> tuple[str, int]:
    """Reset and step the environment once in every task of `_extremes`; the name and the step of a report of success.

    Raises UserError for what it does not bear.
    """
    size = found.observer.size
    still: Any = 0 if found.actor.discrete else np.zeros(found.actor.size)
    lane = varied.Varied(found.recipe)
    try:
        for i, task in _extremes(found.parameters):
            name, value = found.parameters[i].name, float(task[i])
            try:
                obs = lane.begin(task, 0)
                lane.advance(still)
            except Exception as error:  # the environment's own refusal, whatever its type
                given = found.recipe.places[i].of(value)
                raise errors.UserError(f"--vary: {called} rejects {name}={given!r}: {_said(error)}") from error
            if obs.shape != (size,) or not np.isfinite(obs).all():
                raise errors.UserError(
                    f"--vary: with {name}={value:g} {called} shows {obs.shape[0]} numbers, not all the {size} finite ones of"
                    " its space: all tasks of a family have one observation space"
                )
        return _success(found, lane, called)
    finally:
        lane.close()


def _success(found: Served, lane: varied.Varied, called: str) -> tuple[str, int]:
    """Under which name an episode at random reports success, and at which of its steps first.

    What the user has named is taken at their word, at step 0. One that reports success at the end of an episode alone is found
    out here; one that does so only when it succeeds may not be, and must be named.
    """
    wanted, actor, rng, begin = found.recipe.success, found.actor, np.random.default_rng(0), time.monotonic()
    names: set[str] = set()
    try:
        lane.begin(next(_extremes(found.parameters))[1], 0)
        for step in range(1, MOST_STEPS + 1):
            action = int(rng.integers(actor.size)) if actor.discrete else rng.uniform(-1, 1, actor.size)
            _, _, terminated, truncated, _ = lane.advance(action)
            if name := success.name_in(lane.info, wanted):
                return name, 0 if wanted else step
            names |= set(lane.info)
            if terminated or truncated or time.monotonic() - begin > MOST_SECONDS:
                break
    except Exception as error:  # the environment's own, whatever its type
        raise errors.UserError(f"{called} cannot be played: {_said(error)}") from error
    if wanted:
        errors.warn(f"--success is {wanted!r}, which {called} did not report in an episode: its info had {sorted(names)}")
    return wanted, 0


def _extremes(parameters: Sequence[Parameter]) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """(parameter, task): tasks with one parameter at an end of its range or choices, shifted too, the others at their first."""
    ends = []
    for p in parameters:
        values = p.choices or p.train
        ends.append((values[0], values[-1], *((p.ood[0], p.ood[-1]) if p.ood else ())))
    for i, values in enumerate(ends):
        for value in values:
            yield i, np.array([value if i == j else others[0] for j, others in enumerate(ends)])


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split()) or 'no reason given'}"
