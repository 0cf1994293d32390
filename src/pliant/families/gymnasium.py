"""Any Gymnasium environment: its constructor arguments, attributes, reset options or layouts become tasks.

Without settings, CartPole-v1 with other poles and with pushes that may be reversed.
"""

import ast
import dataclasses
import inspect
from dataclasses import dataclass
from functools import partial
from multiprocessing.reduction import ForkingPickler
from typing import Any

import gymnasium
import gymnasium.wrappers
import numpy as np
from gymnasium.envs.registration import EnvSpec, load_env_creator

from pliant import errors
from pliant.simulators.gymnasium import packages, spaces, varied
from pliant.simulators.gymnasium import vary as varying
from pliant.simulators.gymnasium.varied import Place, Recipe
from pliant.system import outside
from pliant.tasks import checks
from pliant.tasks.base import BatchEnv, Family, Tasks
from pliant.tasks.workers import TIMEOUT, Pooled
from pliant.types import Spec

PREFIXES = {"argument", "attribute", "option", "apply"}


@dataclass(frozen=True)
class Settings:
    """Which environment, and what varies in it."""

    env: str = ""
    """Gymnasium id. "module:Id-v0" only for a module that you have imported (--import module)."""
    vary: str = ""
    """What tasks differ in, e.g. "length=0.3:1.5, force_mag=-15:-5|5:15, is_slippery=true|false, seed=0..999": ranges, values,
    integers. A name is a constructor argument, else an attribute; a prefix says which: argument., attribute., option. (of
    reset) or apply."""
    ood: str = ""
    """The shifted split, the same way, of those of `vary` that shift; the others stay as they are in training."""
    arguments: str = ""
    """Constructor arguments that all tasks share, e.g. "continuous=true, gravity=-8"."""
    wrappers: str = ""
    """Wrappers, innermost first, e.g. "GrayscaleObservation, FrameStackObservation(4)"; others than Gymnasium's as
    module.Wrapper, for a module that you have imported."""
    apply: str = ""
    """module:function, called as function(env, values) before every reset with what `vary` has under apply., for a module
    that you have imported."""
    horizon: int = 0
    """Steps after which an episode is truncated, 0 for the environment's own time limit."""
    episodes: int = 1
    """Episodes of a trial, unless asked otherwise."""
    workers: int = 0
    """Worker processes, 0 for one per core."""
    timeout: float = TIMEOUT
    """Seconds that a reset or a step may take."""

    def __post_init__(self) -> None:
        checks.positive_int("episodes", self.episodes)
        for name in ("horizon", "workers"):
            if isinstance(getattr(self, name), bool) or not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)!r}: expected an integer of at least 0")
        if not self.timeout > 0:
            raise ValueError(f"timeout is {self.timeout!r}: expected a number of seconds above 0")
        if self.env and not self.vary:
            raise ValueError(f"vary is empty: say in what the tasks of {self.env} differ, e.g. --vary seed=0..999 for layouts")
        if self.vary and not self.env:
            raise ValueError("env is empty: give the Gymnasium id whose tasks vary, e.g. --env CartPole-v1")
        for name in ("vary", "ood", "arguments"):
            varying.parse(name, getattr(self, name))
        shared = {axis.name for axis in varying.parse("vary", self.vary)}
        if unknown := [axis.name for axis in varying.parse("ood", self.ood) if axis.name not in shared]:
            raise ValueError(f"ood has {unknown[0]!r}, which vary does not have: only what varies can be shifted")


EXAMPLE = Settings("CartPole-v1", "length=0.3:1.0, force_mag=-15:-5|5:15", "length=0.3:1.5")


def family(settings: Settings | None = None) -> Family:
    """The family of one environment. Raises UserError for an environment or a task that cannot be served."""
    settings = settings or Settings()
    if not settings.env:
        settings = dataclasses.replace(settings, env=EXAMPLE.env, vary=EXAMPLE.vary, ood=EXAMPLE.ood)
    axes = varying.parse("vary", settings.vary)
    shifted = {axis.name: axis for axis in varying.parse("ood", settings.ood)}
    spec = _spec(settings)
    recipe = Recipe(spec, (), _wrappers(settings), _apply(settings))
    env = _made(recipe, settings)
    try:
        places = tuple(_place(axis, spec, env, settings) for axis in axes)
        pairs = zip(axes, places, strict=True)
        parameters = tuple(varying.parameter(axis, shifted.get(axis.name), p.where) for axis, p in pairs)
        observer, actor = _adapters(env, settings)
        horizon = settings.horizon or _time_limit(settings)
    finally:
        env.close()
    recipe = recipe._replace(places=places)
    _try_out(recipe, parameters, settings, observer, actor)
    _require_picklable(recipe, settings)
    return Family(
        name="gymnasium",
        summary=f"{settings.env} with other {', '.join(p.name for p in parameters)}",
        parameters=parameters,
        spec=Spec(observer.size, actor.size, actor.discrete, image=observer.image),
        horizon=horizon,
        environment=partial(_environment, recipe=recipe),
        shift=settings.ood or "none: name one with --ood",
        episodes=settings.episodes,
        settings=settings,
    )


def _environment(family: Family, tasks: Tasks, lanes: int, episodes: int, recipe: Recipe) -> BatchEnv:
    settings: Settings = family.settings
    make = partial(varied.Varied, recipe)
    return Pooled(family, tasks, lanes, episodes, make, settings.workers, settings.timeout, settings.env)


# ---- the environment


def _spec(settings: Settings) -> EnvSpec:
    """What Gymnasium knows of the id, less what would only take time: its checks, and its own time limit."""
    module = settings.env.partition(":")[0] if ":" in settings.env else ""
    if module:
        outside.require_imported(module, f"--env {settings.env}")
    spec = packages.find(_id(settings))
    fixed = {axis.name: _fixed(axis) for axis in varying.parse("arguments", settings.arguments)}
    return dataclasses.replace(
        spec, kwargs={**spec.kwargs, **fixed}, max_episode_steps=None, disable_env_checker=True, order_enforce=False
    )


def _id(settings: Settings) -> str:
    """What Gymnasium calls the environment: without the module that registers it."""
    return settings.env.rpartition(":")[2]


def _fixed(axis: varying.Axis) -> Any:
    if len(axis.values) != 1:
        raise ValueError(f"arguments has {axis.name} with a choice: give one value; what varies belongs into vary")
    value = axis.values[0]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _made(recipe: Recipe, settings: Settings) -> "gymnasium.Env[Any, Any]":
    try:
        return varied.make(recipe, {})
    except Exception as error:  # whatever an environment raises in its constructor is for the user to mend
        extra = errors.missing_extra(error, settings.env) if isinstance(error, ImportError) else None
        raise extra or errors.UserError(f"{settings.env} cannot be made: {_said(error)}") from error


def _time_limit(settings: Settings) -> int:
    limit = packages.find(_id(settings)).max_episode_steps
    if limit is None:
        raise errors.UserError(f"{settings.env} has no time limit of its own: give one with --horizon STEPS")
    return limit


def _adapters(env: "gymnasium.Env[Any, Any]", settings: Settings) -> tuple[spaces.Observer, spaces.Actor]:
    try:
        return spaces.observer(env.observation_space), spaces.actor(env.action_space)
    except ValueError as error:
        raise errors.UserError(f"{settings.env} cannot be served: its {error}") from error


# ---- what varies


def _place(axis: varying.Axis, spec: EnvSpec, env: "gymnasium.Env[Any, Any]", settings: Settings) -> Place:
    """Where the numbers of an axis go. Raises UserError for a name that the environment does not know."""
    if axis.name == "seed":
        return Place("seed", "seed", "int")
    prefix, _, rest = axis.name.partition(".")
    given, inner = _arguments(spec), env.unwrapped
    if prefix in PREFIXES and rest:
        where, name = prefix, rest
    else:
        where, name = "argument" if axis.name in given else "attribute", axis.name
    if where == "attribute" and not _has(inner, name):
        known = sorted({*given, *(n for n, v in vars(inner).items() if isinstance(v, (bool, int, float)) and n[0] != "_")})
        hint = "prefixes: argument., attribute., option., apply."
        raise errors.unknown(f"name in --vary, no constructor argument or attribute of {settings.env}:", name, known, hint)
    if where == "apply" and not settings.apply:
        raise errors.UserError(f"--vary has {axis.name}, but no function to apply it: give one with --apply module:function")
    now = getattr(*varied.owner_of(inner, name)) if where == "attribute" else given.get(name) if where == "argument" else None
    return _typed(axis, where, name, now, settings)


def _typed(axis: varying.Axis, where: Any, name: str, now: Any, settings: Settings) -> Place:
    """The place with the type that the environment has there now."""
    kinds = {type(value) for value in axis.values} or {float}
    plain = isinstance(now, (str, bool, int, float, np.generic))
    is_int = isinstance(now, (int, np.integer)) and not isinstance(now, bool)
    whole = bool(axis.values) and kinds == {float} and all(float(value).is_integer() for value in axis.values)
    wanted = str if isinstance(now, str) else bool if isinstance(now, (bool, np.bool_)) else float
    if where == "attribute" and not plain and now is not None:
        kind = type(now).__name__
        raise errors.UserError(f"--vary has {axis.name}, a {kind} in {settings.env}: expected an attribute that is a number")
    if plain and (kinds != {wanted} or (is_int and not whole and where == "argument")):
        kind = "integers, e.g. 1..5" if is_int else {str: "text", bool: "true or false", float: "numbers"}[wanted]
        got = f"{axis.name}={varying.words(axis)}"
        raise errors.UserError(f"--vary has {got}, which is {now!r} in {settings.env}: expected {kind}")
    if kinds != {float}:
        return Place(where, name, "value", tuple(zip(axis.numbers(), axis.values, strict=True)))
    return Place(where, name, "int" if whole and not isinstance(now, float) else "float")


def _arguments(spec: EnvSpec) -> dict[str, Any]:
    """Constructor arguments of an environment, with their values."""
    creator = spec.entry_point if callable(spec.entry_point) else load_env_creator(str(spec.entry_point))
    named = inspect.signature(creator).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {p.name: p.default for p in named if p.kind in kinds and p.name != "self"} | spec.kwargs


def _has(env: Any, name: str) -> bool:
    try:
        return hasattr(*varied.owner_of(env, name))
    except AttributeError:
        return False


def _try_out(recipe: Recipe, parameters: Any, settings: Settings, observer: spaces.Observer, actor: spaces.Actor) -> None:
    """Reset and step the environment once at both ends of everything that varies, the rest as it is in the first task."""
    ends = [(p.choices[0], p.choices[-1]) if p.choices else (p.train[0], p.train[1]) for p in parameters]
    ends = [(*pair, *((p.ood[0], p.ood[-1]) if p.ood else ())) for pair, p in zip(ends, parameters, strict=True)]
    lane, size = varied.Varied(recipe), observer.size
    still: Any = 0 if actor.discrete else np.zeros(actor.size)
    try:
        for i, values in enumerate(ends):
            for value in values:
                task = np.array([value if i == j else first[0] for j, first in enumerate(ends)])
                try:
                    obs = lane.begin(task, 0)
                    lane.advance(still)
                except Exception as error:  # the environment's own refusal, whatever its type
                    name, given = parameters[i].name, recipe.places[i].of(value)
                    raise errors.UserError(f"--vary: {settings.env} rejects {name}={given!r}: {_said(error)}") from error
                if obs.shape != (size,) or not np.isfinite(obs).all():
                    raise errors.UserError(
                        f"--vary: with {parameters[i].name}={value:g} {settings.env} shows {obs.shape[0]} numbers, not all the"
                        f" {size} finite ones of its space: all tasks of a family have one observation space"
                    )
    finally:
        lane.close()


def _require_picklable(recipe: Recipe, settings: Settings) -> None:
    try:
        ForkingPickler.dumps(recipe)
    except Exception as error:  # its type depends on what cannot be sent, and on the version of Python
        raise errors.UserError(
            f"{settings.env} cannot be sent to a worker process: it, its wrappers and --apply must be classes or functions of a"
            " module, not of another function"
        ) from error


# ---- code that the user names


def _apply(settings: Settings) -> Any:
    return outside.attribute(settings.apply, "--family.apply", "function") if settings.apply else None


def _wrappers(settings: Settings) -> tuple[Any, ...]:
    try:
        listed = ast.parse(f"[{settings.wrappers}]", mode="eval").body
        assert isinstance(listed, ast.List)
        return tuple(_wrapper(node) for node in listed.elts)
    except (SyntaxError, AssertionError) as error:
        raise ValueError(f"wrappers is {settings.wrappers!r}: expected names, e.g. FrameStackObservation(4)") from error


def _wrapper(node: ast.expr) -> tuple[Any, tuple[Any, ...], tuple[tuple[str, Any], ...]]:
    """A wrapper as it is written: a name, or a name with constant arguments."""
    call = node if isinstance(node, ast.Call) else ast.Call(node, [], [])
    module, _, name = ast.unparse(call.func).rpartition(".")
    known = [n for n in dir(gymnasium.wrappers) if isinstance(getattr(gymnasium.wrappers, n), type)]
    if not module and name not in known:
        raise errors.unknown("wrapper", name, known)
    found = outside.attribute(f"{module}:{name}", "--wrappers", "Wrapper") if module else getattr(gymnasium.wrappers, name)
    try:
        positional = tuple(ast.literal_eval(argument) for argument in call.args)
        return found, positional, tuple((str(k.arg), ast.literal_eval(k.value)) for k in call.keywords)
    except ValueError as error:
        raise ValueError(f"wrappers has {ast.unparse(node)}: its arguments must be constants") from error


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split()) or 'no reason given'}"
