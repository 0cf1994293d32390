"""What `pliant check --policy` asks of a memory: one step at a time equals all at once, and a state is a value."""

import torch
from safetensors.torch import load, save
from torch.utils._pytree import tree_flatten, tree_unflatten

from pliant.checking.answer import Answer, Checks, Fault
from pliant.checking.policy.subject import EXACT, B, M, Made, Subject, T, apart, copied, joined, remembers, steps
from pliant.policies import base
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


def scales(subject: Subject) -> Answer:
    """Scales, where a policy has them, bring observations and rewards to unit size; changing them changes nothing in place."""
    if not any(base.traits(made.policy).scaled for made in subject.made.values()):
        return "it has none: --outer.scale none" if _remembers(subject) else "it has none"
    for made, inputs in subject.each():
        if not isinstance(made.policy, base.Scaled):
            continue
        D = made.spec.obs_size
        mean, std, reward = torch.linspace(-1, 2, D).double(), torch.linspace(0.5, 3, D).double(), torch.tensor(4.0).double()
        fixed = {name: b.detach().clone() for name, b in made.policy.named_buffers()}
        before = copied(fixed)
        found = made.policy.rescale(fixed, (mean, std), reward)
        if apart(fixed, before) > 0 or apart(dict(made.policy.named_buffers()), before) > 0:
            return Fault("rescale changed a buffer in place", RESCALE)
        if {n: x.shape for n, x in found.items()} != {n: x.shape for n, x in before.items()}:
            return Fault(f"rescale returned {sorted(found)}: expected the buffers {sorted(before)} with their shapes", RESCALE)
        by_hand = inputs._replace(obs=(inputs.obs - mean) / std, prev_reward=inputs.prev_reward / reward)
        answers = made.answer(by_hand, params=made.params | before), made.answer(inputs, params=made.params | found)
        if apart(answers[0][0].dist, answers[1][0].dist) > EXACT:
            return Fault("with new scales it does not answer as it does to inputs that were scaled by hand", RESCALE)
    return "of observations and rewards"


RESCALE = 'return fixed | {"obs_shift": mean, "obs_scale": 1 / std, "reward_scale": 1 / reward}, and use them in forward'


def _remembers(subject: Subject) -> bool:
    return any(remembers(made.policy) for made in subject.made.values())


CHECKS: Checks = (
    (stepwise, ("same",)),
    (remembered, ("stepwise",)),
    (opens, ("stepwise",)),
    (restored, ("stepwise",)),
    (scales, ("stepwise",)),
)
"""Each check, and those that must have passed before it."""
