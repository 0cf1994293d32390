"""Atari games whose mode and difficulty switches are the task: the same game under other rules.

Bellemare et al. 2013, arXiv:1207.4708; modes and difficulties: Machado et al. 2018, arXiv:1709.06009, section 5. The agent is
not told the rules. It sees the console's memory, or the screen as an image. Actions are those that mean something in the game.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

from ale_py import roms
from annotated_types import Ge, Gt, Le, Lt, Unit

from pliant import errors
from pliant.simulators import ale
from pliant.tasks import checks
from pliant.tasks.base import BatchEnv, Family, Parameter, Tasks
from pliant.tasks.workers import TIMEOUT, Pooled
from pliant.types import Spec


@dataclass(frozen=True)
class Settings:
    """The game, and what is seen of it."""

    game: str = "breakout"
    """One of the games of the Arcade Learning Environment, e.g. freeway, space_invaders."""
    observation: Literal["ram", "image"] = "ram"
    """128 bytes of memory, or the screen in grey."""
    frames: Annotated[int, Ge(1)] = 2
    """Observations shown at once: one alone does not show where things are going."""
    shrink: Annotated[int, Ge(1), Le(20)] = 2
    """Pixels of the screen, 210 x 160, in both directions, that become one."""
    skip: Annotated[int, Ge(1)] = 4
    """Frames that an action lasts; 60 are a second."""
    sticky: Annotated[float, Ge(0), Lt(1)] = 0.25
    """Probability that a frame repeats the last action instead."""
    clip: bool = False
    """Rewards are their signs instead of points."""
    horizon: Annotated[int, Ge(1)] = 500
    """Steps after which an episode is truncated."""
    episodes: Annotated[int, Ge(1)] = 2
    """Episodes of a trial, unless asked otherwise."""
    workers: Annotated[int, Ge(0)] = 0
    """Worker processes, 0 for one per core."""
    timeout: Annotated[float, Gt(0), Unit("seconds")] = TIMEOUT
    """Seconds that a reset or a step may take."""

    def __post_init__(self) -> None:
        checks.settings(self)


def family(settings: Settings | None = None) -> Family:
    """The family of one game's modes and difficulties. Raises UserError for an unknown game."""
    settings = settings or Settings()
    games = sorted(roms.get_all_rom_ids())
    if settings.game not in games:
        raise errors.unknown("Atari game", settings.game, games)
    console = ale.Console(
        settings.game, settings.observation, settings.frames, settings.shrink, settings.skip, settings.sticky, settings.clip
    )
    modes, difficulties = ale.switches(settings.game)
    mode, difficulty, shift = _parameters(settings.game, modes, difficulties)
    shape = console.shape
    size = shape[0] * shape[1] * shape[2] if shape else ale.RAM * settings.frames
    return Family(
        name="atari",
        summary=f"play {settings.game} under rules that are not told",
        parameters=(mode, difficulty),
        spec=Spec(size, ale.actions(settings.game), True, image=shape),
        horizon=settings.horizon,
        environment=partial(_environment, console=console),
        shift=shift,
        episodes=settings.episodes,
        version="2",
        settings=settings,
    )


def _environment(family: Family, tasks: Tasks, lanes: int, episodes: int, console: ale.Console) -> BatchEnv:
    settings: Settings = family.settings
    make = partial(ale.Game, console)
    return Pooled(family, tasks, lanes, episodes, make, settings.workers, settings.timeout, settings.game)


def _parameters(game: str, modes: list[int], difficulties: list[int]) -> tuple[Parameter, Parameter, str]:
    """Mode and difficulty, and what is kept for the shifted split: a fifth of the modes, the highest, or one difficulty.

    Raises UserError for a game that has no choice.
    """
    kept = len(modes) // 5 or (1 if len(modes) > 2 else 0)
    harder = 1 if not kept and len(difficulties) > 1 else 0
    if not kept and not harder:
        raise errors.UserError(f"{game} has a single mode and difficulty, so there is nothing to adapt to: choose another game")
    meanings = f"switch of {game}"
    mode = _choices("mode", modes, kept, f"game-mode {meanings}")
    difficulty = _choices("difficulty", difficulties, harder, f"difficulty {meanings}")
    shift = f"mode {', '.join(map(str, modes[-kept:]))}" if kept else f"difficulty {difficulties[-1]}"
    return mode, difficulty, shift


def _choices(name: str, values: list[int], kept: int, meaning: str) -> Parameter:
    numbers = tuple(map(float, values))
    train, ood = (numbers[:-kept], numbers[-kept:]) if kept else (numbers, None)
    return Parameter(name, choices=train, ood=ood, split=len(values) > 1, meaning=meaning)
