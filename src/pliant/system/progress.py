"""A progress bar with what matters while training: time left, return before and after adaptation."""

import contextlib
import sys
import time
from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from pliant import errors
from pliant.system import terminal

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """A bar on stderr; a plain line every few seconds where stderr is not a terminal; nothing when quiet."""

    def __init__(
        self, total: int, start: int, quiet: bool, what: str = "meta-training", unit: str = "iteration"
    ) -> None:
        self.total, self.start, self.quiet = total, start, quiet
        self.what, self.unit = errors.printable(what), errors.printable(unit)
        self.bar: Bar | None = None
        self.task: TaskID | None = None
        self.begin = self.last = time.monotonic()

    def __enter__(self) -> "Progress":
        if not self.quiet and sys.stderr.isatty():
            self.bar = Bar(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[numbers]}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(elapsed_when_finished=False),
                console=terminal.console(stderr=True),
            )
            self.task = self.bar.add_task(self.what, total=self.total, completed=self.start, numbers="")
            self.bar.start()
        return self

    def update(self, finished: int, metrics: dict[str, float]) -> None:
        """Show that `finished` iterations are over."""
        if self.quiet:
            return
        try:
            self._show(finished, metrics)
        except OSError:  # the terminal is gone, which is no reason to end; if it is one, SIGHUP says so
            self.quiet = True

    def _show(self, finished: int, metrics: dict[str, float]) -> None:
        returns = [_short(value) for name, value in metrics.items() if name.startswith("return_")]
        numbers = "return " + _ends(returns) if returns else ""
        if "trial_return" in metrics:
            numbers += f", trial {_short(metrics['trial_return'])}"
        if "success_0" in metrics:
            numbers += ", success " + _ends([f"{v:.0%}" for name, v in metrics.items() if name.startswith("success_")])
        if self.bar and self.task is not None:
            self.bar.update(self.task, completed=finished, numbers=numbers)
        elif time.monotonic() - self.last >= SECONDS_BETWEEN_LINES or finished == self.total:
            self.last = time.monotonic()
            left = (self.last - self.begin) / max(1, finished - self.start) * (self.total - finished)
            print(f"{self.unit} {finished}/{self.total}  {numbers}  left {_clock(left)}", file=sys.stderr, flush=True)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.bar:
            with contextlib.suppress(OSError):
                self.bar.stop()


def _ends(stages: list[str]) -> str:
    return " -> ".join(stages if len(stages) < 2 else (stages[0], stages[-1]))


def _short(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes}:{seconds:02d}"
