"""One Gymnasium environment that a caller hands us, as a batch of one task and one lane."""

import contextlib
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import torch
from torch import Tensor

from pliant.errors import UserError
from pliant.simulators.gymnasium import contract, spaces, success, varied
from pliant.tasks.base import BatchEnv, Family, Tasks
from pliant.tasks.worker import Fault
from pliant.types import Spec

MOST_SEEDS = 2**32
"""Seeds from here on nobody has chosen: they are drawn where none is given."""


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
        env = _seen(family, env)
        require_spaces(env, family.spec)
        super().__init__(family, Tasks("gymnasium", {"env": np.zeros(1)}), 1, episodes)
        limit = env.spec.max_episode_steps if env.spec else None
        self.horizon = limit or family.horizon
        self.env = env
        self.act, self.see = spaces.actor(env.action_space).of, spaces.observer(env.observation_space).of
        self.called = str(env.spec.id if env.spec else type(env.unwrapped).__name__)
        self.layout = _last_seed(env) if family.layout else None
        """Where a task is the seed of every reset: the seed of all episodes, None before the first."""
        self.over = False
        self.reports_success = False  # what the family promises is not the word of this environment
        self._success: str = getattr(family.settings, "success", "") if family.name == "gymnasium" else ""

    def described(self) -> Tensor:
        return torch.zeros(1, self.spec.task_size)  # what differs here has no name

    def begin(self, chosen: Tensor, noise: Tensor) -> None:
        seed = int(noise.item() * 2**31)
        if self.family.layout:
            seed = self.layout = self.layout if self.layout is not None else seed
        with self._blaming():
            self.obs = self.see(contract.opened(self.env, seed))

    def observe(self) -> Tensor:
        return torch.from_numpy(self.obs).view(1, 1, -1)

    def advance(self, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        acted = action[0, 0].item() if self.spec.discrete else action[0, 0].numpy()
        with self._blaming():
            obs, reward, terminated, self.over, info = contract.stepped(self.env, self.act(acted))
            self.obs = self.see(obs)
        self.reports_success = self.reports_success or bool(success.name_in(info, self._success))
        succeeded = torch.tensor([[success.told(info, self._success)]])
        return torch.tensor([[reward]]).double(), torch.tensor([[terminated]]), succeeded

    def cut(self) -> Tensor:
        return torch.tensor([[self.over]])

    @property
    def named(self) -> dict[str, Any]:
        """What is adapted to, in words that a file can hold; its layout too, where that is the task."""
        return {"environment": self.called} | ({} if self.layout is None else {self.family.layout: self.layout})

    @contextlib.contextmanager
    def _blaming(self) -> Iterator[None]:
        """An answer that is none is the environment's fault; what it raises is its owner's to see as it is."""
        try:
            yield
        except Fault as fault:
            raise UserError(f"{self.called} {fault}") from fault


def _last_seed(env: "gymnasium.Env[Any, Any]") -> int | None:
    """The seed that an environment was last reset with, None if it was not, or by chance."""
    seed = getattr(env.unwrapped, "_np_random_seed", None)
    return seed if isinstance(seed, int) and 0 <= seed < MOST_SEEDS else None


def _seen(family: Family, env: "gymnasium.Env[Any, Any]") -> "gymnasium.Env[Any, Any]":
    """The environment with what agents of the family see, where they do not see all keys of a Dict."""
    keys = getattr(family.settings, "hidden", ())
    space = env.observation_space
    shown = tuple(key for key in keys if isinstance(space, gymnasium.spaces.Dict) and key in space.spaces)
    return varied.without(env, shown)
