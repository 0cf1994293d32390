"""Driving in traffic that nobody has described: other drivers, other lanes, and a car whose pedals and wheel may be reversed.

A batched twin of highway-env 1.12.1 (Leurent 2018, github.com/Farama-Foundation/HighwayEnv): its highway, at the frame rate and
with the collision checks of highway-fast-v0, and its merge, the road of merge-generic-v1. The agent sees the five rows of the
Kinematics observation and chooses a lane or a speed once a second. Hidden are the traffic (how dense, how fast, how close and
how selfish its drivers) and the agent's own vehicle: how hard it accelerates and steers, how long it is, and whether FASTER and
SLOWER, or left and right, are exchanged.

With `simulator = "highway-env"` the same tasks with the same openings are played in highway-env itself, one lane after another:
for evaluation. No random number is drawn while driving, so both play the same episode.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pliant import errors
from pliant.tasks import _checks
from pliant.tasks import _highway_scene as scenes
from pliant.tasks._highway import Traffic
from pliant.tasks._highway_road import Merge, Straight
from pliant.tasks._highway_state import BREADTH, FASTER, LATERAL_GAIN, LENGTH, RIGHT, SPEED_GAIN, Cast, State
from pliant.tasks.base import BatchEnv, Family, Parameter, Tasks
from pliant.types import Spec

ACTIONS = 5
EPISODES = 3
OBSTACLE = 2.0
"""Its length and width, m."""


@dataclass(frozen=True)
class Settings:
    """Scene, simulator and size."""

    scene: Literal["highway", "merge"] = "highway"
    """An endless highway, or 370 m of one that a ramp joins."""
    simulator: Literal["twin", "highway-env"] = "twin"
    """The batched twin, or highway-env itself (extra `driving`), several hundred times slower."""
    horizon: int = 30
    """Steps of a second each after which an episode is truncated."""
    vehicles: int = 20
    """Other vehicles; in the merge, which is not always full, at most so many and one on the ramp."""
    frequency: int = 5
    """Frames simulated per second: 5 as highway-fast-v0, 15 as highway-v0 and merge-generic-v1."""
    collisions: Literal["agent", "all"] = "agent"
    """Whose collisions are looked for: the agent's and those with obstacles, as highway-fast-v0 does, or everybody's."""

    def __post_init__(self) -> None:
        for name in ("horizon", "vehicles", "frequency"):
            _checks.positive_int(name, getattr(self, name))
        choices = {"scene": ("highway", "merge"), "simulator": ("twin", "highway-env"), "collisions": ("agent", "all")}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}: expected {' or '.join(known)}")
        if not 3 <= self.frequency <= 60:
            raise ValueError(f"frequency is {self.frequency}: expected 3 to 60 per second; with fewer, steering overshoots")
        if self.vehicles > 100 or self.horizon > 150:
            got = f"vehicles is {self.vehicles} and horizon is {self.horizon}"
            raise ValueError(f"{got}: expected at most 100 vehicles and 150 steps, as the highway is 10 km long")


class Driving(BatchEnv):
    """The twin: N = M B scenes side by side."""

    def __init__(self, family: Family, tasks: Tasks, lanes: int, episodes: int) -> None:
        super().__init__(family, tasks, lanes, episodes)
        settings: Settings = family.settings
        value = {name: tasks.tensor(name).repeat_interleave(lanes) for name in tasks.arrays}  # [N]
        self.count, self.density, self.pace = value["lanes"].long(), value["density"], value["traffic_speed"]
        self.reversed_pedals, self.reversed_steering = value["reversed_pedals"] > 0, value["reversed_steering"] > 0
        merges = settings.scene == "merge"
        self.road = Merge(self.count) if merges else Straight(self.count)
        self.open = scenes.merge if merges else scenes.highway
        self.reset_noise = (scenes.merge_noise if merges else scenes.highway_noise)(settings.vehicles)
        blank = self.open(self.count, self.density, self.pace, torch.zeros(len(self.count), self.reset_noise).double())
        cast, all_collide = cast_of(value, settings), settings.collisions == "all"
        self.whole = Traffic(self.road, cast, blank, settings.frequency, all_collide)
        self.traffic, self.rows = self.whole, torch.arange(len(self.count))
        self.frames = settings.frequency

    @property
    def state(self) -> State:
        """Of the scenes `rows`, those that are still simulated."""
        return self.traffic.state

    def begin(self, chosen: Tensor, noise: Tensor) -> None:
        if bool(chosen.all()):
            self.traffic, self.rows = self.whole, torch.arange(len(self.count))
        rows = chosen.flatten().nonzero().flatten()
        opened = self.open(self.count[rows], self.density[rows], self.pace[rows], noise.flatten(0, 1)[rows])
        state, inside = self.state, torch.searchsorted(self.rows, rows)
        state.put(inside, opened)
        lane = self.traffic.road.closest(state.x, state.y, state.heading)[inside]
        state.lane, state.target = (x.index_copy(0, inside, lane) for x in (state.lane, state.target))

    def observe(self) -> Tensor:
        seen = scenes.observe(self.state, self.traffic.cast, self.count[self.rows])
        return self._spread(seen).view(*self.shape, -1)

    def advance(self, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        self._forget()
        pressed, traffic = self.pressed(action)[self.rows], self.traffic
        traffic.command(pressed)
        for _ in range(self.frames):
            traffic.frame()
        state = traffic.state
        crashed, passed = state.crashed[:, 0], torch.zeros_like(state.crashed[:, 0])
        if isinstance(traffic.road, Merge):
            reward, passed = scenes.merge_reward(state, traffic.road, pressed), state.x[:, 0] > Merge.END
        else:
            reward = scenes.highway_reward(state, traffic.road, self.count[self.rows])
        return self.judged(*(self._spread(x).view(self.shape) for x in (reward, crashed, passed)))

    def _forget(self) -> None:
        """Drop scenes that have ended for good once they are a fifth of those that are simulated."""
        plays = self.active.flatten()[self.rows]
        if 0 < int(plays.sum()) < 0.8 * len(plays):
            keep = plays.nonzero().flatten()
            self.traffic, self.rows = self.traffic.part(keep), self.rows[keep]

    def _spread(self, x: Tensor) -> Tensor:
        """What the scenes `rows` have, for all, with zeros for those that have ended."""
        return x if len(x) == len(self.count) else x.new_zeros(len(self.count), *x.shape[1:]).index_copy(0, self.rows, x)

    def pressed(self, action: Tensor) -> Tensor:
        """What the vehicle makes of actions [M, B], [N]."""
        action = action.flatten()
        action = torch.where(self.reversed_pedals & (action >= FASTER), 2 * FASTER + 1 - action, action)
        return torch.where(self.reversed_steering & (action <= RIGHT), RIGHT - action, action)

    def judged(self, reward: Tensor, crashed: Tensor, passed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reward, termination and success of a step: an episode that ends without a crash is a success."""
        last = self._elapsed + 1 >= self.horizon
        return reward, crashed | passed, ~crashed & (passed | last)


def cast_of(value: dict[str, Tensor], settings: Settings) -> Cast:
    """The drivers and vehicles of tasks given as [N] each."""
    merges = settings.scene == "merge"
    V = 1 + settings.vehicles + 2 * merges
    length = torch.full((len(value["length"]), V), LENGTH, dtype=torch.float64)
    breadth, still = torch.full((V,), BREADTH, dtype=torch.float64), torch.zeros(V, dtype=torch.bool)
    length[:, 0] = value["length"]
    if merges:
        length[:, -1], breadth[-1], still[-1] = OBSTACLE, OBSTACLE, True
    return Cast(
        time_gap=value["time_gap"][:, None],
        acceleration=value["acceleration"][:, None],
        politeness=value["politeness"][:, None],
        speed_gain=value["speed_gain"],
        lateral_gain=value["lateral_gain"],
        length=length,
        breadth=breadth,
        still=still,
    )


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
        settings=settings,
    )


def _original() -> type[Driving]:
    try:
        from pliant.tasks._highway_original import Original
    except ImportError as error:
        raise errors.missing_extra(error, "driving with simulator highway-env") or error from error
    return Original


PARAMETERS = (
    Parameter("reversed_pedals", choices=(0.0, 1.0), meaning="1: FASTER and SLOWER are exchanged"),
    Parameter("reversed_steering", choices=(0.0, 1.0), meaning="1: LANE_LEFT and LANE_RIGHT are exchanged"),
    Parameter("lanes", choices=(2.0, 3.0, 4.0), ood=(5.0,), meaning="of the highway"),
    Parameter("density", train=(0.8, 1.6), ood=(0.8, 2.0), meaning="of the traffic, highway-env's is 1"),
    Parameter("traffic_speed", train=(21.5, 25.0), ood=(19.0, 27.0), meaning="mean speed that other drivers want, m/s"),
    Parameter("time_gap", train=(0.8, 2.0), ood=(0.5, 2.0), meaning="that other drivers keep, s; highway-env's is 1.5"),
    Parameter("acceleration", train=(2.0, 4.0), ood=(2.0, 6.0), meaning="other drivers' comfortable one, m/s^2"),
    Parameter("politeness", train=(0.0, 0.5), ood=(0.0, 1.0), meaning="of other drivers' lane changes; highway-env's is 0"),
    Parameter("speed_gain", train=(0.4, SPEED_GAIN), ood=(0.3, SPEED_GAIN), meaning="1/s, how fast the vehicle takes a speed"),
    Parameter("lateral_gain", train=(0.8, LATERAL_GAIN), ood=(0.6, LATERAL_GAIN), meaning="1/s, how fast it changes lane"),
    Parameter("length", train=(4.0, 8.0), ood=(4.0, 10.0), meaning="of the vehicle, m"),
)
