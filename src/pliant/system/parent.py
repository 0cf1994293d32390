"""A process that ends with the one that began it, however that dies: the end of its standard input says so on any system.

The parent gives `ENVIRONMENT` and a pipe as standard input, of which it keeps the only other end and writes nothing.
"""

import contextlib
import os
import signal
import threading
import time

ENVIRONMENT = {"PLIANT_ENDS_WITH": "stdin"}
SECONDS = 60.0
"""What a training may need to save and leave, before it is ended at once."""


def watch() -> None:
    """Stop as by SIGTERM when the parent is gone, if it asked for that. Called once, early: an import may take seconds."""
    (name, wanted), *_ = ENVIRONMENT.items()
    if os.environ.pop(name, "") != wanted:
        return
    pipe = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # nobody else reads the pipe, and no process of ours holds it
    os.close(nothing)
    threading.Thread(target=_end_with, args=(pipe,), name="pliant-parent", daemon=True).start()


def _end_with(pipe: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(pipe, 4096):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(SECONDS)
    os._exit(128 + signal.SIGTERM)
