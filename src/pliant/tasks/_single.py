"""One Gymnasium environment that somebody hands us, as a batch of one task and one lane."""

from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pliant.errors import UserError
from pliant.tasks.base import BatchEnv, Family, Tasks
from pliant.types import Spec


def require_spaces(env: "gymnasium.Env[Any, Any]", spec: Spec) -> None:
    """Raise UserError if a policy of `spec` cannot observe or act in `env`."""
    observes, acts = env.observation_space, env.action_space
    discrete = isinstance(acts, gymnasium.spaces.Discrete)
    size = int(acts.n) if isinstance(acts, gymnasium.spaces.Discrete) else int(np.prod(acts.shape or (0,)))
    known = discrete or (isinstance(acts, gymnasium.spaces.Box) and acts.is_bounded() and len(acts.shape) == 1)
    width = observes.shape[0] if isinstance(observes, gymnasium.spaces.Box) and len(observes.shape) == 1 else None
    if not known or (discrete, size) != (spec.discrete, spec.action_size) or width != spec.obs_size:
        wanted = f"Discrete({spec.action_size})" if spec.discrete else f"a bounded Box({spec.action_size},)"
        raise UserError(
            f"environment observes {observes} and acts in {acts}: this policy expects Box({spec.obs_size},) and {wanted}"
        )


class Single(BatchEnv):
    """M = B = 1 around `env`; continuous actions in [-1, 1] are scaled to its own range."""

    reset_noise = 1

    def __init__(self, family: Family, env: "gymnasium.Env[Any, Any]", episodes: int) -> None:
        require_spaces(env, family.spec)
        super().__init__(family, Tasks("gymnasium", {"env": np.zeros(1)}), 1, episodes)
        limit = env.spec.max_episode_steps if env.spec else None
        self.horizon = limit or family.horizon
        self.env = env
        self.over = False

    def described(self) -> Tensor:
        return torch.zeros(1, self.spec.task_size)  # what differs here has no name

    def begin(self, chosen: Tensor, noise: Tensor) -> None:
        self.obs, _ = self.env.reset(seed=int(noise.item() * 2**31))

    def observe(self) -> Tensor:
        return torch.from_numpy(np.array(self.obs, dtype=np.float64)).view(1, 1, -1)  # a copy: environments reuse buffers

    def advance(self, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        self.obs, reward, terminated, self.over, info = self.env.step(to_env(self.env, action[0, 0].numpy()))
        success = bool(info.get("success", info.get("is_success", False)))
        return torch.tensor([[float(reward)]]).double(), torch.tensor([[bool(terminated)]]), torch.tensor([[success]])

    def cut(self) -> Tensor:
        return torch.tensor([[bool(self.over)]])


def to_env(env: "gymnasium.Env[Any, Any]", action: Any) -> Any:
    """An action of ours as `env` takes it: int, or an array of its space's type."""
    known = units(env)
    return int(in_units(known, action)) if "start" in known else in_units(known, action).astype(env.action_space.dtype)


def units(env: "gymnasium.Env[Any, Any]") -> dict[str, Any]:
    """How `env` counts actions, fit for JSON: {"start": int}, or {"low": [A], "high": [A]}."""
    space = env.action_space
    if isinstance(space, gymnasium.spaces.Discrete):
        return {"start": int(space.start)}
    return {"low": space.low.tolist(), "high": space.high.tolist()}  # type: ignore[attr-defined]


def in_units(units: dict[str, Any], action: Any) -> NDArray[Any]:
    """Actions of ours, [..., A] in [-1, 1] or integers from 0, in an environment's units; as they are for units {}."""
    if not units or "start" in units:
        return np.asarray(action + units.get("start", 0))
    low, high = np.array(units["low"]), np.array(units["high"])
    scaled = low + (np.clip(action, -1, 1) + 1) / 2 * (high - low)
    return np.asarray(np.clip(scaled, low, high), np.float32)  # rounding may have left the box
