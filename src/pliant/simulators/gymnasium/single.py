"""One Gymnasium environment that a caller hands us, as a batch of one task and one lane."""

from typing import Any

import gymnasium
import numpy as np
import torch
from torch import Tensor

from pliant.errors import UserError
from pliant.simulators.gymnasium import spaces, success
from pliant.tasks.base import BatchEnv, Family, Tasks
from pliant.types import Spec


def require_spaces(env: "gymnasium.Env[Any, Any]", spec: Spec) -> None:
    """Raise UserError if a policy of `spec` cannot observe or act in `env`, with its observations flattened if need be."""
    observes, acts = env.observation_space, env.action_space
    try:
        observer, actor = spaces.observer(observes), spaces.actor(acts)
        fits = (observer.size, observer.image) == (spec.obs_size, spec.image)
        fits = fits and (actor.discrete, actor.size) == (spec.discrete, spec.action_size)
    except ValueError:
        fits = False
    if not fits:
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
        self.act, self.see = spaces.actor(env.action_space).of, spaces.observer(env.observation_space).of
        self.over = False
        self.reports_success = False  # what the family promises is not the word of this environment
        self._success: str = getattr(family.settings, "success", "") if family.name == "gymnasium" else ""

    def described(self) -> Tensor:
        return torch.zeros(1, self.spec.task_size)  # what differs here has no name

    def begin(self, chosen: Tensor, noise: Tensor) -> None:
        obs, _ = self.env.reset(seed=int(noise.item() * 2**31))
        self.obs = self.see(obs)

    def observe(self) -> Tensor:
        return torch.from_numpy(self.obs).view(1, 1, -1)

    def advance(self, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        acted = action[0, 0].item() if self.spec.discrete else action[0, 0].numpy()
        obs, reward, terminated, self.over, info = self.env.step(self.act(acted))
        self.obs = self.see(obs)
        self.reports_success = self.reports_success or bool(success.name_in(info, self._success))
        succeeded = torch.tensor([[success.told(info, self._success)]])
        return torch.tensor([[float(reward)]]).double(), torch.tensor([[bool(terminated)]]), succeeded

    def cut(self) -> Tensor:
        return torch.tensor([[bool(self.over)]])
