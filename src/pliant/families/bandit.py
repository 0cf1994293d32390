"""Bernoulli bandits: find the arm that pays most often while being paid.

Duan et al. 2016, arXiv:1611.02779, section 3.1: every arm's probability is uniform in [0, 1], a trial is a number of pulls. As
in the authors' environment each pull is an episode of one step that terminates, the observation is a constant, and the
reward is 1 or 0. Wang et al. 2016, arXiv:1611.05763, section 3.1: two arms whose probabilities add up to 1, so that each pull
tells as much of the other arm; the pair is one of two choices (easy, medium, hard) or uniform (dependent).

The two choices of easy, medium and hard are the same in train and test: which arm is the better one.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge
from numpy.typing import NDArray
from torch import Tensor

from pliant.tasks import checks
from pliant.tasks.base import Axis, BatchEnv, Family, Parameter, Tasks, Told
from pliant.types import Spec

Prior = Literal["independent", "easy", "medium", "hard", "dependent"]
PAIRS: dict[str, tuple[float, float]] = {"easy": (0.1, 0.9), "medium": (0.25, 0.75), "hard": (0.4, 0.6)}
"""The probabilities of the two arms, in either order."""
SHIFTED = {"easy": PAIRS["medium"], "medium": PAIRS["hard"], "hard": (0.45, 0.55)}
NARROW = (0.4, 0.6)
"""Where the shifted probabilities of a continuum lie."""


@dataclass(frozen=True)
class Settings:
    """Arms, length of a trial and how likely arms are."""

    arms: Annotated[int, Ge(2)] = 5
    """Number of arms."""
    pulls: Annotated[int, Ge(1)] = 10
    """Episodes of a trial, each of them one pull."""
    prior: Prior = "independent"
    """Law of the arms' probabilities: independent (each uniform in [0, 1]), or of two arms that add up to 1: easy (0.1 and
    0.9), medium (0.25 and 0.75), hard (0.4 and 0.6), dependent (uniform)."""

    def __post_init__(self) -> None:
        checks.settings(self)
        if self.prior != "independent" and self.arms != 2:
            raise ValueError(f"arms is {self.arms}: expected 2 for the prior {self.prior}, whose two arms add up to 1")


class Bandit(BatchEnv):
    """The arms' probabilities as one tensor [M, arms]; there is no state."""

    step_noise = 1

    def __init__(self, family: Family, tasks: Tasks, lanes: int, episodes: int) -> None:
        super().__init__(family, tasks, lanes, episodes)
        self.probability = torch.as_tensor(probabilities(tasks))
        self.nothing = torch.zeros(*self.shape, 1, dtype=torch.float64)
        self.always, self.never = torch.ones(self.shape, dtype=torch.bool), torch.zeros(self.shape, dtype=torch.bool)

    def begin(self, chosen: Tensor, noise: Tensor) -> None:
        pass  # every pull is like the first

    def observe(self) -> Tensor:
        return self.nothing

    def advance(self, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        paid = noise[..., 0] < self.probability.gather(1, action)
        return paid.double(), self.always, self.never


def probabilities(tasks: Tasks) -> NDArray[np.float64]:
    """How often each arm pays, [M, arms]."""
    p = tasks.arrays["p"]
    return p if p.ndim == 2 else np.stack([p, 1 - p], axis=1)


def told(tasks: Tasks) -> NDArray[np.float64]:
    """How often each arm pays, and the best of them, from -1 to 1, [M, arms + 1]."""
    p = probabilities(tasks)
    return np.asarray(2 * np.concatenate([p, p.max(axis=1, keepdims=True)], axis=1) - 1)


def _arms(most: int) -> Axis:
    """How many arms may pay: those beyond never do. The policy has `most` of them, so there are no more."""

    def place(tasks: Tasks, arms: float) -> Tasks:
        if not 2 <= arms <= most:
            raise ValueError(f"arms is {arms:g}: expected 2 to {most}, what the policy can pull (--family.arms in training)")
        return Tasks(tasks.family, {"p": np.where(np.arange(most) < arms, tasks.arrays["p"], 0.0)})

    return Axis("arms that may pay, the others never do", (most, most), (2, most), place, whole=True)


def family(settings: Settings | None = None) -> Family:
    """The family of bandits."""
    settings = settings or Settings()
    if settings.prior == "independent":
        p = Parameter("p", (0.0, 1.0), ood=NARROW, size=settings.arms, meaning="how often each arm pays")
    elif settings.prior == "dependent":
        p = Parameter("p", (0.0, 1.0), ood=NARROW, meaning="how often the first arm pays; the second pays the rest")
    else:
        pair, shifted = PAIRS[settings.prior], SHIFTED[settings.prior]
        p = Parameter("p", choices=pair, ood=shifted, meaning="how often the first arm pays; the second pays the rest")
    return Family(
        name="bandit",
        summary="find the arm that pays most often",
        parameters=(p,),
        spec=Spec(obs_size=1, action_size=settings.arms, discrete=True),
        horizon=1,
        environment=Bandit,
        shift="arms that are harder to tell apart: {:g} to {:g}, or the next harder pair".format(*NARROW),
        episodes=settings.pulls,
        version="2",
        settings=settings,
        told=Told(settings.arms + 1, told),
        own_axes={"arms": _arms(settings.arms)} if settings.prior == "independent" else {},
    )
