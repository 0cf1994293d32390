"""Bias and spread of estimates of a meta-gradient, in an MDP of two states whose meta-gradient is known exactly.

    python benchmarks/meta_gradients.py          # half a minute; writes benchmarks/results/meta-gradients.json

Two tasks that pay differently for each state and action; an action is the next state, an episode has three steps, the policy is
a table of four logits. One inner step from a few episodes, its samples drawn like those of training, then as many episodes with
what became of the policy. What is estimated is the gradient of the expected return after the step,

    few episodes      over all inner samples that can be drawn, whose probabilities depend on the policy too: by enumeration
    many episodes     after a step along the exact gradient: by dynamic programming

Estimators: `reinforce` and `surrogate`, the inner losses of pliant; DiCE (Foerster et al. 2018, arXiv:1802.05098); a constant
inner gradient (`fomaml`); and the first two with what inner samples are paid for (`emaml`, arXiv:1803.01118), a return beyond
the mean of its task.
"""

import itertools
import math
import time
from typing import Any

import recorded
import stepping
import torch
from torch import Tensor, nn

from pliant.algorithms.emaml import explored
from pliant.algorithms.parts.inner import Experience, Inner, InnerSettings
from pliant.types import Inputs, Output, Rollout, Spec, State

STEPS, RATE, FEW, MANY, ESTIMATES, CHUNK = 3, 1.0, 4, 400, 200_000, 4_000
REWARDS = torch.tensor([[[0.0, 1.0], [2.0, -1.0]], [[1.5, 0.0], [-0.5, 3.0]]], dtype=torch.float64)
"""Of each task, state and action; the action is the next state, and each episode begins in state 0."""
LOGITS = torch.tensor([[0.3, -0.2], [0.1, 0.4]], dtype=torch.float64)
PATHS = torch.tensor(list(itertools.product((0, 1), repeat=STEPS)))  # [8, H]
ESTIMATORS = ("fomaml", "reinforce", "surrogate", "dice", "reinforce, samples paid", "surrogate, samples paid")


class Table(nn.Module):
    """Logits of each state, shared or of every task its own."""

    broadcasts = True

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(LOGITS.clone())

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        return Output(torch.einsum("...d,...da->...a", inputs.obs, self.logits[..., None, None, :, :])), state


def played(task: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
    """(states, rewards), each [M, B, H], of tasks [M] and actions [M, B, H]."""
    state = torch.cat([torch.zeros_like(action[..., :1]), action[..., :-1]], -1)
    return state, REWARDS[task[:, None, None], state, action]


def log_probs(logits: Tensor, state: Tensor, action: Tensor) -> Tensor:
    """[M, B, H] under logits [M, 2, 2]."""
    return logits.log_softmax(-1)[torch.arange(len(state))[:, None, None], state, action]


def to_go(reward: Tensor) -> Tensor:
    return reward.flip(-1).cumsum(-1).flip(-1)


def returns(logits: Tensor, task: Tensor) -> Tensor:
    """Expected return [M] of each task under logits [M, 2, 2]: a sum over all episodes."""
    action = PATHS.expand(len(task), -1, -1)
    state, reward = played(task, action)
    return (log_probs(logits, state, action).sum(-1).exp() * reward.sum(-1)).sum(-1)


def exact_many() -> Tensor:
    """The gradient [2, 2] of the return, per step, after a step along the exact gradient."""
    logits, task = LOGITS.expand(2, 2, 2).clone().requires_grad_(), torch.arange(2)
    (gradient,) = torch.autograd.grad(returns(logits, task).sum() / STEPS, [logits], create_graph=True)
    after = returns(logits + RATE * gradient, task).mean() / STEPS
    return torch.autograd.grad(after, [logits])[0].sum(0)


def exact_few() -> Tensor:
    """The same after a step from FEW episodes, over all that can be drawn."""
    shared = LOGITS.clone().requires_grad_()
    drawn = list(itertools.combinations_with_replacement(range(len(PATHS)), FEW))
    ways = [math.factorial(FEW) / math.prod(math.factorial(d.count(k)) for k in set(d)) for d in drawn]
    total = torch.zeros((), dtype=torch.float64)
    for number in (0, 1):
        task, action = torch.full((len(drawn),), number), PATHS[torch.tensor(drawn)]
        state, reward = played(task, action)
        logits = shared.expand(len(drawn), 2, 2)
        log_prob = log_probs(logits, state, action)
        inner = (log_prob * to_go(reward)).mean((1, 2)).sum()
        (gradient,) = torch.autograd.grad(inner, [logits], create_graph=True)
        chance = torch.tensor(ways, dtype=torch.float64) * log_prob.sum((1, 2)).exp()
        total = total + (chance * returns(logits + RATE * gradient, task)).sum() / STEPS / 2
    return torch.autograd.grad(total, [shared])[0]


def rolled(logits: Tensor, task: Tensor, lanes: int, draws: torch.Generator) -> tuple[Rollout, Tensor]:
    """Episodes [M, B, H] of a policy, and their rewards to go."""
    M = len(task)
    table, here, actions = logits.softmax(-1), torch.zeros(M, lanes, dtype=torch.long), []
    for _ in range(STEPS):
        second = table[torch.arange(M)[:, None], here, 1]
        here = (torch.rand(M, lanes, generator=draws, dtype=torch.float64) < second).long()
        actions.append(here)
    action = torch.stack(actions, -1)
    state, reward = played(task, action)
    first = torch.zeros_like(state).bool()
    first[..., 0] = True
    obs, no = nn.functional.one_hot(state, 2).double(), torch.zeros_like(first)
    log_prob = log_probs(logits, state, action)
    return Rollout(obs, action, reward, obs, first, no, no, ~no, log_prob, no, torch.zeros(M, 1)), to_go(reward)


def dice(logits: Tensor, rollout: Rollout) -> Tensor:
    """Logits after the inner step whose every derivative is an unbiased estimate."""
    past = log_probs(logits, rollout.obs.argmax(-1), rollout.action).cumsum(-1)
    objective = ((past - past.detach()).exp() * rollout.reward).mean((1, 2)).sum()
    return logits + RATE * torch.autograd.grad(objective, [logits], create_graph=True)[0]


def estimates(name: str, lanes: int, tasks: int, draws: torch.Generator) -> Tensor:
    """Meta-gradients [M, 4] of single tasks, each from samples of its own."""
    kind, _, paid = name.partition(", ")
    policy, task = Table(), torch.arange(tasks) % 2
    objective = "surrogate" if kind == "surrogate" else "reinforce"
    inner = Inner(policy, Spec(2, 2, discrete=True), InnerSettings(lr=RATE, objective=objective))
    logits = LOGITS.expand(tasks, 2, 2).clone().requires_grad_()
    rollout, gain = rolled(logits.detach(), task, lanes, draws)
    before = Experience(rollout, gain)
    if kind == "dice":
        after = dice(logits, rollout)
    else:
        after = inner.step({}, {"logits": logits}, before, 0, second_order=kind != "fomaml")["logits"]
    later, gain = rolled(after.detach(), task, lanes, draws)
    ratio = (log_probs(after, later.obs.argmax(-1), later.action) - later.log_prob).exp()
    loss = -(ratio * gain).mean((1, 2))
    if paid:
        value = later.reward.sum(-1).mean(-1).unflatten(0, (-1, 2))  # of pairs of tasks
        pays = explored(inner, (value - value.mean(0)).flatten(), 1.0)
        loss = loss + pays([{"logits": logits}, {"logits": after}], [before, Experience(later, gain)], slice(None))
    (gradient,) = torch.autograd.grad(loss.sum(), [logits])
    return -gradient.flatten(1)


def row(name: str, lanes: int, exact: Tensor) -> dict[str, Any]:
    """Bias, its standard error and the spread of one estimate, as shares of the length of the exact gradient."""
    draws, size = torch.Generator().manual_seed(0), max(2, CHUNK * FEW // lanes)
    found = torch.cat([estimates(name, lanes, size, draws) for _ in range(0, ESTIMATES * FEW // lanes, size)])
    # a pair of tasks is a sample: the tasks differ, and that is no spread of an estimate
    pairs = found.unflatten(0, (-1, 2)).mean(1)
    exact, length = exact.flatten(), float(exact.norm())
    off, spread = pairs.mean(0) - exact, float(pairs.var(0).sum().sqrt())
    return {
        "estimator": name,
        "episodes": lanes,
        "bias": float(off.norm()) / length,
        "standard_error": spread / len(pairs) ** 0.5 / length,
        "cosine": float(pairs.mean(0) @ exact / (pairs.mean(0).norm() * length)),
        "spread": spread / length,
        "pairs": len(pairs),
    }


def main() -> None:
    torch.set_num_threads(1)
    begin = time.perf_counter()
    exact = {FEW: exact_few(), MANY: exact_many()}
    rows = [row(name, lanes, exact[lanes]) for lanes in exact for name in ESTIMATORS]
    for each in rows:
        print(
            f"{each['episodes']:4} episodes  {each['estimator']:26} bias {each['bias']:6.3f} +- {each['standard_error']:.3f}"
            f"   cosine {each['cosine']:6.3f}   spread {each['spread']:7.2f}"
        )
    document = {"command": "python benchmarks/meta_gradients.py", "machine": stepping.machine(), "seed": 0}
    exacts = {str(lanes): value.flatten().tolist() for lanes, value in exact.items()}
    recorded.write("meta-gradients", document | {"seconds": time.perf_counter() - begin, "exact": exacts, "rows": rows})


if __name__ == "__main__":
    main()
