"""Binding: symbols are shown once with their labels, and asked for later.

What external memory is for, in the spirit of Santoro et al. 2016, arXiv:1605.06065 (labels to be bound at test time) and of
associative recall in Graves et al. 2014, arXiv:1410.5401, section 4.3. A task is a hidden mapping from symbols to labels:
`pairs` different binary codes with a label each. An episode

    shows every symbol once with its label, in random order;
    shows `delay` distractors: random codes without a label;
    asks for `queries` different symbols in random order: reward 1 if the action is the label, else 0.

Actions before the questions do nothing. Codes are new in every task, so that labels must be found by content and no mapping
can be learned into the weights; the set of them decides which tasks are held out. Guessing earns queries / labels, a perfect
memory `queries`.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Le, Unit
from numpy.typing import NDArray
from torch import Tensor

from pliant.simulators import codes
from pliant.tasks import checks
from pliant.tasks.base import BatchEnv, Family, Parameter, Tasks, Told
from pliant.types import Spec

MOST_BITS = 32


@dataclass(frozen=True)
class Settings:
    """How much must be remembered, and for how long."""

    pairs: Annotated[int, Ge(1)] = 4
    """Symbols of a task."""
    delay: Annotated[int, Ge(0), Unit("steps")] = 4
    """Steps of distraction between showing and asking."""
    labels: Annotated[int, Ge(2)] = 4
    """Different labels, which are the actions."""
    queries: Annotated[int, Ge(1)] | None = None
    """Questions in an episode; "none" asks for every symbol once."""
    bits: Annotated[int, Ge(1), Le(MOST_BITS)] = 8
    """Binary digits of a symbol's code."""

    def __post_init__(self) -> None:
        checks.settings(self)
        if 2**self.bits < self.pairs:
            raise ValueError(f"bits is {self.bits}: expected enough for {self.pairs} different codes")
        if self.queries is not None and self.queries > self.pairs:
            raise ValueError(f"queries is {self.queries}: expected 1 to {self.pairs}, as many as there are pairs")

    @property
    def asked(self) -> int:
        """Questions in an episode."""
        return self.pairs if self.queries is None else self.queries

    @property
    def horizon(self) -> int:
        """Steps of an episode."""
        return self.pairs + self.delay + self.asked


class Binding(BatchEnv):
    """Every lane is at the same step of its episode, because all episodes have the same length.

    An observation is the code (digits -1 and 1), the label (one-hot, zeros where none is shown), and 1 in a question.
    """

    def __init__(self, family: Family, tasks: Tasks, lanes: int, episodes: int) -> None:
        super().__init__(family, tasks, lanes, episodes)
        s: Settings = family.settings
        self.settings = s
        self.reset_noise = s.pairs + s.delay * s.bits + s.pairs
        self.code = codes.codes(tasks, "code", s.bits)  # [M, pairs, bits]
        self.label = tasks.tensor("label").long()  # [M, pairs]
        self.task = torch.arange(len(tasks))[:, None]  # [M, 1]

    def begin(self, chosen: Tensor, noise: Tensor) -> None:
        s = self.settings
        show, distract, ask = noise.split([s.pairs, s.delay * s.bits, s.pairs], dim=-1)
        self.shown = show.argsort(-1)  # [M, B, pairs]
        self.asked = ask.argsort(-1)[..., : s.asked]  # [M, B, asked]
        self.distractor = torch.where(distract < 0.5, -1.0, 1.0).to(noise).unflatten(-1, (s.delay, s.bits))
        self.elapsed = 0
        self.right = torch.zeros(self.shape, dtype=torch.int64)

    def observe(self) -> Tensor:
        s, t = self.settings, self.elapsed
        obs = torch.zeros(*self.shape, self.spec.obs_size, dtype=torch.float64)
        if t < s.pairs:
            symbol = self.shown[..., t]  # [M, B]
            obs[..., : s.bits] = self.code[self.task, symbol]
            obs.scatter_(-1, s.bits + self.label[self.task, symbol].unsqueeze(-1), 1.0)
        elif t < s.pairs + s.delay:
            obs[..., : s.bits] = self.distractor[..., t - s.pairs, :]
        elif t < s.horizon:
            obs[..., : s.bits] = self.code[self.task, self.asked[..., t - s.pairs - s.delay]]
            obs[..., -1] = 1.0
        return obs

    def advance(self, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        s, question = self.settings, self.elapsed - self.settings.pairs - self.settings.delay
        right = torch.zeros(self.shape, dtype=torch.bool)
        if 0 <= question < s.asked:
            right = action == self.label[self.task, self.asked[..., question]]
        self.right = self.right + right
        self.elapsed += 1
        return right.double(), torch.zeros_like(right), self.right == s.asked


def family(settings: Settings | None = None) -> Family:
    """The family of hidden mappings from symbols to labels."""
    settings = settings or Settings()
    s, labels = settings, tuple(float(label) for label in range(settings.labels))
    parameters = (
        codes.parameter("code", s.pairs, s.bits, "digits of the symbols' codes, one code after another"),
        Parameter("label", choices=labels, size=s.pairs, meaning="label of each symbol"),
    )

    def frequency(tasks: Tasks) -> NDArray[np.float64]:
        return np.asarray((tasks.arrays["label"][..., None] == np.array(labels)).mean(1))

    mapping = partial(codes.described, name="code", bits=s.bits, beside="label", kinds=s.labels)
    return Family(
        name="binding",
        summary="remember the labels of symbols that were shown once",
        parameters=parameters,
        spec=Spec(obs_size=s.bits + s.labels + 1, action_size=s.labels, discrete=True),
        horizon=s.horizon,
        environment=Binding,
        shift="symbols that are more alike: three digits of four are 1",
        episodes=1,
        success="every question of the episode was answered rightly",
        settings=s,
        version="2",
        told=Told(s.labels, frequency),
        known=Told(s.pairs * (s.bits + s.labels), mapping),
        seen=partial(codes.seen, name="code", bits=s.bits),
    )
