"""A long short-term memory with a store of past episodes, reinstated when their context returns.

    where an episode ends     store (its context, the cell c)
    where an episode opens    m <- stored cells, weighted by the similarity of their contexts to this one
    each step                 c <- f * c + i * g + r * tanh(m)

Ritter et al. 2018, arXiv:1805.09692, equations 1 to 4. The context of an episode is its first observation. How well the best
stored context fits is an input too, so that a new context is known to be new.

The store holds `slots` episodes. An episode whose context is stored already (cosine above SAME) replaces it; otherwise the
episode stored the longest ago is forgotten. Contexts are compared as they are observed, by direction: made for codes.
Observations that all lie far from 0 on one side look alike, and one of zeros is like no other, itself included.
"""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
from annotated_types import Ge
from torch import Tensor, nn

from pliant.policies.parts import layers
from pliant.policies.parts.layers import Linear
from pliant.policies.parts.memory import MemoryPolicy, MemorySettings, recurrent_
from pliant.streams import Stream
from pliant.types import Inputs, Spec

SAME = 0.999
SHARPNESS = 30.0
"""Strength of the comparison: a context with cosine 0.8 to the best one counts e^-6 of it."""


class State(NamedTuple):
    """What is remembered, D the size of a context and S the slots of the store."""

    h: Tensor
    """[M, B, H]"""
    c: Tensor
    """[M, B, H]"""
    reinstated: Tensor
    """[M, B, H], m of the running episode."""
    fit: Tensor
    """[M, B, 1], cosine of the best stored context."""
    begun: Tensor
    """[M, B] bool, an episode is running."""
    context: Tensor
    """[M, B, D], of the running episode."""
    contexts: Tensor
    """[M, B, S, D], stored."""
    cells: Tensor
    """[M, B, S, H], stored."""
    age: Tensor
    """[M, B, S], the how-manieth store it was; -1 for an empty slot."""


@dataclass(frozen=True)
class Settings(MemorySettings):
    """Size of the memory and of its store."""

    slots: Annotated[int, Ge(1)] = 32
    """Episodes that the store holds."""


class Episodic(nn.Module):
    """The memory and its store."""

    def __init__(self, size_in: int, obs_size: int, settings: Settings, generator: torch.Generator) -> None:
        super().__init__()
        H = settings.size
        self.slots, self.obs_size, self.size_out = settings.slots, obs_size, H
        self.into = Linear(size_in, 5 * H, 1.0, generator)  # input, forget, output, new, reinstate
        self.fit = Linear(1, 5 * H, 1.0, generator)
        self.back = recurrent_(Linear(H, 5 * H, 1.0, generator), H, generator)
        self.initial = nn.Parameter(torch.zeros(2, H))
        with torch.no_grad():
            self.into.bias[H : 2 * H] = 1.0

    def start(self, tasks: int, lanes: int) -> State:
        S, D, H = self.slots, self.obs_size, self.size_out
        h, c = layers.over_lanes(self.initial, 2, tasks, lanes).unbind(-2)
        m, fit, context, contexts, cells = (h.new_zeros(tasks, lanes, *n) for n in ((H,), (1,), (D,), (S, D), (S, H)))
        begun = torch.zeros(tasks, lanes, dtype=torch.bool, device=h.device)
        return State(h, c, m, fit, begun, context, contexts, cells, h.new_full((tasks, lanes, S), -1))

    def forward(self, x: Tensor, inputs: Inputs, state: State) -> tuple[Tensor, State]:
        B, H = x.shape[1], self.size_out
        into = self.into(x.flatten(1, 2)).unflatten(1, (B, -1))  # [M, B, T, 5H]
        seen = []
        for now, obs, first in zip(into.unbind(2), inputs.obs.unbind(2), inputs.first.unbind(2), strict=True):
            if bool(first.any()):
                state = _opened(state, first, obs)
            z = now + self.fit(state.fit) + self.back(state.h)  # [M, B, 5H]
            reinstated = z[..., 4 * H :].sigmoid() * state.reinstated.tanh()
            i, f, o = z[..., : 3 * H].sigmoid().chunk(3, dim=-1)
            c = torch.addcmul(f * state.c + reinstated, i, z[..., 3 * H : 4 * H].tanh())
            h = o * c.tanh()
            state = state._replace(h=h, c=c)
            seen.append(h)
        return torch.stack(seen, dim=2), state


def _opened(state: State, first: Tensor, obs: Tensor) -> State:
    """Where `first` [M, B]: store the episode that ended, and reinstate what is stored under the context `obs` [M, B, D]."""
    similar = _similar(state.context, state)
    known = similar.amax(-1, keepdim=True) > SAME
    slot = torch.where(known, similar, -state.age).argmax(-1)  # its own slot, or the oldest
    chosen = nn.functional.one_hot(slot, state.age.shape[-1]).bool() & (first & state.begun).unsqueeze(-1)  # [M, B, S]
    contexts = torch.where(chosen.unsqueeze(-1), state.context.unsqueeze(-2), state.contexts)
    cells = torch.where(chosen.unsqueeze(-1), state.c.unsqueeze(-2), state.cells)
    age = torch.where(chosen, state.age.amax(-1, keepdim=True) + 1, state.age)
    context = torch.where(first.unsqueeze(-1), obs, state.context)
    state = state._replace(context=context, contexts=contexts, cells=cells, age=age, begun=state.begun | first)
    similar = _similar(context, state)
    reinstated = ((SHARPNESS * similar).softmax(-1).unsqueeze(-2) @ cells).squeeze(-2)  # [M, B, H]
    fit = similar.amax(-1, keepdim=True).clamp(min=0)
    opens = first.unsqueeze(-1)
    return state._replace(reinstated=torch.where(opens, reinstated, state.reinstated), fit=torch.where(opens, fit, state.fit))


def _similar(context: Tensor, state: State) -> Tensor:
    """Cosine of a context [M, B, D] and each stored one, -1 for empty slots, [M, B, S]."""
    cosine = nn.functional.cosine_similarity(context.unsqueeze(-2), state.contexts, dim=-1, eps=1e-6)
    return torch.where(state.age >= 0, cosine, -1.0)


def make(spec: Spec, settings: Settings, stream: Stream) -> MemoryPolicy:
    """A freshly initialised policy."""
    return MemoryPolicy(
        spec, settings, lambda size_in, generator: Episodic(size_in, spec.obs_size, settings, generator), stream
    )
