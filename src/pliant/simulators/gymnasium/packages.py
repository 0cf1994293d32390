"""Which package registers which Gymnasium ids."""

import importlib
import re
import warnings

import gymnasium
from gymnasium.envs.registration import EnvSpec

from pliant import errors

PACKAGES = {
    r"ALE/|\w+(NoFrameskip|Deterministic|-ram)\w*-v\d": "ale_py",
    r"MiniGrid-|BabyAI-": "minigrid",
    r"(highway|merge|roundabout|parking|intersection|racetrack|exit|two-way|u-turn|lane-keeping)-": "highway_env",
    r"(Cont|Finite|DqCont|AbcCont)-": "gym_electric_motor",
    r"Meta-World/": "metaworld",
    r"(Fetch|Hand|AntMaze|PointMaze|FrankaKitchen|Adroit)": "gymnasium_robotics",
    r"dm_control/": "shimmy",
    r"Panda(Reach|Push|Slide|PickAndPlace|Stack|Flip)": "panda_gym",
    r"sumo-": "sumo_rl",
}
"""The beginning of an id, and the module that registers it when it is imported."""


def find(name: str) -> EnvSpec:
    """What Gymnasium knows of an id; packages that pliant has an extra for are imported if the id looks like theirs.

    Raises UserError if nothing registers the id, naming the package that would.
    """
    module = next((m for pattern, m in PACKAGES.items() if re.match(pattern, name)), None)
    if module in errors.EXTRAS and name not in gymnasium.registry:
        try:
            found = importlib.import_module(module)
            if module == "ale_py":  # says which version it is, on standard error
                found.ALEInterface.setLoggerMode(found.LoggerMode.Error)
        except ImportError as error:
            raise errors.missing_extra(error, name) or error from error
    if module == "metaworld":
        raise errors.UserError(f"--env is {name!r}: Meta-World is served by the families metaworld-ml1, -ml10, -ml25 and -ml45")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a newer version: which one to use is the user's choice
            return gymnasium.spec(name)
    except gymnasium.error.Error as error:
        if module and module not in errors.EXTRAS:
            package = module.replace("_", "-")
            raise errors.UserError(
                f"--env is {name!r}, which the package {package} registers: pip install {package}, then add --import {module}"
            ) from error
        known = [spec.id for spec in gymnasium.registry.values()]
        hint = "an environment of another package: add --import PACKAGE"
        raise errors.unknown("Gymnasium id", name, known, hint) from error
