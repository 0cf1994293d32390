"""Motor control: a converter must make an electric motor that it does not know follow a reference.

A batched twin of gym-electric-motor 3.0.3 (Balakrishna et al. 2021, JOSS 6(58), 2498), continuous control of a permanent-magnet
synchronous motor in dq coordinates (`pmsm`) or of a permanently excited DC motor (`dc`), of its currents or of its speed: the
environments Cont-CC-PMSM-v0, Cont-SC-PMSM-v0, Cont-CC-PermExDc-v0 and Cont-SC-PermExDc-v0. Machines, converters, limits,
supply voltages and loads are theirs, resistance, inductance, inertia and load multiples of theirs that the agent is not told.

    reward = - mean over controlled quantities of |value - reference| / (2 limit)

where `value` is that at the step's end and `reference` what was seen before it: between -1 and 0, the reward there. A drive
whose current leaves its limit (and, under speed control, its speed) trips: the episode ends, and this step and each that
was left cost the largest error, 1. So no ending pays: whatever goes on costs at most 1 a step. (There a trip costs 10, and a
drive that errs by more than that in the steps it has left does better to trip.)

What is ours: the reference jumps to a new set-point now and then, or is a Wiener process as there, from our own noise, and an
episode is a hundred steps. Set-points stay within a quarter of the nominal value (`span`): with larger jumps the time in which
the converter gives all it has, the same for every controller, hides what control is about. Speed is controlled in steps of
0.5 ms; a rotor needs that long to move.
"""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Le, Unit
from torch import Tensor

from pliant.simulators import drives
from pliant.tasks import checks
from pliant.tasks.base import BatchEnv, Family, Parameter, Tasks
from pliant.types import Spec

SECONDS = {"current": 1e-4, "speed": 5e-4}
"""Length of a control step by what is controlled."""
SUBSTEP = 1e-4
"""Longest step of the integration, seconds."""
STIFFNESS = 0.3
"""Longest step of the integration in units of the shortest electrical time constant that a task may have."""
SIGMA = (1e-3, 1e-1)
"""Standard deviation per step of the Wiener process, log-uniform, in units of the limit."""

Range = tuple[float, float]

RANGES: dict[tuple[str, str], dict[str, tuple[Range, Range]]] = {
    ("pmsm", "current"): {
        "resistance": ((0.5, 8.0), (0.5, 12.0)),
        "inductance": ((0.08, 1.25), (0.06, 1.75)),
        "load": ((0.2, 1.0), (0.2, 1.3)),
    },
    ("pmsm", "speed"): {
        "resistance": ((0.5, 8.0), (0.5, 12.0)),
        "inductance": ((0.3, 3.0), (0.2, 4.0)),
        "inertia": ((0.1, 1.0), (0.05, 1.5)),
        "load": ((0.2, 5.0), (0.2, 10.0)),
    },
    ("dc", "current"): {
        "resistance": ((0.5, 8.0), (0.5, 12.0)),
        "inductance": ((0.5, 5.0), (0.4, 8.0)),
        "load": ((0.2, 1.0), (0.2, 1.3)),
    },
    ("dc", "speed"): {
        "resistance": ((1.0, 8.0), (1.0, 12.0)),
        "inductance": ((1.0, 10.0), (0.9, 15.0)),
        "inertia": ((0.05, 1.0), (0.03, 1.5)),
        "load": ((0.2, 5.0), (0.2, 10.0)),
    },
}
"""Training and shifted range of each multiple, by machine and what is controlled. A held shaft has no inertia."""

MEANINGS = {
    "resistance": "resistance of the winding",
    "inductance": "inductance, in both axes",
    "inertia": "inertia of the rotor",
    "load": "load torque",
}


@dataclass(frozen=True)
class Settings:
    """Which drive, which task, and how the motors differ."""

    machine: drives.Machine = "pmsm"
    """pmsm: permanent-magnet synchronous motor, two voltages; dc: permanently excited DC motor, one."""
    control: drives.Control = "current"
    """current: follow set-points of the currents at a speed that the load holds; speed: follow a set-point of the speed."""
    horizon: Annotated[int, Ge(1)] = 100
    """Length of an episode in control steps."""
    reference: Literal["steps", "wiener"] = "steps"
    """Set-points that jump now and then, or a Wiener process."""
    hold: Annotated[float, Ge(1), Unit("step")] = 25.0
    """Mean number of steps between two jumps of the set-point."""
    span: Annotated[float, Gt(0), Le(1)] = 0.25
    """Largest set-point, in units of the motor's nominal current or speed."""
    resistance: Range | None = None
    """Range of the winding's resistance in training, as multiples of the original; none: a default by what is controlled."""
    inductance: Range | None = None
    """The same for the inductances."""
    inertia: Range | None = None
    """The same for the rotor's inertia (speed control only)."""
    load: Range | None = None
    """The same for the load: the speed at which it holds the shaft (current control), or its torque (speed control)."""
    ood_resistance: Range | None = None
    """Range of the resistance in the shifted split; what lies inside the training box is left out."""
    ood_inductance: Range | None = None
    """The same for the inductances."""
    ood_inertia: Range | None = None
    """The same for the rotor's inertia."""
    ood_load: Range | None = None
    """The same for the load."""
    solver: Literal["rk4", "euler"] = "rk4"
    """Classical Runge-Kutta, as accurate as the original's default solver; or Euler, equal to the original's Euler."""

    def __post_init__(self) -> None:
        checks.settings(self)
        for name in MEANINGS:
            if name not in RANGES[self.machine, self.control]:
                if getattr(self, name) or getattr(self, "ood_" + name):
                    raise ValueError(f"{name} is set, but the load holds the shaft: leave it out, or choose control speed")
                continue
            train, ood = self.ranges(name)
            checks.interval(name, train, above=0.0)
            checks.interval("ood_" + name, ood, above=0.0)
            checks.shifted("ood_" + name, ood, train)

    def ranges(self, name: str) -> tuple[Range, Range]:
        """Training and shifted range of a multiple."""
        train, ood = RANGES[self.machine, self.control][name]
        return getattr(self, name) or train, getattr(self, "ood_" + name) or ood

    @property
    def seconds(self) -> float:
        """Length of a control step."""
        return SECONDS[self.control]

    @property
    def substeps(self) -> int:
        """Integration steps per control step, enough for the fastest motor that these settings allow."""
        plate = drives.NAMEPLATES[self.machine]
        most = max(high for _, high in self.ranges("resistance"))
        least = min(low for low, _ in self.ranges("inductance"))
        fastest = plate.resistance * most / (min(plate.inductance) * least)  # 1/s
        return math.ceil(max(self.seconds / SUBSTEP, self.seconds * fastest / STIFFNESS) - 1e-9)


class Motor(BatchEnv):
    """All states as one tensor [M, B, S] (see `simulators/drives.py`), references [M, B, R] in units of the limits."""

    def __init__(self, family: Family, tasks: Tasks, lanes: int, episodes: int) -> None:
        super().__init__(family, tasks, lanes, episodes)
        settings: Settings = family.settings
        self.settings, self.plate = settings, drives.NAMEPLATES[settings.machine]
        self.plant, self.held_speed = plant_of(settings, tasks)
        plate, n = self.plate, self.plate.currents
        self.speed_limit, self.current_limit = plate.speed_limit, plate.current_limit
        self.references = n if settings.control == "current" else 1
        self.reset_noise, self.step_noise = self.references + 1, self.references + 1
        self.span = span_of(settings)
        self.units = units_of(settings)  # [D]
        self.state = torch.zeros(*self.shape, 2 * n, dtype=torch.float64)  # [M, B, S], 2 for dc and 4 for pmsm
        self.reference = torch.zeros(*self.shape, self.references, dtype=torch.float64)
        self.sigma = torch.zeros(*self.shape, 1, dtype=torch.float64)
        self.voltage = torch.zeros(*self.shape, n, dtype=torch.float64)

    def begin(self, chosen: Tensor, noise: Tensor) -> None:
        state = torch.zeros_like(self.state)
        state[..., 0] = self.held_speed
        low, high = (torch.tensor(s, dtype=torch.float64).log() for s in SIGMA)
        sigma = (low + (high - low) * noise[..., -1:]).exp()
        fresh = chosen[..., None]
        self.state = torch.where(fresh, state, self.state)
        self.reference = torch.where(fresh, self.span * (2 * noise[..., :-1] - 1), self.reference)
        self.sigma = torch.where(fresh, sigma, self.sigma)
        self.voltage = torch.where(fresh, 0.0, self.voltage)

    def observe(self) -> Tensor:
        speed = self.state[..., :1] / self.speed_limit
        return torch.cat([self.reference, self.currents(), speed, self.voltage], dim=-1) / self.units

    def advance(self, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        settings, plate = self.settings, self.plate
        supply = plate.supply[settings.control]
        voltage = drives.VOLTAGES[settings.machine](action, self.state, supply, settings.seconds, plate.pole_pairs)
        rates = drives.RATES[settings.machine]
        self.state = drives.integrate(
            rates, self.state, voltage, self.plant, settings.seconds, settings.substeps, settings.solver
        )
        self.voltage = action
        tripped = self.tripped()
        left = self.horizon - self._elapsed
        error = 0.5 * (self.controlled() - self.reference).abs().mean(-1)
        self.refer(noise)
        return torch.where(tripped, -left.double(), -error), tripped, torch.zeros_like(tripped)

    def currents(self) -> Tensor:
        """In units of the limit, [M, B, currents]."""
        return self.state[..., 1 : 1 + self.plate.currents] / self.current_limit

    def controlled(self) -> Tensor:
        """What is to follow the reference, in units of its limit, [M, B, R]."""
        return self.currents() if self.settings.control == "current" else self.state[..., :1] / self.speed_limit

    def tripped(self) -> Tensor:
        """A limit is violated, [M, B]: the current vector's length, or the speed where it is controlled."""
        over = self.currents().square().sum(-1) > 1
        return over | (self.state[..., 0].abs() > self.speed_limit) if self.settings.control == "speed" else over

    def refer(self, noise: Tensor) -> None:
        """The reference of the next step, from uniform `noise` [M, B, R + 1]."""
        value, chance = noise[..., :-1], noise[..., -1:]
        if self.settings.reference == "steps":
            fresh = self.span * (2 * value - 1)
            self.reference = torch.where(chance < 1 / self.settings.hold, fresh, self.reference)
        else:
            normal = torch.special.ndtri(value.clamp(1e-12, 1 - 1e-12))
            self.reference = (self.reference + self.sigma * normal).clamp(-self.span, self.span)


def span_of(settings: Settings) -> float:
    """The largest set-point in units of the limit."""
    plate = drives.NAMEPLATES[settings.machine]
    if settings.control == "current":
        return settings.span * plate.current_nominal / plate.current_limit
    return settings.span * plate.speed_nominal / plate.speed_limit


def units_of(settings: Settings) -> Tensor:
    """What an observation has as 1, in units of the limits, [D]: nominal values; the last action is in its own units."""
    plate = drives.NAMEPLATES[settings.machine]
    n, current, speed = plate.currents, plate.current_nominal / plate.current_limit, plate.speed_nominal / plate.speed_limit
    reference = [current] * n if settings.control == "current" else [speed]
    return torch.tensor([*reference, *[current] * n, speed, *[1.0] * n], dtype=torch.float64)


def plant_of(settings: Settings, tasks: Tasks) -> tuple[drives.Plant, Tensor]:
    """The tasks' drives, and the speed [M, 1] in rad/s at which an episode opens."""
    plate = drives.NAMEPLATES[settings.machine]
    scale = {name: tasks.tensor(name)[:, None] for name in tasks.arrays}  # [M, 1]
    held = settings.control == "current"
    inertia = torch.ones_like(scale["load"]) if held else scale["inertia"]
    plant = drives.Plant(
        resistance=plate.resistance * scale["resistance"],
        inductance_d=plate.inductance[0] * scale["inductance"],
        inductance_q=plate.inductance[1] * scale["inductance"],
        flux=plate.flux,
        pole_pairs=plate.pole_pairs,
        inertia=plate.inertia * inertia + plate.load_inertia,
        friction=drives.FRICTION * scale["load"],
        held=held,
    )
    return plant, (drives.HELD_SPEED if held else 0.0) * scale["load"]


def family(settings: Settings | None = None) -> Family:
    """The family of motors."""
    settings = settings or Settings()
    plate = drives.NAMEPLATES[settings.machine]
    meanings = MEANINGS | ({"load": "speed at which the load holds the shaft"} if settings.control == "current" else {})

    def multiple(name: str) -> Parameter:
        return Parameter(name, *settings.ranges(name), law="log", meaning=f"{meanings[name]}, as a multiple of the original's")

    references = plate.currents if settings.control == "current" else 1
    what = {"current": "currents", "speed": "speed"}[settings.control]
    return Family(
        name="motor",
        summary=f"make the {what} of an unknown motor follow a reference",
        parameters=tuple(map(multiple, RANGES[settings.machine, settings.control])),
        spec=Spec(obs_size=references + 2 * plate.currents + 1, action_size=plate.currents, discrete=False),
        horizon=settings.horizon,
        environment=Motor,
        shift="at least one multiple beyond its training range",
        version="2",
        settings=settings,
    )
