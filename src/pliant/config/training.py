"""Settings of training: how much experience an iteration collects, and what happens every so often."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """How much experience an iteration collects, and what happens every so often."""

    iterations: int = 200
    """Meta-updates."""
    meta_batch: int = 20
    """Tasks per iteration."""
    lanes: int = 20
    """Trials per task and rollout."""
    episodes: int = 0
    """Episodes per trial, 0 for as many as the family has in mind."""
    evaluate_every: int = 0
    """Iterations between evaluations on test tasks, 0 for none."""
    evaluate_tasks: int = 20
    """Test tasks of such an evaluation."""
    evaluate_stages: int = 1
    """Gradient steps of such an evaluation; an agent with memory plays its whole trial."""
    checkpoint_every: float = 60.0
    """Seconds between checkpoints; one is also written at the end and on Ctrl-C."""
    threads: int = 0
    """Torch threads, 0 for torch's own choice: one per core. Other numbers of threads may round differently."""

    def __post_init__(self) -> None:
        for name in ("iterations", "meta_batch", "lanes", "evaluate_tasks"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: expected at least 1")
        for name in ("episodes", "evaluate_every", "evaluate_stages", "threads"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}: expected at least 0")
        if not self.checkpoint_every >= 0:
            raise ValueError(f"checkpoint_every is {self.checkpoint_every}: expected at least 0 seconds")
