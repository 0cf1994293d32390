"""What an agent costs: floating-point operations, seconds, memory, parameters.

Operations are counted by torch's own formulas (`torch.utils.flop_counter`), for matrix products and convolutions, a
multiplication and an addition each; element-wise work is not counted, here as everywhere in the field.
"""

import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from pliant.maths import functional
from pliant.policies.base import traits
from pliant.running.clock import PARTS
from pliant.running.learner import Learner
from pliant.types import Inputs, Rollout, State

REPEATS = 50
BEFORE = 200
"""Steps into a trial after which acting is measured, or where the trial ends: a memory that grows is not new then."""


def of(learner: Learner, rollouts: Sequence[Rollout], steps: float, seconds: float, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The `cost` of an evaluation document, whose `rollouts` took `seconds`; `facts` are the counters of the run.

    `steps` are the environment steps of one task before its last stage, what its agent adapts from; 0 if it does not adapt.
    """
    one = [r.part(slice(1)) for r in rollouts[:-1]]  # what the first task adapts from
    first, act = (_flops(_acting(learner, before)) for before in (0, BEFORE))  # a memory that grows costs more at its end
    by_episode = learner.by_episode
    has_inner = bool(one) and learner.adapts and not by_episode
    inner = _flops(lambda: learner.algorithm.adapted(one)) if has_inner else 0
    return {
        "train_env_steps": facts.get("env_steps"),
        "train_seconds": facts.get("seconds"),
        **{name: facts.get(name) for name in PARTS},
        "adapt_env_steps": steps,
        "adapt_seconds": seconds / len(rollouts[0].reward),
        "adapt_flops": (first + act) / 2 * steps + inner,
        "act_flops": act,
        "inner_microseconds": 1e6 * _median(lambda: learner.algorithm.adapted(one), 5) if has_inner else None,
        "act_microseconds": 1e6 * _median(_acting(learner, BEFORE), REPEATS),
        "peak_memory_mb": peak_memory_mb(),
        "parameters": sum(p.numel() for p in learner.algorithm.policy.parameters()),
    }


def peak_memory_mb() -> float:
    """Most resident memory of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


def _acting(learner: Learner, before: int) -> Callable[[], object]:
    """One forward pass for a single lane, `before` steps into a trial or where it ends."""
    policy, spec = learner.algorithm.policy, learner.family.spec
    params = {name: p.detach() for name, p in functional.parameters(policy).items()}
    device = next(iter(params.values())).device
    action = torch.zeros(1, 1, 1, dtype=torch.int64) if spec.discrete else torch.zeros(1, 1, 1, spec.action_size)
    seen = Inputs(torch.zeros(1, 1, 1, spec.obs_size), action, torch.zeros(1, 1, 1), torch.ones(1, 1, 1, dtype=torch.bool))
    seen = Inputs(*(x.to(device) for x in seen))
    state: State = ()
    with torch.no_grad():
        for _ in range(min(before, learner.episodes * learner.family.horizon) if traits(policy).memory else 0):
            state = functional.apply(policy, params, seen, state)[1]
            seen = seen._replace(first=torch.zeros_like(seen.first))

    @torch.no_grad()
    def act() -> object:
        return functional.apply(policy, params, seen, state)

    return act


def _flops(call: Callable[[], object]) -> int:
    with _Counter() as counter:
        call()
    return int(counter.total)


class _Counter(TorchDispatchMode):
    """Counts operations as torch's `FlopCounterMode` does, without the 1.5 seconds of torch._dynamo that that one imports."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total: int = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled here

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func._overloadpacket not in flop_registry and func is not torch.ops.prim.device.default:
            with self:
                if (parts := func.decompose(*args, **kwargs)) is not NotImplemented:
                    return parts
        out = func(*args, **kwargs)
        if formula := flop_registry.get(func._overloadpacket):
            self.total += int(formula(*args, **kwargs, out_val=out))
        return out


def _median(call: Callable[[], object], repeats: int) -> float:
    """Median seconds of a call."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return float(np.median(times))
