"""What every policy with memory shares: how it reads its inputs, and how it acts on what it remembers.

    inputs -> encoder -> memory -> features -> head -> distribution parameters

What a memory must keep to is said in `policies.base.Memory`. A memory of your own is a module that does, and a `make` that
hands it to `MemoryPolicy`, which is all that the files of our memories have besides.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from pliant.policies.base import Memory
from pliant.policies.parts import heads, images, layers
from pliant.policies.parts.layers import HeadSettings, Linear
from pliant.streams import Stream
from pliant.types import Inputs, Output, Params, Spec, State


@dataclass(frozen=True)
class MemorySettings(HeadSettings):
    """Size of the memory, and what it sees of a step.

    Data that the settings of each memory extend.
    """

    size: Annotated[int, Ge(1)] = 64
    """Units of the memory."""
    embed: tuple[Annotated[int, Ge(1)], ...] = ()
    """Width of each tanh layer between the inputs and the memory, units; none: the memory reads the inputs themselves."""
    reward: bool = True
    """The previous reward is an input. Without it no memory can learn from experience: for controls."""
    symlog: bool = False
    """Compress observations and rewards to sign(x) log(1 + |x|) first."""
    skip: bool = False
    """What is seen now is a feature itself, beside what the memory makes of it."""
    head: tuple[Annotated[int, Ge(1)], ...] = ()
    """Width of each layer between the features and the distribution, units; each is normalised, and a ReLU. None: the head is
    linear."""
    hyper: Annotated[int, Ge(0)] = 0
    """Units of the tanh layer of a head that reads what is seen now and whose weights are generated from the features, behind
    the layers of `head`: a hypernetwork. 0: the head has weights of its own. Needs `skip`."""
    squashed: bool = False
    """Continuous actions are the tanh of a Gaussian, and its standard deviation, before the tanh, is the head's to say step by
    step. Otherwise they are those of a Gaussian, cut off at the ends of their range, and one deviation is learned for all."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hyper and not self.skip:
            raise ValueError(
                f"hyper is {self.hyper}: expected 0, because a generated head reads what is seen now (add --policy.skip true)"
            )
        if self.squashed and not self.min_std < self.init_std < heads.MOST_STD:
            raise ValueError(
                f"init_std is {self.init_std}: expected more than min_std, {self.min_std}, and less than {heads.MOST_STD},"
                " because the policy is squashed"
            )


MakeMemory = Callable[[int, torch.Generator], Memory]
"""(E, generator) -> a memory, freshly initialised."""


class Encoder(nn.Module):
    """Observation, previous action (one-hot when discrete), previous reward, whether an episode opens -> [M, B, T, E].

    The buffers hold a shift and scales, which an algorithm may set (`policies.base.Scaled`); they change no more once it has
    learned.
    """

    obs_shift: Tensor
    obs_scale: Tensor
    reward_scale: Tensor

    def __init__(self, spec: Spec, settings: MemorySettings, generator: torch.Generator) -> None:
        super().__init__()
        self.spec, self.reward, self.symlog = spec, settings.reward, settings.symlog
        self.images = images.body(spec, generator)
        width = (self.images.size_out if self.images else spec.obs_size) + spec.action_size + settings.reward + 1
        sizes = (width, *settings.embed)
        self.layers = nn.ModuleList([Linear(i, o, 1.0, generator) for i, o in pairwise(sizes)])
        self.size_out = sizes[-1]
        self.register_buffer("obs_shift", torch.zeros(spec.obs_size))
        self.register_buffer("obs_scale", torch.ones(spec.obs_size))
        self.register_buffer("reward_scale", torch.ones(1))

    def forward(self, inputs: Inputs) -> Tensor:
        obs, action, reward, first = inputs
        M, B = obs.shape[:2]
        shift, scale, unit = (layers.over_lanes(p, 1, M, 1) for p in (self.obs_shift, self.obs_scale, self.reward_scale))
        obs = (obs - shift.unsqueeze(2)) * scale.unsqueeze(2)
        reward = (reward * unit).unsqueeze(-1)  # [M, B, T, 1]
        if self.symlog:
            obs, reward = layers.symlog(obs), layers.symlog(reward)
        if self.images:
            obs = self.images(obs.flatten(1, 2)).unflatten(1, (B, -1))  # [M, B, T, features of the image]
        if self.spec.discrete:
            action = action.unsqueeze(-1) == torch.arange(self.spec.action_size, device=action.device)  # -1: none
        parts = [obs, action.to(obs.dtype), *([reward] if self.reward else []), first.unsqueeze(-1).to(obs.dtype)]
        x = torch.cat(parts, dim=-1)  # [M, B, T, D + A + 2]
        for layer in self.layers:
            x = layer(x.flatten(1, 2)).tanh().unflatten(1, (B, -1))
        return x


def _scales(obs: tuple[Tensor, Tensor] | None, reward: Tensor | None) -> Params:
    """The buffers of an encoder that bring observations and rewards of these means and deviations to unit size."""
    scales = {} if obs is None else {"obs_shift": obs[0], "obs_scale": 1 / obs[1]}  # [D]
    return scales if reward is None else scales | {"reward_scale": (1 / reward).view(1)}


class MemoryPolicy(nn.Module):
    """Acts on what `memory` makes of the inputs so far: a policy with memory and with scales, as `policies.base` has them."""

    core: Memory

    broadcasts = True
    memory = True

    def __init__(self, spec: Spec, settings: MemorySettings, memory: MakeMemory, stream: Stream) -> None:
        super().__init__()
        generator = stream.generator()
        self.encoder = Encoder(spec, settings, generator)
        self.core = memory(self.encoder.size_out, generator)
        self.skip = settings.skip
        self.size_out: int = self.core.size_out + settings.skip * self.encoder.size_out
        """F, the number of features."""
        self.squashed = settings.squashed and not spec.discrete
        out = spec.action_size * (1 + self.squashed)
        self.head = self._head(settings, out, generator)
        self.init_std, self.min_std = settings.init_std, settings.min_std
        self.log_std = None if self.squashed else layers.initial_log_std(spec, settings)
        self.least = layers.least_of(self.log_std, settings.min_std)

    def _head(self, settings: MemorySettings, out: int, generator: torch.Generator) -> nn.Module:
        """From features [M, N, F] to `out` numbers."""
        if settings.hyper:
            sizes = (self.core.size_out, *settings.head)
            return heads.Hyper(sizes, self.encoder.size_out, settings.hyper, out, 0.01, generator)
        if settings.head:
            return heads.Layers((self.size_out, *settings.head, out), 0.01, generator)
        return Linear(self.size_out, out, 0.01, generator)

    def start(self, tasks: int, lanes: int) -> State:
        """The memory where a trial opens, [M, B, *]; learned, if the memory says so."""
        return self.core.start(tasks, lanes)

    def rescale(self, fixed: Params, obs: tuple[Tensor, Tensor] | None, reward: Tensor | None) -> Params:
        """The buffers `fixed` with the encoder's scales for observations and rewards of these statistics."""
        return fixed | {(name := f"encoder.{own}"): value.to(fixed[name]) for own, value in _scales(obs, reward).items()}

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        features, state = self.remember(inputs, state)
        dist = self.decide(features.flatten(1, 2)).unflatten(1, features.shape[1:3])
        return Output(dist, features), state

    def remember(self, inputs: Inputs, state: State) -> tuple[Tensor, State]:
        """(features [M, B, T, F], the state after): what it knows at each step."""
        M, B = inputs.first.shape[:2]
        state = self.start(M, B) if isinstance(state, tuple) and state == () else state
        seen = self.encoder(inputs)
        features, state = self.core(seen, inputs, state)
        return (torch.cat([features, seen], dim=-1) if self.skip else features), state

    def decide(self, features: Tensor) -> Tensor:
        """Distribution parameters [M, N, P] for features [M, N, F]."""
        x = self.head(features)
        if self.squashed:
            return heads.squashed(x, self.init_std, self.min_std)
        return layers.dist_of(x, self.log_std, self.min_std)


def recurrent_(linear: Linear, size: int, generator: torch.Generator) -> Linear:
    """Make the weights [k size, size] of a recurrent layer orthogonal, gate by gate; the layer."""
    with torch.no_grad():
        for gate in linear.weight.split(size):
            nn.init.orthogonal_(gate, generator=generator)
    return linear


def gru_step(into: Tensor, back: Tensor, h: Tensor) -> Tensor:
    """The new h [M, B, H] from what comes in and what comes back from h, each [M, B, 3H]: reset, update, new."""
    H = h.shape[-1]
    (into_gates, into_new), (back_gates, back_new) = (x.split([2 * H, H], dim=-1) for x in (into, back))
    reset, update = (into_gates + back_gates).sigmoid().chunk(2, dim=-1)
    return torch.lerp(torch.addcmul(into_new, reset, back_new).tanh(), h, update)


def lstm_step(z: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """The new (h, c), each [M, B, H], from z [M, B, 4H]: input, forget, output, new."""
    H = c.shape[-1]
    i, f, o = z[..., : 3 * H].sigmoid().chunk(3, dim=-1)
    c = torch.addcmul(f * c, i, z[..., 3 * H :].tanh())
    return o * c.tanh(), c
