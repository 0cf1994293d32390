"""What `pliant check` asks of the batched environment of a family: what may change a trial, what must not, what is left alone.

Two trials are played that differ in one thing only, and compared.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pliant.checking import chance
from pliant.checking.answer import Answer, Checks, Fault
from pliant.checking.family import play as plays
from pliant.checking.family.play import Trial
from pliant.checking.family.subject import Subject
from pliant.streams import Stream
from pliant.tasks.base import Tasks, Transition

WIDE = 6
"""Tasks and lanes in which it is looked for what tasks and actions change."""
EARLY = 10
"""Steps in which most differences show."""
FAST = 20
"""Tasks and lanes of the measurement of speed."""
TIMED, SHORT, LONG = 20, 0.05, 2.0
"""Steps that it takes, and seconds at least and at most; openings are counted in."""
MOST_SECONDS = 0.5
"""An opening of 3 x 3 lanes that takes longer means a simulator whose speed is measured in these lanes."""


# ---- what depends on what


def repeatable(subject: Subject) -> Answer:
    """The same random numbers make the same trial."""
    if found := plays.difference(_again(subject), subject.trial):
        return Fault(
            f"two trials from the same random numbers differ in the {found}",
            "take chance from the `noise` of `begin` and `advance` (reset_noise, step_noise), and from nothing else",
        )
    return ""


def reopens(subject: Subject) -> Answer:
    """A second trial in the same batch begins like the first."""
    batch = plays.batch_of(subject)
    few = plays.few_actions(subject)
    plays.play(batch, subject.stream.at("other"), few)
    if found := plays.difference(plays.play(batch, subject.stream.at("trial"), few), subject.trial):
        return Fault(
            f"a second trial in the same batch differs from the same trial in a new one: {found}",
            "set all that changes during a trial in `begin` (or `prepare`), not in `__init__` alone",
        )
    return ""


def alone(subject: Subject) -> Answer:
    """A task gives the same numbers whatever other tasks are in the batch."""
    if found := plays.difference(_again(subject, tasks=subject.tasks(plays.TASKS)[:1]), subject.trial):
        return Fault(
            f"a task alone in a batch is not what it is among others: {found}",
            "no sum, mean or sort over dim 0, the tasks; parameters as tasks.tensor(name)[:, None], [M, 1]",
        )
    return ""


def lanes(subject: Subject) -> Answer:
    """What is done in one lane changes nothing in another."""
    few = plays.few_actions(subject)
    few[:, :, 1:] = _other(subject, few[:, :, 1:])
    changed = _again(subject, few)
    first = torch.zeros(plays.TASKS, plays.LANES, dtype=torch.bool)
    first[:, 0] = True
    until = next((t for t, a in enumerate(subject.trial.active) if not bool(a.all())), len(changed.steps))
    if found := plays.difference(changed, subject.trial, lambda t: first & (t < until)):
        return Fault(
            f"other actions in lanes 1 and 2 changed the {found}",
            "no sum, mean or sort over dim 1, the lanes: state and reward are [M, B], each lane its own",
        )
    return ""


def padding(subject: Subject) -> Answer:
    """What is done in a lane that has played its episodes changes nothing in another."""
    trial = subject.trial
    T = len(trial.steps)
    over = ~torch.stack(trial.active[:T], dim=1)  # [M, T, B]
    if not bool(over.any()):
        return "no lane ended before the others"
    action = plays.actions(subject.family, subject.stream.at("acts"), plays.TASKS, plays.length_of(subject), plays.LANES)[:, :T]
    action[over] = _other(subject, action[over])
    changed = plays.play(plays.batch_of(subject), subject.stream.at("trial"), action)
    if found := plays.difference(changed, trial):
        return Fault(
            f"other actions in lanes that had ended changed the {found}",
            "no sum, mean or sort over tasks or lanes; `self.active` [M, B] says which lanes still play",
        )
    return f"{int(over.sum())} steps of lanes that had ended"


def number(subject: Subject) -> Answer:
    """A lane gives the same numbers however many lanes there are."""
    batch = plays.batch_of(subject, lanes=1)
    few, stream = plays.few_actions(subject)[:, :, :1], subject.stream.at("trial")
    if found := plays.difference(plays.play(batch, _FirstLane(stream.seed, stream.path), few), _first_lane(subject.trial)):
        return Fault(
            f"a lane alone in a batch is not what it is beside {plays.LANES - 1} others: {found}",
            "no sum, mean or size of dim 1, the lanes, in what `observe` and `advance` return",
        )
    return ""


class _FirstLane(Stream):
    """The random numbers of a trial of LANES lanes, of which the first lane's are handed out."""

    def uniform(self, tasks: int, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """[M, 1, episodes, n] for openings, [M, T, 1, n] for steps."""
        if self.path[-1] == "reset":
            return super().uniform(tasks, plays.LANES, *shape[1:], dtype=dtype)[:, :1]
        return super().uniform(tasks, shape[0], plays.LANES, *shape[2:], dtype=dtype)[:, :, :1]


def _first_lane(trial: Trial) -> Trial:
    steps = [Transition._make(x[:, :1] for x in each) for each in trial.steps]
    return Trial(trial.opening[:, :1], steps, [x[:, :1] for x in trial.active])


def _again(subject: Subject, action: Tensor | None = None, tasks: Tasks | None = None) -> Trial:
    """The beginning of the subject's trial in a batch made anew, with other actions or tasks."""
    batch = plays.batch_of(subject, tasks)
    action = plays.few_actions(subject, batch.shape[0]) if action is None else action
    return plays.play(batch, subject.stream.at("trial"), action)


def _other(subject: Subject, action: Tensor) -> Tensor:
    """Other actions, all of them."""
    return (action + 1) % subject.family.spec.action_size if subject.family.spec.discrete else -0.7 * action


def matters(subject: Subject) -> Answer:
    """The same actions under the same noise have other results in other tasks; each parameter changes something."""
    family, tasks = subject.family, subject.tasks(WIDE)
    rolled = Tasks(tasks.family, {name: np.roll(x, 1, axis=0) for name, x in tasks.arrays.items()})
    steps = min(plays.length_of(subject, WIDE, WIDE), plays.MOST_STEPS // 10)
    if _alike(subject, tasks, rolled, steps):
        name = family.parameters[0].name
        return Fault(
            f"no parameter changes anything: {steps} steps were the same in all tasks",
            f'self.{name} = tasks.tensor("{name}")[:, None]  # [M, 1], in `__init__`; then use it in `advance` or `begin`',
        )
    idle = []
    for p in family.parameters if len(family.parameters) > 1 else ():
        mixed = Tasks(tasks.family, {**tasks.arrays, p.name: rolled.arrays[p.name]})
        is_other = bool((mixed.arrays[p.name] != tasks.arrays[p.name]).any())
        if is_other and (family.split_of(mixed) != "").all() and _alike(subject, tasks, mixed, steps):
            idle.append(p.name)
    if not idle:
        return ""
    words = f"{' and '.join(idle)} changed nothing in {steps} steps of random actions"
    return Fault(words, f'use tasks.tensor("{idle[0]}")[:, None], or leave the parameter out', warning=True)


def doubts(subject: Subject) -> Answer:
    """The family itself has no doubts about its tasks."""
    if subject.family.doubts is None:
        return "it is not asked"
    found = list(subject.family.doubts())
    return Fault("; ".join(found), "see the message; what is meant so may stay", warning=True) if found else ""


def _alike(subject: Subject, one: Tasks, two: Tasks, steps: int) -> bool:
    """A trial of `steps` steps is the same in both; most differ early."""
    stream = subject.stream.at("matters")
    action = plays.actions(subject.family, stream, WIDE, steps, WIDE)
    for T in (min(EARLY, steps), steps):
        first, second = (plays.play(plays.batch_of(subject, tasks, WIDE), stream, action[:, :T]) for tasks in (one, two))
        if plays.difference(first, second):
            return False
    return True


def influence(subject: Subject) -> Answer:
    """What the agent does changes what it sees or earns."""
    few = plays.few_actions(subject)
    if plays.difference(_again(subject, _other(subject, few)), subject.trial):
        return ""
    return Fault(f"other actions changed nothing in {few.shape[1]} steps", "use `action` in `advance`: [M, B, A], or [M, B]")


def range_(subject: Subject) -> Answer:
    """Every action is accepted: all choices, or numbers beyond [-1, 1], which count as -1 or 1."""
    spec, few = subject.family.spec, plays.few_actions(subject)
    if not spec.discrete:
        if found := plays.difference(_again(subject, 3 * few), _again(subject, (3 * few).clamp(-1, 1))):
            words = f"an action beyond [-1, 1] is not taken as -1 or 1: {found}"
            return Fault(words, "leave `BatchEnv.step` as it is: it clips what `advance` gets")
        return ""
    batch, M, B = plays.batch_of(subject), plays.TASKS, plays.LANES
    for begin in range(0, spec.action_size, M * B):
        choice = (torch.arange(M * B) + begin).remainder(spec.action_size).view(M, B)
        result = plays.play(batch, subject.stream.at("trial"), choice[:, None]).steps[0]
        bad = ~torch.isfinite(result.reward) | ~torch.isfinite(result.next_obs).all(-1)
        if bool(bad.any()):
            mend = f"serve every action from 0 to {spec.action_size - 1}"
            return Fault(f"action {int(choice[bad][0])} gives what is not finite", mend)
    return f"0 to {spec.action_size - 1}"


# ---- what is left alone


def copies(subject: Subject) -> Answer:
    """What a step has returned does not change later, and the action stays as it was."""
    batch, few = plays.batch_of(subject), plays.few_actions(subject)
    kept = [("reset", "obs", batch.reset(subject.stream.at("trial")))]
    before = [kept[0][2].clone()]
    for t in range(few.shape[1]):
        action = few[:, t].clone()
        found = batch.step(action)
        if not torch.equal(action, few[:, t]):
            mend = "action = action + 1, never action += 1 or action.add_(1)"
            return Fault(f"step {t} changed the action that it was given", mend)
        kept += [(f"step {t}", name, x) for name, x in zip(found._fields, found, strict=True)]
        before += [x.clone() for x in found]
        if not bool(batch.active.any()):
            break
    for (when, name, x), copy in zip(kept, before, strict=True):
        if not torch.equal(x.nan_to_num(), copy.nan_to_num()):
            return Fault(
                f"{name}, which {when} returned, changed while the trial went on",
                "self.x = self.x + change, never self.x += change or self.x[...] = ...; or `observe` returns self.x.clone()",
            )
    return ""


def generators(subject: Subject) -> Answer:
    """The global random generators of Python, NumPy and torch are left alone."""
    few = plays.few_actions(subject)
    parts: dict[str, Callable[[], Any]] = {
        "making the family": subject.make,
        "sampling tasks": lambda: subject.family.sample(plays.TASKS, "train", subject.stream.at("train").rng()),
        "playing a trial": lambda: plays.play(plays.batch_of(subject), subject.stream.at("trial"), few),
    }
    for what, do in parts.items():
        if touched := chance.touched(do):
            return Fault(
                f"{what} draws from, or seeds, the global generator of {touched[0]}",
                "take chance from `noise` or `rng`, as the same seed must make the same run",
            )
    return ""


def speed(subject: Subject) -> Answer:
    """How fast it steps."""
    begin = time.perf_counter()
    batch = plays.batch_of(subject)
    batch.reset(subject.stream.at("trial"))
    size = FAST if time.perf_counter() - begin < MOST_SECONDS else plays.LANES
    batch = plays.batch_of(subject, subject.tasks(size), size)
    action = plays.actions(subject.family, subject.stream.at("acts"), size, 1, size)[:, 0]
    begin, t = time.perf_counter(), 0
    while (spent := time.perf_counter() - begin) < (LONG if t < TIMED else SHORT):
        if t == 0 or not bool(batch.active.any()):
            batch.reset(subject.stream.at("trial"))
        batch.step(action)
        t += 1
    return f"{size * size * t / spent:,.0f} steps a second in {size} tasks x {size} lanes"


CHECKS: Checks = (
    (repeatable, ("finite", "endings")),
    (reopens, ("repeatable",)),
    (alone, ("repeatable", "restarts")),
    (lanes, ("repeatable", "restarts")),
    (padding, ("lanes",)),
    (number, ("padding",)),
    (doubts, ("step",)),
    (matters, ("repeatable", "differ")),
    (influence, ("repeatable",)),
    (range_, ("repeatable",)),
    (copies, ("step",)),
    (generators, ("step",)),
    (speed, ("endings",)),
)
"""Each check, and those that must have passed before it."""
