"""Ctrl-C and SIGTERM as a wish to stop at a good moment."""

import signal
from types import FrameType
from typing import Any


class Stop:
    """Turns the first Ctrl-C or SIGTERM into a wish to stop at the end of the iteration; a second Ctrl-C acts at once."""

    signal: int = 0

    def __enter__(self) -> "Stop":
        self.old: dict[int, Any] = {}
        try:
            self.old = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # not the main thread: its owner handles signals
            pass
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self.old.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal:
            raise KeyboardInterrupt
        self.signal = number
