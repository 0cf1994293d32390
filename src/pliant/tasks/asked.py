"""A question that a process of its own answers: what may hang, crash or print there does so beside this one.

    job(say) -> answer      runs in the new process; `say` tells what it does next, for the error if it never gets past that
"""

import contextlib
from collections.abc import Callable
from multiprocessing import connection
from multiprocessing.reduction import ForkingPickler
from typing import Any, NamedTuple

from pliant import errors
from pliant.tasks import pool, worker

Say = Callable[[str], None]


class _Said(NamedTuple):
    """A message of the process that answers."""

    kind: str
    """"doing", "refused" or "answer"."""
    content: Any


def ask(job: Callable[[Say], Any], called: str, timeout: float) -> Any:
    """What `job(say)` returns in a process of its own. `called` is what it is about, in errors.

    Raises UserError if the job raises, if its process ends, or if it says nothing for `timeout` seconds.
    """
    key = bytes(ForkingPickler.dumps(job))
    context = pool.context()
    here, there = context.Pipe()
    with pool.starting(key):
        process = context.Process(  # type: ignore[attr-defined]
            target=_answer, args=(there,), name="pliant-asked", daemon=True
        )
        process.start()
    there.close()
    try:
        with contextlib.suppress(OSError):  # one that is gone is noticed below
            here.send(job)
        return _heard(process, here, called, timeout)
    finally:
        pool.end(process, here)


def _heard(process: Any, pipe: connection.Connection, called: str, timeout: float) -> Any:
    """Wait for the answer."""
    doing, limit = "being imported", pool.START_SECONDS
    while True:
        if not connection.wait([pipe, process.sentinel], limit):
            raise errors.UserError(f"{called} did not answer for {limit:g} seconds while {doing}")
        try:
            said: _Said = pipe.recv()
        except (EOFError, OSError):
            process.join(1.0)
            raise errors.UserError(f"{called} {pool.death(process.exitcode)} while {doing}") from None
        if said.kind == "refused":
            raise errors.UserError(said.content)
        if said.kind == "answer":
            return said.content
        doing, limit = said.content, timeout


def _answer(pipe: connection.Connection) -> None:
    """Do the job that comes through the pipe."""
    worker.attend()
    doing = ["importing what it needs"]

    def say(words: str) -> None:
        doing[0] = words
        pipe.send(_Said("doing", words))

    try:
        job = pipe.recv()
        answer = _Said("answer", job(say))
    except errors.UserError as error:
        answer = _Said("refused", str(error))
    except Exception as error:  # whatever an environment raises is the user's to mend
        answer = _Said("refused", f"a worker process {worker.described(error)} while {doing[0]}")
    pipe.send(answer)
