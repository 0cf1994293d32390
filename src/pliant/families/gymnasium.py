"""Any Gymnasium environment: its constructor arguments, attributes, reset options or layouts become tasks.

Without settings, CartPole-v1 with other poles and with pushes that may be reversed.
"""

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Gt, Unit
from gymnasium.envs.registration import EnvSpec
from torch import Tensor

from pliant import errors
from pliant.simulators.gymnasium import named, packages, varied
from pliant.simulators.gymnasium import served as serving
from pliant.simulators.gymnasium import vary as varying
from pliant.simulators.gymnasium.varied import Recipe
from pliant.system import outside
from pliant.tasks import checks
from pliant.tasks.base import BatchEnv, Family, Tasks
from pliant.tasks.workers import TIMEOUT, Pooled
from pliant.types import Spec


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
    leave_out: str = ""
    """Keys of a Dict of observations that agents do not see, e.g. "desired_goal"."""
    fresh: bool = False
    """Make the environment anew for every episode: slower, and the way out for one that keeps state from episode to episode."""
    success: str = ""
    """Under which name `info` reports success; empty for "success" or "is_success", if the environment reports one when it is
    tried out. What a step does not report is no success."""
    horizon: Annotated[int, Ge(0)] = 0
    """Steps after which an episode is truncated, 0 for the environment's own time limit."""
    episodes: Annotated[int, Ge(0)] = 0
    """Episodes of a trial, 0 for the usual: 4 for an agent with memory, 1 for others."""
    workers: Annotated[int, Ge(0)] = 0
    """Worker processes, 0 for one per core."""
    timeout: Annotated[float, Gt(0), Unit("seconds")] = TIMEOUT
    """Seconds that a reset or a step may take."""

    def __post_init__(self) -> None:
        checks.settings(self)
        if self.env and not self.vary:
            raise ValueError(f"vary is empty: say in what the tasks of {self.env} differ, e.g. --vary seed=0..999 for layouts")
        if self.vary and not self.env:
            raise ValueError("env is empty: give the Gymnasium id whose tasks vary, e.g. --env CartPole-v1")
        for name in ("vary", "ood", "arguments"):
            varying.parse(name, getattr(self, name))
        shared = {axis.name for axis in varying.parse("vary", self.vary)}
        if unknown := [axis.name for axis in varying.parse("ood", self.ood) if axis.name not in shared]:
            raise ValueError(f"ood has {unknown[0]!r}, which vary does not have: only what varies can be shifted")

    @property
    def hidden(self) -> tuple[str, ...]:
        """Keys of the observations that are left out."""
        return tuple(key.strip() for key in self.leave_out.split(",") if key.strip())


EPISODES = 4
"""Of the trials of agents with memory, unless asked otherwise: one to find out about the task, others to use it."""
EXAMPLE = Settings("CartPole-v1", "length=0.3:1.0, force_mag=-15:-5|5:15", "length=0.3:1.5")


def family(settings: Settings | None = None) -> Family:
    """The family of one environment. Raises UserError for an environment or a task that cannot be served."""
    settings = settings or Settings()
    if not settings.env:
        settings = dataclasses.replace(settings, env=EXAMPLE.env, vary=EXAMPLE.vary, ood=EXAMPLE.ood)
    wrappers, apply = named.wrappers(settings.wrappers), named.function(settings.apply)
    recipe = Recipe(_spec(settings), (), wrappers, apply, settings.hidden, settings.fresh, settings.success)
    vary, ood = varying.parse("vary", settings.vary), varying.parse("ood", settings.ood)
    horizon = settings.horizon or _time_limit(settings)
    served = serving.served(recipe, vary, ood, settings.env, settings.timeout)
    observer, actor = served.observer, served.actor
    success = served.found.success if served.found.success_at <= horizon else ""
    recipe = served.recipe._replace(success=success)
    return Family(
        name="gymnasium",
        summary=f"{settings.env} with other {', '.join(p.name for p in served.parameters)}",
        parameters=served.parameters,
        spec=Spec(observer.size, actor.size, actor.discrete, image=observer.image),
        horizon=horizon,
        environment=partial(_environment, recipe=recipe),
        shift=settings.ood or "none: name one with --ood",
        episodes=settings.episodes or 1,
        memory_episodes=settings.episodes or EPISODES,
        version="2",
        success=f"the environment says so in its info, under {success!r}" if success else "",
        settings=settings,
        doubts=partial(serving.doubts, served, horizon),
        layout="seed" if any(place.where == "seed" for place in served.recipe.places) else "",
    )


def _environment(family: Family, tasks: Tasks, lanes: int, episodes: int, recipe: Recipe) -> BatchEnv:
    settings: Settings = family.settings
    make = partial(varied.Varied, recipe)
    return _Batch(family, tasks, lanes, episodes, make, settings.workers, settings.timeout, settings.env)


class _Batch(Pooled):
    """Says, once per process and environment, that success is reported of which the family knew nothing beforehand."""

    said: ClassVar[set[str]] = set()

    def advance(self, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        reward, terminated, success = super().advance(action, noise)
        if not self.reports_success and self.called not in self.said and bool(success.any()):
            self.said.add(self.called)
            env = self.family.settings.env
            errors.warn(
                f"{env} reports a success in its info, but reported none when it was tried out: add --family.success NAME, the"
                " name it has there, to have success measured"
            )
        return reward, terminated, success


def _spec(settings: Settings) -> EnvSpec:
    """What Gymnasium knows of the id, with the arguments that all tasks share."""
    module = settings.env.partition(":")[0] if ":" in settings.env else ""
    if module:
        outside.require_imported(module, f"--env {settings.env}")
    spec = packages.find(_id(settings))
    fixed = {axis.name: _fixed(axis) for axis in varying.parse("arguments", settings.arguments)}
    return varied.bare(spec, fixed)


def _id(settings: Settings) -> str:
    """What Gymnasium calls the environment: without the module that registers it."""
    return settings.env.rpartition(":")[2]


def _fixed(axis: varying.Axis) -> Any:
    if len(axis.values) != 1:
        raise ValueError(f"arguments has {axis.name} with a choice: give one value; what varies belongs into vary")
    value = axis.values[0]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _time_limit(settings: Settings) -> int:
    limit = packages.find(_id(settings)).max_episode_steps
    if limit is None:
        raise errors.UserError(f"{settings.env} has no time limit of its own: give one with --horizon STEPS")
    return limit
