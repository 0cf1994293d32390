"""The batched drives beside gym-electric-motor's, step by step."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from pliant.families import motor
from pliant.simulators import drives
from pliant.streams import Stream
from pliant.tasks.base import BatchEnv, Family, Tasks

DRIVES = [("pmsm", "current"), ("pmsm", "speed"), ("dc", "current"), ("dc", "speed")]
LANES = 2
LONG = 10_000  # steps that no episode here reaches: those that end are trips


def family_of(machine: str, control: str, **settings: Any) -> Family:
    return motor.family(motor.Settings(machine=machine, control=control, **settings))


def tasks_of(family: Family, each: int) -> Tasks:
    """The original motor, then the first of three of each split, or all of them."""
    own = family.task({p.name: 1.0 for p in family.parameters})
    parts = [own, *(family.sample(3, split, Stream(3).at(split).rng())[:each] for split in ("train", "test", "ood"))]
    return Tasks("motor", {name: np.concatenate([p.arrays[name] for p in parts]) for name in own.arrays})


def batch_of(family: Family, tasks: Tasks, lanes: int = 1, episodes: int = 1) -> Any:
    batch: Any = family.batch(tasks, lanes, episodes)
    batch.reset(Stream(0))
    return batch


# ---- side by side


def original(settings: motor.Settings, row: dict[str, float], solver: Any) -> Any:
    """The original's environment with the motor of a task, actions in dq coordinates, and a reference that is handed in.

    A trip costs 1 there, the worst that a step may cost; speed control trips at the limit of the speed too.
    """
    gem = pytest.importorskip("gym_electric_motor", reason="the extra industry is not installed")
    from gym_electric_motor import physical_systems as ps
    from gym_electric_motor import reward_functions
    from gym_electric_motor.constraints import LimitConstraint, SquaredConstraint
    from gym_electric_motor.physical_system_wrappers import DqToAbcActionProcessor

    pmsm, held = settings.machine == "pmsm", settings.control == "current"
    referenced = ({True: ("i_sd", "i_sq"), False: ("i",)}[pmsm]) if held else ("omega",)

    class HandedIn(gem.core.ReferenceGenerator):
        value = np.zeros(len(referenced))

        def set_modules(self, physical_system: Any) -> None:
            super().set_modules(physical_system)
            self.place = [physical_system.state_names.index(name) for name in referenced]
            self._referenced_states = np.isin(physical_system.state_names, referenced)
            self._reference_names = list(referenced)
            self.reference_space = gem.core.Box(-1, 1, shape=(len(referenced),))

        def get_reference(self, *_: Any, **__: Any) -> Any:
            reference = np.zeros(len(self._referenced_states))
            reference[self.place] = self.value
            return reference

        def get_reference_observation(self, *_: Any, **__: Any) -> Any:
            return self.value

    if pmsm:
        changed = {"r_s": 18e-3 * row["resistance"], "l_d": 0.37e-3 * row["inductance"], "l_q": 1.2e-3 * row["inductance"]}
    else:
        changed = {"r_a": 16e-3 * row["resistance"], "l_a": 19e-6 * row["inductance"]}
    if held:
        # The initial speed by name: otherwise all loads of a process share the one that was made last.
        speed = 100.0 * row["load"]
        load = ps.ConstantSpeedLoad(omega_fixed=speed, load_initializer={"states": {"omega": speed}})
    else:
        changed["j_rotor"] = (0.03883 if pmsm else 0.025) * row["inertia"]
        torque = {"a": 0.01 * row["load"], "b": 0.01 * row["load"], "c": 0.0}
        load = ps.PolynomialStaticLoad(load_parameter=torque | ({} if pmsm else {"j_load": 1e-4}))
    limits = [SquaredConstraint(("i_sq", "i_sd")) if pmsm else LimitConstraint(("i",))]
    env = gem.make(
        f"Cont-{'CC' if held else 'SC'}-{'PMSM' if pmsm else 'PermExDc'}-v0",
        motor={"motor_parameter": changed},
        load=load,
        ode_solver=solver,
        reference_generator=HandedIn(),
        reward_function=reward_functions.WeightedSumOfErrors(
            reward_weights=dict.fromkeys(referenced, 1 / len(referenced)), violation_reward=-1
        ),
        constraints=limits if held else [*limits, LimitConstraint(("omega",))],
        physical_system_wrappers=(DqToAbcActionProcessor.make("PMSM"),) if pmsm else (),
        visualization=(),
        tau=settings.seconds,
    ).unwrapped
    env.reset(seed=0)
    return env


def state_of(env: Any) -> np.ndarray:
    """Speed, currents and angle as the original keeps them, in their units."""
    inner = env.physical_system
    return np.array(getattr(inner, "_physical_system", inner)._ode_solver.y)


def compare(
    settings: dict[str, Any], solver_of: Any, each: int, steps: int, tolerance: float, wild: float
) -> tuple[int, float]:
    """Play `steps` steps in all lanes, with `each` motors of each split; (trips, largest difference in units of the limits).

    A share `wild` of the lanes' episodes is random voltages, far beyond what the half-bridges reach; the others follow their
    reference by feedback, which keeps them going for hundreds of steps.
    """
    family = family_of(**settings, horizon=LONG)
    tasks, chosen = tasks_of(family, each), family.settings
    batch: Any = batch_of(family, tasks, LANES, episodes=LONG // 10)
    envs = [[original(chosen, row, solver_of(chosen)) for _ in range(LANES)] for row in tasks.rows()]
    plate = drives.NAMEPLATES[chosen.machine]
    scale = np.array([plate.speed_limit, *[plate.current_limit] * plate.currents, math.pi][: batch.state.shape[-1]])
    rng, trips, worst = np.random.default_rng(0), 0, 0.0
    for _ in range(steps):
        action = torch.tensor(rng.uniform(-1.0, 1.0, (len(tasks), LANES, plate.currents)))
        calm = feedback(batch)
        action[:, wild_lanes(wild) :] = (calm + 0.02 * action)[:, wild_lanes(wild) :]
        reference, left = batch.reference.numpy().copy(), (LONG - batch._elapsed).numpy()
        step = batch.step(action)
        observed = (step.next_obs * batch.units).numpy()  # in units of the limits, as there
        for m, row in enumerate(envs):
            for b, env in enumerate(row):
                env.reference_generator.value = reference[m, b]
                obs, reward, terminated, _, _ = env.step(action[m, b].clamp(-1, 1).numpy())
                names = env.physical_system.state_names
                seen = [obs[0][names.index(n)] for n in (("i_sd", "i_sq") if chosen.machine == "pmsm" else ("i",))]
                seen.append(obs[0][names.index("omega")])
                start = reference.shape[-1]
                assert np.allclose(observed[m, b, start : start + len(seen)], seen, rtol=0, atol=tolerance)
                assert bool(step.terminated[m, b]) == terminated
                expected = reward * left[m, b] if terminated else reward
                assert float(step.reward[m, b]) == pytest.approx(expected, abs=tolerance)
                if terminated:
                    trips += 1
                    env.reset(seed=0)
                else:
                    worst = max(worst, float((np.abs(batch.state[m, b].numpy() - state_of(env)) / scale).max()))
    return trips, worst


def wild_lanes(share: float) -> int:
    return round(share * LANES)


def feedback(batch: Any) -> torch.Tensor:
    """Voltages that keep every motor within its limits: what its rotor induces, and little of the current's error on top."""
    plate, plant = batch.plate, batch.plant
    current = batch.state[..., 1 : 1 + plate.currents]
    wanted = torch.zeros_like(current)
    if batch.settings.control == "current":
        wanted = plate.current_limit * batch.reference
    else:
        error = plate.speed_limit * batch.reference[..., 0] - batch.state[..., 0]
        wanted[..., -1] = (0.1 * plant.inertia / batch.settings.seconds * error).clamp(-40, 40)
    inductance = torch.stack([plant.inductance_d, plant.inductance_q], -1)[..., : plate.currents]
    volt = 0.2 * inductance / batch.settings.seconds * (wanted - current) + plant.resistance[..., None] * current
    speed = plant.pole_pairs * batch.state[..., 0]
    volt[..., -1] += speed * plant.flux
    if plate.currents == 2:
        volt[..., 0] -= speed * plant.inductance_q * current[..., 1]
        volt[..., 1] += speed * plant.inductance_d * current[..., 0]
    return volt / (plate.supply[batch.settings.control] / plate.currents)


def euler(settings: motor.Settings) -> Any:
    ps = pytest.importorskip("gym_electric_motor.physical_systems")
    return ps.EulerSolver(nsteps=settings.substeps)


def adaptive(settings: motor.Settings) -> Any:
    ps = pytest.importorskip("gym_electric_motor.physical_systems")
    return ps.ScipyOdeSolver()


@pytest.mark.slow
@pytest.mark.parametrize("machine, control", DRIVES)
def test_twin_equals_the_original_with_eulers_method(machine: str, control: str, length: Callable[[int, int], int]) -> None:
    """4 x 2 lanes x 30 steps or 10 x 2 x 100, one lane at random and tripping, one under control; 8,000 for the four drives.

    To rounding, 1e-12 of the limits: there the time is added up, so that a step's length is off by 1e-13 of itself.
    """
    settings = {"machine": machine, "control": control, "solver": "euler"}
    trips, worst = compare(settings, euler, length(1, 3), length(30, 100), tolerance=1e-12, wild=0.5)
    assert trips > length(0, 20) and 0 < worst < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize(
    "machine, control, tolerance",
    [("pmsm", "current", 1e-8), ("pmsm", "speed", 2e-4), ("dc", "current", 1e-6), ("dc", "speed", 1e-5)],
)
def test_twin_agrees_with_the_originals_default_solver(
    machine: str, control: str, tolerance: float, length: Callable[[int, int], int]
) -> None:
    """Runge-Kutta in fixed steps beside the adaptive dopri5, whose own relative tolerance is 1e-6 a step.

    Farthest apart where the wild lanes overspeed: the rotor turns by up to 0.3 rad in a substep of 0.1 ms.
    """
    settings, steps = {"machine": machine, "control": control}, length(20, 60)
    trips, worst = compare(settings, adaptive, length(1, 3), steps, tolerance=tolerance, wild=0.5)
    assert trips > length(0, 10) and worst < tolerance


# ---- by hand


def test_a_step_of_the_dc_motor_by_hand() -> None:
    family = family_of("dc", "current", solver="euler", resistance=(0.5, 1.0), ood_resistance=(0.5, 1.1))
    batch = batch_of(family, family.task({"resistance": 1.0, "inductance": 2.0, "load": 0.5}))
    assert family.settings.substeps == 1
    # At 50 rad/s the rotor induces 8.25 V; 0.2 of 60 V leave 3.75 V, which raise the current by 3.75 / 38e-6 * 1e-4 = 9.8684 A.
    batch.reference[:] = 0.3
    step = batch.step(torch.full((1, 1, 1), 0.2))
    assert float(batch.state[0, 0, 1]) == pytest.approx(9.868421, abs=1e-6) and float(batch.state[0, 0, 0]) == 50
    assert float(step.reward) == pytest.approx(-0.5 * (0.3 - 9.868421 / 210), abs=1e-8)
    seen = step.next_obs[0, 0].tolist()
    # In units of the nominal 97 A and 300 rad/s.
    assert seen[1:] == pytest.approx([9.868421 / 97, 50 / 300, 0.2], abs=1e-6) and len(seen) == 4
    # Then 3.75 - 0.016 * 9.868421 V are left: 3.592105 / 38e-6 * 1e-4 = 9.452909 A more.
    batch.step(torch.full((1, 1, 1), 0.2))
    assert float(batch.state[0, 0, 1]) == pytest.approx(19.321330, abs=1e-5)


def test_a_step_of_the_synchronous_motor_by_hand() -> None:
    family = family_of("pmsm", "speed", solver="euler", inductance=(1.0, 2.0), inertia=(0.5, 2.0), ood_inertia=(0.5, 3.0))
    plant, _ = motor.plant_of(family.settings, family.task({"resistance": 1, "inductance": 1, "inertia": 1, "load": 2}))
    state = torch.tensor([[[100.0, -50.0, 80.0, 0.3]]], dtype=torch.float64)
    voltage = torch.tensor([[[-30.0, 25.0]]], dtype=torch.float64)
    # omega_el = 300. d: (-30 + 0.9 + 300 * 0.096) / 0.37e-3. q: (25 - 1.44 - 300 * (-0.0185 + 0.066)) / 1.2e-3.
    # torque = 4.5 * (0.066 + 0.83e-3 * 50) * 80 = 38.7 Nm; load = 0.02 + 0.02 * 100 = 2.02 Nm; J = 0.03884 kg m^2.
    expected = [(38.7 - 2.02) / 0.03884, -0.3 / 0.37e-3, 9.31 / 1.2e-3, 300.0]
    assert drives.pmsm_rates(state, voltage, plant)[0, 0].tolist() == pytest.approx(expected, rel=1e-9)


def test_the_constant_load_opposes_motion_and_fades_around_standstill() -> None:
    family = family_of("dc", "speed")
    plant, _ = motor.plant_of(family.settings, family.task({"resistance": 1, "inductance": 1, "inertia": 0.2, "load": 3}))
    inertia = 0.2 * 0.025 + 1e-4  # 0.0051
    edge = 0.03 / inertia * 1e-3  # rad/s, where the constant part is whole
    speed = torch.tensor([[0.0, 0.5 * edge, -2 * edge, 100.0]], dtype=torch.float64)
    torque = -inertia * drives.acceleration(speed, torch.zeros(1, 4, dtype=torch.float64), plant)
    assert torque[0].tolist() == pytest.approx([0, 0.015 + 0.015 * edge, -0.03 - 0.06 * edge, 0.03 + 3.0], rel=1e-9)


def test_a_voltage_beyond_what_the_half_bridges_reach_is_cut_off() -> None:
    def made(action: list[float], angle: float, speed: float = 0.0) -> list[float]:
        state = torch.tensor([[[speed, 0.0, 0.0, angle]]], dtype=torch.float64)
        volt = drives.pmsm_voltage(torch.tensor([[action]], dtype=torch.float64), state, 300.0, 1e-4, 3)
        return volt[0, 0].tolist()

    assert made([0.4, -0.3], 1.1) == pytest.approx([60, -45])
    # Along phase a: 1.5 is cut to 1, and phases b and c, at -0.75, are not: alpha = (2 * 150 + 2 * 112.5) / 3.
    assert made([1.5, 0.0], 0.0) == pytest.approx([175, 0])
    # The angle is half a step ahead: 0.5 * 1e-4 * 3 * 200 = 0.03 rad.
    assert made([0.4, 0.0], 0.7, speed=200.0) == pytest.approx([60 * math.cos(0.03), 60 * math.sin(0.03)])


def test_smaller_steps_of_the_integration_change_nothing_that_matters() -> None:
    """The fastest motor of the default family under a full jump of the voltage."""
    family = family_of("pmsm", "current")
    plant, speed = motor.plant_of(family.settings, family.task({"resistance": 12, "inductance": 0.06, "load": 1.3}))
    state = torch.tensor([[[float(speed), 0.0, 0.0, 0.0]]], dtype=torch.float64)
    voltage = torch.full((1, 1, 2), 100.0, dtype=torch.float64)
    coarse, fine = (
        drives.integrate(drives.pmsm_rates, state, voltage, plant, 1e-4, n, "rk4")
        for n in (family.settings.substeps, 1000)
    )
    assert family.settings.substeps == 4  # R / L = 0.216 / 22.2e-6 = 9730 /s, 0.97 time constants a step
    assert float((coarse - fine).abs().max()) < 2e-5 * 400


# ---- the task


@pytest.mark.parametrize("machine, control", DRIVES)
def test_no_ending_pays(machine: str, control: str) -> None:
    """A trip costs 1 for itself and for each step left; nothing else ever costs more than 1 a step."""
    family = family_of(machine, control, horizon=40)
    batch = batch_of(family, family.sample(50, "ood", Stream(0).rng()), lanes=4)
    generator = torch.Generator().manual_seed(0)
    total, trips = torch.zeros(50, 4, dtype=torch.float64), 0
    for t in range(40):
        playing = batch.active.clone()
        step = batch.step(0.6 * torch.randn(50, 4, batch.spec.action_size, generator=generator))
        tripped = step.terminated & playing
        assert bool((step.reward[tripped] == -(40 - t)).all())
        quiet = step.reward[playing & ~step.terminated]
        assert bool((quiet <= 0).all() and (quiet >= -1).all())
        total, trips = total + step.reward * playing, trips + int(tripped.sum())
    assert trips > 50 and not bool(batch.active.any()) and float(total.min()) >= -40


def test_the_speed_of_a_held_shaft_stays_and_is_no_reason_to_trip() -> None:
    family = family_of("pmsm", "current", load=(0.2, 6.0), ood_load=(0.2, 7.0))
    batch = batch_of(family, family.task({"resistance": 1.0, "inductance": 1.0, "load": 5.0}))
    assert float(batch.state[0, 0, 0]) == 500 > batch.speed_limit
    step = batch.step(torch.tensor([[[0.0, 0.66]]]))
    assert float(batch.state[0, 0, 0]) == 500 and not bool(step.terminated)


def test_set_points_jump_as_often_and_as_far_as_the_settings_say() -> None:
    family = family_of("pmsm", "current", hold=10, span=0.8, horizon=200)
    batch = batch_of(family, family.sample(40, "train", Stream(0).rng()), lanes=25)
    seen = [batch.reference]
    for _ in range(60):
        batch.refer(torch.rand(40, 25, 3, generator=torch.Generator().manual_seed(len(seen)), dtype=torch.float64))
        seen.append(batch.reference)
    path = torch.stack(seen)  # [61, M, B, 2]
    jumps = (path[1:] != path[:-1]).all(-1)
    assert torch.equal(jumps, (path[1:] != path[:-1]).any(-1)), "both axes jump together"
    assert abs(float(jumps.double().mean()) - 0.1) < 5 * math.sqrt(0.09 / 60_000)
    span = 0.8 * 240 / 400
    assert float(path.abs().max()) <= span and float(path.abs().max()) > 0.99 * span
    assert abs(float(path.std()) - span / math.sqrt(3)) < 0.01


def test_a_wiener_process_takes_normal_steps_of_its_episodes_size_within_the_span() -> None:
    family = family_of("dc", "speed", reference="wiener", span=1.0)
    batch = batch_of(family, family.sample(50, "train", Stream(0).rng()), lanes=40)
    low, high = (math.log10(s) for s in motor.SIGMA)
    size = batch.sigma.log10()
    assert low <= float(size.min()) < low + 0.05 and high - 0.05 < float(size.max()) <= high
    assert abs(float(size.mean()) - (low + high) / 2) < 0.05
    start = batch.reference.clone()
    batch.reference = torch.zeros_like(start)
    batch.refer(torch.rand(50, 40, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    z = batch.reference / batch.sigma
    assert abs(float(z.mean())) < 0.1 and abs(float(z.std()) - 1) < 0.06
    for _ in range(300):
        batch.refer(torch.rand(50, 40, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64))
    assert float(batch.reference.abs().max()) == 0.75 == batch.span


def test_an_episode_opens_at_rest_and_shows_what_a_drive_measures() -> None:
    family = family_of("pmsm", "current")
    batch: Any = family.batch(family.task({"resistance": 1.0, "inductance": 1.0, "load": 0.8}), 500)
    obs = batch.reset(Stream(2))
    assert obs.shape == (1, 500, 7) and 0.24 < float(obs[..., :2].abs().max()) <= 0.25
    opened = torch.tensor([0, 0, 80 / (3e3 * math.pi / 30), 0, 0], dtype=torch.float64)
    assert torch.allclose(obs[..., 2:], opened.expand(1, 500, 5), rtol=0, atol=1e-12)
    step = batch.step(torch.tensor([0.1, -2.0]).expand(1, 500, 2))
    assert step.next_obs[0, 0, 5:].tolist() == pytest.approx([0.1, -1.0]), "the voltage that acted"


@pytest.mark.parametrize("machine, control", DRIVES)
def test_each_drive_varies_what_matters_to_it(machine: str, control: str) -> None:
    family = family_of(machine, control)
    names = [p.name for p in family.parameters]
    assert names == [n for n in ("resistance", "inductance", "inertia", "load") if n != "inertia" or control == "speed"]
    assert all(p.train[0] <= 1 <= p.train[1] for p in family.parameters)
    batch: BatchEnv = family.batch(family.sample(2, "ood", Stream(0).rng()), 3)
    assert batch.reset(Stream(0)).shape == (2, 3, family.spec.obs_size)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"machine": "ac"}, "machine is 'ac': expected pmsm or dc"),
        ({"control": "torque"}, "control is 'torque': expected current or speed"),
        ({"reference": "sine"}, "reference is 'sine': expected steps or wiener"),
        ({"solver": "rk2"}, "solver is 'rk2': expected rk4 or euler"),
        ({"horizon": 0}, "horizon is 0: expected"),
        ({"hold": 0.5}, "hold is 0.5: expected at least 1 step"),
        ({"span": 0.0}, "span is 0.0: expected above 0, at most 1"),
        ({"span": 1.5}, "span is 1.5: expected above 0, at most 1"),
        ({"inertia": (0.5, 2.0)}, "inertia is set, but the load holds the shaft"),
        ({"ood_inertia": (0.5, 2.0)}, "inertia is set, but the load holds the shaft"),
        ({"resistance": (2.0, 1.0)}, "resistance is .*: expected"),
        ({"inductance": (0.0, 1.0)}, "inductance is .*: expected .* above 0"),
        ({"load": (0.2, 2.0)}, "ood_load is .*: expected a range that reaches outside"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        motor.Settings(**wrong)
    assert "\n" not in str(error.value)
