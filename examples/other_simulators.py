"""A simulator that Gymnasium does not know, registered as an environment: pc-gym's stirred tank reactor.

    pip install pcgym
    pliant train maml gymnasium --import examples/other_simulators.py --env TankReactor-v0 --vary UA=40000:60000
"""

from typing import Any

import gymnasium
import numpy as np


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


gymnasium.register("TankReactor-v0", tank_reactor, max_episode_steps=60)
