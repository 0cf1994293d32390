"""The numbers of a run for TensorBoard, where that is installed: a second copy, whose failure ends no training."""

import importlib.util
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pliant import errors
from pliant.system import files


class Board:
    """Scalars in the folder `tensorboard` of a run. Made with the first row; closed with the run."""

    def __init__(self, run: Path) -> None:
        self.run, self.purge = run, None
        self.wanted = importlib.util.find_spec("tensorboard") is not None
        """TensorBoard is installed, and has not failed."""
        self._writer: Any = None

    purge: int | None
    """The iteration at which a resumed run goes on: what was written of later ones is forgotten."""

    def add(self, iteration: int, row: Mapping[str, Any]) -> None:
        """Write the numbers of a row. Raises UserError for a folder that leads out of the run; says what the system refuses."""
        if not self.wanted:
            return
        try:
            if self._writer is None:
                self._writer = self._begun()
            for name, value in {**row, **row.get("clock", {})}.items():
                if isinstance(value, (int, float)) and name != "iteration":
                    self._writer.add_scalar(name, value, iteration)
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Write what is left. Closing twice is allowed."""
        writer, self._writer = self._writer, None
        try:
            if writer:
                writer.close()
        except OSError as error:
            self._give_up(error)

    def _begun(self) -> Any:
        files.require_within(self.run / "tensorboard", self.run)
        from torch.utils.tensorboard import SummaryWriter  # late: it takes a second to import

        threading.excepthook = _said_by_us
        return SummaryWriter(str(self.run / "tensorboard"), purge_step=self.purge)

    def _give_up(self, error: OSError) -> None:
        self.wanted, self._writer = False, None
        reason = (error.strerror or str(error)).lower()
        errors.warn(f"cannot write {self.run / 'tensorboard'}: {reason}; TensorBoard gets no more numbers of this run")


def _said_by_us(failed: threading.ExceptHookArgs) -> None:
    """What the thread that writes for TensorBoard could not write is said where the next number is given to it."""
    is_written = type(failed.thread).__module__.startswith("tensorboard") and issubclass(failed.exc_type, OSError)
    if not is_written:
        threading.__excepthook__(failed)
