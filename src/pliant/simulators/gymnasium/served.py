"""Whether an environment can be served with what varies in it: a worker looks at it once per process, and tries it out."""

import functools
from collections.abc import Sequence
from multiprocessing.reduction import ForkingPickler
from typing import Any, NamedTuple

from pliant import errors
from pliant.simulators.gymnasium import looked, parameters, probed, spaces, varied
from pliant.simulators.gymnasium import vary as varying
from pliant.simulators.gymnasium.looked import Found
from pliant.simulators.gymnasium.varied import Named, Recipe
from pliant.system import outside
from pliant.tasks import asked
from pliant.tasks.base import Parameter

MOST_KEPT = 8
"""Environments whose answer is remembered."""


class Served(NamedTuple):
    """What is known of an environment that can be served."""

    recipe: Recipe
    """With the places of what varies."""
    found: Found
    parameters: tuple[Parameter, ...]
    """Those of its family."""
    observer: spaces.Observer
    actor: spaces.Actor
    called: str
    timeout: float


_served: dict[tuple[Any, ...], tuple[Any, Served]] = {}


def served(
    recipe: Recipe, axes: Sequence[varying.Axis], shifted: Sequence[varying.Axis], called: str, timeout: float
) -> Served:
    """An environment with what varies in it, and in its ood split; `recipe` has no places yet, `called` is its id in errors.

    The same code with the same settings is looked at once per process. Raises UserError if it cannot be served.
    """
    with looked.making(called):
        code = (varied.creator(varied.spec_of(recipe)), *(wrapper for wrapper, *_ in recipe.wrappers), recipe.apply)
    recipe = _sendable(recipe, called)
    # By the code itself, not only by its name: a class that has been defined anew is another one. By what is written, as true
    # and 1 are equal in Python.
    key = (_sent(recipe), tuple(map(id, code)), repr((*axes, *shifted)), called)
    if key not in _served:
        found = _looked_at(recipe, axes, {axis.name: axis for axis in shifted}, called, timeout)
        while len(_served) >= MOST_KEPT:
            _served.pop(next(iter(_served)))
        _served[key] = code, found  # with the code, so that no other can get its id
    return _served[key][1]


def _looked_at(
    recipe: Recipe, axes: Sequence[varying.Axis], shifted: dict[str, varying.Axis], called: str, timeout: float
) -> Served:
    """What a worker finds."""
    made = [parameters.parameter(axis, shifted.get(axis.name)) for axis in axes]
    job = functools.partial(looked.look, recipe=recipe, axes=tuple(axes), spans=parameters.spans(made), called=called)
    found: Found = asked.ask(job, called, timeout)
    meant = tuple(parameters.with_meaning(p, place.where) for p, place in zip(made, found.places, strict=True))
    observer, actor = looked.adapters(found.observes, found.acts, called)
    if observer.pictures:
        name = observer.pictures[0]
        errors.warn(
            f"{called} shows the image {name!r} beside other things, so it is read as {observer.size:,} plain numbers; alone it"
            f" goes through convolutions: --wrappers \"FilterObservation(['{name}'])\""
        )
    return Served(recipe._replace(places=found.places), found, meant, observer, actor, called, timeout)


def doubts(what: Served, horizon: int) -> tuple[str, ...]:
    """What looks wrong with its tasks, in words, once a worker has played both ends of each parameter.

    Raises UserError for tasks that do not reach the environment.
    """
    spans = parameters.spans(what.parameters)
    job = functools.partial(probed.doubts, recipe=what.recipe, spans=spans, called=what.called, horizon=horizon)
    played: tuple[str, ...] = asked.ask(job, what.called, what.timeout)
    return what.found.doubts + played


def _sendable(recipe: Recipe, called: str) -> Recipe:
    """The recipe in a form that a worker can be sent. Raises UserError if there is none."""
    named = recipe
    if not isinstance(recipe.spec, Named):
        named = recipe._replace(spec=Named(recipe.spec.id, _registering(recipe), tuple(recipe.spec.kwargs.items())))
    for form in (recipe, named):
        try:
            _sent(form)
        except Exception:  # its type depends on what cannot be sent, and on the version of Python
            continue
        return form
    raise errors.UserError(
        f"{called} cannot be sent to a worker process: it, its wrappers and --apply must be classes or functions of a module,"
        " not of another function"
    )


def _registering(recipe: Recipe) -> tuple[str, ...]:
    """Modules that may have registered an environment: those that the user has named, and that of its code."""
    creator: Any = varied.creator(varied.spec_of(recipe))
    code = getattr(creator, "func", creator)  # of a partial
    own = [str(code.__module__).partition(".")[0]] if getattr(code, "__module__", None) else []
    return tuple(dict.fromkeys([*outside.trusted(), *(name for name in own if name not in ("__main__", "pliant"))]))


def _sent(recipe: Recipe) -> bytes:
    """The recipe as it is sent."""
    return bytes(ForkingPickler.dumps(recipe))
