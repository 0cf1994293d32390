"""What `pliant check --policy` asks of a memory: one step at a time equals all at once, and a state is a value."""

import torch
from safetensors.torch import load, save
from torch.utils._pytree import tree_flatten, tree_unflatten

from pliant.checking.answer import Answer, Checks, Fault
from pliant.checking.policy.subject import EXACT, B, M, Made, Subject, T, apart, joined, remembers, steps
from pliant.types import Inputs, Output, State

HALF = T // 2
NO_MEMORY = "no memory"


def stepwise(subject: Subject) -> Answer:
    """Going through a trial step by step, or in pieces, equals going through it at once."""
    for made, inputs in subject.each():
        whole = made.answer(inputs)
        for size in (1, 3):
            if apart(_in_pieces(made, inputs, size), whole) > EXACT:
                return Fault(
                    f"{T} steps in pieces of {size} have another answer than {T} steps at once",
                    "go on from the state that is given, and see no step before its time; what remembers says memory = True",
                )
    return ""


def _in_pieces(made: Made, inputs: Inputs, size: int) -> tuple[Output, State]:
    state: State = ()
    outputs = []
    for t in range(0, T, size):
        output, state = made.answer(steps(inputs, slice(t, t + size)), state)
        outputs.append(output)
    return joined(outputs), state


def remembered(subject: Subject) -> Answer:
    """What a memory has seen, and what it was paid, changes what it answers later."""
    for made, inputs in subject.each():
        if not remembers(made.policy):
            continue
        other, whole = subject.inputs(made.spec, "other"), made.answer(inputs)[0].dist
        early = Inputs(*(x.clone() for x in inputs))
        early.obs[:, :, 0] = other.obs[:, :, 0]
        if apart(made.answer(early)[0].dist[:, :, 1:], whole[:, :, 1:]) < EXACT:
            words = "another first observation changed no later answer: it remembers nothing"
            return Fault(words, "carry what is seen in the state")
        if apart(made.answer(inputs._replace(prev_reward=other.prev_reward))[0].dist, whole) < EXACT:
            words = "rewards change no answer: such a memory cannot learn a task from what it was paid"
            return Fault(words, "use inputs.prev_reward too", warning=True)
    return "" if _remembers(subject) else NO_MEMORY


def opens(subject: Subject) -> Answer:
    """A trial that opens with () opens with start(M, B), where there is such a method."""
    for made, inputs in subject.each():
        start = getattr(made.policy, "start", None)
        if not remembers(made.policy) or start is None:
            continue
        with torch.no_grad():
            for name, p in made.policy.named_parameters():
                p.copy_(made.params[name])
        if apart(made.answer(inputs, start(M, B)), made.answer(inputs)) > EXACT:
            return Fault(
                "the state () and start(M, B) open a trial differently", "state = self.start(M, B) if state == () else state"
            )
    return "" if _remembers(subject) else NO_MEMORY


def restored(subject: Subject) -> Answer:
    """A state that was written to a file in the middle of a trial goes on as if nothing had happened, as often as one likes."""
    for made, inputs in subject.each():
        whole = made.answer(inputs)[0].dist[:, :, HALF:]
        leaves, nest = tree_flatten(made.answer(steps(inputs, slice(0, HALF)))[1])
        file = load(save({str(i): x.detach().clone().contiguous() for i, x in enumerate(leaves)}))
        again = tree_unflatten([file[str(i)] for i in range(len(leaves))], nest)
        for turn in ("first", "second"):
            if apart(made.answer(steps(inputs, slice(HALF, None)), again)[0].dist, whole) > EXACT:
                return Fault(
                    f"a trial that went on from a state in a file took another course, the {turn} time",
                    "all that a lane remembers is in the state, as tensors: none of it in self, and none changed in place",
                )
    return "" if _remembers(subject) else NO_MEMORY


def _remembers(subject: Subject) -> bool:
    return any(remembers(made.policy) for made in subject.made.values())


CHECKS: Checks = (
    (stepwise, ("same",)),
    (remembered, ("stepwise",)),
    (opens, ("stepwise",)),
    (restored, ("stepwise",)),
)
"""Each check, and those that must have passed before it."""
