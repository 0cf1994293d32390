"""What an environment must answer to `reset` and `step`: each breach is a `Fault` in words that follow the environment's name.

Imported by workers: no torch here.
"""

import re
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from pliant.tasks.worker import Fault, described

Env = gymnasium.Env[Any, Any]

RESET = "reset(self, *, seed=None, options=None)"
STEP = "(observation, reward, terminated, truncated, info)"
DISPLAY = re.compile(
    r"no available video device|no \$?DISPLAY|DISPLAY (environment )?variable|NoSuchDisplay|X11: |GLXBad"
    r"|(connect to|open|find)( a)?( X)? ?(display|screen)",
    re.IGNORECASE,
)
"""What libraries of graphics say where there is no screen."""


def opened(env: Env, seed: int, options: dict[str, Any] | None = None) -> Any:
    """The observation in which an episode opens. Raises Fault, or whatever the environment does."""
    try:
        found = env.reset(seed=seed, **({"options": options} if options else {}))
    except TypeError as error:
        if lacking := re.search(r"unexpected keyword argument '(seed|options)'", str(error)):
            raise Fault(f"takes no {lacking[1]} in reset: expected {RESET}") from error
        raise
    except ValueError as error:
        if _unpacked(error, 2):
            raise Fault("returned no pair from reset: expected the pair (observation, info)") from error
        raise
    if not isinstance(found, tuple) or len(found) != 2:
        raise Fault(f"returned {_kind(found)} from reset: expected the pair (observation, info)")
    if not isinstance(found[1], Mapping):
        raise Fault(f"returned the info {_short(found[1])} from reset: expected the pair (observation, info), info a dict")
    return found[0]


def stepped(env: Env, action: Any) -> tuple[Any, float, bool, bool, Mapping[str, Any]]:
    """(observation, reward, terminated, truncated, info) of a step. Raises Fault, or whatever the environment does."""
    try:
        found: Any = env.step(action)
    except ValueError as error:
        if _unpacked(error, 5):
            before = ", as before Gymnasium 0.26" if "got 4" in str(error) else ""
            raise Fault(f"returned other than 5 values from step{before}: expected {STEP}") from error
        raise
    if not isinstance(found, tuple) or len(found) != 5:
        before = ", as before Gymnasium 0.26" if isinstance(found, tuple) and len(found) == 4 else ""
        raise Fault(f"returned {_kind(found)} from step{before}: expected {STEP}")
    obs, reward, terminated, truncated, info = found
    if not isinstance(info, Mapping):
        raise Fault(f"returned the info {_short(info)} from step: expected a dict")
    return obs, _number(reward), _truth("terminated", terminated), _truth("truncated", truncated), info


def blamed(error: Exception) -> str:
    """What an environment did wrong, in words that follow its name, and what to do about a screen that is not there."""
    words = described(error)
    if DISPLAY.search(words):
        words += (
            ": it needs a display, and there is none; set SDL_VIDEODRIVER=dummy (pygame) or MUJOCO_GL=egl (MuJoCo), or call"
            " xvfb-run -a pliant ..."
        )
    return words


def _number(reward: Any) -> float:
    if isinstance(reward, (int, float, np.floating, np.integer)):
        return float(reward)
    x = np.asarray(reward)
    if x.size != 1 and x.dtype.kind in "fiub":
        raise Fault(
            f"returned a reward of shape {x.shape} from step: expected one number, so weigh its parts in a wrapper"
            " (--wrappers module.Wrapper)"
        )
    if x.dtype.kind not in "fiub":
        raise Fault(f"returned the reward {_short(reward)} from step: expected a number")
    return float(x.reshape(()))


def _truth(name: str, value: Any) -> bool:
    if isinstance(value, (bool, np.bool_, int)):
        return bool(value)
    x = np.asarray(value)
    if x.size != 1 or x.dtype.kind not in "bfiu":
        raise Fault(f"returned the {name} {_short(value)} from step: expected true or false")
    return bool(x.reshape(()))


def _unpacked(error: ValueError, wanted: int) -> bool:
    """A wrapper has found another number of values than it wanted."""
    return bool(re.search(rf"values to unpack \(expected {wanted}\b", str(error)))


def _kind(found: Any) -> str:
    """What came instead of a tuple, in words."""
    return f"{len(found)} values" if isinstance(found, tuple) else _short(found)


def _short(value: Any) -> str:
    words = " ".join(repr(value).split())
    return words if len(words) <= 40 else f"of type {type(value).__name__}"
