"""The fixed scales of a policy: its buffers, and the running statistics that they follow."""

from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn

from pliant.algorithms.parts.moments import Moments
from pliant.errors import UserError
from pliant.policies.base import Scaled
from pliant.types import Rollout

Which = Literal["none", "obs", "reward", "both"]
"""Inputs that are brought to unit size."""
LEAST_OBS = 1e-2
"""Least deviation of a number of the observation, as a share of its own size and of the middle deviation of all."""
LEAST_REWARD = 1e-1
"""The same of the reward, which is divided and not shifted: rewards of usual size are seen as 10 at most."""


class Scales:
    """The buffers of a policy as values, `fixed`, which change between iterations alone."""

    def __init__(self, policy: nn.Module, obs_size: int, which: Which) -> None:
        """Raises UserError for a policy that has no scales to set."""
        if which != "none" and not isinstance(policy, Scaled):
            name = type(policy).__name__
            want = "expected a method `rescale` of the policy, or --outer.scale none"
            raise UserError(f"--outer.scale is {which}, but {name} has no scales: {want}")
        self._policy, self._which = policy, which
        self.fixed = {name: b.detach().clone() for name, b in policy.named_buffers()}
        self.obs, self.reward = Moments("obs", (obs_size,)), Moments("reward")

    def update(self, rollout: Rollout) -> None:
        """Bring what the policy will see from the next iteration on to unit size, by all that it has seen so far."""
        obs = reward = None
        if self._which in ("obs", "both"):
            self.obs.update(rollout.obs[rollout.valid])
            obs = self.obs.mean, self.obs.std(LEAST_OBS)
        if self._which in ("reward", "both"):
            self.reward.update(rollout.reward[rollout.valid])
            reward = self.reward.std(LEAST_REWARD)
        if isinstance(self._policy, Scaled) and self._which != "none":
            self.fixed = self._policy.rescale(self.fixed, obs, reward)

    def seen(self, obs: Tensor) -> Tensor:
        """Observations [*, D] as the policy is shown them."""
        if self._which not in ("obs", "both"):
            return obs
        return (obs - self.obs.mean.to(obs)) / self.obs.std(LEAST_OBS).to(obs)

    def state(self) -> dict[str, Tensor]:
        """The buffers under "fixed/NAME", and the statistics."""
        return {f"fixed/{name}": b.clone() for name, b in self.fixed.items()} | self.obs.state() | self.reward.state()

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state()`."""
        self.fixed = {name: state[f"fixed/{name}"].clone() for name in self.fixed}
        self.obs.load(state)
        self.reward.load(state)
