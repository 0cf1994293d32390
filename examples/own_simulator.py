"""A simulator of your own: an engine that knows nothing of pliant, and the few lines that make a batch of tasks of it.

    pliant check own_simulator.py
    pliant train maml own_simulator.py
"""

from dataclasses import dataclass

import numpy as np
import torch

from pliant.tasks.base import BatchEnv, Family, Parameter
from pliant.types import Spec


class Pendulums:
    """The engine: pendulums of a kilogram, in NumPy; it could as well be a package or a library in C."""
    def __init__(self, length, lanes):
        self.length = length[:, None]  # [M, 1] metres
        self.angle, self.speed = np.zeros((2, len(length), lanes))  # [M, B] radians, 0 hanging down; radians a second

    def put(self, where, angle):
        self.angle, self.speed = np.where(where, angle, self.angle), np.where(where, 0.0, self.speed)

    def advance(self, torque):  # 0.05 s, newton metres
        self.speed = self.speed + 0.05 * (torque - 9.81 * self.length * np.sin(self.angle)) / self.length**2
        self.angle = self.angle + 0.05 * self.speed


@dataclass(frozen=True)
class Settings:
    horizon: int = 40  # steps of an episode


class Swing(BatchEnv):
    """Tensors [M, B] in, tensors out; horizons, endings, restarts and padding are done by BatchEnv."""
    reset_noise = 1  # uniform numbers that an episode needs to begin

    def __init__(self, family, tasks, lanes, episodes):
        super().__init__(family, tasks, lanes, episodes)
        self.engine = Pendulums(tasks.arrays["length"], lanes)

    def begin(self, chosen, noise):  # open an episode in the lanes `chosen`
        self.engine.put(chosen.numpy(), 0.2 * (noise[..., 0].numpy() - 0.5))

    def observe(self):  # [M, B, D]
        x = self.engine
        return torch.from_numpy(np.stack([np.sin(x.angle), np.cos(x.angle), 0.2 * x.speed], axis=-1))

    def advance(self, action, noise):  # reward, terminated, success
        self.engine.advance(2 * action[..., 0].double().numpy())
        height = torch.from_numpy(-np.cos(self.engine.angle))  # from -1 to 1
        return height, height > 9, height > 9  # it never ends, and success is not reported


def family(settings=None):
    settings, summary = settings or Settings(), "swing up a pendulum of unknown length"
    length = Parameter("length", train=(0.5, 1.0), ood=(1.0, 1.5), meaning="of the rod, in metres")
    spec = Spec(obs_size=3, action_size=1, discrete=False)
    return Family("pendulum", summary, (length,), spec, settings.horizon, Swing, shift="longer pendulums", settings=settings)
