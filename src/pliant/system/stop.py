"""Signals that end a process: a wish to stop at a good moment while it trains, one line and a status at any other."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Ctrl-C, a polite end, and a terminal that is gone; Windows does not have the last one."""

Handler = Callable[[int, FrameType | None], object]


@contextmanager
def handled(note: Handler, *signals: int) -> Iterator[None]:
    """`note` is called upon any of `signals`. One that is ignored, as under `nohup`, stays ignored.

    Outside the main thread nothing changes: its owner handles signals.
    """
    chosen = signals if threading.current_thread() is threading.main_thread() else ()
    old = {number: handler for number in chosen if (handler := signal.getsignal(number)) is not signal.SIG_IGN}
    for number in old:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


class Stop:
    """Turns the first Ctrl-C, SIGTERM or SIGHUP into a wish to stop at the end of the iteration; a second Ctrl-C acts at once.

    Others may come again, as from a terminal that closes, and do nothing more.
    """

    signal: int = 0

    def __enter__(self) -> "Stop":
        self._handled: AbstractContextManager[None] = handled(self._note, *ENDING)
        self._handled.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._handled.__exit__(None, None, None)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = self.signal or number


class Interrupt:
    """Ctrl-C as KeyboardInterrupt, and kept in mind: a library that is being imported may make another error of it.

    A second one ends the process at once, with the same status: files are written whole or not at all.
    """

    came = False

    def note(self, number: int, frame: FrameType | None) -> None:
        """To be `handled`."""
        if self.came:
            os._exit(128 + number)
        self.came = True
        raise KeyboardInterrupt
