"""Success that an environment reports in its info is measured everywhere, and promised nowhere else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import pliant
from pliant.checking.family import play as plays
from pliant.checking.family.subject import Subject
from pliant.families import gymnasium as family_file
from pliant.running import evaluate
from pliant.simulators.gymnasium import success
from pliant.streams import Stream
from pliant.system import outside
from pliant.tasks import pool

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def no_pool_is_left() -> Iterator[None]:
    yield
    while pool._idle:
        pool._idle.pop().close()
    family_file._Batch.said.clear()


@pytest.fixture(autouse=True)
def reporters(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(HERE))
    return outside.import_outside("reporters")


def agent_of(env: str, **settings: Any) -> pliant.Agent:
    family = {"family.env": env, "family.vary": "n=0:1", "family.workers": 1}
    small = {"policy.hidden": (4,), "train.lanes": 3, "train.meta_batch": 2}
    settings = {f"family.{name}": value for name, value in settings.items()}
    return pliant.Agent("maml", "gymnasium", preset="none", settings=family | small | settings)


def measured(agent: pliant.Agent, env: str) -> list[bool]:
    """Whether success is in the metrics, in an evaluation, in an adaptation to a task and in one to an environment."""
    metrics = agent.learn(1)[0]
    schedule, facts = agent.learner.schedule(1, 2), {"iteration": 1}
    documents = [evaluate.evaluate_learner(agent.learner, "test", 2, schedule, 0, facts)[0]]
    documents += [agent.adapt(to, stages=1, episodes=3).document for to in ({"n": 0.4}, gymnasium.make(env))]
    found = [metrics] + [{"success_0": d["curve"][0]["success"], "return_0": d["curve"][0]["return"]} for d in documents]
    for each in found:
        if each.get("success_0") is not None:  # the return of an episode is 2 where it succeeds, 0 elsewhere
            values = [each[name] if isinstance(each[name], float) else each[name]["mean"] for name in ("success_0", "return_0")]
            assert values[1] == pytest.approx(2 * values[0], abs=1e-6)
    return [each.get("success_0") is not None for each in found]


@pytest.mark.parametrize(
    "env, settings, promised",
    [
        ("Reporter-v0", {}, True),
        ("AtTheEnd-v0", {}, True),
        ("OnlyWhenWon-v0", {"success": "solved"}, True),
        ("OnlyWhenWon-v0", {}, False),
        ("AtTheEnd-v0", {"horizon": 3}, False),
        ("Never-v0", {}, False),
    ],
)
def test_success_is_measured_by_every_layer_or_by_none(env: str, settings: dict[str, Any], promised: bool) -> None:
    agent = agent_of(env, **settings)
    family = agent.learner.family
    assert bool(family.success) is promised
    if "horizon" not in settings:
        assert measured(agent, env) == [promised] * 4
    drawn = family.sample(64, "train", Stream(0).rng())
    subject = Subject("gymnasium", family, {}, Stream(0), family=family, draws={"train": drawn})
    plays.step(subject)
    assert isinstance(plays.success(subject), str), "no fault"


def test_success_of_a_task_that_nobody_tried_out_is_said_once_and_not_measured(capsys: Any) -> None:
    agent = agent_of("Rarely-v0")
    assert not agent.learner.family.success and "success_0" not in agent.learn(2)[1]
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "add --family.success NAME" in said
    assert "success_0" in agent_of("Rarely-v0", success="is_success").learn(1)[0]


def test_a_name_that_no_info_has_is_warned_of(capsys: Any) -> None:
    agent_of("Reporter-v0", success="is_sucess")
    assert "--success is 'is_sucess', which Reporter-v0 did not report in an episode: its info had ['is_success']" in (
        capsys.readouterr().err
    )


def test_a_family_does_not_promise_success_for_an_environment_that_reports_none() -> None:
    agent = agent_of("Reporter-v0")
    assert agent.learner.family.success
    for env, is_reported in (("Reporter-v0", True), ("Never-v0", False)):
        curve = agent.adapt(gymnasium.make(env), stages=0, episodes=1).document["curve"]
        assert (curve[0]["success"] is not None) is is_reported


@pytest.mark.parametrize(
    "info, name, told",
    [
        ({}, "", False),
        ({"success": True}, "success", True),
        ({"is_success": 0.0}, "is_success", False),
        ({"success": None, "is_success": np.float32(1)}, "is_success", True),
        ({"success": "yes", "is_success": np.array([[True]])}, "is_success", True),
        ({"success": np.array([True, False])}, "", False),
        ({"success": float("nan")}, "success", False),
    ],
)
def test_what_counts_as_a_report(info: dict[str, Any], name: str, told: bool) -> None:
    assert success.name_in(info) == name and success.told(info) is told


def test_a_name_for_what_is_neither_true_nor_false_is_an_error() -> None:
    assert success.told({"solved": 2}, "solved") and not success.told({"is_success": True}, "solved")
    with pytest.raises(ValueError, match=r"info\['solved'\] is 'yes': success is true or false"):
        success.told({"solved": "yes"}, "solved")
