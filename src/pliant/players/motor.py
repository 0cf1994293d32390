"""Reference agents for motor control: PI controllers tuned on the original motor and for all motors alike, and noise.

Field-oriented control. Each current has a PI controller, and what the turning rotor induces is fed forward (decoupling):

    u = g (L / tau) (error + sum of errors * tau / T) + induced voltage

Speed control puts a PI controller of the speed around it, which asks for the current that makes the torque; i_d stays 0.
Integration stops while the voltage, or the current asked for, is at its bound. What knows the task, `ceiling`, is the same
controller with the constants of each motor.

- `pi` takes R, L, flux and inertia from the original motor. Its current controllers have the textbook's magnitude optimum:
  T = L / R and, for a delay of 1.5 steps, a gain of L / (2 * 1.5 tau), so g = 1/3. (Nothing here delays by more than half a
  step: on the original motor g = 0.95 errs a third less, but swings where the inductance is smaller.) The gains of its speed
  control were searched for, on the original motor.
- `robust-pi` keeps these constants too, but its gains were searched for on training motors: the best of its kind for all alike.

Searches climb in steps of a factor 1.3 from one constant to the next until no neighbour is better (tests/players).
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pliant.families import motor
from pliant.players.parts import choices
from pliant.rollout import episode_returns, rollout
from pliant.simulators import drives
from pliant.streams import Stream
from pliant.tasks.base import Family, Tasks
from pliant.types import Inputs, Output, State

LANES = 8
"""Trials per task from which the ceiling is taken."""


class Gains(NamedTuple):
    """The constants of a controller."""

    current: float
    """g, share of a current's error that one step takes away on the motor for which it is tuned."""
    current_time: float = 0.0
    """T, integration time of the current controllers, seconds; 0: each winding's own time constant L / R."""
    speed: float = 0.0
    """Share of the speed's error that one step takes away."""
    speed_time: float = 1.0
    """Integration time of the speed controller, seconds."""
    headroom: float = 0.8
    """Largest current that the speed controller asks for, in units of the limit."""


GAINS: dict[tuple[str, str], dict[str, Gains]] = {
    ("pmsm", "current"): {
        "pi": Gains(1 / 3),
        "robust-pi": Gains(0.152, 1.0e-3),
        "retuned": Gains(1.24, 1.3e-3),
    },
    ("pmsm", "speed"): {
        "pi": Gains(0.433, 3.85e-3, 0.169, 0.0338),
        "robust-pi": Gains(0.433, 5.0e-3, 0.0769, 0.163),
        "retuned": Gains(1.24, 2.28e-3, 0.371, 0.0439),
    },
    ("dc", "current"): {
        "pi": Gains(1 / 3),
        "robust-pi": Gains(0.952, 5.92e-4),
        "retuned": Gains(1.24, 4.55e-4),
    },
    ("dc", "speed"): {
        "pi": Gains(0.952, 1.04e-3, 0.371, 0.02),
        "robust-pi": Gains(1.24, 3.85e-3, 0.13, 0.126),
        "retuned": Gains(0.952, 2.28e-3, 1.06, 0.02),
    },
}
"""By machine and what is controlled; "retuned" goes with the constants of each motor."""


def players(family: Family, stream: Stream) -> dict[str, nn.Module]:
    """The agents by name."""
    settings: motor.Settings = family.settings
    nominal = motor.plant_of(settings, nominal_task(family))[0]
    gains = GAINS[settings.machine, settings.control]
    return {
        "pi": Pi(settings, nominal, gains["pi"]),
        "robust-pi": Pi(settings, nominal, gains["robust-pi"]),
        "random": Random(family),
    }


def nominal_task(family: Family) -> Tasks:
    """The original motor, M = 1."""
    return Tasks(family.name, {p.name: np.ones(1) for p in family.parameters})


def retuned(family: Family, tasks: Tasks) -> "Pi":
    """The controller with the constants of each of M motors."""
    settings: motor.Settings = family.settings
    return Pi(settings, motor.plant_of(settings, tasks)[0], GAINS[settings.machine, settings.control]["retuned"])


def ceiling(family: Family, tasks: Tasks, episodes: int) -> NDArray[np.float64]:
    """Return of a trial of the controller that has been retuned on each motor, [M]; the mean of the same `LANES` trials.

    A yardstick, no bound: a controller of another kind may do better.
    """
    played = rollout(family.batch(tasks, LANES, episodes), Stream(0).at("ceiling"), retuned(family, tasks), {})
    return np.asarray(episode_returns(played, episodes).sum(2).mean(1).numpy())


def optimum(family: Family, episodes: int) -> float | None:
    """Unknown."""
    return None


class _Sums(NamedTuple):
    """What a controller remembers."""

    voltage: Tensor
    """[M, B, currents] V, integrated."""
    current: Tensor
    """[M, B, 1] A, integrated by the speed controller."""


class Random(nn.Module):
    """Voltages drawn from a normal distribution of the converter's whole range: most drives trip within a few steps."""

    broadcasts = True

    def __init__(self, family: Family) -> None:
        super().__init__()
        self.size = 2 * family.spec.action_size

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        return Output(inputs.obs.new_zeros(*inputs.obs.shape[:3], self.size)), state


class Pi(nn.Module):
    """The cascade of PI controllers with the constants of `plant`, which may be those of each task ([M, 1]) or of one motor."""

    broadcasts = True

    def __init__(self, settings: motor.Settings, plant: drives.Plant, gains: Gains) -> None:
        super().__init__()
        self.settings, self.plant, self.gains = settings, plant, gains
        self.plate = drives.NAMEPLATES[settings.machine]

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        plate, n = self.plate, self.plate.currents
        obs = inputs.obs[:, :, 0].double() * motor.units_of(self.settings)  # in units of the limits
        references = n if self.settings.control == "current" else 1
        reference, currents = obs[..., :references], plate.current_limit * obs[..., references : references + n]
        speed = plate.speed_limit * obs[..., references + n]  # [M, B]
        if state == ():
            state = _Sums(torch.zeros_like(currents), torch.zeros_like(reference[..., :1]))
        kept = ~inputs.first[:, :, 0, None]
        sums = _Sums(state.voltage * kept, state.current * kept)
        if self.settings.control == "current":
            wanted = plate.current_limit * reference
        else:
            wanted, sums = self.cascade(plate.speed_limit * reference - speed[..., None], sums)
        action, sums = self.currents(wanted - currents, currents, speed, sums)
        action = action.unsqueeze(2).to(inputs.obs.dtype)  # [M, B, 1, A]
        return Output(torch.cat([action, torch.full_like(action, choices.CERTAIN)], dim=-1)), sums

    def currents(self, error: Tensor, currents: Tensor, speed: Tensor, sums: _Sums) -> tuple[Tensor, _Sums]:
        """The action [M, B, A] for errors [M, B, A] in A."""
        plant, tau, gains = self.plant, self.settings.seconds, self.gains
        inductance = torch.stack([plant.inductance_d, plant.inductance_q], dim=-1)[..., : self.plate.currents]  # [M, 1, A]
        gain = gains.current * inductance / tau
        volt = gain * error + sums.voltage + self.induced(currents, speed)
        full = self.plate.supply[self.settings.control] / (2 if self.settings.machine == "pmsm" else 1)
        length = volt.norm(dim=-1, keepdim=True) / full
        free = length < 1
        time = gains.current_time or inductance / plant.resistance[..., None]  # seconds
        voltage = sums.voltage + free * gain * error * tau / time
        return volt / (full * length.clamp(min=1.0)), sums._replace(voltage=voltage)

    def induced(self, currents: Tensor, speed: Tensor) -> Tensor:
        """What the turning rotor induces, [M, B, A] V."""
        plant = self.plant
        turning = plant.pole_pairs * speed
        if self.settings.machine == "dc":
            return (turning * plant.flux)[..., None]
        d, q = currents.unbind(-1)
        return torch.stack(
            [-turning * plant.inductance_q * q, turning * (plant.inductance_d * d + plant.flux)], dim=-1
        )

    def cascade(self, error: Tensor, sums: _Sums) -> tuple[Tensor, _Sums]:
        """The currents [M, B, A] that a speed's error [M, B, 1] in rad/s asks for."""
        plant, gains, tau = self.plant, self.gains, self.settings.seconds
        constant = plant.flux * (1.5 * plant.pole_pairs if self.settings.machine == "pmsm" else 1.0)  # Nm/A
        gain = gains.speed * plant.inertia[..., None] / (constant * tau)
        asked = gain * error + sums.current
        most = gains.headroom * self.plate.current_limit
        free = asked.abs() < most
        sums = sums._replace(current=sums.current + free * gain * error * tau / gains.speed_time)
        asked = asked.clamp(-most, most)
        return (torch.cat([torch.zeros_like(asked), asked], dim=-1) if self.plate.currents == 2 else asked), sums
