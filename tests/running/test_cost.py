"""What an agent costs: operations are those of torch's own counter, which is slow to import."""

from pathlib import Path
from typing import Any

import pytest
from torch.utils.flop_counter import FlopCounterMode

from pliant.config import load_config
from pliant.running import cost, learner

MEMORIES = ("gru", "lstm", "mean", "linear-attention", "external", "episodic", "transformer")


@pytest.mark.parametrize("policy", MEMORIES)
def test_operations_of_acting_are_those_of_torchs_counter(policy: str) -> None:
    made = learner.build(load_config("rl2", "bandit", preset="none", policy=policy))
    act = cost._acting(made, 5)
    with FlopCounterMode(display=False) as counter:
        act()
    assert cost._flops(act) == counter.get_total_flops() > 0


def test_operations_of_gradients_are_those_of_torchs_counter() -> None:
    from functools import partial

    from pliant.rollout import rollout
    from pliant.streams import Stream

    made = learner.build(load_config("maml", "point", {"family.horizon": 5, "train.lanes": 2}, preset="none"))
    batch = made.family.batch(made.family.sample(1, "train", Stream(0).rng()), 2, 1)
    rollouts = made.algorithm.adapt(partial(rollout, batch, Stream(0)), 1)
    with FlopCounterMode(display=False) as counter:
        made.algorithm.adapted(rollouts[:1])
    assert cost._flops(lambda: made.algorithm.adapted(rollouts[:1])) == counter.get_total_flops() > 0


def test_neither_training_nor_evaluation_imports_a_compiler(forked: Any, tmp_path: Path) -> None:
    """torch._dynamo alone takes seconds to import; torch's optimisers and torch's own counter of operations import it."""
    words = ("maml", "point", "--preset", "none", "--train.iterations", 1, "--train.lanes", 2, "--family.horizon", 5)
    code = """
import sys
from pliant.cli import main as cli
assert cli.main(["train", *sys.argv[1:], "--outer.method", "clipped", "--quiet", "--out", "run"]) == 0
assert cli.main(["evaluate", "run", "--tasks", "2"]) == 0
assert "torch._dynamo" not in sys.modules
"""
    done = forked.run(code, *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
