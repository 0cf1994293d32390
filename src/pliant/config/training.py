"""Settings of training: how much experience an iteration collects, and what happens every so often."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le, Unit

from pliant.system import ranges

MOST_THREADS = 1024
"""Of torch; with many more the system ends the process."""


@dataclass(frozen=True)
class Settings:
    """How much experience an iteration collects, and what happens every so often."""

    iterations: Annotated[int, Ge(1)] = 200
    """Meta-updates."""
    meta_batch: Annotated[int, Ge(1)] = 20
    """Tasks per iteration."""
    lanes: Annotated[int, Ge(1)] = 20
    """Trials per task and rollout."""
    episodes: Annotated[int, Ge(0)] = 0
    """Episodes per trial, 0 for as many as the family has in mind."""
    evaluate_every: Annotated[int, Ge(0)] = 0
    """Iterations between evaluations on test tasks, 0 for none."""
    evaluate_tasks: Annotated[int, Ge(1)] = 20
    """Test tasks of such an evaluation."""
    evaluate_stages: Annotated[int, Ge(0)] = 1
    """Gradient steps of such an evaluation; an agent with memory plays its whole trial."""
    checkpoint_every: Annotated[float, Ge(0), Unit("seconds")] = 60.0
    """Seconds between checkpoints; one is also written at the end and on Ctrl-C."""
    shards: Annotated[int, Ge(1)] = 1
    """Parts of equal size into which the tasks of an iteration are divided, and at most as many processes that share them. They
    are simulated and learned from one by one, and added in order: how many processes there are changes no bit."""
    threads: Annotated[int, Ge(0), Le(MOST_THREADS)] = 0
    """Torch threads that learning may use, 0 for one per core. Other numbers of threads may round differently."""

    def __post_init__(self) -> None:
        ranges.check(self)
        if self.meta_batch % self.shards:
            raise ValueError(f"shards is {self.shards}: expected a divisor of the meta_batch of {self.meta_batch} tasks")
