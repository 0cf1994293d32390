"""Evaluations of contenders: those that runs have kept, and new ones for what has not been measured yet."""

from collections.abc import Sequence
from typing import cast

from pliant.comparing import kept
from pliant.comparing.contenders import Asked, Contender, Training
from pliant.running import evaluate
from pliant.running import learner as learners
from pliant.storage.schema.evaluation import Evaluation
from pliant.system.progress import Progress
from pliant.tasks.base import Family

Job = tuple[Training, str]
"""A training, and the split on which it is not measured yet."""


def jobs(contenders: Sequence[Contender], splits: Sequence[str], asked: Asked, family: Family) -> list[Job]:
    """What is left to evaluate once trainings have what is kept. Evaluates nothing.

    A document is of one split, and runs beside it in a contender are measured on that one; others are measured on all.
    Raises UserError for an evaluation that was edited.
    """
    left: list[Job] = []
    for contender in contenders:
        runs = [training for training in contender.trainings if not training.is_document]
        wanted = splits if len(runs) == len(contender.trainings) else [asked.split]
        for training, split in ((training, split) for training in runs for split in wanted):
            found = kept.evaluation(training, split, asked, family)
            if found is None:
                left.append((training, split))
            else:
                training.measured[split] = found
    return left


def measure(left: Sequence[Job], asked: Asked, family: Family, quiet: bool) -> None:
    """Evaluate what is left, each result into its training; all play the tasks of `family`, as it is made already."""
    with Progress(len(left), 0, quiet, "evaluating", "evaluation") as progress:
        for number, (training, split) in enumerate(left):
            training.measured[split] = _measured(training, split, asked, family)
            progress.update(number + 1, {})


def _measured(training: Training, split: str, asked: Asked, family: Family) -> Evaluation:
    if training.run is not None:
        return evaluate.evaluate_run(
            training.run, split, asked.tasks, asked.stages, None, asked.seed, asked.device, family=family
        )
    learner = learners.build(training.config, asked.device, family=family)
    facts = {"iteration": 0, "env_steps": 0, "seconds": 0.0}
    found = evaluate.evaluate_learner(learner, split, asked.tasks, learner.schedule(asked.stages), asked.seed, facts)[0]
    return cast(Evaluation, found)
