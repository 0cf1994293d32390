"""Meta-World's environment classes with the same numbers in half the time.

A step of Meta-World takes 0.2 to 0.65 ms, of which the simulation takes 0.08. The rest is looking up names, checks of
SciPy's and NumPy's general functions on three numbers, and a Python loop over contacts. `quick` makes a subclass of a class of
Meta-World in which

- names of bodies, geoms, sites and joints are looked up once (`_Data`);
- every method sees small-vector versions of `numpy.linalg.norm`, `numpy.hstack`, `reward_utils.tolerance` and SciPy's
  `Rotation` instead of the general ones: the same function objects' code, with other globals;
- `step`, the observation and the contact test are written out, without what nothing reads (`mj_rnePostConstraint`, site
  positions that the next `mj_forward` overwrites);
- all environments of a class share one compiled model (21 MB): a step puts its lane's body and site positions in before.

Observations, rewards and success are the original's bit for bit; the tests play both side by side. Meta-World itself is not
altered, and nothing here is random.
"""

import importlib.metadata
import types
from typing import Any

import mujoco  # type: ignore[import-untyped]
import numpy as np
from metaworld import env_dict  # type: ignore[import-untyped, unused-ignore]
from metaworld.sawyer_xyz_env import SawyerMocapBase, SawyerXYZEnv  # type: ignore[import-untyped, unused-ignore]
from metaworld.utils import reward_utils  # type: ignore[import-untyped, unused-ignore]
from numpy.typing import NDArray

from pliant import errors
from pliant.simulators.metaworld import benchmark
from pliant.simulators.metaworld.sums import Turn, hstack, norm, tolerance

Array = NDArray[np.float64]

FINGER_GAP = 0.1
"""Distance of the open fingers, m: the unit of an observation's gripper."""


class _Data(mujoco.MjData):  # type: ignore[misc]
    """MjData that looks a name up once. What a lookup returns is a view, which lives as long as the data."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self._bodies: dict[str, Any] = {}
        self._geoms: dict[str, Any] = {}
        self._sites: dict[str, Any] = {}
        self._joints: dict[str, Any] = {}

    def body(self, name: str) -> Any:
        if name not in self._bodies:
            self._bodies[name] = super().body(name)
        return self._bodies[name]

    def geom(self, name: str) -> Any:
        if name not in self._geoms:
            self._geoms[name] = super().geom(name)
        return self._geoms[name]

    def site(self, name: str) -> Any:
        if name not in self._sites:
            self._sites[name] = super().site(name)
        return self._sites[name]

    def joint(self, name: str) -> Any:
        if name not in self._joints:
            self._joints[name] = super().joint(name)
        return self._joints[name]


class _Instead:
    """A module with some of its functions exchanged."""

    def __init__(self, module: Any, **exchanged: Any) -> None:
        self.__dict__ |= vars(module) | exchanged
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


SEEN = {
    "np": _Instead(np, hstack=hstack, linalg=_Instead(np.linalg, norm=norm)),
    "reward_utils": _Instead(reward_utils, tolerance=tolerance),
    "Rotation": Turn,
}
"""What methods of Meta-World see under these names."""


# ---- methods written out


class Quick:
    """The methods that every quick class has instead of `SawyerXYZEnv`'s."""

    model: Any
    data: Any
    compiled: Any
    """The class's model, set by `quick`."""
    simulated: Any
    """The class's data, which all its environments use in turn: one a lane would not stay in a processor's cache."""

    def _initialize_simulation(self) -> tuple[Any, Any]:
        return self.compiled, self.simulated

    def do_simulation(self, ctrl: Any, n_frames: int) -> None:
        """Without `mj_rnePostConstraint`, whose forces nothing reads."""
        self.data.ctrl[:] = ctrl
        mujoco.mj_step(self.model, self.data, nstep=n_frames)

    def get_body_com(self, body_name: str) -> Any:
        return self.data.body(body_name).xpos

    def _get_curr_obs_combined_no_goal(self: Any) -> Array:
        body = self.data.body
        seen = np.zeros(18)
        seen[:3] = body("hand").xpos
        apart = norm(body("rightclaw").xpos - body("leftclaw").xpos) / FINGER_GAP
        seen[3] = min(max(apart, 0.0), 1.0)
        position, turn = self._get_pos_objects(), self._get_quat_objects()
        seen[4:7], seen[7:11] = position[:3], turn[:4]
        if len(position) == 6:
            seen[11:14], seen[14:18] = position[3:], turn[4:]
        return seen

    def step(self: Any, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """An action [4] float64; never terminates, and leaves the horizon to the caller."""
        model, data = self.model, self.data
        mocap = data.mocap_pos[0]
        moved = mocap + np.minimum(np.maximum(action[:3], -1.0), 1.0) * self.action_scale
        mocap[:] = np.minimum(np.maximum(moved, self.mocap_low), self.mocap_high)
        data.mocap_quat[0] = DOWN
        grip = action[3]
        data.ctrl[:] = (grip, -grip)
        mujoco.mj_step(model, data, nstep=self.frame_skip)
        mujoco.mj_forward(model, data)
        now = self._get_curr_obs_combined_no_goal()
        obs = np.zeros(39)  # the goal stays hidden
        obs[:18], obs[18:36], self._prev_obs = now, self._prev_obs, now
        space = self.sawyer_observation_space
        obs = np.minimum(np.maximum(obs, space.low), space.high)
        reward, info = self.evaluate_state(obs, action)
        return obs, reward, False, False, info

    def _gripper_caging_reward(
        self: Any,
        action: Array,
        obj_pos: Array,
        obj_radius: float,
        pad_success_thresh: float,
        object_reach_radius: float,
        xz_thresh: float,
        desired_gripper_effort: float = 1.0,
        high_density: bool = False,
        medium_density: bool = False,
    ) -> float:
        """How well the gripper encloses an object, 0 to 1; Meta-World's own formula, number by number."""
        if high_density and medium_density:
            raise ValueError("Can only be either high_density or medium_density")
        product, body = reward_utils.hamacher_product, self.data.body
        y, y_start = float(obj_pos[1]), float(self.obj_init_pos[1])
        caged = []
        for pad in (float(body("leftpad").xpos[1]), float(body("rightpad").xpos[1])):
            margin = abs(abs(pad - y_start) - pad_success_thresh)
            caged.append(tolerance(abs(pad - y), (obj_radius, pad_success_thresh), margin, "long_tail"))
        tcp = self.tcp_center
        apart, apart_start = norm(tcp[::2] - obj_pos[::2]), norm(self.obj_init_pos[::2] - self.init_tcp[::2])
        caged_xz = tolerance(apart, (0, xz_thresh), apart_start - xz_thresh, "long_tail")
        caging = product(product(*caged), float(caged_xz))
        closed = min(max(0, action[-1]), desired_gripper_effort) / desired_gripper_effort
        result = product(caging, closed if caging > 0.97 else 0.0)
        if high_density:
            result = (result + caging) / 2
        if medium_density:
            margin = abs(norm(self.obj_init_pos - self.init_tcp) - object_reach_radius)
            reach = tolerance(norm(obj_pos - tcp), (0, object_reach_radius), margin, "long_tail")
            result = (result + float(reach)) / 2
        return float(result)

    def touching_object(self, object_geom_id: int) -> bool:
        """Both pads press the object: the forces of the contacts of each, added up, are positive."""
        data = self.data
        pairs = data.contact.geom.tolist()
        left = self._pressed(pairs, data.geom("leftpad_geom").id, object_geom_id)
        return left and self._pressed(pairs, data.geom("rightpad_geom").id, object_geom_id)

    def _pressed(self, pairs: list[list[int]], pad: int, thing: int) -> bool:
        met = [n for n, pair in enumerate(pairs) if pad in pair and thing in pair]
        if not met:
            return False
        address, force = self.data.contact.efc_address, self.data.efc_force
        return bool(sum(force[address[n]] for n in met) > 0)


DOWN = np.array([1, 0, 1, 0])
"""The hand's orientation, w x y z before it is normalised."""


# ---- the classes


def require_version(found: str) -> None:
    """Raise UserError unless `found` is the Meta-World whose numbers these are."""
    if found != benchmark.VERSION:
        wanted = f"expected {benchmark.VERSION}, whose goals and classes these are: pip install 'pliant[metaworld]'"
        raise errors.UserError(f"metaworld is {found}: {wanted}")


require_version(importlib.metadata.version("metaworld"))


def original(name: str) -> Any:
    """Meta-World's class of a name."""
    return env_dict.ALL_V3_ENVIRONMENTS[name]


def quick(name: str) -> Any:
    """A quick subclass of Meta-World's class `name`, with its compiled model; takes about 0.1 s."""
    source = original(name)
    methods: dict[str, Any] = {}
    for owner in reversed(source.__mro__):
        if owner is SawyerXYZEnv or owner is SawyerMocapBase or owner.__module__.startswith("metaworld.envs."):
            methods |= {key: changed for key, value in vars(owner).items() if (changed := _seeing(value)) is not value}
    for key, value in vars(Quick).items():
        if isinstance(value, types.FunctionType) and getattr(source, key, None) is getattr(SawyerXYZEnv, key, None):
            methods[key] = value  # and not where the class has a method of its own
    path = source.model_name.fget(None)
    methods["compiled"] = mujoco.MjModel.from_xml_path(path)
    # As for all robots here: a simulation that diverges shows NaN instead of starting anew unseen.
    methods["compiled"].opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
    methods["simulated"] = _Data(methods["compiled"])
    return type(f"Quick{source.__name__}", (source,), methods)


def _seeing(member: Any) -> Any:
    """A method, static method or property whose code sees `SEEN`; anything else as it is."""
    if isinstance(member, staticmethod):
        return staticmethod(_seeing(member.__func__))
    if isinstance(member, property):
        return property(_seeing(member.fget)) if member.fget else member
    if not isinstance(member, types.FunctionType) or member.__name__ == "__init__":
        return member
    if member.__name__ == "inner" and member.__closure__:  # a check that a task is set around the method itself
        member = next(cell.cell_contents for cell in member.__closure__ if callable(cell.cell_contents))
    exchanged = {key: value for key, value in SEEN.items() if key in member.__globals__}
    changed = types.FunctionType(
        member.__code__, member.__globals__ | exchanged, member.__name__, member.__defaults__, member.__closure__
    )
    changed.__kwdefaults__ = member.__kwdefaults__
    return changed
