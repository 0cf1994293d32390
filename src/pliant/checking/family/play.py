"""What `pliant check` asks of the batched environment of a family, by playing in it.

Every trial is played with actions and under noise that were drawn beforehand, so that two trials can differ in one thing only.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pliant.checking.answer import Answer, Checks, Fault
from pliant.checking.family.subject import DRAWS, Subject
from pliant.streams import Stream
from pliant.tasks.base import BatchEnv, Family, Tasks, Transition

TASKS, LANES, EPISODES = 3, 3, 2
"""Of the trial that is played to its end."""
MOST_STEPS = 3000
MOST_NUMBERS = 2e7
"""Longer trials, and those of larger observations, are not played to their end."""
FEW = 60
"""Steps of the trials that are compared with it."""
ORDER = 10.0
"""What a critic is told of a task should not be larger."""
CLOSE = 1e-6
"""Numbers count as the same up to this share of them."""


class Trial(NamedTuple):
    """What was seen of a trial, in copies."""

    opening: Tensor
    """[M, B, D]"""
    steps: list[Transition]
    active: list[Tensor]
    """[M, B] before each step, and after the last."""


class Wrong(Exception):
    """A fault that was found in the middle of a step."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.words)
        self.fault = fault


def play(batch: BatchEnv, stream: Stream, action: Tensor) -> Trial:
    """Play a trial with `action` [M, T, B, *]: T steps, or until every lane has ended."""
    opening = batch.reset(stream).clone()
    steps, active = [], [batch.active.clone()]
    for t in range(action.shape[1]):
        steps.append(Transition._make(x.clone() for x in batch.step(action[:, t].clone())))
        active.append(batch.active.clone())
        if not bool(batch.active.any()):
            break
    return Trial(opening, steps, active)


def actions(family: Family, stream: Stream, M: int, T: int, B: int) -> Tensor:
    """Actions at random, [M, T, B] of choices or [M, T, B, A]; those of a task depend on its place alone."""
    spec = family.spec
    if spec.discrete:
        return (stream.uniform(M, T, B) * spec.action_size).long()
    return 2 * stream.uniform(M, T, B, spec.action_size) - 1


def difference(one: Trial, two: Trial, which: Callable[[int], Tensor] | None = None) -> str:
    """Where the first lanes and tasks that both have differ first, in words; "" if nowhere. `which(t)` [M, B] are compared."""
    if found := unequal(one.opening, two.opening, torch.ones(one.opening.shape[:2], dtype=torch.bool)):
        return f"the first observation of {found}"
    for t, (a, b) in enumerate(zip(one.steps, two.steps, strict=False)):
        valid = which(t) if which else one.active[t]
        for name in ("reward", "terminated", "truncated", "success", "next_obs", "obs"):
            if found := unequal(getattr(a, name), getattr(b, name), valid):
                return f"{name} of {found.replace(':', f', step {t}:')}"
    return ""


def unequal(a: Tensor, b: Tensor, valid: Tensor) -> str:
    M = min(len(a), len(b))
    a, b, valid = a[:M].double(), b[:M].double(), valid[:M]
    apart = (a - b).abs() > CLOSE * (1 + torch.maximum(a.abs(), b.abs()))
    apart = apart.flatten(2).any(-1) if apart.dim() > 2 else apart
    where = (apart & valid).nonzero()
    if not len(where):
        return ""
    m, lane = where[0].tolist()
    return f"task {m}, lane {lane}: {_shown(a[m, lane])} and {_shown(b[m, lane])}"


def _shown(x: Tensor) -> str:
    values = [f"{value:.6g}" for value in x.flatten()[:4].tolist()]
    return values[0] if x.dim() == 0 else f"[{', '.join(values)}{', ...' if x.numel() > 4 else ''}]"


def batch_of(subject: Subject, tasks: Tasks | None = None, lanes: int = LANES) -> Any:
    return subject.family.batch(subject.tasks(TASKS) if tasks is None else tasks, lanes, EPISODES)


def few_actions(subject: Subject, M: int = TASKS) -> Tensor:
    T = min(FEW, len(subject.trial.steps))
    return actions(subject.family, subject.stream.at("acts"), M, length_of(subject), LANES)[:, :T]


def length_of(subject: Subject, M: int = TASKS, B: int = LANES) -> int:
    """Steps of the trial, all of them if it is not too long."""
    family: Family = subject.family
    return max(1, min(EPISODES * family.horizon, MOST_STEPS, int(MOST_NUMBERS / (M * B * family.spec.obs_size))))


# ---- shapes and numbers


def described(subject: Subject) -> Answer:
    """What a critic is told of each task is finite, [M, K]."""
    family: Family = subject.family
    mend = "told=Told(K, of) where of(tasks) returns [M, K], from -1 to 1"
    told = family.described(subject.draws["train"])
    expected = [DRAWS, family.spec.task_size]
    if not isinstance(told, torch.Tensor) or list(told.shape) != expected:
        return Fault(f"described(tasks) is {list(getattr(told, 'shape', []))}: expected {expected}", mend)
    if not bool(torch.isfinite(told).all()):
        m = int((~torch.isfinite(told)).any(1).nonzero()[0])
        return Fault(f"described(tasks) is not finite for the task {subject.draws['train'].rows()[m]}", mend)
    if float(told.abs().max()) > ORDER:
        return Fault(f"described(tasks) reaches {float(told.abs().max()):g}: critics learn from order 1", mend, warning=True)
    return f"{family.spec.task_size} numbers"


def reset(subject: Subject) -> Answer:
    """A trial opens with observations [M, B, D] of finite numbers."""
    batch = batch_of(subject)
    if not isinstance(batch, BatchEnv):
        return Fault(f"environment made a {type(batch).__name__}", "class MyWorld(BatchEnv): from pliant.tasks.base")
    obs = batch.reset(subject.stream.at("trial"))
    if fault := _misshapen("observe()", obs, (TASKS, LANES, subject.family.spec.obs_size), OBSERVE, floating=True):
        return fault
    if not bool(torch.isfinite(obs).all()):
        m, lane, _ = (~torch.isfinite(obs)).nonzero()[0].tolist()
        task = subject.tasks(TASKS).rows()[m]
        return Fault(f"the first observation of task {m} {task}, lane {lane} is {obs[m, lane].tolist()}", "set it in `begin`")
    return f"{str(obs.dtype).removeprefix('torch.')} {list(obs.shape)}"


OBSERVE = "`observe` returns [M, B, D], e.g. x[..., None] where D is 1; or correct obs_size in Spec(obs_size=...)"
BOOLS = "torch.zeros_like(reward, dtype=torch.bool) for what never happens, or a comparison such as level < 0"


def step(subject: Subject) -> Answer:
    """A whole trial can be played, and every step returns what it should: [M, B], floating point or bool."""
    batch = batch_of(subject)
    shape, D, advance = (TASKS, LANES), subject.family.spec.obs_size, batch.advance

    def watched(action: Tensor, noise: Tensor) -> Any:
        found = advance(action, noise)
        if not isinstance(found, tuple) or len(found) != 3:
            got = f"{len(found)} values" if isinstance(found, tuple) else f"a {type(found).__name__}"
            raise Wrong(Fault(f"advance returned {got}: expected three", "return reward, terminated, success"))
        for name, x in zip(("reward", "terminated", "success"), found, strict=True):
            is_reward = name == "reward"
            mend = "reward = reward.double()" if is_reward else BOOLS
            if fault := _misshapen(f"{name}, which advance returned,", x, shape, mend, floating=is_reward):
                raise Wrong(fault)
        return found

    batch.advance = watched
    observe = batch.observe

    def looked() -> Any:
        if fault := _misshapen("observe()", found := observe(), (*shape, D), OBSERVE, floating=True):
            raise Wrong(fault)
        return found

    batch.observe = looked
    try:
        length = length_of(subject)
        action = actions(subject.family, subject.stream.at("acts"), TASKS, length, LANES)
        subject.trial = play(batch, subject.stream.at("trial"), action)
    except Wrong as error:
        return error.fault
    ended = "" if len(subject.trial.steps) < length or length == batch.max_steps else ", not to the end of the trial"
    return f"{len(subject.trial.steps)} steps in {TASKS} tasks x {LANES} lanes{ended}"


def _misshapen(name: str, x: Any, shape: tuple[int, ...], mend: str, floating: bool) -> Fault | None:
    wanted = f"{'floating point' if floating else 'bool'} {list(shape)}"
    if not isinstance(x, Tensor):
        return Fault(f"{name} is a {type(x).__name__}: expected a tensor, {wanted}", mend)
    if x.shape != shape or (not x.is_floating_point() if floating else x.dtype != torch.bool):
        return Fault(f"{name} is {str(x.dtype).removeprefix('torch.')} {list(x.shape)}: expected {wanted}", mend)
    return None


def finite(subject: Subject) -> Answer:
    """No reward and no observation is NaN or infinite."""
    trial, rows = subject.trial, subject.tasks(TASKS).rows()
    for t, each in enumerate(trial.steps):
        for name, x in (("reward", each.reward[..., None]), ("observation", each.next_obs), ("observation", each.obs)):
            bad = ~torch.isfinite(x).all(-1) & trial.active[t]
            if bool(bad.any()):
                m, lane = bad.nonzero()[0].tolist()
                return Fault(
                    f"the {name} is {_shown(x[m, lane].squeeze())} in task {m} {rows[m]}, lane {lane}, step {t}",
                    "no division by zero, no root or logarithm of a negative number: x.clamp(min=1e-9), or end the episode",
                )
    return ""


def endings(subject: Subject) -> Answer:
    """Every lane plays exactly its episodes, none longer than the horizon, and says how each ended."""
    trial, horizon = subject.trial, subject.family.horizon
    played, length = torch.zeros(TASKS, LANES, dtype=torch.int64), torch.zeros(TASKS, LANES, dtype=torch.int64)
    mend = "leave `BatchEnv.step`, `active` and the horizon to pliant; only `advance` and `cut` say what ended"
    for t, each in enumerate(trial.steps):
        here, after = trial.active[t], trial.active[t + 1]
        length += here
        ended = (each.terminated | each.truncated) & here
        played += ended
        wrong = {
            "both terminated and truncated": each.terminated & each.truncated & here,
            f"still in an episode of {horizon} steps, the horizon": (length >= horizon) & ~ended & here,
            f"said to go on after {EPISODES} episodes": (played >= EPISODES) & after,
            f"said to be over before {EPISODES} episodes": (played < EPISODES) & ~after,
            "ended without `first`, or `first` without an end": (ended & after) != (each.first & after),
        }
        for words, where in wrong.items():
            if bool(where.any()):
                m, lane = where.nonzero()[0].tolist()
                return Fault(f"task {m}, lane {lane} is {words} at step {t}", mend)
        length[ended] = 0
    early = sum(int((s.terminated & a).sum()) for s, a in zip(trial.steps, trial.active, strict=False))
    return f"{int(played.sum())} episodes ended, {early} of them before a limit"


def restarts(subject: Subject) -> Answer:
    """An episode that opens in one lane leaves the other lanes as they are, and begins as the first one did."""
    trial = subject.trial
    noisy = batch_of(subject).reset_noise > 0
    for t, each in enumerate(trial.steps):
        running = trial.active[t + 1] & ~each.first
        if found := unequal(each.obs, each.next_obs, running):
            return Fault(
                f"when an episode opened elsewhere at step {t}, so it did in {found}, before and after",
                "in `begin`: self.x = torch.where(chosen, start, self.x); `chosen` are the lanes to start in",
            )
        if not noisy and (found := unequal(each.obs, trial.opening, each.first & trial.active[t + 1])):
            return Fault(
                f"the episode that opens at step {t} begins elsewhere than the first one, in {found}",
                "set every part of the state in `begin`; if a trial's episodes are meant to differ, all is well",
                warning=True,
            )
    return ""


def success(subject: Subject) -> Answer:
    """Success is reported only by a family that says what it means."""
    trial = subject.trial
    hits = sum(int((s.success & a).sum()) for s, a in zip(trial.steps, trial.active, strict=False))
    if hits and not subject.family.success:
        return Fault(
            f"{hits} steps report success, but the family does not say what that is, and no evaluation will show it",
            'success="what counts as success" in Family(...), or return torch.zeros_like(terminated)',
        )
    return f"{subject.family.success}: in {hits} steps" if subject.family.success else "not reported"


CHECKS: Checks = (
    (described, ("sampling", "sizes")),
    (reset, ("sampling", "sizes")),
    (step, ("reset",)),
    (finite, ("step",)),
    (endings, ("step",)),
    (restarts, ("finite", "endings")),
    (success, ("step",)),
)
"""Each check, and those that must have passed before it."""
