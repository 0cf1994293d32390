"""One Gymnasium environment whose arguments, attributes, reset options or layout are set by a task. Runs in workers."""

import contextlib
import dataclasses
import importlib
import operator
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, get_args

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec, load_env_creator
from numpy.typing import NDArray

from pliant import errors
from pliant.simulators.gymnasium import contract, spaces, success

Array = NDArray[np.float64]
Where = Literal["argument", "attribute", "option", "apply", "seed"]
Wrapper = tuple[Callable[..., Any], tuple[Any, ...], tuple[tuple[str, Any], ...]]
"""(wrapper, its arguments, those with a name)."""


class Place(NamedTuple):
    """Where a number of a task goes."""

    where: Where
    name: str
    kind: Literal["float", "int", "value"]
    """What the environment takes; "value": one of `values`, by its number."""
    values: tuple[tuple[float, Any], ...] = ()
    """(number in a task, value), for what is not a number itself."""

    def of(self, number: float) -> Any:
        """The value that the environment is given."""
        if self.kind == "value":
            return dict(self.values)[number]
        return int(number) if self.kind == "int" else float(number)


class Span(NamedTuple):
    """Where a parameter of the tasks is tried out."""

    name: str
    values: tuple[float, ...]
    """Both ends in training, and some between."""
    shifted: tuple[float, ...]
    """The ends of the shifted split, if it shifts."""


class Named(NamedTuple):
    """An environment by its id, where what Gymnasium knows of it cannot be sent to a worker: it is looked up there."""

    id: str
    modules: tuple[str, ...]
    """Imported first, as they register it."""
    arguments: tuple[tuple[str, Any], ...]
    """Of its constructor, that all tasks share."""


class Recipe(NamedTuple):
    """How to make an environment and set a task in it."""

    spec: EnvSpec | Named
    places: tuple[Place, ...]
    """One per number of a task."""
    wrappers: tuple[Wrapper, ...] = ()
    """Innermost first."""
    apply: Callable[[Any, dict[str, Any]], None] | None = None
    """Sets values of an environment in a way of the user's."""
    left_out: tuple[str, ...] = ()
    """Keys of a Dict of observations that agents do not see."""
    fresh: bool = False
    """Every episode has an environment of its own."""
    success: str = ""
    """Under which name `info` reports success; a usual one if it is empty."""


class Varied:
    """A `Remote` around one environment, made anew when a constructor argument changes."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.env: gymnasium.Env[Any, Any] | None = None
        self.arguments: dict[str, Any] = {}
        self.render_mode: str | None = None
        self.info: Mapping[str, Any] = {}
        """Of the last step."""

    @property
    def pace(self) -> float:
        """Steps that make a second of film."""
        return float(getattr(creator(spec_of(self.recipe)), "metadata", {}).get("render_fps") or 30.0)

    def draw(self) -> None:
        """Make the environment with pictures from now on."""
        self.render_mode = "rgb_array"

    def frame(self) -> Any:
        """The environment's own picture, uint8 [H, W, 3]."""
        assert self.env is not None
        modes = self.env.metadata.get("render_modes", [])
        if "rgb_array" not in modes:
            raise ValueError(f"its render modes are {modes}, without rgb_array")
        return self.env.render()

    def begin(self, task: Array, seed: int) -> Array:
        env, values = self.set(task)
        layout = values["seed"].get("seed", seed)
        self.obs = contract.opened(env, layout, values["option"])
        return self.observe(self.obs)

    def advance(self, action: Any) -> tuple[Array, float, bool, bool, bool]:
        assert self.env is not None
        obs, reward, terminated, truncated, self.info = contract.stepped(self.env, self.act(action))
        succeeded = success.told(self.info, self.recipe.success)
        return self.observe(obs), reward, terminated, truncated, succeeded

    def close(self) -> None:
        if self.env is not None:
            with contextlib.suppress(Exception):  # said before the training (`looked`): nothing is lost by it
                self.env.close()

    def set(self, task: Array) -> "tuple[gymnasium.Env[Any, Any], dict[str, dict[str, Any]]]":
        """The environment with everything set but what goes into its reset, and the values by where they go."""
        values: dict[str, dict[str, Any]] = {where: {} for where in get_args(Where)}
        for place, number in zip(self.recipe.places, task, strict=True):
            values[place.where][place.name] = place.of(number)
        if self.env is None or self.recipe.fresh or values["argument"] != self.arguments:
            self.close()
            self.env, self.arguments = make(self.recipe, values["argument"], self.render_mode), values["argument"]
            self.observe, self.act = spaces.observer(self.env.observation_space).of, spaces.actor(self.env.action_space).of
        for name, value in values["attribute"].items():
            owner, last = owner_of(self.env.unwrapped, name)
            setattr(owner, last, value)
        settle(self.env.unwrapped)
        if self.recipe.apply is not None:
            self.recipe.apply(self.env, values["apply"])
        return self.env, values


def spec_of(recipe: Recipe) -> EnvSpec:
    """What Gymnasium knows of the environment, less what would only take time: its checks, and its own time limit."""
    spec = recipe.spec
    if isinstance(spec, EnvSpec):
        return spec
    for module in spec.modules:
        with contextlib.suppress(ImportError):  # the one that registers it may be another
            importlib.import_module(module)
    if spec.id not in gymnasium.registry:
        raise errors.UserError(
            f"{spec.id} cannot be sent to a worker process, nor does importing {', '.join(spec.modules) or 'anything'} register"
            " it there: it must be a class or a function of a module, registered where that is imported (--import module)"
        )
    return bare(gymnasium.spec(spec.id), dict(spec.arguments))


def bare(spec: EnvSpec, arguments: dict[str, Any]) -> EnvSpec:
    """A spec with more constructor arguments, and without what is the batch's business."""
    kwargs = {**spec.kwargs, **arguments}
    return dataclasses.replace(spec, kwargs=kwargs, max_episode_steps=None, disable_env_checker=True, order_enforce=False)


def creator(spec: EnvSpec) -> Callable[..., Any]:
    """What makes the environment of a spec: a class or a function."""
    return spec.entry_point if callable(spec.entry_point) else load_env_creator(str(spec.entry_point))


def make(recipe: Recipe, arguments: dict[str, Any], render_mode: str | None = None) -> "gymnasium.Env[Any, Any]":
    """The environment with its wrappers. Time limits and endings are the batch's business."""
    shown: dict[str, Any] = {"render_mode": render_mode} if render_mode else {}
    env = gymnasium.make(spec_of(recipe), **shown, **arguments)
    for wrapper, positional, named in recipe.wrappers:
        env = wrapper(env, *positional, **dict(named))
    return without(env, recipe.left_out)


def without(env: "gymnasium.Env[Any, Any]", keys: tuple[str, ...]) -> "gymnasium.Env[Any, Any]":
    """The environment with observations that lack some keys of a Dict. Raises UserError for keys that are not there."""
    if not keys:
        return env
    space = env.observation_space
    known = list(space) if isinstance(space, gymnasium.spaces.Dict) else []
    if unknown := [key for key in keys if key not in known]:
        raise errors.unknown("key in --leave-out, no part of the observations:", unknown[0], known)
    return gymnasium.wrappers.FilterObservation(env, [key for key in known if key not in keys])


def owner_of(env: Any, name: str) -> tuple[Any, str]:
    """The object whose attribute a dotted name is, and the attribute: model.opt.timestep is `timestep` of `env.model.opt`."""
    path, _, last = name.rpartition(".")
    return (operator.attrgetter(path)(env) if path else env), last


def settle(env: Any) -> None:
    """Recompute what Gymnasium's cart-pole derives from its own attributes when it is made."""
    if {"masspole", "masscart", "total_mass", "length", "polemass_length"} <= vars(env).keys():
        env.total_mass = env.masspole + env.masscart
        env.polemass_length = env.masspole * env.length
