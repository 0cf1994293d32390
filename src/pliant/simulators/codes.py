"""Binary codes that tell the things of a task apart: barcodes of contexts, codes of symbols.

A task holds digits 0 and 1, all codes one after another. Its environment sees a set of different codes: a code that an earlier
one of the task has already moves on to the next free number. Splits are decided by that set, so that no order of the codes and
no clash makes a task of one split out of one of another.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pliant.tasks.base import Parameter, Tasks

SPLIT_FROM = 10
"""Of so many sets of codes or more a fifth is held out for test, and another for the shifted split; fewer are shared by train
and test, and none is shifted."""
SHIFTED = (0.0, 1.0, 1.0, 1.0)
"""Digits of the shifted split: three of four are 1."""


def parameter(name: str, count: int, bits: int, meaning: str) -> Parameter:
    """The parameter of `count` codes of `bits` digits."""
    split = math.comb(2**bits, count) >= SPLIT_FROM
    ood = SHIFTED if split else None
    return Parameter(name, choices=(0.0, 1.0), ood=ood, size=count * bits, split=split, group=bits, meaning=meaning)


def seen(tasks: Tasks, name: str, bits: int) -> Tasks:
    """The same tasks with the digits of the codes that their environment sees."""
    digit = (codes(tasks, name, bits).flatten(1) > 0).double().numpy()
    return Tasks(tasks.family, {**tasks.arrays, name: digit})


def codes(tasks: Tasks, name: str, bits: int) -> Tensor:
    """The codes that the environment of each task sees, digits -1 and 1, [M, count, bits] float64."""
    place = 2 ** torch.arange(bits)
    number = (tasks.tensor(name) > 0.5).unflatten(1, (-1, bits)).long() @ place  # [M, count]
    for i in range(1, number.shape[1]):
        while bool((taken := (number[:, :i] == number[:, i : i + 1]).any(1)).any()):
            number[:, i] = (number[:, i] + taken) % 2**bits
    return torch.where((number[..., None] & place) > 0, 1.0, -1.0).double()


def described(tasks: Tasks, name: str, bits: int, beside: str, kinds: int) -> NDArray[np.float64]:
    """The codes, and one-hot which of `kinds` things the parameter `beside` puts beside each, [M, count * (bits + kinds)]."""
    digit = codes(tasks, name, bits).flatten(1).numpy()
    thing = tasks.arrays[beside][..., None] == np.arange(kinds)
    return np.concatenate([digit, thing.reshape(len(tasks), -1)], axis=1)
