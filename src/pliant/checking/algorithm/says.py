"""What `pliant check --algorithm` asks of an algorithm's module, and of making one.

A check takes a `Subject` and answers with a note ("" for none) where all is well, or with a `Fault`.
"""

from collections.abc import Callable
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

from pliant import errors
from pliant.checking import chance, written
from pliant.checking.algorithm.subject import Subject, collector, iterate, tensors, unlike
from pliant.checking.answer import Answer, Checks, Fault, Misasked, kind_of
from pliant.config import config, registry
from pliant.running import learner as learners

PARTS = 'PARTS = {"inner": Settings}: for each part its settings, a frozen dataclass'
MAKE = "def make(policy, spec, parts, stream): ... return MyAlgorithm(...)"
METHODS = ("adapt", "learn", "adapted", "state", "load")
STAGES = ("gradient step", "episode")
RESERVED = ("train", "family", "policy")


def exports(subject: Subject) -> Answer:
    """PARTS names the settings of each part, POLICY a policy, and make is a function."""
    module = subject.code
    for name, line in (("PARTS", PARTS), ("POLICY", 'POLICY = "mlp", or "gru" for a method with memory'), ("make", MAKE)):
        if not hasattr(module, name):
            return Fault(f"the module does not define {name}", line)
    if not isinstance(module.PARTS, dict) or not all(isinstance(name, str) for name in module.PARTS):
        return Fault(f"PARTS is {kind_of(module.PARTS)}: expected a dict from names to dataclasses", PARTS)
    for name, kind in module.PARTS.items():
        if not name.isidentifier() or name in RESERVED:
            words = f"a part is named {name!r}: expected a word other than {', '.join(RESERVED)}, as --{name}.lr is typed"
            return Fault(words, PARTS)
        if fault := written.class_fault(kind, f"the settings of {name}"):
            return fault
    if not isinstance(module.POLICY, str):
        return Fault(f"POLICY is {kind_of(module.POLICY)}: expected the name of a policy", 'POLICY = "mlp"')
    registry.load("policy", module.POLICY)
    if not callable(module.make):
        return Fault(f"make is {kind_of(module.make)}", MAKE)
    return f"parts {', '.join(module.PARTS) or 'none'}; policy {module.POLICY}"


def options(subject: Subject) -> Answer:
    """TOLD, BORROWS and inputs, where they are exported, are what training expects."""
    told, borrows = getattr(subject.code, "TOLD", False), getattr(subject.code, "BORROWS", None)
    if not callable(inputs := getattr(subject.code, "inputs", len)):
        mend = "def inputs(parts): return 8  # numbers behind those of an observation"
        return Fault(f"inputs is {kind_of(inputs)}: expected a function", mend)
    if not isinstance(told, bool):
        return Fault(f"TOLD is {kind_of(told)}: expected True or False", "TOLD = True if the policy sees its task")
    if borrows is not None:
        mend = 'BORROWS = ("maml", dict): an algorithm, and a function from its table of settings to this one\'s'
        if not (isinstance(borrows, tuple) and len(borrows) == 2 and callable(borrows[1])):
            return Fault(f"BORROWS is {kind_of(borrows)}: expected a name and a function", mend)
        if borrows[0] not in registry.names("algorithm"):
            return Fault(f"BORROWS names {borrows[0]!r}, which is no algorithm of pliant's", mend)
    return "the policy is told its task" if told else ""


def settings(subject: Subject) -> Answer:
    """The settings of each part can be written to run.json and come back the same."""
    parts = {name: kind() for name, kind in subject.code.PARTS.items()}
    default = config.Config(subject.name, "point", subject.code.POLICY, 0, parts)
    for name, kind in subject.code.PARTS.items():
        if fault := written.round_trip(default, name, kind.__name__):
            return fault
    try:
        subject.config()
    except errors.UserError as error:
        raise Misasked(str(error)) from error
    return written.counted(sum(len(vars(part)) for part in parts.values()))


def construction(subject: Subject) -> Answer:
    """make(policy, spec, parts, stream) returns an algorithm with every method of `pliant.algorithms.base`."""
    learner = subject.build()
    algorithm: Any = learner.algorithm
    for name in METHODS:
        if not callable(getattr(algorithm, name, None)):
            what = "nothing" if algorithm is None else f"a {type(algorithm).__name__}"
            return Fault(
                f"make returned {what}, which has no method {name}", f"def {name}(self, ...), as pliant/algorithms/base.py says"
            )
    if getattr(algorithm, "stage", None) not in STAGES:
        words = f"stage is {getattr(algorithm, 'stage', None)!r}: expected one of {', '.join(map(repr, STAGES))}"
        return Fault(words, 'stage = "gradient step", or "episode" where a memory adapts within its trial')
    if not hasattr(algorithm, "policy"):
        return Fault("it has no policy", "self.policy = policy in __init__")
    subject.learner = learner
    return f"its adaptation curve counts {algorithm.stage}s"


def state(subject: Subject) -> Answer:
    """state() is named tensors that a file can hold."""
    found: Any = subject.algorithm.state()
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        return Fault(f"state() is {kind_of(found)}: expected a dict from names to tensors", "{name: p.clone() for ...}")
    for name, x in found.items():
        if not isinstance(x, Tensor):
            return Fault(f"{name} in state() is {kind_of(x)}: expected a tensor", "torch.tensor(n) for a counter")
        if x.requires_grad:
            return Fault(f"{name} in state() requires a gradient", "p.detach().clone()")
    held = tensors(subject.algorithm)
    if name := unlike(load(save({n: x.contiguous() for n, x in held.items()})), held):
        return Fault(f"{name} is not what was written to a file", "plain tensors: no sparse, quantised or complex ones")
    return f"{len(found)} tensors"


def repeats(subject: Subject) -> Answer:
    """The same seed makes the same algorithm, to the bit."""
    if name := unlike(tensors(subject.build().algorithm), tensors(subject.algorithm)):
        return Fault(
            f"{name} began differently the second time", "draw from `stream`, which make is given, and from nothing else"
        )
    return ""


def generators(subject: Subject) -> Answer:
    """The global random generators of Python, NumPy and torch are left alone."""
    learner = learners.build(subject.config())
    parts: dict[str, Callable[[], Any]] = {
        "making it": subject.build,
        "adapting": lambda: learner.algorithm.adapt(collector(learner, 0)),
        "learning": lambda: iterate(learner, 0, 1),
    }
    for what, do in parts.items():
        if found := chance.touched(do):
            return Fault(
                f"{what} draws from, or seeds, the global generator of {found[0]}",
                "draw from `stream`: torch.randperm(n, generator=stream.at('order', i).generator())",
            )
    return ""


CHECKS: Checks = (
    (exports, ()),
    (options, ("exports",)),
    (settings, ("exports", "options")),
    (construction, ("settings",)),
    (state, ("construction",)),
)
"""Each check, and those that must have passed before it; `repeats` and `generators` are asked once it is known to learn."""
