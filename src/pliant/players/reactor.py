"""Reference agents for the reactor: a PI controller tuned on the nominal plant, one tuned on training plants, and chance.

The controller in position form, with the error e in K, the time dt between control steps and the nominal coolant as its bias:

    integral <- integral + dt / reset * e            coolant = 300 K + gain * (e + integral)

Where the coolant would leave its range in the direction of the error the integral stays as it is, so that it does not wind up.
`tune` finds gain and reset time: Nelder and Mead's simplex over their logarithms, for the least mean reward lost in episodes as
an agent plays them. The constants below are what it returned, to three digits, for

    tune(reactor.family(), nominal())                                                   pi
    tune(reactor.family(), family.sample(1000, "train", Stream(0).at("tune").rng()), 1)   pi-robust
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize
from torch import Tensor, nn

from pliant.families import reactor
from pliant.players.parts import choices
from pliant.rollout import episode_returns, rollout
from pliant.streams import Stream
from pliant.tasks.base import Family, Tasks
from pliant.types import Inputs, Output, State


class Tuning(NamedTuple):
    """Constants of a PI controller."""

    gain: float
    """K of coolant per K of error."""
    reset: float
    """Reset time, min."""


NOMINAL = Tuning(6.41, 0.36)
"""The best on the nominal plant."""
ROBUST = Tuning(3.2, 0.453)
"""The best on the plants of training, all alike."""
START = Tuning(5.0, 0.5)
"""Where a search begins."""


def players(family: Family, stream: Stream) -> dict[str, nn.Module]:
    """The agents by name."""
    return {
        "pi": ProportionalIntegral(family, NOMINAL),
        "pi-robust": ProportionalIntegral(family, ROBUST),
        "random": Random(stream.at("random")),
    }


def ceiling(family: Family, tasks: Tasks, episodes: int) -> NDArray[np.float64]:
    """Return of a trial without any error, 0, [M]; no agent reaches it, as a temperature does not jump with its set-point."""
    return np.zeros(len(tasks))


def optimum(family: Family, episodes: int) -> float | None:
    """Not known."""
    return None


class _Wound(NamedTuple):
    """What `ProportionalIntegral` remembers."""

    integral: Tensor
    """[M, B] K"""


class ProportionalIntegral(nn.Module):
    """A PI controller with a limited integral, which starts each episode anew."""

    broadcasts = True

    def __init__(self, family: Family, tuning: Tuning) -> None:
        super().__init__()
        settings: reactor.Settings = family.settings
        self.tuning, self.minutes, self.reach = tuning, settings.minutes, settings.reach

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        temperature, wanted, _ = inputs.obs[:, :, 0].double().unbind(-1)  # [M, B]
        error = reactor.SHOWN * (wanted - temperature)
        before = torch.zeros_like(error) if state == () else torch.where(inputs.first[:, :, 0], 0.0, state.integral)
        integral = before + self.minutes / self.tuning.reset * error
        coolant = self.tuning.gain * (error + integral)  # above the nominal one
        winds = (coolant.abs() > self.reach) & (coolant * error > 0)
        action = (coolant / self.reach).clamp(-1, 1)
        return _certain(action.to(inputs.obs)), _Wound(torch.where(winds, before, integral))


class Random(nn.Module):
    """Coolant temperatures drawn from the whole range, all alike."""

    broadcasts = True

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self.stream = stream

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        generator = self.stream.generator() if state == () else state
        action = 2 * torch.rand(inputs.obs.shape[:2], generator=generator, dtype=torch.float64) - 1
        return _certain(action.to(inputs.obs)), generator


def _certain(action: Tensor) -> Output:
    """The action [M, B] and nothing else, as a distribution [M, B, 1, 2]."""
    return Output(torch.stack([action, torch.full_like(action, choices.CERTAIN)], dim=-1).unsqueeze(2))


def nominal() -> Tasks:
    """The plant of the literature, M = 1."""
    values = {
        "rate": 1.0,
        "activation": reactor.ACTIVATION,
        "feed_concentration": reactor.FEED_CONCENTRATION,
        "feed_temperature": reactor.FEED_TEMPERATURE,
        "flow": reactor.FLOW,
        "cooling": 1.0,
    }
    return Tasks("reactor", {name: np.array([value]) for name, value in values.items()})


def tune(family: Family, tasks: Tasks, lanes: int = 1000) -> Tuning:
    """The PI controller that loses least on `tasks`, each played for one episode in `lanes` lanes.

    All trials of the search play the same episodes. It ends where the simplex is 2% wide.
    """

    def cost(logarithm: NDArray[np.float64]) -> float:
        return -float(returns(family, tasks, lanes, Tuning(*np.exp(logarithm).tolist())).mean())

    found = optimize.minimize(
        cost, np.log(START), method="Nelder-Mead", options={"xatol": 0.02, "fatol": 1e-6, "maxfev": 80}
    )
    return Tuning(*np.exp(found.x).tolist())


def returns(family: Family, tasks: Tasks, lanes: int, tuning: Tuning) -> Tensor:
    """Return of one episode of a PI controller in every lane, [M, B]; the same episodes for every tuning."""
    batch = family.batch(tasks, lanes)
    return episode_returns(rollout(batch, Stream(0).at("tune", "play"), ProportionalIntegral(family, tuning), {}), 1)[..., 0]
