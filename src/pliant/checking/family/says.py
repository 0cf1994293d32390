"""What `pliant check` asks of a family's module, of what it says about itself, and of its tasks.

A check takes a `Subject` and answers with a note ("" for none) where all is well, or with a `Fault`.
"""

import dataclasses
import json

import numpy as np

from pliant import errors
from pliant.checking import written
from pliant.checking.answer import Answer, Checks, Fault, Misasked, kind_of
from pliant.checking.family.subject import DRAWS, Subject
from pliant.config import config
from pliant.tasks.base import Family, Parameter

# ---- the module


def exports(subject: Subject) -> Answer:
    """Settings is a frozen dataclass with defaults, family a function."""
    if not subject.is_module:
        return f"{subject.name} makes the family"
    module = subject.code
    for name, line in (("Settings", written.FROZEN), ("family", "def family(settings=None): ...")):
        if not hasattr(module, name):
            return Fault(f"the module does not define {name}", line)
    if fault := written.class_fault(module.Settings):
        return fault
    if not callable(module.family):
        return Fault(f"family is {kind_of(module.family)}", "def family(settings=None): ... return Family(...)")
    return ""


def settings(subject: Subject) -> Answer:
    """Settings can be written to run.json and come back the same."""
    if not subject.is_module:
        return "no settings: `train` takes a module that exports Settings and family"
    default = config.Config("maml", subject.name, "mlp", 0, {"family": subject.code.Settings()})
    if fault := written.round_trip(default, "family"):
        return fault
    try:
        wanted = config.override(default, {f"family.{name}": value for name, value in subject.given.items()})
    except errors.UserError as error:
        raise Misasked(str(error)) from error
    subject.settings = wanted.parts["family"]
    return written.counted(len(dataclasses.fields(subject.settings)))


def construction(subject: Subject) -> Answer:
    """family(Settings()) returns a Family."""
    made = subject.make()
    if not isinstance(made, Family):
        return Fault(f"{subject.name} returned {kind_of(made)}", "return Family(...), of pliant.tasks.base")
    subject.family = made
    return ""


# ---- what a family says about itself


def words(subject: Subject) -> Answer:
    """Name, summary and shift are said in words, on one line each."""
    family = subject.family
    for name in ("name", "summary", "shift", "success", "version"):
        value = getattr(family, name)
        if not isinstance(value, str) or "\n" in value or (not value.strip() and name != "success"):
            lines = {"shift": 'shift="what the ood split is, in words"', "version": 'version="1"'}
            return Fault(f"{name} is {value!r}: expected words on one line", lines.get(name, f'{name}="..." in Family(...)'))
    return f"{family.name}: {family.summary}"


def sizes(subject: Subject) -> Answer:
    """Horizon, episodes and the sizes of observations and actions are whole numbers of at least 1."""
    family, spec = subject.family, subject.family.spec
    numbers = {"horizon": family.horizon, "episodes": family.episodes}
    numbers |= {"spec.obs_size": spec.obs_size, "spec.action_size": spec.action_size}
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            return Fault(f"{name} is {value!r}: expected an integer of at least 1", f"{name.removeprefix('spec.')}=1, or more")
    if not isinstance(spec.discrete, bool):
        return Fault(f"spec.discrete is {spec.discrete!r}", "discrete=True for choices, False for vectors in [-1, 1]")
    if spec.image and int(np.prod(spec.image)) != spec.obs_size:
        return Fault(f"spec.image is {spec.image} but obs_size {spec.obs_size}", f"obs_size={int(np.prod(spec.image))}")
    actions = f"{spec.action_size} actions" if spec.discrete else f"actions of {spec.action_size} numbers"
    return f"{spec.obs_size} numbers seen, {actions}, {family.episodes} x {family.horizon} steps"


def parameters(subject: Subject) -> Answer:
    """Each parameter is a Parameter with a name of its own and a meaning."""
    found = subject.family.parameters
    line = 'parameters=(Parameter("leak", train=(0.02, 0.1), meaning="..."),)'
    if not isinstance(found, tuple) or not found or not all(isinstance(p, Parameter) for p in found):
        return Fault(f"parameters is {kind_of(found)}: expected a tuple of one or more Parameters", line)
    names = [p.name for p in found]
    if wrong := [name for name in names if not isinstance(name, str) or not name.isidentifier()]:
        return Fault(f"a parameter is named {wrong[0]!r}, which cannot be typed as --task NAME=VALUE", line)
    if len(set(names)) < len(names):
        return Fault(f"two parameters have the same name, of {', '.join(names)}", line)
    if silent := [p.name for p in found if not p.meaning]:
        return Fault(f"nobody can tell what {silent[0]} means", f'meaning="what {silent[0]} is, with its unit"', warning=True)
    return ", ".join(f"{p.name} ({p.describe()})" for p in found)


# ---- tasks


def sampling(subject: Subject) -> Answer:
    """Tasks of train and test are finite float64 arrays, one row for each."""
    for split in ("train", "test"):
        if fault := _drawn(subject, split):
            return fault
    return ""


def shift(subject: Subject) -> Answer:
    """There are shifted tasks."""
    try:
        return _drawn(subject, "ood") or subject.family.shift
    except ValueError as error:
        if "has no tasks in split" not in str(error):
            raise
    name = subject.family.parameters[0].name
    line = f'Parameter("{name}", ..., ood=(low, high))'
    if hasattr(subject.settings, "ood"):
        line = f"--ood {name}=LOW:HIGH"
    return Fault(
        "there are no tasks in split ood: nobody can measure how far an agent carries",
        f"{line}, a range that reaches outside the training range",
        warning=True,
    )


def _drawn(subject: Subject, split: str) -> Fault | None:
    """Draw a split's tasks and look at their arrays."""
    family = subject.family
    tasks = family.sample(DRAWS, split, subject.stream.at(split).rng())
    names = {p.name: (DRAWS, p.size) if p.size else (DRAWS,) for p in family.parameters}
    mend = "leave `Family.sample` as it is: it draws what the parameters say"
    if set(tasks.arrays) != set(names):
        return Fault(f"tasks of split {split} have the arrays {sorted(tasks.arrays)}: expected {sorted(names)}", mend)
    for name, shape in names.items():
        x = tasks.arrays[name]
        if not isinstance(x, np.ndarray) or x.dtype != np.float64 or x.shape != shape:
            got = f"{x.dtype} {list(x.shape)}" if isinstance(x, np.ndarray) else kind_of(x)
            return Fault(f"{name} of {DRAWS} {split} tasks is {got}: expected float64 {list(shape)}", mend)
        if not np.isfinite(x).all():
            return Fault(f"{name} of a {split} task is not finite", mend)
    subject.draws[split] = tasks
    return None


def repeats(subject: Subject) -> Answer:
    """The same seed draws the same tasks."""
    for split, tasks in subject.draws.items():
        again = subject.family.sample(DRAWS, split, subject.stream.at(split).rng())
        if again.digest != tasks.digest:
            return Fault(
                f"the same seed drew other tasks of split {split} the second time",
                "draw from the `rng` that `sample` is given, and from nothing else",
            )
    return ""


def differ(subject: Subject) -> Answer:
    """The tasks of a split are not all the same."""
    kinds = {split: len(np.unique(subject.family.flatten(tasks), axis=0)) for split, tasks in subject.draws.items()}
    for split, different in kinds.items():
        if different == 1:
            name, words = subject.family.parameters[0].name, f"all tasks of split {split} are {subject.draws[split].rows()[0]}"
            return Fault(words, f'Parameter("{name}", train=(low, high), ...) with low below high', warning=split != "train")
    return ", ".join(f"{different} of {DRAWS} {split}" for split, different in kinds.items()) + " tasks are different"


def disjoint(subject: Subject) -> Answer:
    """No task is in two splits, and split_of knows to which each belongs."""
    family = subject.family
    held_out = any(p.varies for p in family.parameters)
    rows = {split: {json.dumps(row) for row in tasks.rows()} for split, tasks in subject.draws.items()}
    for split, tasks in subject.draws.items():
        expected = split if held_out or split == "ood" else "train"
        if wrong := [m for m, found in enumerate(family.split_of(tasks)) if found != expected]:
            found = family.split_of(tasks)[wrong[0]]
            task = f"{len(wrong)} of {DRAWS} tasks drawn for {split}, e.g. {tasks.rows()[wrong[0]]}"
            return Fault(f"{task}, belong to {str(found) or 'no split'}", "leave `Family.sample` and `split_of` as they are")
    pairs = [(a, b) for a in rows for b in rows if a < b and (held_out or "ood" in (a, b))]
    for a, b in pairs:
        if both := rows[a] & rows[b]:
            return Fault(f"{a} and {b} share tasks, e.g. {min(both)}", "leave `Family.sample` and `split_of` as they are")
    return "" if held_out else "train and test are the same few choices: trials are new there, not tasks"


def named(subject: Subject) -> Answer:
    """Every task can be written as JSON and named again."""
    for split, tasks in subject.draws.items():
        for m in range(3):
            row = json.loads(json.dumps(tasks[m].rows()[0], allow_nan=False))
            if (again := subject.family.task(row)).digest != tasks[m].digest:
                return Fault(
                    f"the {split} task {row} became {again.rows()[0]} when it was named again",
                    "leave `Family.task` as it is, or make it the inverse of `Tasks.rows`",
                )
    return ""


CHECKS: Checks = (
    (exports, ()),
    (settings, ("exports",)),
    (construction, ("exports", "settings")),
    (words, ("construction",)),
    (sizes, ("construction",)),
    (parameters, ("construction",)),
    (sampling, ("parameters",)),
    (shift, ("sampling", "words")),
    (repeats, ("sampling",)),
    (differ, ("sampling",)),
    (disjoint, ("sampling",)),
    (named, ("sampling",)),
)
"""Each check, and those that must have passed before it."""
