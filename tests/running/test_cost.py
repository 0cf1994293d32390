"""What an agent costs: operations are those of torch's own counter, which is slow to import."""

from pathlib import Path
from typing import Any

import pytest
from torch.utils.flop_counter import FlopCounterMode

import pliant
from pliant.config import load_config
from pliant.running import cost, learner

MEMORIES = ("gru", "lstm", "linear-attention", "external", "episodic", "transformer")


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


def test_an_evaluation_imports_no_compiler(forked: Any, tmp_path: Path) -> None:
    """torch._dynamo alone takes 1.5 seconds to import; torch.optim and torch's own counter of operations import it."""
    settings = {"family.horizon": 5, "train.lanes": 2, "outer.method": "clipped"}
    run = pliant.Agent("maml", "point", preset="none", settings=settings).save(tmp_path / "run")
    code = "import sys; from pliant.running import evaluate; evaluate.evaluate_run(sys.argv[1], tasks=2)"
    done = forked.run(f"{code}; assert 'torch._dynamo' not in sys.modules", run)
    assert done.returncode == 0, done.stderr
