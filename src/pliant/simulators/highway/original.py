"""highway-env itself behind the batched contract, for evaluation: one environment for each lane, stepped one after another.

Scenes open as the twin's do: its opening state is written into highway-env's vehicles. Lanes that have ended are not stepped.
"""

from typing import Any

import numpy as np
import torch
from highway_env.envs.highway_env import HighwayEnv  # type: ignore[import-untyped]
from highway_env.envs.merge_env import MergeGenericEnv  # type: ignore[import-untyped]
from highway_env.vehicle.behavior import IDMVehicle  # type: ignore[import-untyped]
from torch import Tensor

from pliant.simulators.highway.batch import Driving
from pliant.tasks.base import Family, Tasks


class Original(Driving):
    """N environments of highway-env; the twin's state says how each episode opens and nothing else."""

    def __init__(self, family: Family, tasks: Tasks, lanes: int, episodes: int) -> None:
        super().__init__(family, tasks, lanes, episodes)
        settings: Any = family.settings
        self.envs = [environment(settings, int(count)) for count in self.count]
        self.seen = torch.zeros(*self.shape, self.spec.obs_size, dtype=torch.float64)

    def begin(self, chosen: Tensor, noise: Tensor) -> None:
        super().begin(chosen, noise)
        for n in chosen.flatten().nonzero().flatten().tolist():
            self._see(n, self.place(self.envs[n], n))

    def observe(self) -> Tensor:
        return self.seen.clone()

    def advance(self, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        pressed = self.pressed(action).tolist()
        N = len(self.envs)
        reward, crashed, passed = torch.zeros(N, dtype=torch.float64), torch.zeros(N).bool(), torch.zeros(N).bool()
        for n in self.active.flatten().nonzero().flatten().tolist():
            obs, paid, terminated, _, info = self.envs[n].step(pressed[n])
            self._see(n, obs)
            reward[n], crashed[n] = float(paid), bool(info["crashed"])
            passed[n] = bool(terminated) and not info["crashed"]
        return self.judged(*(x.view(self.shape) for x in (reward, crashed, passed)))

    def _see(self, n: int, obs: Any) -> None:
        self.seen.view(-1, self.spec.obs_size)[n] = torch.from_numpy(np.asarray(obs, dtype=np.float64).ravel())

    def place(self, env: Any, n: int) -> Any:
        """Open an episode in `env` as scene `n` of the twin stands; the first observation."""
        env.reset(seed=0)
        state, cast, settings = self.state, self.whole.cast, self.family.settings
        agent: Any = env.action_type.vehicle_class(env.road, *_placed(state, n, 0))
        agent.KP_A, agent.KP_LATERAL = float(cast.speed_gain[n]), float(cast.lateral_gain[n])
        agent.LENGTH = float(cast.length[n, 0])
        agent.diagonal = np.sqrt(agent.LENGTH**2 + agent.WIDTH**2)
        env.road.vehicles, env.controlled_vehicles = [agent], [agent]
        for v in (state.drives[n].nonzero().flatten().tolist())[1:]:
            other: Any = IDMVehicle(env.road, *_placed(state, n, v), target_speed=float(state.wish[n, v]))
            other.TIME_WANTED, other.COMFORT_ACC_MAX = float(cast.time_gap[n]), float(cast.acceleration[n])
            other.POLITENESS, other.DELTA = float(cast.politeness[n]), float(state.exponent[n, v])
            other.check_collisions = settings.collisions == "all"
            env.road.vehicles.append(other)
        env.define_spaces()
        return env.observation_type.observe()


def environment(settings: Any, lanes: int) -> Any:
    """An environment of highway-env without traffic."""
    config = {"lanes_count": lanes, "vehicles_count": 0, "simulation_frequency": settings.frequency}
    config |= {"policy_frequency": 1, "duration": settings.horizon}
    if settings.scene == "merge":
        return MergeGenericEnv(config=config | {"neighbour_vehicles_connected_lanes": True})
    return HighwayEnv(config=config)


def _placed(state: Any, n: int, v: int) -> tuple[list[float], float, float]:
    """Position, heading and speed of a vehicle."""
    return [float(state.x[n, v]), float(state.y[n, v])], float(state.heading[n, v]), float(state.speed[n, v])
