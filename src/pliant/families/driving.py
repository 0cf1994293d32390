"""Driving in traffic that is not described: other drivers, other lanes, and a car whose pedals and wheel may be reversed.

A batched twin of highway-env 1.12.1 (Leurent 2018, github.com/Farama-Foundation/HighwayEnv): its highway, at the frame rate and
with the collision checks of highway-fast-v0, and its merge, the road of merge-generic-v1. The agent sees the five rows of the
Kinematics observation and chooses a lane or a speed once a second. Hidden are the traffic (how dense, how fast, how close and
how selfish its drivers) and the agent's own vehicle: how hard it accelerates and steers, how long it is, and whether FASTER and
SLOWER, or left and right, are exchanged.

With `simulator = "highway-env"` the same tasks with the same openings are played in highway-env itself, one lane after another:
for evaluation. No random number is drawn while driving, so both play the same episode.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le

from pliant import errors
from pliant.simulators.highway import scene as scenes
from pliant.simulators.highway.batch import Driving
from pliant.simulators.highway.state import LATERAL_GAIN, SPEED_GAIN
from pliant.tasks import checks
from pliant.tasks.base import Family, Parameter, Tasks
from pliant.types import Spec

ACTIONS = 5
EPISODES = 3


@dataclass(frozen=True)
class Settings:
    """Scene, simulator and size."""

    scene: Literal["highway", "merge"] = "highway"
    """An endless highway, or 370 m of one that a ramp joins."""
    simulator: Literal["twin", "highway-env"] = "twin"
    """The batched twin, or highway-env itself (extra `driving`), several hundred times slower."""
    horizon: Annotated[int, Ge(1), Le(150)] = 30
    """Steps of a second each after which an episode is truncated; the highway is 10 km long, enough for 150."""
    vehicles: Annotated[int, Ge(1), Le(100)] = 20
    """Other vehicles; in the merge, which is not always full, at most so many and one on the ramp."""
    frequency: Annotated[int, Ge(3), Le(60)] = 5
    """Frames simulated per second: 5 as highway-fast-v0, 15 as highway-v0 and merge-generic-v1; below 3 steering overshoots."""
    collisions: Literal["agent", "all"] = "agent"
    """Whose collisions are looked for: the agent's and those with obstacles, as highway-fast-v0 does, or everybody's."""

    def __post_init__(self) -> None:
        checks.settings(self)


def family(settings: Settings | None = None) -> Family:
    """The family of traffics and vehicles."""
    settings = settings or Settings()
    environment: type[Driving] = Driving
    if settings.simulator == "highway-env":
        environment = _original()
    return Family(
        name="driving",
        summary="drive through traffic of unknown density and manners in a vehicle whose controls may be reversed",
        parameters=PARAMETERS,
        spec=Spec(obs_size=scenes.SEEN * 5, action_size=ACTIONS, discrete=True),
        horizon=settings.horizon,
        environment=environment,
        shift="at least one of traffic and vehicle beyond its training range, or a fifth lane",
        episodes=EPISODES,
        success="the episode ended without a crash",
        version="2",
        seen=partial(_merging, vehicles=settings.vehicles) if settings.scene == "merge" else None,
        settings=settings,
    )


def _original() -> type[Driving]:
    try:
        from pliant.simulators.highway.original import Original
    except ImportError as error:
        raise errors.missing_extra(error, "driving with simulator highway-env") or error from error
    return Original


def _merging(tasks: Tasks, vehicles: int) -> Tasks:
    """The same tasks with one density for all that bring as many vehicles to the merge, in training's range if it can be."""
    count, density, pace = (tasks.tensor(name) for name in ("lanes", "density", "traffic_speed"))

    def others(density: torch.Tensor) -> torch.Tensor:
        return scenes.merging(count, density, pace).clamp(max=vehicles)

    here, (train, shifted) = others(density), DENSITIES
    middle = here / scenes.room(count, pace)
    trained = middle.clamp(*train)
    same = torch.where(others(trained) == here, trained, middle.clamp(*shifted))
    return Tasks(tasks.family, {**tasks.arrays, "density": same.numpy()})


DENSITIES = (0.8, 1.6), (0.8, 2.0)
PARAMETERS = (
    Parameter("reversed_pedals", choices=(0.0, 1.0), meaning="1: FASTER and SLOWER are exchanged"),
    Parameter("reversed_steering", choices=(0.0, 1.0), meaning="1: LANE_LEFT and LANE_RIGHT are exchanged"),
    Parameter("lanes", choices=(2.0, 3.0, 4.0), ood=(5.0,), meaning="of the highway"),
    Parameter("density", *DENSITIES, meaning="of the traffic, highway-env's is 1"),
    Parameter("traffic_speed", train=(21.5, 25.0), ood=(19.0, 27.0), meaning="mean speed that other drivers want, m/s"),
    Parameter("time_gap", train=(0.8, 2.0), ood=(0.5, 2.0), meaning="that other drivers keep, s; highway-env's is 1.5"),
    Parameter("acceleration", train=(2.0, 4.0), ood=(2.0, 6.0), meaning="other drivers' comfortable one, m/s^2"),
    Parameter("politeness", train=(0.0, 0.5), ood=(0.0, 1.0), meaning="of other drivers' lane changes; highway-env's is 0"),
    Parameter("speed_gain", train=(0.4, SPEED_GAIN), ood=(0.3, SPEED_GAIN), meaning="1/s, how fast the vehicle takes a speed"),
    Parameter("lateral_gain", train=(0.8, LATERAL_GAIN), ood=(0.6, LATERAL_GAIN), meaning="1/s, how fast it changes lane"),
    Parameter("length", train=(4.0, 8.0), ood=(4.0, 10.0), meaning="of the vehicle, m"),
)
