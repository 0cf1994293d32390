"""A stirred tank reactor that can run away: keep its temperature at a set-point that changes, in an unknown plant.

The standard exothermic benchmark of process control: an irreversible first-order reaction A -> B in a continuous stirred
tank with a cooling jacket. Seborg, Edgar and Mellichamp, Process Dynamics and Control; Henson and Seborg 1997, Nonlinear
Process Control; constants below. With c the concentration of A (mol/L), T the temperature (K), time in minutes:

    V dc/dt         = q (c_feed - c) - V k(T) c                                  k(T) = k0 exp(-activation / T)
    V rho cp dT/dt  = q rho cp (T_feed - T) + (-dH) V k(T) c + UA (T_coolant - T)

The nominal plant balances at c = 0.5 mol/L and T = 350 K with a coolant of 300 K, and leaves that state by itself: a little
warmer it burns faster than it cools and runs away beyond 400 K, a little colder it goes out. In a task the rate of reaction
at 350 K, its activation temperature, the feed's concentration, temperature and flow, and the cooling are another plant's.
`rate` scales k at 350 K rather than k0, so that a steeper reaction is not also one a thousand times as fast.

The agent sets the coolant's temperature every 0.1 min and sees the reactor's temperature, the set-point and the coolant it set
last. It does not see the concentration: a thermocouple answers in seconds, an analyser for a composition takes minutes, so a
plant's temperature loop works without. The balances are integrated by `simulators/rosenbrock.py`.

Above 400 K the plant shuts down: the episode goes on to its end with the temperature at 400 K and the worst reward at every
step, whatever is done. A trip that ended the episode would spare the agent the errors to come, and so reward it for giving up.
"""

import math
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
import torch
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray
from torch import Tensor

from pliant.simulators import rosenbrock
from pliant.tasks import checks
from pliant.tasks.base import BatchEnv, Family, Parameter, Tasks
from pliant.types import Spec

Array = NDArray[np.float64]

VOLUME = 100.0
"""V, L."""
FLOW = 100.0
"""q, L/min."""
DENSITY = 1000.0
"""rho, g/L."""
HEAT_CAPACITY = 0.239
"""cp, J/(g K)."""
REACTION_HEAT = 5e4
"""-dH, J/mol."""
FACTOR = 7.2e10
"""k0, 1/min."""
ACTIVATION = 8750.0
"""E/R, K."""
COOLING = 5e4
"""UA, J/(min K)."""
FEED_CONCENTRATION, FEED_TEMPERATURE = 1.0, 350.0
"""mol/L, K."""
TEMPERATURE, COOLANT = 350.0, 300.0
"""The nominal plant's balance, K; c is then 0.5 mol/L."""
RATE = FACTOR * math.exp(-ACTIVATION / TEMPERATURE)
"""k at 350 K, 1/min."""
RISE = REACTION_HEAT / (DENSITY * HEAT_CAPACITY)
"""By how much 1 mol/L that reacts warms the tank, K."""

TRIP = 400.0
"""K above which the plant shuts down."""
WORST_ERROR = 50.0
"""K of error that cost a reward of -1; more cost no more, and a plant that is shut down costs this."""
SHOWN = 10.0
"""K of reactor temperature and set-point that are 1 in an observation."""
TOLERANCE = (1e-5, 1e-3)
"""Error that an inner step of the integration may make, mol/L and K. A control step then errs by less than 0.01 K."""
FIRST_STEP = 0.02
"""min, the first inner step that an episode tries."""


@dataclass(frozen=True)
class Settings:
    """Length of an episode, and what the controller is asked for and may do."""

    horizon: Annotated[int, Ge(1)] = 60
    """Control steps of an episode."""
    minutes: Annotated[float, Gt(0), Le(1)] = 0.1
    """Time between two control steps, min."""
    set_point: tuple[float, float] = (340.0, 352.0)
    """Set-points, and temperatures at which an episode opens, are drawn from this range, K."""
    reach: Annotated[float, Gt(0), Le(200)] = 60.0
    """The coolant is at most this much colder or warmer than 300 K."""
    band: Annotated[float, Gt(0), Le(WORST_ERROR)] = 2.0
    """Success is an error below this in the last sixth of an episode, K."""

    def __post_init__(self) -> None:
        checks.settings(self)
        checks.interval("set_point", self.set_point, above=250.0)
        if self.set_point[1] >= TRIP:
            raise ValueError(f"set_point is {self.set_point!r}: expected less than {TRIP:g} K, where the plant shuts down")


class Reactor(BatchEnv):
    """Concentration (mol/L) and temperature (K) of every lane, [M, B] each."""

    reset_noise = 6

    def __init__(self, family: Family, tasks: Tasks, lanes: int, episodes: int) -> None:
        super().__init__(family, tasks, lanes, episodes)
        self.settings: Settings = family.settings
        self.plant = Plant(**{name: np.repeat(x[:, None], lanes, axis=1) for name, x in tasks.arrays.items()})  # [M, B]
        zero = torch.zeros(self.shape, dtype=torch.float64)
        self.concentration, self.temperature, self.coolant, self.inner_step = zero, zero, zero, zero
        self.set_points = torch.zeros(*self.shape, 3, dtype=torch.float64)
        self.changes = torch.zeros(*self.shape, 2, dtype=torch.float64)
        self.clock, self.close = torch.zeros(self.shape, dtype=torch.int64), torch.zeros(self.shape, dtype=torch.int64)
        self.tripped = torch.zeros(self.shape, dtype=torch.bool)

    def begin(self, chosen: Tensor, noise: Tensor) -> None:
        """Draw three set-points, when they change (once in the second or third sixth, once in the fourth or fifth) and a start.

        The concentration is in balance at the start's temperature; the coolant is the nominal one, whatever would hold it.
        """
        low, high = self.settings.set_point
        drawn = low + (high - low) * noise[..., :4]  # [M, B, 4]
        temperature = drawn[..., 3]
        self.set_points = torch.where(chosen[..., None], drawn[..., :3], self.set_points)
        share = torch.tensor([1 / 6, 1 / 2], dtype=torch.float64) + noise[..., 4:] / 3
        self.changes = torch.where(chosen[..., None], (self.family.horizon * share).floor(), self.changes)
        self.temperature = torch.where(chosen, temperature, self.temperature)
        self.concentration = torch.where(chosen, torch.from_numpy(self.plant.balance(temperature.numpy())), self.concentration)
        self.coolant = torch.where(chosen, COOLANT, self.coolant)
        self.inner_step = torch.where(chosen, FIRST_STEP, self.inner_step)
        self.clock, self.close = torch.where(chosen, 0, self.clock), torch.where(chosen, 0, self.close)
        self.tripped = self.tripped & ~chosen

    @property
    def set_point(self) -> Tensor:
        """What the temperature should be now, [M, B] K."""
        phase = (self.clock[..., None] >= self.changes).sum(-1, keepdim=True)
        return self.set_points.gather(2, phase).squeeze(2)

    def observe(self) -> Tensor:
        warmth = (self.temperature - TEMPERATURE) / SHOWN
        wanted = (self.set_point - TEMPERATURE) / SHOWN
        return torch.stack([warmth, wanted, (self.coolant - COOLANT) / self.settings.reach], dim=-1)

    def advance(self, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        self.coolant = COOLANT + self.settings.reach * action[..., 0].double()
        wanted = self.set_point
        self.react()
        error = (self.temperature - wanted).abs()
        cost = torch.where(self.tripped, 1.0, (error / WORST_ERROR).clamp(max=1.0))
        self.close = torch.where((error < self.settings.band) & ~self.tripped, self.close + 1, 0)
        self.clock = self.clock + 1
        horizon = self.family.horizon
        settled = (self.clock >= horizon) & (self.close >= math.ceil(horizon / 6))
        return -cost, torch.zeros_like(settled), settled

    def react(self) -> None:
        """Let all plants run until the next control step, or until one is found above 400 K after an inner step."""
        reached = rosenbrock.integrate(
            Balances(self.plant, self.coolant.numpy()),
            np.stack([self.concentration.numpy(), self.temperature.numpy()]),
            self.settings.minutes,
            self.inner_step.numpy(),
            TOLERANCE,
            lambda state: state[1] > TRIP,
            self.tripped.numpy(),
        )
        self.tripped = self.tripped | torch.from_numpy(reached.stopped)
        self.concentration, self.inner_step = torch.from_numpy(reached.y[0]), torch.from_numpy(reached.size)
        self.temperature = torch.where(self.tripped, TRIP, torch.from_numpy(reached.y[1]))


class Plant(NamedTuple):
    """The parameters of plants, each [M, B] or as many as there are plants [*]."""

    rate: Array
    activation: Array
    feed_concentration: Array
    feed_temperature: Array
    flow: Array
    cooling: Array

    @property
    def dilution(self) -> Array:
        """q / V, 1/min."""
        return self.flow / VOLUME

    @property
    def exchange(self) -> Array:
        """UA / (V rho cp), 1/min."""
        return self.cooling * (COOLING / (VOLUME * DENSITY * HEAT_CAPACITY))

    def speed(self, temperature: Array) -> Array:
        """k(T), 1/min."""
        return RATE * self.rate * np.exp(self.activation * (1 / TEMPERATURE - 1 / temperature))

    def balance(self, temperature: Array) -> Array:
        """The concentration that stays as it is at a constant temperature, mol/L."""
        return self.dilution * self.feed_concentration / (self.dilution + self.speed(temperature))


class Balances:
    """The balances of plants under a coolant (K) that stays as it is; state (c, T) [2, *], slopes in mol/(L min) and K/min.

        d(c, T)/dt = fresh - lost (c, T) + reaction k(T) c

    `fresh` is what feed and coolant bring, `lost` what leaves with the flow and through the jacket, `reaction` what a mol/L
    that reacts makes of both.
    """

    def __init__(self, plant: Plant, coolant: Array) -> None:
        dilution, exchange = plant.dilution, plant.exchange
        self.activation = plant.activation
        self.log_rate = np.log(RATE * plant.rate) + plant.activation / TEMPERATURE  # of k at infinite temperature
        self.lost = np.stack([dilution, dilution + exchange])
        self.fresh = np.stack(
            [dilution * plant.feed_concentration, dilution * plant.feed_temperature + exchange * coolant]
        )
        self.reaction = np.array([-1.0, RISE]).reshape(2, *[1] * coolant.ndim)

    def slope(self, y: Array) -> Array:
        speed = np.exp(self.log_rate - self.activation / y[1])
        slope: Array = self.fresh - self.lost * y + self.reaction * (speed * y[0])
        return slope

    def tangent(self, y: Array) -> tuple[Array, Array]:
        inverse = self.activation / y[1]
        speed = np.exp(self.log_rate - inverse)
        reacting = speed * y[0]
        jacobian = self.reaction[:, None] * np.stack([speed, reacting * inverse / y[1]])  # [2, 2, *]
        jacobian[0, 0] -= self.lost[0]
        jacobian[1, 1] -= self.lost[1]
        return self.fresh - self.lost * y + self.reaction * reacting, jacobian


def family(settings: Settings | None = None) -> Family:
    """The family of reactors."""
    settings = settings or Settings()
    parameters = (
        Parameter("rate", (0.7, 1.4), ood=(0.5, 1.8), law="log", meaning="scale of the rate of reaction at 350 K"),
        Parameter("activation", (7500.0, 9500.0), ood=(6500.0, 10500.0), meaning="activation temperature E/R, K"),
        Parameter("feed_concentration", (0.85, 1.15), ood=(0.75, 1.25), meaning="of A in the feed, mol/L"),
        Parameter("feed_temperature", (340.0, 360.0), ood=(330.0, 370.0), meaning="of the feed, K"),
        Parameter("flow", (80.0, 125.0), ood=(65.0, 150.0), law="log", meaning="of the feed, L/min"),
        Parameter("cooling", (0.9, 2.5), ood=(0.7, 3.5), law="log", meaning="scale of UA, how well the jacket cools"),
    )
    return Family(
        name="reactor",
        summary="hold the temperature of an unknown exothermic reactor that can run away",
        parameters=parameters,
        spec=Spec(obs_size=3, action_size=1, discrete=False),
        horizon=settings.horizon,
        environment=Reactor,
        shift="at least one property of plant or feed beyond its training range",
        episodes=4,
        success=f"within {settings.band:g} K of the set-point throughout the last sixth of the episode",
        version="2",
        settings=settings,
    )
