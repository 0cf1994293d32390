"""The trials that an update of `replay` draws, by shard: what the memory makes of them, and what actor and critic go by."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from pliant.algorithms.parts import soft, twins
from pliant.algorithms.parts.ring import Piece
from pliant.algorithms.parts.soft import Steps
from pliant.algorithms.parts.twins import CriticSettings
from pliant.types import inputs_of


class Live(NamedTuple):
    """Modules whose parameters are the values that learn."""

    policy: Any
    critic: Any
    target: Any
    lessons: Any


class Drawn(NamedTuple):
    """Trials of the ring, N in all, in the units of those who learn from them."""

    piece: Piece
    """As they were played."""
    seen: Tensor
    """[N, T, D] observations of unit size."""
    reward: Tensor
    """[N, T] as the critic counts it."""
    paid: Tensor
    """[N, T] standardised."""
    whole: int
    """Steps of a whole trial, 0 for as many as there are."""

    def part(self, trials: slice, live: Live, judges: CriticSettings, draws: torch.Generator) -> "Part":
        """Some of the trials, through the memory as it is now; lessons have chance by `draws`."""
        piece = Piece._make(x[trials] for x in self.piece)
        features = live.policy.remember(inputs_of(piece.as_task()), ())[0][0]  # [n, T, F]
        piece = piece._replace(obs=self.seen[trials])
        lesson, found = live.lessons.loss(features, piece._replace(reward=self.paid[trials]), draws)
        known = twins.known(judges, piece, features, self.whole)
        shares = len(known) / len(self.paid), float(piece.valid.sum() / self.piece.valid.sum())
        return Part(piece, self.reward[trials], features.detach(), known, lesson, found, trials, *shares)


class Part(NamedTuple):
    """Some of the trials, n of N."""

    piece: Piece
    """With observations of unit size."""
    reward: Tensor
    """[n, T]"""
    features: Tensor
    """[n, T, F], constants."""
    known: Tensor
    """[n, T, *] to the critic."""
    lesson: Tensor
    """[] the loss of what shapes the memory."""
    found: dict[str, Tensor]
    """Numbers for the record."""
    trials: slice
    share: float
    """Of the trials that are this part."""
    steps: float
    """Of the steps."""

    def at(self, chosen: Tensor, noise: Tensor) -> tuple[Steps, Tensor]:
        """The steps of this part among those `chosen` [N, S] of all trials, and its share of their `noise` [2, N S, A]."""
        first, end = (n * chosen.shape[1] for n in (self.trials.start, self.trials.stop))
        at = soft.steps_of(self.piece, self.reward, self.features, self.known, chosen[self.trials])
        return at, noise[:, first:end]

    def losses(self, critic: Tensor, actor: Tensor, chance: Tensor, remembers: bool, shared: bool) -> dict[str, Tensor]:
        """What this part adds to the losses of all that learns; `remembers`, of the memory too, and with `shared` the critic's.
        """
        losses, lesson = {"critic": critic, "actor": actor, "chance": chance}, self.lesson
        if self.share < 1:
            losses, lesson = {name: self.share * loss for name, loss in losses.items()}, self.steps * lesson
        if not remembers:
            return losses
        return losses | {"memory": lesson + losses["critic"] if shared else lesson, "lessons": lesson}
