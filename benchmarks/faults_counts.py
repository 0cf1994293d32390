"""What came of the faults of a campaign, and what campaigns share: a small run with all that a run may hold, and forks."""

import contextlib
import io
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pliant import errors
from pliant.cli import main as cli

MOST_FAILURES = 20
"""Failures that a document names; the rest are counted."""
SMALL = "--preset none --train.meta_batch 2 --train.lanes 2 --family.horizon 5 --policy.hidden 8 --quiet"


@dataclass
class Counts:
    """What came of a campaign, by kind of fault."""

    kinds: dict[str, list[int]] = field(default_factory=dict)
    """[held, tried] of each."""
    failures: list[str] = field(default_factory=list)
    """What happened where a fault was not held."""

    def add(self, kind: str, failure: str | None) -> None:
        """Count a fault: held, or what happened instead."""
        counted = self.kinds.setdefault(kind, [0, 0])
        counted[0] += failure is None
        counted[1] += 1
        if failure is not None:
            self.failures.append(f"{kind}: {failure}")

    @property
    def held(self) -> int:
        return sum(held for held, _ in self.kinds.values())

    @property
    def tried(self) -> int:
        return sum(tried for _, tried in self.kinds.values())

    def document(self) -> dict[str, Any]:
        """As JSON values."""
        return {"held": self.held, "tried": self.tried, "kinds": self.kinds, "failures": self.failures[:MOST_FAILURES]}


class Ended(NamedTuple):
    """A command that ended, or was ended."""

    status: int | None
    """None for one that took too long."""
    said: str
    """On both streams."""

    def failure(self) -> str | None:
        """None for a good end or one right line; what happened instead."""
        if self.status is None:
            return "it hangs"
        if "Traceback" in self.said:
            return self.said.strip().splitlines()[-1][:200]
        if self.status not in (0, 2):
            return f"status {self.status}: {self.said[-200:]}"
        if self.status == 2 and not [line for line in self.said.splitlines() if line.startswith("pliant: ")]:
            return f"it says nothing: {self.said[-200:]}"
        return None


def forked(words: list[str], seconds: float = 60.0, begin: Callable[[], object] = lambda: None) -> Ended:
    """`pliant words` in a fork of this process; `begin` is called in it first."""
    with tempfile.TemporaryFile() as file:
        if not (child := os.fork()):
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            for number, name in ((1, "stdout"), (2, "stderr")):
                setattr(sys, name, open(number, "w", closefd=False))  # noqa: SIM115 (until the process ends)
            status = 70
            try:
                begin()
                status = cli.main(words)
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                with contextlib.suppress(BaseException):
                    sys.stdout.flush()
                    sys.stderr.flush()
                os._exit(status)
        limit, found = time.monotonic() + seconds, (0, 0)
        while not found[0] and time.monotonic() < limit:
            found = os.waitpid(child, os.WNOHANG)
            time.sleep(0.005)
        if not found[0]:
            os.kill(child, signal.SIGTERM)
            time.sleep(0.5)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        file.seek(0)
        said = file.read().decode(errors="replace")
    return Ended(os.waitstatus_to_exitcode(found[1]) if found[0] else None, said)


def small_run(folder: Path, rest: bool = True) -> Path:
    """A run of MAML on `point` with two checkpoints, an evaluation, a sweep and an adapted policy; without `rest`, bare."""
    run = folder / "run"
    quietly("train maml point --iterations 3 --train.checkpoint_every 0 --out", run, SMALL)
    if rest:
        quietly("evaluate", run, "--tasks 2 --stages 1")
        quietly("sweep", run, "--axis distance=0:1 --points 2 --tasks 2 --stages 1")
        quietly("adapt", run, "--task goal=0.1,0.2 --stages 1 --out", run / "adapted" / "one")
    return run


def quietly(*words: object) -> None:
    """A command that must end well."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = cli.main([word for each in words for word in (str(each).split() if isinstance(each, str) else [str(each)])])
    if status:
        raise RuntimeError(f"{words}: {said.getvalue()}")


def refusal(act: Callable[[], object]) -> str | None:
    """The one line by which something is refused; None if it is not. Raises what is no such line."""
    try:
        act()
    except errors.UserError as error:
        if len(str(error).splitlines()) != 1:
            raise RuntimeError(f"several lines: {error}") from error
        return str(error)
    return None
