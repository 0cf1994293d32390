"""Episodic recall: bandits whose contexts return, marked by a barcode, and are to be recognised.

Contextual bandits of Ritter et al. 2018, arXiv:1805.09692, section 4. Each context has a barcode and one good arm: it pays 1
with probability `p_good`, every other arm with `p_bad`. An episode is `pulls` pulls in one context, whose barcode is seen
throughout. A trial is a bag that holds each context `repeats` times, drawn from without replacement; a longer trial
opens the bag anew. An agent that forgets must explore in each episode, one that recognises the barcode need not.

The paper has 10 arms, 10 pulls, 10 contexts and 10 repeats, and sees to it that each arm is good in some context; here good
arms are independent. The set of barcodes decides which tasks are held out, so that no split says anything about good arms.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor

from pliant.simulators import codes
from pliant.tasks import checks
from pliant.tasks.base import BatchEnv, Family, Parameter, Tasks, Told
from pliant.types import Spec

MOST_BITS = 32


@dataclass(frozen=True)
class Settings:
    """Arms, contexts and their returns."""

    arms: Annotated[int, Ge(2)] = 4
    """Arms of each bandit, which are the actions."""
    pulls: Annotated[int, Ge(1)] = 5
    """Steps of an episode."""
    contexts: Annotated[int, Ge(1)] = 5
    """Different contexts in a trial."""
    repeats: Annotated[int, Ge(1)] = 3
    """Episodes of each context in a trial."""
    bits: Annotated[int, Ge(1), Le(MOST_BITS)] = 10
    """Binary digits of a barcode."""
    p_good: Annotated[float, Gt(0), Le(1)] = 0.9
    """Probability that the good arm pays."""
    p_bad: Annotated[float, Ge(0)] = 0.1
    """Probability that another arm pays."""

    def __post_init__(self) -> None:
        checks.settings(self)
        if 2**self.bits < self.contexts:
            raise ValueError(f"bits is {self.bits}: expected enough for {self.contexts} contexts")
        if not self.p_bad < self.p_good:
            raise ValueError(f"p_bad is {self.p_bad}: expected a probability below p_good, which is {self.p_good}")

    @property
    def episodes(self) -> int:
        """Episodes of a whole trial."""
        return self.contexts * self.repeats


class Recall(BatchEnv):
    """Which contexts are left in each lane's bag, and the one it is in. An observation is its barcode, digits -1 and 1."""

    reset_noise = 1
    step_noise = 1

    def __init__(self, family: Family, tasks: Tasks, lanes: int, episodes: int) -> None:
        super().__init__(family, tasks, lanes, episodes)
        s: Settings = family.settings
        self.settings = s
        self.barcode = codes.codes(tasks, "barcode", s.bits)  # [M, contexts, bits]
        self.arm = tasks.tensor("arm").long()  # [M, contexts]
        self.task = torch.arange(len(tasks))[:, None]  # [M, 1]
        self.left = torch.zeros(*self.shape, s.contexts, dtype=torch.int64)
        self.context = torch.zeros(self.shape, dtype=torch.int64)

    def begin(self, chosen: Tensor, noise: Tensor) -> None:
        opened = chosen & ((self._episode == 0) | (self.left.sum(-1) == 0))
        left = torch.where(opened[..., None], self.settings.repeats, self.left)
        drawn = (noise * left.sum(-1, keepdim=True)).floor()  # [M, B, 1], a place among all that are left
        context = (left.cumsum(-1) <= drawn).sum(-1).clamp(max=self.settings.contexts - 1)  # [M, B]
        self.left = torch.where(chosen[..., None], left.scatter_add(-1, context[..., None], -torch.ones_like(left)), left)
        self.context = torch.where(chosen, context, self.context)
        self.obs = self.barcode[self.task, self.context]  # [M, B, bits]
        self.good = self.arm[self.task, self.context]  # [M, B]

    def observe(self) -> Tensor:
        return self.obs

    def advance(self, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        s = self.settings
        pays = s.p_bad + (s.p_good - s.p_bad) * (action == self.good).double()
        never = torch.zeros(self.shape, dtype=torch.bool)
        return (noise[..., 0] < pays).double(), never, never


def family(settings: Settings | None = None) -> Family:
    """The family of bandits whose contexts return."""
    settings = settings or Settings()
    s, arms = settings, tuple(float(arm) for arm in range(settings.arms))
    parameters = (
        codes.parameter("barcode", s.contexts, s.bits, "digits of the barcodes, one barcode after another"),
        Parameter("arm", choices=arms, size=s.contexts, meaning="good arm of each context"),
    )

    good = partial(codes.described, name="barcode", bits=s.bits, beside="arm", kinds=s.arms)
    return Family(
        name="recall",
        summary="bandits whose contexts return after other ones",
        parameters=parameters,
        spec=Spec(obs_size=s.bits, action_size=s.arms, discrete=True),
        horizon=s.pulls,
        environment=Recall,
        shift="barcodes that are more alike: three digits of four are 1",
        episodes=s.episodes,
        settings=s,
        version="2",
        told=Told(s.contexts * (s.bits + s.arms), good),
        seen=partial(codes.seen, name="barcode", bits=s.bits),
    )
