"""Classical players and exact bounds beside an agent, on the same tasks; and the gate that no measured mean may pass."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pliant import Agent, errors
from pliant.cli import main as cli
from pliant.config import registry
from pliant.reporting import curves, terminal
from pliant.rollout import episode_returns, rollout
from pliant.running import evaluate
from pliant.storage import record
from pliant.streams import Stream
from pliant.tasks.base import Family

FOLDER = Path(registry.__file__).parent.parent / "players"
NAMES = sorted(path.stem.replace("_", "-") for path in FOLDER.glob("[!_]*.py"))
SIZES = {"metaworld-ml1": (8, 2), "driving": (60, 1)}
"""(tasks, episodes) where a simulator takes more than a second for 300 tasks and the family's own trials."""
SMALL = {"train.meta_batch": 4, "train.lanes": 1, "policy.size": 8}


def family_of(name: str) -> Family:
    made: Family = registry.load("family", name).family()
    return made


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return Agent("rl2", "bandit", settings=SMALL, preset="none").save(tmp_path / "run")
LONG = {"metaworld-ml1", "driving"}
"""Families whose simulators take long: that their reference agents repeat themselves is for the whole suite."""


@pytest.mark.parametrize("name", NAMES)
def test_no_player_passes_the_optimum_or_the_ceiling(name: str) -> None:
    family, module = family_of(name), registry.players(name)
    count, episodes = SIZES.get(name, (300, family.episodes))
    tasks = family.sample(count, "test", Stream(1).at("tasks").rng())
    ceiling, optimum = module.ceiling(family, tasks, episodes), module.optimum(family, episodes)
    assert ceiling.shape == (count,) and (optimum is None or optimum <= ceiling.mean() + 3 * ceiling.std() / count**0.5 + 1e-9)
    for player, policy in module.players(family, Stream(1)).items():
        played = rollout(family.batch(tasks, 1, episodes), Stream(1).at("play"), policy, {})
        trial = episode_returns(played, episodes).sum(2).mean(1).numpy()
        error = trial.std() / count**0.5
        assert trial.mean() <= ceiling.mean() + 3 * error, player
        assert optimum is None or trial.mean() <= optimum + 3 * error, player


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.whole] if n in LONG else []) for n in NAMES])
def test_players_play_the_same_again_under_the_same_seed(name: str) -> None:
    family, module = family_of(name), registry.players(name)
    tasks = family.sample(3, "train", Stream(1).at("tasks").rng())
    for player in module.players(family, Stream(1)):
        played = [
            rollout(family.batch(tasks, 2, 2), Stream(2), module.players(family, Stream(1))[player], {}) for _ in range(2)
        ]
        assert all(bool((a == b).all()) for a, b in zip(*played, strict=True)), player


def test_an_evaluation_holds_the_players_on_the_same_tasks(run: Path) -> None:
    document = evaluate.evaluate_run(run, tasks=50, lanes=2, players=True)
    others = document["players"]
    assert others["episodes"] == 10 and others["optimum"] == pytest.approx(6.660, abs=5e-4)
    best = np.mean([10 * max(row["task"]["p"]) for row in document["per_task"]])
    assert others["ceiling"] == pytest.approx(best)
    assert {"gittins", "thompson", "random"} <= set(others["each"])
    for each in others["each"].values():
        assert len(each["return"]) == 10 and sum(each["return"]) == pytest.approx(each["trial_return"]["mean"])
    gate = others["optimum"] + 3 * document["trial_return"]["std_error"]
    assert document["trial_return"]["mean"] <= gate
    assert "players" not in evaluate.evaluate_run(run, tasks=5, lanes=1)


def test_the_curve_of_a_memory_counts_episodes_and_the_steps_of_its_own_lane(run: Path) -> None:
    document = evaluate.evaluate_run(run, tasks=5, lanes=3, stages=3)
    assert document["protocol"]["stage"] == "episode" and document["protocol"]["episodes_per_trial"] == 4
    seen = [(point["stage"], point["episodes_seen"], point["steps_seen"]) for point in document["curve"]]
    assert seen == [(0, 0, 0), (1, 1, 1), (2, 2, 2), (3, 3, 3)]
    total = sum(point["return"]["mean"] for point in document["curve"])
    assert document["trial_return"]["mean"] == pytest.approx(total)


def test_the_players_are_printed_and_drawn_beside_the_agent(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["evaluate", str(run), "--tasks", "20", "--lanes", "1", "--players"]) == 0
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("gittins", "exact optimum", "6.66", "an agent that", "rl2"))
    assert next((run / "evaluations").glob("*.png")).stat().st_size > 10_000


def test_a_family_without_players_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Agent("maml", "point", settings={"train.meta_batch": 2}, preset="none").save(tmp_path / "run")
    assert cli.main(["evaluate", str(path), "--players"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("pliant: family point has no players to compare with: those of bandit,") and said.count("\n") == 1
    assert not (path / "evaluations").exists()
    with pytest.raises(errors.UserError, match="no players"):
        registry.players("cartpole")


def test_a_long_curve_is_shown_in_a_dozen_rows(tmp_path: Path) -> None:
    agent = Agent("rl2", "bandit", settings=SMALL | {"family.pulls": 100}, preset="none")
    document: dict[str, Any] = evaluate.evaluate_run(agent.save(tmp_path / "run"), tasks=3, lanes=1)
    table = terminal.curve_table(document)
    assert table.row_count == curves.MOST_ROWS and next(iter(table.columns[0].cells)) == "0"
    assert list(table.columns[0].cells)[-1] == "99"
    assert json.loads(json.dumps(document)) and record.Run.open(tmp_path / "run")
