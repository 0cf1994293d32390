"""Simulators that Gymnasium does not know, registered as environments: Crafter, which speaks an older interface, and pc-gym.

    pip install crafter
    pliant train rl2 gymnasium --import examples/other_simulators.py --env Crafter-v0 --vary seed=0..999
    pip install pcgym
    pliant train maml gymnasium --import examples/other_simulators.py --env TankReactor-v0 --vary UA=40000:60000
"""

from typing import Any

import gymnasium
import numpy as np


class Crafter(gymnasium.Env[Any, Any]):
    """Crafter's world of `size` x `size` pixels: its own seed is set at every reset, and a death is told from a limit."""

    def __init__(self, size: int = 64, length: int = 1000) -> None:
        import crafter

        self.world = crafter.Env(size=(size, size), length=length)
        self.observation_space = gymnasium.spaces.Box(0, 255, (size, size, 3), np.uint8)
        self.action_space = gymnasium.spaces.Discrete(len(self.world.action_names))

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        if seed is not None:
            self.world._seed, self.world._episode = seed, 0
        return self.world.reset(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        obs, reward, is_over, info = self.world.step(int(action))
        is_dead = info["discount"] == 0
        return obs, reward, is_dead, is_over and not is_dead, info


def tank_reactor(UA: float = 5e4, steps: int = 60) -> Any:
    """pc-gym's stirred tank reactor with a heat transfer of UA, J/(min K): hold the concentration at two set-points.

    What varies goes through the constructor, as pc-gym builds its model anew at every reset.
    """
    from pcgym import make_env, model_classes

    def bounds(low: list[float], high: list[float]) -> dict[str, Any]:
        return {"low": np.array(low), "high": np.array(high)}

    half = steps // 2
    return make_env(
        {
            "custom_model": model_classes.cstr(UA=UA, int_method="casadi"),
            "integration_method": "casadi",
            "N": steps,
            "tsim": 25.0,
            "SP": {"Ca": [0.85] * half + [0.9] * (steps - half)},
            "x0": np.array([0.8, 330.0, 0.8]),
            "o_space": bounds([0.7, 300.0, 0.8], [1.0, 350.0, 0.9]),
            "a_space": bounds([295.0], [302.0]),
            "r_scale": {"Ca": 1e3},
        }
    )


gymnasium.register("Crafter-v0", Crafter, max_episode_steps=1000)
gymnasium.register("TankReactor-v0", tank_reactor, max_episode_steps=60)
