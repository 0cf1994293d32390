"""Electric drives as tensor code: the machines, converters and loads of gym-electric-motor 3.0.3, all lanes at once.

Balakrishna et al. 2021, JOSS 6(58), 2498 (gym-electric-motor). A state is [M, B, S] float64:

- permanently excited DC motor, S = 2: speed (rad/s), current (A)
- permanent-magnet synchronous motor, S = 4: speed (rad/s), currents i_d and i_q (A), electrical angle (rad)

    DC    L di/dt = u - R i - psi omega                                    torque = psi i
    PMSM  L_d di_d/dt = u_d - R i_d + p omega L_q i_q                      d angle/dt = p omega
          L_q di_q/dt = u_q - R i_q - p omega (L_d i_d + psi)              torque = 3/2 p (psi + (L_d - L_q) i_d) i_q
    J d omega/dt = torque - load(omega), or omega held by the load machine

Within a control step the converter's mean voltage is constant, that of the synchronous motor in the rotor's coordinates.
"""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Machine = Literal["pmsm", "dc"]
Control = Literal["current", "speed"]

HELD_SPEED = 100.0
"""rad/s at which the load machine of the current-control environments holds the shaft."""
FRICTION = 0.01
"""Load torque of the PMSM's speed-control environment: constant part in Nm, and the same number per rad/s."""
FRICTION_TIME = 1e-3
"""Seconds: around standstill the constant part is replaced by a torque that would stop the shaft with this time constant."""
ANGLE_ADVANCE = 0.5
"""Control steps by which the angle is advanced when the voltage is turned from the rotor's into the stator's coordinates."""


class Nameplate(NamedTuple):
    """A machine and what surrounds it, gym-electric-motor's defaults."""

    currents: int
    """Controlled currents, which are as many as there are voltages."""
    resistance: float
    """Ohm."""
    inductance: tuple[float, float]
    """H, in the d and q axis; the same twice for the DC motor."""
    flux: float
    """Wb."""
    pole_pairs: int
    inertia: float
    """kg m^2, of the rotor."""
    load_inertia: float
    """kg m^2, of the load."""
    current_limit: float
    """A."""
    current_nominal: float
    """A."""
    speed_limit: float
    """rad/s."""
    speed_nominal: float
    """rad/s."""
    supply: dict[str, float]
    """V, of the converter's supply by kind of control."""


NAMEPLATES: dict[str, Nameplate] = {
    "pmsm": Nameplate(
        currents=2,
        resistance=18e-3,
        inductance=(0.37e-3, 1.2e-3),
        flux=66e-3,
        pole_pairs=3,
        inertia=0.03883,
        load_inertia=1e-5,
        current_limit=400.0,
        current_nominal=240.0,
        speed_limit=4e3 * math.pi / 30,
        speed_nominal=3e3 * math.pi / 30,
        supply={"current": 300.0, "speed": 420.0},
    ),
    "dc": Nameplate(
        currents=1,
        resistance=16e-3,
        inductance=(19e-6, 19e-6),
        flux=0.165,
        pole_pairs=1,
        inertia=0.025,
        load_inertia=1e-4,
        current_limit=210.0,
        current_nominal=97.0,
        speed_limit=400.0,
        speed_nominal=300.0,
        supply={"current": 60.0, "speed": 60.0},
    ),
}


class Plant(NamedTuple):
    """The drives of M tasks; every number [M, 1], so that it broadcasts over lanes."""

    resistance: Tensor
    inductance_d: Tensor
    inductance_q: Tensor
    flux: float
    pole_pairs: int
    inertia: Tensor
    """Of rotor and load together."""
    friction: Tensor
    """Constant part of the load torque in Nm, and its part per rad/s."""
    held: bool
    """The speed is held, whatever the torque."""


Rates = Callable[[Tensor, Tensor, Plant], Tensor]
"""(state [M, B, S], voltage [M, B, U], plant) -> d state / dt [M, B, S]."""


def dc_rates(state: Tensor, voltage: Tensor, plant: Plant) -> Tensor:
    """The DC motor's differential equation."""
    speed, current = state.unbind(-1)
    change = (voltage[..., 0] - plant.resistance * current - plant.flux * speed) / plant.inductance_d
    return torch.stack([acceleration(speed, plant.flux * current, plant), change], dim=-1)


def pmsm_rates(state: Tensor, voltage: Tensor, plant: Plant) -> Tensor:
    """The synchronous motor's differential equation."""
    speed, d, q, _ = state.unbind(-1)
    turning = plant.pole_pairs * speed
    flux_d, flux_q = plant.inductance_d * d + plant.flux, plant.inductance_q * q
    change_d = (voltage[..., 0] - plant.resistance * d + turning * flux_q) / plant.inductance_d
    change_q = (voltage[..., 1] - plant.resistance * q - turning * flux_d) / plant.inductance_q
    torque = 1.5 * plant.pole_pairs * (flux_d - plant.inductance_q * d) * q
    return torch.stack([acceleration(speed, torque, plant), change_d, change_q, turning], dim=-1)


def acceleration(speed: Tensor, torque: Tensor, plant: Plant) -> Tensor:
    """d omega / dt in rad/s^2, [M, B]; the constant part of the load opposes the motion and fades around standstill."""
    if plant.held:
        return torch.zeros_like(speed)
    slope = plant.inertia / FRICTION_TIME
    constant = torch.where(speed.abs() > plant.friction / slope, plant.friction * speed.sign(), slope * speed)
    return (torque - plant.friction * speed - constant) / plant.inertia


RATES: dict[str, Rates] = {"pmsm": pmsm_rates, "dc": dc_rates}


def integrate(
    rates: Rates, state: Tensor, voltage: Tensor, plant: Plant, seconds: float, substeps: int, solver: str
) -> Tensor:
    """The state after `seconds` of constant `voltage`, in equal substeps of Euler's or the classical Runge-Kutta method."""
    h = seconds / substeps
    for _ in range(substeps):
        k1 = rates(state, voltage, plant)
        if solver == "euler":
            state = state + h * k1
            continue
        k2 = rates(state + 0.5 * h * k1, voltage, plant)
        k3 = rates(state + 0.5 * h * k2, voltage, plant)
        k4 = rates(state + h * k3, voltage, plant)
        state = state + h / 6 * (k1 + 2 * (k2 + k3) + k4)
    return state


def dc_voltage(action: Tensor, state: Tensor, supply: float, seconds: float, pole_pairs: int) -> Tensor:
    """What a four-quadrant converter makes of duty cycles in [-1, 1]: [M, B, 1] V."""
    return supply * action


def pmsm_voltage(action: Tensor, state: Tensor, supply: float, seconds: float, pole_pairs: int) -> Tensor:
    """What a B6 bridge makes of voltages u_d, u_q in units of half the supply: [M, B, 2] V in the rotor's coordinates.

    The action is turned into the stator's coordinates, at the angle of the middle of the step; each of the three half-bridges
    reaches half the supply, and what is beyond is cut off. The motor feels the result turned back by the angle of the step's
    beginning (`DqToAbcActionProcessor` before a `SynchronousMotorSystem`).
    """
    speed, _, _, angle = state.unbind(-1)
    d, q = action.unbind(-1)
    alpha, beta = turned(d, q, angle + ANGLE_ADVANCE * seconds * pole_pairs * speed)
    rise = 0.5 * math.sqrt(3) * beta
    a, b, c = (0.5 * supply * phase.clamp(-1.0, 1.0) for phase in (alpha, rise - 0.5 * alpha, -rise - 0.5 * alpha))
    alpha, beta = (2 * a - b - c) / 3, (b - c) / math.sqrt(3)
    return torch.stack(turned(alpha, beta, -angle), dim=-1)


def turned(x: Tensor, y: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """The vector (x, y) turned by `angle` (rad)."""
    cos, sin = angle.cos(), angle.sin()
    return cos * x - sin * y, sin * x + cos * y


VOLTAGES: dict[str, Callable[[Tensor, Tensor, float, float, int], Tensor]] = {"pmsm": pmsm_voltage, "dc": dc_voltage}
