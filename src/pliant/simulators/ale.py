"""One Atari console, whose mode and difficulty switches are the task. Runs in workers."""

from collections import deque
from typing import Any, Literal, NamedTuple

import ale_py
import numpy as np
from ale_py import roms
from numpy.typing import NDArray

Array = NDArray[np.float64]

SCREEN = (210, 160)
"""Height and width of the picture, pixels."""
RAM = 128
"""Bytes of memory."""


class Console(NamedTuple):
    """What is played, and what of it is seen."""

    game: str
    observation: Literal["ram", "image"]
    frames: int
    """Observations shown at once, the newest last."""
    shrink: int
    """Pixels of the screen, in both directions, that become one."""
    skip: int
    """Frames that an action lasts."""
    sticky: float
    """Probability that a frame repeats the last action instead."""
    clip: bool
    """Rewards are their signs."""

    @property
    def shape(self) -> tuple[int, int, int] | None:
        """Channels, height and width of an image; None for memory."""
        if self.observation == "ram":
            return None
        return (self.frames, SCREEN[0] // self.shrink, SCREEN[1] // self.shrink)


def interface() -> Any:
    """The emulator, silent."""
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    return ale_py.ALEInterface()


def switches(game: str) -> tuple[list[int], list[int]]:
    """The modes and the difficulties of a game."""
    ale = interface()
    ale.loadROM(roms.get_rom_path(game))
    return [int(m) for m in ale.getAvailableModes()], [int(d) for d in ale.getAvailableDifficulties()]


def actions(game: str) -> int:
    """The number of actions that mean something in a game."""
    ale = interface()
    ale.loadROM(roms.get_rom_path(game))
    return len(ale.getMinimalActionSet())


class Game:
    """A `Remote`: an episode is a game, until it is over.

    The emulator takes a seed only when it loads a game, which takes a tenth of a second. Its one use are sticky actions, so
    those are drawn here, and an episode opens with the state that a game loaded with its mode and difficulty once had.
    """

    def __init__(self, console: Console) -> None:
        self.console, self.ale = console, interface()
        self.ale.setInt("random_seed", 0)
        self.ale.setFloat("repeat_action_probability", 0.0)
        self.ale.loadROM(roms.get_rom_path(console.game))
        self.moves = self.ale.getMinimalActionSet()
        self.opening: dict[tuple[int, int], Any] = {}
        self.shown: deque[Array] = deque(maxlen=console.frames)

    def begin(self, task: Array, seed: int) -> Array:
        switches = int(task[0]), int(task[1])
        if switches not in self.opening:
            self.ale.setMode(switches[0])
            self.ale.setDifficulty(switches[1])
            self.ale.reset_game()
            self.opening[switches] = self.ale.cloneState()
        self.ale.restoreState(self.opening[switches])
        self.rng, self.last = np.random.default_rng(seed), self.moves[0]
        self.before = self._screen()
        self.shown.extend([self._seen()] * self.console.frames)
        return self._stacked()

    def advance(self, action: int) -> tuple[Array, float, bool, bool, bool]:
        reward = 0.0
        for frame in range(self.console.skip):
            if frame == self.console.skip - 1:
                self.before = self._screen()
            if self.rng.random() >= self.console.sticky:
                self.last = self.moves[action]
            reward += self.ale.act(self.last)
        self.shown.append(self._seen())
        return self._stacked(), float(np.sign(reward)) if self.console.clip else reward, self.ale.game_over(), False, False

    def frame(self) -> Any:
        """The screen in colour, uint8 [210, 160, 3]."""
        return self.ale.getScreenRGB()

    @property
    def pace(self) -> float:
        """Steps that make a second."""
        return 60 / self.console.skip

    def close(self) -> None:
        """The emulator frees itself."""

    def _screen(self) -> Any:
        return self.ale.getScreenGrayscale() if self.console.observation == "image" else None

    def _seen(self) -> Array:
        if self.console.observation == "ram":
            return np.asarray(self.ale.getRAM(), np.float64) / 255
        bright = np.maximum(self._screen(), self.before)  # sprites flicker: some are drawn in every other frame only
        s = self.console.shrink
        height, width = SCREEN[0] // s, SCREEN[1] // s
        blocks = bright[: height * s, : width * s].reshape(height, s, width, s)
        return np.asarray(blocks.mean((1, 3)) / 255)

    def _stacked(self) -> Array:
        return np.concatenate([seen.ravel() for seen in self.shown])
