"""What a scene of traffic is made of: units and limits of highway-env 1.12.1, and the tensors that describe N scenes."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

LEFT, IDLE, RIGHT, FASTER, SLOWER = range(5)
"""The agent's actions, in the order of highway-env's DiscreteMetaAction."""
SPEEDS = (20.0, 25.0, 30.0)
"""The agent may hold these, m/s."""
LENGTH, BREADTH = 5.0, 2.0
"""Of a vehicle, m."""
STEEPEST = math.pi / 3
"""Steering angle, rad."""
FASTEST = 40.0
"""Beyond this vehicles slow down, m/s."""
HEADING_GAIN, LATERAL_GAIN, SPEED_GAIN = 1 / 0.2, 1 / 0.6, 1 / 0.6
"""Of the controllers, 1/s."""
PREVIEW = 0.1
"""Seconds ahead at which the lane's heading is looked at."""
HARDEST = 6.0
"""Acceleration of a driver, m/s^2, either way."""
BRAKING = 5.0
"""Comfortable deceleration of a driver, m/s^2."""
JAM = 10.0
"""Distance from centre to centre that a driver keeps when standing, m."""
GAIN, IMPOSED, DELAY = 0.2, 2.0, 1.0
"""MOBIL: least gain m/s^2, most braking imposed on others m/s^2, seconds between two decisions."""


@dataclass
class State:
    """What changes while driving, all [N, V]; vehicle 0 is the agent's. Frames replace these tensors, none is written to."""

    x: Tensor
    y: Tensor
    heading: Tensor
    cos: Tensor
    """Of the heading."""
    sin: Tensor
    speed: Tensor
    lane: Tensor
    """int64, as the road numbers them: where it is."""
    target: Tensor
    """int64: where it wants to be."""
    wish: Tensor
    """Speed it wants, m/s."""
    timer: Tensor
    """Seconds since it last thought about changing lane."""
    exponent: Tensor
    """Delta of the intelligent driver model."""
    drives: Tensor
    """bool: is there, and no obstacle."""
    crashed: Tensor
    """bool; also of what does not drive."""
    pushed: Tensor
    """bool: the next frame carries out `push`."""
    push: Tensor
    """[N, V, 2] m."""

    def part(self, rows: Tensor) -> "State":
        """Some of the scenes."""
        return State(**{name: value[rows] for name, value in vars(self).items()})

    def put(self, rows: Tensor, other: "State") -> None:
        """Replace some of the scenes."""
        for name, value in vars(self).items():
            setattr(self, name, value.index_copy(0, rows, getattr(other, name)))


class Cast(NamedTuple):
    """What stays the same for an episode. Drivers' are [N, 1], the agent's vehicle's [N]."""

    time_gap: Tensor
    """s"""
    acceleration: Tensor
    """Most that is comfortable, m/s^2."""
    politeness: Tensor
    speed_gain: Tensor
    """Of the agent's vehicle, 1/s."""
    lateral_gain: Tensor
    """Of the agent's vehicle, 1/s."""
    length: Tensor
    """[N, V] m"""
    breadth: Tensor
    """[V] m"""
    still: Tensor
    """[V] bool: an obstacle."""

    def part(self, rows: Tensor) -> "Cast":
        """Some of the scenes."""
        return Cast._make([*(value[rows] for value in self[:-2]), *self[-2:]])


def not_zero(x: Tensor, least: float = 0.01) -> Tensor:
    """`x`, or if it is nearly 0, `least` with its sign."""
    return torch.where(x.abs() > least, x, torch.where(x >= 0, least, -least))
