"""Lessons for a memory: what its features are to tell, whatever the policy makes of it.

infer     the task, read by a linear layer (Humplik et al. 2019, arXiv:1905.06424)
predict   the reward of the action taken now, linear in features and action
foresee   reward and next observation of another step of the trial, drawn by chance, earlier or later, from the features of this
          step and what was seen and done at that one: the memory becomes a belief about the world it is in (the decoder of
          Zintgraf et al. 2020, arXiv:1910.08348, at one step instead of all)
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from pliant.algorithms.parts.ring import Piece
from pliant.maths import masks
from pliant.system import ranges
from pliant.types import Spec

DECODER = 128
"""Units of the hidden layer that foresees."""


@dataclass(frozen=True)
class LessonSettings:
    """How much each lesson counts.

    Data that the settings of critics extend.
    """

    infer: Annotated[float, Ge(0)] = 0.0
    """Weight of half the mean squared error with which a linear layer reads the task from the features: the memory learns to
    know its task (Humplik et al. 2019, arXiv:1905.06424). Needs `told`."""
    predict: Annotated[float, Ge(0)] = 0.0
    """Weight of half the mean squared error with which the standardised reward of a step is predicted from features and action,
    linear in either: the memory learns what actions bring."""
    foresee: Annotated[float, Ge(0)] = 0.0
    """Weight of half the mean squared error with which standardised reward and next observation, as the policy sees it, of a
    random other step of the trial (of its chunk, where it is learned from in chunks) are predicted from the features, and what
    was seen and done there: the memory learns what world it is in."""

    def __post_init__(self) -> None:
        ranges.check(self)

    @property
    def any(self) -> bool:
        """There is something to learn."""
        return self.infer + self.predict + self.foresee > 0


class Lessons(nn.Module):
    """Layers on features [N, T, F] that make of them what is to be told."""

    def __init__(self, features: int, spec: Spec, settings: LessonSettings, generator: torch.Generator) -> None:
        super().__init__()
        self.weights, self.actions = settings, spec.action_size
        with torch.random.fork_rng(devices=[]):  # torch's layers draw where everybody draws; what they draw is replaced below
            self.reads = nn.Linear(features, spec.task_size) if settings.infer and spec.task_size else None
            self.predicts = nn.Linear(features, self.actions + 1) if settings.predict else None
            there = features + spec.obs_size + spec.action_size
            self.foresees = (
                nn.Sequential(nn.Linear(there, DECODER), nn.ReLU(), nn.Linear(DECODER, 1 + spec.obs_size))
                if settings.foresee
                else None
            )
        for name, p in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(p)
            else:
                nn.init.xavier_uniform_(p, generator=generator)

    def loss(self, features: Tensor, piece: Piece, draws: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """(the loss [], each lesson's without its weight) of features [N, T, F] of trials whose observations have unit size and
        whose rewards are standardised; steps are drawn by `draws`."""
        total, found = features.new_zeros(()), {}
        if self.reads is not None:
            wrong = (self.reads(features) - piece.task[:, None]).square().mean(-1)  # [N, T]
            found["infer_loss"] = infer = 0.5 * _mean(wrong, piece.valid)
            total = total + self.weights.infer * infer
        if self.predicts is not None:
            action = nn.functional.pad(self._acted(piece.action).to(features), (0, 1), value=1)  # [N, T, A + 1]
            wrong = ((self.predicts(features) * action).sum(-1) - piece.reward).square()
            found["predict_loss"] = predict = 0.5 * _mean(wrong, piece.valid)
            total = total + self.weights.predict * predict
        if self.foresees is not None:
            found["foresee_loss"] = foresee = 0.5 * self._foresee(features, piece, draws)
            total = total + self.weights.foresee * foresee
        return total, {name: value.detach() for name, value in found.items()}

    def _foresee(self, features: Tensor, piece: Piece, draws: torch.Generator) -> Tensor:
        """Mean squared error of the reward, and of the next observation as far as the same episode goes on to it."""
        assert self.foresees is not None
        N, T = piece.reward.shape
        share = torch.rand(N, T, generator=draws).to(features)
        there = (share * piece.valid.sum(1, keepdim=True)).long()  # [N, T]
        lane = torch.arange(N, device=there.device)[:, None]
        after = (there + 1).clamp(max=T - 1)
        told = self.foresees(
            torch.cat([features, piece.obs[lane, there], self._acted(piece.action)[lane, there].to(features)], dim=-1)
        )
        paid = (told[..., 0] - piece.reward[lane, there]).square()
        goes_on = piece.valid[lane, after] & ~piece.first[lane, after] & (after > there)
        came = (told[..., 1:] - piece.obs[lane, after]).square().mean(-1)
        return _mean(paid, piece.valid) + _mean(came, piece.valid & goes_on)

    def _acted(self, action: Tensor) -> Tensor:
        """[N, T, A]: one-hot or as it is."""
        return action if action.is_floating_point() else nn.functional.one_hot(action, self.actions)


def _mean(x: Tensor, valid: Tensor) -> Tensor:
    return masks.mean(x[None], valid[None])[0]
