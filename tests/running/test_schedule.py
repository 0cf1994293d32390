"""Schedules: the stages of both schools, and contradictions that are refused instead of being reinterpreted."""

from pathlib import Path
from typing import Any

import gymnasium
import pytest
import torch

import pliant
from pliant.errors import UserError
from pliant.running import evaluate
from pliant.running.schedule import Schedule, of_gradient, of_memory
from pliant.tasks.base import Protocol

SMALL = {"train.meta_batch": 2, "train.lanes": 3, "train.episodes": 2}
GRADIENT, MEMORY = ("maml", "point"), ("rl2", "bandit")


def agent(pair: tuple[str, str], **settings: Any) -> pliant.Agent:
    return pliant.Agent(*pair, preset="none", settings=SMALL | settings)


def test_a_gradient_counts_all_lanes_and_a_memory_its_own() -> None:
    by_gradient, by_memory = of_gradient(4, None, 2, 3), of_memory(None, None, 5, 3)
    assert by_gradient == Schedule(4, 2, 3, False) and by_memory == Schedule(4, 5, 3, True)
    assert (by_gradient.added, by_memory.added) == (6, 1)
    assert (list(by_gradient.shown), by_memory.shown) == ([0, 1, 2, 3, 4], [0, 4])
    assert (by_gradient.stage, by_memory.stage) == ("gradient step", "episode")


def test_stages_are_rollouts_or_the_episodes_of_one() -> None:
    first, second = torch.tensor([[[1.0, 2.0], [3.0, 6.0]]]), torch.tensor([[[10.0, 20.0], [30.0, 60.0]]])  # [M=1, B=2, E=2]
    assert of_gradient(1, None, 2, 2).means([first, second]).tolist() == [[3.0, 30.0]]
    assert of_memory(None, 2, 2, 2).means([first]).tolist() == [[2.0, 4.0]]
    assert of_gradient(1, None, 2, 2).totals([first, second]) == {0: 3.0, 1: 30.0}
    assert of_memory(None, 2, 2, 2).totals([first]) == {0: 2.0, 1: 4.0}


def test_a_single_episode_has_one_stage() -> None:
    one = of_memory(None, None, 1, 1)
    assert one.last == 0 and one.shown == [0]


@pytest.mark.parametrize(
    "pair, asked, said",
    [
        (GRADIENT, {"episodes": -5}, "episodes is -5: expected at least 1"),
        (MEMORY, {"episodes": 0}, "episodes is 0: expected at least 1"),
        (GRADIENT, {"stages": -1}, "stages is -1: expected at least 0"),
        (GRADIENT, {"episodes": 3}, "episodes is 3: expected a multiple of 2"),
        (MEMORY, {"episodes": 2, "stages": 4}, "stages is 4 and episodes is 2"),
    ],
)
def test_contradictions_are_refused_in_one_line(pair: tuple[str, str], asked: dict[str, int], said: str) -> None:
    task = {"goal": [0.1, 0.2]} if pair == GRADIENT else {"p": [0.1, 0.2, 0.3, 0.4, 0.5]}
    with pytest.raises(UserError, match="^[^\n]+$") as error:
        agent(pair).adapt(task, **asked)
    assert said in str(error.value)


def test_what_agrees_is_taken() -> None:
    adapted = agent(MEMORY).adapt({"p": [0.1, 0.2, 0.3, 0.4, 0.5]}, episodes=3, stages=2)
    protocol = adapted.document["protocol"]
    assert (protocol["stages"], protocol["episodes_per_trial"], protocol["lanes"]) == (2, 3, 1)
    adapted = agent(GRADIENT).adapt({"goal": [0.1, 0.2]}, episodes=4, stages=1)
    protocol = adapted.document["protocol"]
    assert (protocol["stages"], protocol["episodes_per_trial"], protocol["lanes"]) == (1, 2, 2)
    assert [point["episodes_seen"] for point in adapted.document["curve"]] == [0, 4]


def test_one_environment_plays_all_episodes_of_a_stage_in_its_lane() -> None:
    settings = {"train.meta_batch": 1, "train.lanes": 2, "train.episodes": 2, "family.horizon": 5}
    made = pliant.Agent("maml", "cartpole", preset="none", settings=settings)
    adapted = made.adapt(gymnasium.make("CartPole-v1"), stages=1, episodes=3)  # no multiple of 2, and none is needed
    protocol = adapted.document["protocol"]
    assert (protocol["lanes"], protocol["episodes_per_trial"]) == (1, 3)


@pytest.mark.parametrize("iterations", [0, -1])
def test_learning_for_no_iterations_is_refused(iterations: int) -> None:
    made = agent(GRADIENT)
    with pytest.raises(UserError, match=f"iterations is {iterations}: expected at least 1"):
        made.learn(iterations)
    assert made.counters["iteration"] == 0


@pytest.mark.parametrize("pair, stages, said", [(GRADIENT, 0, "--stages is 0 with"), (MEMORY, 3, "--stages is 3 with")])
def test_a_protocol_is_not_reinterpreted(
    pair: tuple[str, str], stages: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pliant.families import bandit, point

    module: Any = point if pair == GRADIENT else bandit
    run = agent(pair).save(tmp_path / "run")
    made = module.family

    def published(settings: Any) -> Any:
        family = made(settings)
        return family.__class__(**(vars(family) | {"protocol": Protocol("a paper", 3, 4, 2, family.horizon)}))

    monkeypatch.setattr(module, "family", published)
    with pytest.raises(UserError, match=said):
        evaluate.evaluate_run(run, protocol=True, stages=stages)
    assert not (run / "evaluations").exists()
