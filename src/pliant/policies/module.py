"""Any `torch.nn.Module` as the body of a policy: exact, through vmap, and slower than our own layers.

    obs -> body -> linear head -> distribution parameters

The body maps observations [N, D] to features [N, F] and must not mix rows (no batch normalisation). Name it on the command
line as `--policy.body package.module:Factory`, where `Factory(obs_size)` returns the module, or pass it in Python:
`Agent("maml", "point", body=module)`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pliant.errors import UserError
from pliant.policies.parts import layers
from pliant.policies.parts.layers import HeadSettings
from pliant.streams import Stream
from pliant.types import Inputs, Output, Spec, State


@dataclass(frozen=True)
class Settings(HeadSettings):
    """Which body, and the exploration of the policy."""

    body: str = ""
    """`package.module:Factory`; `Factory(obs_size)` returns an nn.Module from [N, obs_size] to [N, F]."""


class ModulePolicy(nn.Module):
    """A user's body with a linear head; no memory and no critic."""

    broadcasts = False

    def __init__(self, spec: Spec, settings: Settings, body: nn.Module, generator: torch.Generator) -> None:
        super().__init__()
        self.body = body
        features = _tried(body, spec.obs_size)
        self.head = nn.utils.skip_init(nn.Linear, features.shape[-1], spec.action_size)  # set below, from the stream
        nn.init.xavier_uniform_(self.head.weight, generator=generator)
        nn.init.zeros_(self.head.bias)
        self.min_std = settings.min_std
        self.log_std = layers.initial_log_std(spec, settings)
        self.least = layers.least_of(self.log_std, settings.min_std)

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        lead = inputs.obs.shape[:-1]
        x = self.head(self.body(inputs.obs.flatten(0, -2)))  # [M*B*T, A]
        x = layers.dist_of(x, self.log_std, self.min_std)  # [M*B*T, P]
        return Output(x.unflatten(0, lead)), state


def _tried(body: nn.Module, obs_size: int) -> Tensor:
    """What `body` makes of two observations, [2, F]. Raises UserError if it takes none, or gives anything else."""
    try:
        with torch.no_grad():
            features = body(torch.zeros(2, obs_size))
    except Exception as error:  # the user's code, whatever its type
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"policy body does not take observations [2, {obs_size}]: {type(error).__name__}: {reason}") from error
    if not isinstance(features, Tensor) or features.dim() != 2 or len(features) != 2:
        got = list(features.shape) if isinstance(features, Tensor) else f"a {type(features).__name__}"
        raise UserError(f"policy body turned observations [2, {obs_size}] into {got}: expected [2, F]")
    return features


def make(spec: Spec, settings: Settings, stream: Stream, body: nn.Module | None = None) -> ModulePolicy:
    """A policy around `body`, which is what `settings.body` names if nothing else is given."""
    if body is None:
        raise UserError("policy module has no body: --policy.body package.module:Factory, or Agent(..., body=module)")
    if not isinstance(body, nn.Module):
        raise UserError(f"policy body is a {type(body).__name__}: expected a torch.nn.Module")
    return ModulePolicy(spec, settings, body, stream.generator())
