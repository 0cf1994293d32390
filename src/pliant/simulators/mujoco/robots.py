"""Gymnasium's MuJoCo v5 robots as data: body, noise of a start, what is seen, when an episode ends."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from pliant.types import Spec


@dataclass(frozen=True)
class Robot:
    """What a Gymnasium v5 robot is, apart from its reward."""

    xml: str
    """File name among Gymnasium's MuJoCo assets."""
    obs_size: int
    """Numbers of an observation: positions that are not hidden, and velocities."""
    action_size: int
    """Motors."""
    frame_skip: int
    """Physics steps per environment step."""
    reset_noise: float
    """Scale of the noise on positions and velocities at the start of an episode."""
    normal_velocity: bool
    """Velocities start from normal noise; False: uniform, as positions do."""
    hidden: int
    """Leading positions that are not observed: where in the world the robot is."""
    speed_limit: float = float("inf")
    """Observed velocities are clipped to +- this, m/s or rad/s."""
    healthy: Callable[[Tensor, Tensor], Tensor] | None = None
    """(position [N, nq], velocity [N, nv]) -> [N] bool; an episode terminates outside. None: it never does."""

    @property
    def spec(self) -> Spec:
        """What a policy must know of it."""
        return Spec(self.obs_size, self.action_size, discrete=False)


def _ant_healthy(position: Tensor, velocity: Tensor) -> Tensor:
    return (0.2 <= position[:, 2]) & (position[:, 2] <= 1.0) & velocity.isfinite().all(-1) & position.isfinite().all(-1)


def _walker_healthy(position: Tensor, velocity: Tensor) -> Tensor:
    return (0.8 < position[:, 1]) & (position[:, 1] < 2.0) & (position[:, 2].abs() < 1.0)


def _hopper_healthy(position: Tensor, velocity: Tensor) -> Tensor:
    bounded = (position[:, 2:].abs() < 100.0).all(-1) & (velocity.abs() < 100.0).all(-1)
    return bounded & (position[:, 1] > 0.7) & (position[:, 2].abs() < 0.2)


HALF_CHEETAH = Robot("half_cheetah.xml", 17, 6, frame_skip=5, reset_noise=0.1, normal_velocity=True, hidden=1)
ANT = Robot("ant.xml", 27, 8, frame_skip=5, reset_noise=0.1, normal_velocity=True, hidden=2, healthy=_ant_healthy)
WALKER2D = Robot(
    "walker2d_v5.xml", 17, 6, 4, reset_noise=5e-3, normal_velocity=False, hidden=1, speed_limit=10.0, healthy=_walker_healthy
)
HOPPER = Robot(
    "hopper.xml", 11, 3, 4, reset_noise=5e-3, normal_velocity=False, hidden=1, speed_limit=10.0, healthy=_hopper_healthy
)
