"""Reference agents in an evaluation."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pliant import errors
from pliant.families import bandit
from pliant.players import bandit as module
from pliant.running import players


def test_a_player_that_cannot_play_so_long_is_left_out_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    class Short(torch.nn.Module):
        def forward(self, inputs: object, state: object) -> object:
            raise errors.UserError("it plays 5 pulls at most")

    family = bandit.family(bandit.Settings(arms=3, pulls=10))
    tasks = family.sample(4, "test", np.random.default_rng(0))

    def every(*given: object) -> dict[str, object]:
        return {"short": Short(), "random": module.players(*given)["random"]}  # type: ignore[arg-type]

    offered = SimpleNamespace(players=every, optimum=module.optimum, ceiling=module.ceiling)
    found = players.others(offered, family, tasks, "test", 2, 10, 0)  # type: ignore[arg-type]
    assert list(found["each"]) == ["random"]
    assert "short is left out: it plays 5 pulls at most" in capsys.readouterr().err
