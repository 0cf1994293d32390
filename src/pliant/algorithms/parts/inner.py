"""The inner loop of every algorithm that adapts by gradient: adapt parameters to tasks by policy gradient.

stage 0    roll out with the meta-parameters
stage k    params <- params - lr * d loss(params, rollout k-1) / d params, then roll out with them
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from pliant.algorithms.base import Collect
from pliant.errors import UserError
from pliant.maths import advantages, distributions, functional, losses, masks
from pliant.maths.distributions import Distribution
from pliant.policies.base import traits
from pliant.system import ranges
from pliant.types import Inputs, Params, Rollout, Spec, inputs_of

META = "meta/"
"""What stands before the names of meta-parameters in a checkpoint."""
RATE = "rate/"
"""What stands before the name of a parameter for its learned rate."""
NEGLIGIBLE = 1e-3


@dataclass(frozen=True)
class InnerSettings:
    """How parameters are adapted to one task."""

    steps: Annotated[int, Ge(1)] = 1
    """Gradient steps in training; an evaluation may take another number."""
    lr: Annotated[float, Gt(0)] = 0.1
    """Learning rate of the first step, or where learned rates start."""
    decay: Annotated[float, Gt(0), Le(1)] = 0.5
    """Factor on the rate from each step to the next. Advantages are standardised, so a step does not shorten by itself as the
    task is mastered; MAML's authors halve the rate after the first step too."""
    learn_lr: bool = False
    """Learn positive rates together with the parameters; `rates` says how many."""
    rates: Literal["tensor", "parameter", "step"] = "tensor"
    """Learned rates: one for each parameter tensor; one for each step and tensor, as for the layers of Antoniou et al. 2019,
    arXiv:1810.09502; or one for each parameter, Meta-SGD (Li et al. 2017, arXiv:1707.09835)."""
    epochs: Annotated[int, Ge(1)] = 1
    """Gradient steps on each rollout, all at its rate, by importance weights after the first."""
    gamma: Annotated[float, Ge(0), Le(1)] = 0.99
    """Discount per step."""
    lam: Annotated[float, Ge(0), Le(1)] = 1.0
    """Trace decay of the generalised advantage estimate, per step."""
    objective: Literal["surrogate", "reinforce"] = "surrogate"
    """Inner loss: both have the same gradient, `surrogate` has the right curvature (see `maths.losses`)."""

    def __post_init__(self) -> None:
        ranges.check(self)
        if self.rates != "tensor" and not self.learn_lr:
            raise ValueError(f"rates is {self.rates}: expected learn_lr beside it, or no rates are learned")
        if self.epochs > 1 and self.objective != "surrogate":
            raise ValueError(f"epochs is {self.epochs}: expected 1, for the objective reinforce has no importance weights")


class Experience(NamedTuple):
    """A rollout and its standardised advantages [M, B, T]."""

    rollout: Rollout
    advantage: Tensor

    def part(self, tasks: slice, lanes: slice = slice(None)) -> "Experience":
        """Some of the tasks and lanes."""
        return Experience(self.rollout.part(tasks, lanes), self.advantage[tasks, lanes])

    def thinned(self, fraction: float) -> "Experience":
        """About `fraction` of each task's steps as one lane [M, 1, n], spread evenly over its lanes and over time.

        For policies without memory: what stood before a step is gone.
        """
        _, lanes, steps = self.advantage.shape
        place = torch.arange(lanes, device=self.advantage.device)[:, None] + torch.arange(steps, device=self.advantage.device)
        chosen = place % max(1, min(round(1 / fraction), steps)) == 0  # [B, T], a diagonal pattern
        return Experience(self.rollout.each(lambda x: x[:, chosen].unsqueeze(1)), self.advantage[:, chosen].unsqueeze(1))


def experience_of(rollout: Rollout, gamma: float, lam: float) -> Experience:
    """Advantages of a finite horizon against a linear feature baseline, standardised per task.

    An episode is worth what it pays until it ends, at its time limit, where the environment cuts it, or where the MDP ends; the
    baseline knows the time since it began, and nothing follows the end. The episodes of a lane are judged each by itself.
    That is the return that evaluations report, and how the published numbers of MAML and ProMP were made: rllab's and ProMP's
    samplers put a value of 0 after the last step of every path (Duan et al. 2016, arXiv:1604.06778; Rothfuss et al. 2019,
    arXiv:1810.06784).

    Where the baseline explains the returns to NEGLIGIBLE of their size nothing is left to learn: such advantages stay small.
    """
    discount, trace = advantages.horizons(rollout, gamma, lam, "finite")
    target = advantages.returns(rollout.reward, *advantages.horizons(rollout, gamma, 1.0, "finite"))
    value, next_value = advantages.linear_baseline(rollout, target)
    advantage = advantages.gae(rollout.reward, value, next_value, discount, trace)
    size = masks.mean(target.square(), rollout.valid).sqrt()  # [M]
    return Experience(rollout, masks.standardise(advantage, rollout.valid, floor=NEGLIGIBLE * size))


class Inner:
    """The meta-parameters of a policy, and how they adapt: those for which `adapts(name)` holds, by default all.

    `meta` holds the policy's parameters by name and, with learned rates, log-rates under "rate/NAME": [], [steps], or of the
    shape of the parameter.
    """

    def __init__(
        self, policy: nn.Module, spec: Spec, settings: InnerSettings, adapts: Callable[[str], bool] = lambda name: True
    ) -> None:
        _require_differentiable(policy, spec)
        self.policy, self.settings, self.least = policy, settings, traits(policy).least
        self.distribution: Distribution = distributions.of_policy(policy, spec)
        self.meta: Params = functional.parameters(policy)
        self.adapts = frozenset(filter(adapts, self.meta))
        if settings.learn_lr:
            self.meta |= {RATE + name: self._first_rates(p) for name, p in self.meta.items() if name in self.adapts}

    def experience(self, rollouts: Sequence[Rollout]) -> list[Experience]:
        """Advantages for every rollout."""
        return [experience_of(r, self.settings.gamma, self.settings.lam) for r in rollouts]

    def start(self, meta: Params, tasks: int) -> Params:
        """The policy's parameters before adaptation, one copy per task."""
        return functional.stack({n: p for n, p in meta.items() if not n.startswith(RATE)}, tasks)

    def dist(self, params: Params, rollout: Rollout) -> Tensor:
        """Distribution parameters [M, B, T, P] that stacked `params` give to the steps of a rollout."""
        return functional.apply(self.policy, params, inputs_of(rollout))[0].dist

    def step(self, meta: Params, params: Params, experience: Experience, stage: int, second_order: bool) -> Params:
        """The inner step of every task, or its `epochs` of them, from its own experience of `stage`."""
        rates = self._rates(meta, stage)
        for _ in range(self.settings.epochs):
            adapts = {name: p for name, p in params.items() if name in self.adapts}
            loss = self._loss(params, experience)
            stepped = functional.inner_step(adapts, loss, rates, second_order, retain=second_order)
            params = params | functional.lifted(stepped, self.least)
        return params

    def _loss(self, params: Params, experience: Experience) -> Tensor:
        """What an inner step lowers, per task, [M]."""
        rollout, advantage = experience
        log_prob = self.distribution.log_prob(self.dist(params, rollout), rollout.action)
        if self.settings.objective == "surrogate":
            return losses.surrogate(log_prob, rollout.log_prob, advantage, rollout.valid)
        return losses.reinforce(log_prob, advantage, rollout.valid)

    def path(self, meta: Params, experience: Sequence[Experience], second_order: bool, tasks: int) -> list[Params]:
        """Parameters before and after each inner step, one step per element of `experience`; differentiable by `meta`."""
        path = [self.start(meta, tasks)]
        for stage, each in enumerate(experience):
            path.append(self.step(meta, path[-1], each, stage, second_order))
        return path

    def adapted(self, meta: Params, experience: Sequence[Experience], second_order: bool) -> Params:
        """Parameters after one inner step per element of `experience`, stacked per task."""
        return self.path(meta, experience, second_order, len(experience[0].advantage) if experience else 1)[-1]

    def adapt(self, collect: Collect, steps: int | None = None) -> list[Rollout]:
        """Rollouts of stages 0..steps, each acted with parameters adapted to the one before."""
        steps = self.settings.steps if steps is None else steps
        rollouts = [collect(self.policy, self.meta_policy(), 0)]
        params = constants(self.start(self.meta, len(rollouts[0].reward)))
        for stage in range(1, steps + 1):
            experience = experience_of(rollouts[-1], self.settings.gamma, self.settings.lam)
            params = constants(self.step(self.meta, params, experience, stage - 1, second_order=False))
            rollouts.append(collect(self.policy, {n: p.detach() for n, p in params.items()}, stage))
        return rollouts

    def constants_after(self, rollouts: Sequence[Rollout]) -> Params:
        """The adapted parameters as constants, the rates of later steps as in `adapt`."""
        params = self.adapted(constants(self.meta), self.experience(rollouts), second_order=False)
        return {name: p.detach() for name, p in params.items()}

    def meta_policy(self) -> Params:
        """The policy's parameters before adaptation, shared by all tasks."""
        return {n: p for n, p in self.meta.items() if not n.startswith(RATE)}

    def state(self) -> dict[str, Tensor]:
        """The meta-parameters under "meta/NAME"."""
        return {META + name: p.detach().clone() for name, p in self.meta.items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore the meta-parameters."""
        self.meta = {name: state[META + name].clone() for name in self.meta}

    def _first_rates(self, p: Tensor) -> Tensor:
        """Logarithms of the rates of a parameter as learning finds them."""
        own, start = self.settings, float(torch.tensor(self.settings.lr).log())
        if own.rates == "step":
            return start + float(torch.tensor(own.decay).log()) * torch.arange(own.steps, dtype=p.dtype, device=p.device)
        return p.new_full(p.shape if own.rates == "parameter" else (), start)

    def _rates(self, meta: Params, stage: int) -> Any:
        """Of every tensor; rates of their own go on as the last one does, falling by `decay`, where there are more steps."""
        own = self.settings
        if not own.learn_lr:
            return own.decay**stage * own.lr
        learned = {n.removeprefix(RATE): r.exp() for n, r in meta.items() if n.startswith(RATE)}
        if own.rates == "step":
            last = min(stage, own.steps - 1)
            return {name: own.decay ** (stage - last) * r[last] for name, r in learned.items()}
        return {name: own.decay**stage * r for name, r in learned.items()}


def _require_differentiable(policy: nn.Module, spec: Spec) -> None:
    """Raise UserError if a memory from outside cannot be adapted by gradient: torch's own recurrent layers, for one."""
    own = traits(policy)
    if not own.memory or own.broadcasts:
        return
    one = torch.zeros(2, 1, 2)  # two tasks: parameters of one need no stacking
    action = one.long() if spec.discrete else torch.zeros(2, 1, 2, spec.action_size)
    try:
        params = functional.stack({name: p.requires_grad_() for name, p in functional.parameters(policy).items()}, 2)
        dist = functional.apply(policy, params, Inputs(torch.zeros(2, 1, 2, spec.obs_size), action, one, one.bool()))[0].dist
        gradient = torch.autograd.grad(dist.square().sum(), list(params.values()), create_graph=True, allow_unused=True)
        size = torch.stack([g.square().sum() for g in gradient if g is not None]).sum()
        torch.autograd.grad(size, list(params.values()), allow_unused=True)
    except RuntimeError as error:
        reason = str(error).partition(".")[0][:100]
        raise UserError(
            f"the memory of {type(policy).__name__} cannot be adapted by gradient ({reason}): gru, lstm,"
            " mean, linear-attention, external, episodic and transformer can, or train it with rl2"
        ) from error


def constants(params: Params) -> Params:
    """The same values as leaves to differentiate by."""
    return {name: p.detach().requires_grad_() for name, p in params.items()}
