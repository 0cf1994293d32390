"""Evaluation documents: what they hold, their numbers by hand, and that they leave training alone."""

import dataclasses
import io
import json
import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from rich.console import Console
from scipy import stats

from pliant import errors
from pliant.agent import agent
from pliant.cli import main as cli
from pliant.config import config, registry
from pliant.families import point
from pliant.maths import statistics
from pliant.maths.layouts import Layout
from pliant.reporting import curves as curve_pictures
from pliant.reporting import terminal
from pliant.running import clock, evaluate, train
from pliant.running import curve as curves
from pliant.running import learner as learners
from pliant.running import published as publishing
from pliant.running import schedule as scheduling
from pliant.storage import record
from pliant.storage.schema import evaluation as schema
from pliant.streams import Stream
from pliant.tasks.base import Parameter, Protocol

TINY = {
    "train.threads": 1,
    "train.meta_batch": 2,
    "train.lanes": 3,
    "train.iterations": 2,
    "policy.hidden": (4,),
}
POINT = TINY | {"family.horizon": 5, "family.radius": 0.0}
"""A radius of zero is never reached: every episode has 5 steps."""
KEYS = {
    "schema",
    "algorithm",
    "family",
    "split",
    "seed",
    "tasks",
    "lanes",
    "versions",
    "protocol",
    "curve",
    "trial_return",
    "per_task",
    "cost",
    "sha256",
}
"""The keys of pliant.evaluation/1 that the design promises."""
COST = {
    "train_env_steps",
    "train_seconds",
    "adapt_env_steps",
    "adapt_seconds",
    "act_microseconds",
    "peak_memory_mb",
    "parameters",
    "adapt_flops",
    "act_flops",
    "inner_microseconds",
    *clock.PARTS,
}


def configured(family: str = "point", settings: dict[str, Any] = POINT, **more: Any) -> config.Config:
    return config.load_config("maml", family, settings | more, preset="none")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train.train(configured(), tmp_path_factory.mktemp("runs") / "run", quiet=True)


# ---- the family under other settings


def test_a_run_is_evaluated_on_its_family_under_other_settings(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", str(run), "--tasks", "3", "--stages", "1", "--json"]
    plain, squared = ({}, {})
    for document, more in ((plain, []), (squared, ["--family.distance", "squared"])):
        assert cli.main([*words, *more]) == 0
        document |= json.loads(capsys.readouterr().out)
    assert squared["config"]["parts"]["family"]["distance"] == "squared" and not plain["protocol"]["changed"]
    assert squared["protocol"]["changed"] == {"family.distance": "squared"}
    assert squared["protocol"]["tasks_sha256"] == plain["protocol"]["tasks_sha256"], "the same goals, another reward"
    assert squared["curve"][0]["return"]["mean"] != plain["curve"][0]["return"]["mean"]
    kept = [evaluate.document_path(run, document) for document in (plain, squared)]
    assert kept[0] != kept[1] and all(path.exists() for path in kept)


@pytest.mark.parametrize(
    "flag, said",
    [
        ("--inner.steps=2", "--inner.steps cannot be changed in an evaluation"),
        ("--family.distanse=squared", "did you mean 'family.distance'?"),
        ("--family.distance=cubed", "distance is 'cubed'"),
    ],
)
def test_other_settings_that_make_no_sense_are_one_line(flag: str, said: str, run: Path, capsys: Any) -> None:
    assert cli.main(["evaluate", str(run), flag]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


# ---- the document


def test_the_document_has_the_keys_of_its_schema(run: Path) -> None:
    document = evaluate.evaluate_run(run, tasks=4, stages=2)
    assert set(document) >= KEYS and document["schema"] == "pliant.evaluation/1"
    assert (document["algorithm"], document["family"], document["split"], document["seed"]) == ("maml", "point", "test", 0)
    assert (document["tasks"], document["lanes"]) == (4, 3)
    for summary in (document["trial_return"], *(entry["return"] for entry in document["curve"])):
        assert set(summary) == {"mean", "std_error", "iqm", "ci95"}
        assert summary["ci95"][0] <= summary["mean"] <= summary["ci95"][1]
    stage = {"stage", "episodes_seen", "steps_seen", "steps_after", "return", "success"}
    assert [set(point) for point in document["curve"]] == [stage] * 3
    assert set(document["cost"]) == COST and all(document["cost"][name] >= 0 for name in COST)
    assert all(document["cost"][name] > 0 for name in COST - {"evaluation_seconds"})
    assert [set(row) for row in document["per_task"]] == [{"task", "return", "success", "steps_seen"}] * 4
    assert all(len(row["return"]) == 3 and len(row["task"]["goal"]) == 2 for row in document["per_task"])
    assert document["versions"]["torch"] == record.versions()["torch"]
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_the_document_is_kept_in_the_run(run: Path) -> None:
    document = evaluate.evaluate_run(run, tasks=3, stages=0, seed=5)
    kept = [json.loads(p.read_text()) for p in (run / "evaluations").iterdir()]
    assert document in kept


def test_experience_is_counted_by_hand(run: Path) -> None:
    """3 lanes of one episode of 5 steps for each stage: 15 steps and 3 episodes more before every later one."""
    document = evaluate.evaluate_run(run, tasks=4, stages=3)
    assert [point["stage"] for point in document["curve"]] == [0, 1, 2, 3]
    assert [point["steps_seen"] for point in document["curve"]] == [0, 15, 30, 45]
    assert [point["steps_after"] for point in document["curve"]] == [15, 30, 45, 60]
    assert [point["episodes_seen"] for point in document["curve"]] == [0, 3, 6, 9]
    assert document["cost"]["adapt_env_steps"] == 45
    # 2 iterations x 2 tasks x 3 lanes x 5 steps x 2 stages.
    assert document["cost"]["train_env_steps"] == 120
    # log_std 2, hidden 2 x 4 + 4, head 4 x 2 + 2.
    assert document["cost"]["parameters"] == 24


def test_lanes_and_episodes_multiply(tmp_path: Path) -> None:
    path = train.train(configured(**{"train.episodes": 2}), tmp_path / "run", quiet=True)
    document = evaluate.evaluate_run(path, tasks=2, stages=1, lanes=4)
    assert [point["steps_seen"] for point in document["curve"]] == [0, 4 * 2 * 5]
    assert [point["episodes_seen"] for point in document["curve"]] == [0, 8]
    assert document["lanes"] == 4


def test_numbers_of_a_curve_are_those_of_its_rollouts() -> None:
    """CartPole, whose episodes differ in length: returns, steps and the total of a trial by loops."""
    learner = learners.build(configured("cartpole", TINY))
    tasks = learner.family.sample(3, "test", Stream(0).rng())
    batch = learner.family.batch(tasks, 2, episodes=2)
    curve, rollouts = curves.curve_on(learner, batch, 2, Stream(7))
    assert curve.success is None, "cartpole reports none"
    for m in range(3):
        seen, trial = 0, 0.0
        for s, data in enumerate(rollouts):
            lengths = [int(data.valid[m, b].sum()) for b in range(2)]
            assert curve.returns[m, s] == sum(lengths) / 4, "one per step, over two lanes of two episodes"
            assert curve.steps[m, s] == sum(lengths)
            trial += sum(lengths) / 2
            seen += sum(lengths)
        assert curve.trial[m] == trial and curve.steps[m].sum() == seen
    summary = curve.summary()
    assert summary[2]["steps_seen"] == (curve.steps[:, 0] + curve.steps[:, 1]).mean()
    assert summary[1]["episodes_seen"] == 4 and summary[1]["return"]["mean"] == pytest.approx(curve.returns[:, 1].mean())


def test_success_is_the_share_of_episodes_with_success_at_any_time() -> None:
    learner = learners.build(configured(settings=TINY, **{"family.horizon": 4, "family.radius": 0.25}))
    batch = learner.family.batch(learner.family.sample(6, "test", Stream(0).rng()), 3, episodes=2)
    curve, rollouts = curves.curve_on(learner, batch, 1, Stream(7))
    assert curve.success is not None and 0 < curve.success.mean() < 1
    for s, data in enumerate(rollouts):
        assert np.allclose(curve.success[:, s], data.terminated.sum((1, 2)).numpy() / 6), "a goal reached ends an episode"


# ---- reproducible, and apart from training


@pytest.mark.parametrize("algorithm", ["maml", "rl2"])
def test_a_published_protocol_settles_tasks_episodes_and_horizon(
    algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three tasks, four episodes of adaptation, then two that are measured, of 7 steps; trained with one of 5."""
    settings = {name: value for name, value in POINT.items() if algorithm == "maml" or not name.startswith("policy")}
    path = train.train(config.load_config(algorithm, "point", settings, "none"), tmp_path / "run", quiet=True)
    with pytest.raises(errors.UserError, match="point has no published protocol"):
        evaluate.evaluate_run(path, protocol=True)
    family = point.family
    protocol = Protocol("Somebody et al.", tasks=3, adapt=4, measure=2, horizon=7)
    monkeypatch.setattr(point, "family", lambda settings: dataclasses.replace(family(settings), protocol=protocol))
    document = evaluate.evaluate_run(path, protocol=True)
    assert (document["tasks"], document["protocol"]["horizon"]) == (3, 7)
    assert document["protocol"]["published"] == "Somebody et al."
    measured = [4, 5] if algorithm == "rl2" else [1]
    assert document["headline"]["what"] == "success" and document["headline"]["stages"] == measured
    assert len(document["curve"]) == (6 if algorithm == "rl2" else 2)
    if algorithm == "rl2":
        with pytest.raises(errors.UserError, match="the published protocol has 6 episodes, stages 0 to 5"):
            evaluate.evaluate_run(path, protocol=True, stages=2)
        assert document["lanes"] == 1
    else:
        two = evaluate.evaluate_run(path, protocol=True, stages=2)
        assert (document["lanes"], two["lanes"]) == (4, 2), "steps share four episodes"
        assert [stage["episodes_seen"] for stage in two["curve"]] == [0, 2, 4]
        with pytest.raises(errors.UserError, match="4 published.* no 3 equal parts.*: choose --stages 1 or 2$"):
            evaluate.evaluate_run(path, protocol=True, stages=3)
    assert document["headline"]["mean"] == pytest.approx(np.mean([document["curve"][s]["success"]["mean"] for s in measured]))
    assert document["curve"][-1]["steps_seen"] == 7 * (5 if algorithm == "rl2" else 4)
    with pytest.raises(errors.UserError, match="--split is train with --protocol"):
        evaluate.evaluate_run(path, split="train", protocol=True)
    with pytest.raises(errors.UserError, match="--family.horizon and --protocol"):
        evaluate.evaluate_run(path, protocol=True, changed={"family.horizon": 9})
    assert cli.main(["evaluate", str(path), "--protocol"]) == 0
    assert "Somebody et al.: success 0.0%‡ (0.0% to 0.0%)" in capsys.readouterr().out
    assert cli.main(["evaluate", str(path), "--protocol", "--lanes", "3"]) == 2
    assert "--lanes and --protocol" in capsys.readouterr().err


def test_every_published_protocol_is_played_exactly_by_every_school() -> None:
    """As many episodes of adaptation as were published, and not fewer measured; of gradient agents too, with trials of ten."""
    made = {name: registry.load("family", name) for name in registry.names("family") if name != "gymnasium"}
    families = {name: module.family(module.Settings()) for name, module in made.items()}
    published = {name: family.protocol for name, family in families.items() if family.protocol}
    assert set(published) == {"metaworld-ml1", "metaworld-ml10", "metaworld-ml25", "metaworld-ml45"}
    for name, protocol in published.items():
        assert protocol is not None
        for algorithm in registry.names("algorithm") if name == "metaworld-ml1" else ("maml", "rl2"):
            learner = learners.build(config.load_config(algorithm, name, {}, preset="none"), family=families[name])
            schedule = publishing.schedule(learner, protocol, None)
            assert schedule.added * schedule.last == protocol.adapt + (protocol.measure - 1) * schedule.by_episode
            assert schedule.by_episode or schedule.added >= protocol.measure
    with pytest.raises(errors.UserError, match="10 published.*no 3 equal parts in lanes of one.*: choose --stages 1 or 2$"):
        publishing.schedule(learners.build(config.load_config("maml", "point", POINT, "none")), protocol, 3)
    remembers = learners.build(config.load_config("maml", "point", {"train.episodes": 4}, "none", policy="gru"))
    with pytest.raises(errors.UserError, match="in lanes of 4 episodes.*: none fits, leave --protocol out$"):
        publishing.schedule(remembers, protocol, None)


def test_a_protocol_plays_every_task_once() -> None:
    learner = learners.build(config.load_config("maml", "bandit", TINY, preset="none"))
    choices = Parameter("p", choices=tuple(map(float, range(10))), held_out=(0.0, 1.0, 2.0, 3.0))
    family = dataclasses.replace(learner.family, parameters=(choices,))
    tasks = curves._distinct(family, 4, "test", Stream(0).rng())
    assert sorted(tasks.arrays["p"].tolist()) == [0.0, 1.0, 2.0, 3.0]
    with pytest.raises(errors.UserError, match="bandit has 4 distinct test tasks: expected the 5"):
        curves._distinct(family, 5, "test", Stream(0).rng())


def without_clock(document: dict[str, Any]) -> dict[str, Any]:
    clocks = {"adapt_seconds", "act_microseconds", "inner_microseconds", "peak_memory_mb"}
    document = {name: value for name, value in document.items() if name != "sha256"}
    return document | {"cost": {n: v for n, v in document["cost"].items() if n not in clocks}}


def test_an_evaluation_repeats_bit_for_bit_and_its_seed_counts(run: Path) -> None:
    one, two, other = (without_clock(evaluate.evaluate_run(run, tasks=4, stages=1, seed=seed)) for seed in (0, 0, 1))
    assert one == two
    assert one["per_task"][0]["task"] != other["per_task"][0]["task"]
    assert one["protocol"]["tasks_sha256"] == two["protocol"]["tasks_sha256"] != other["protocol"]["tasks_sha256"]


def test_evaluation_tasks_are_of_their_split_and_not_those_of_training() -> None:
    learner = learners.build(configured())
    for split in ("train", "test", "ood"):
        curve = curves.curve(learner, split, 30, learner.schedule(0, 1), seed=0)
        assert set(learner.family.split_of(curve.tasks)) == {split}
    trained = learner.family.sample(30, "train", learner.streams.at("tasks", 0).rng())
    assert trained.digest != curves.curve(learner, "train", 30, learner.schedule(0, 1), seed=0).tasks.digest


def test_evaluation_does_not_touch_training(tmp_path: Path) -> None:
    """Evaluating after every iteration changes not one bit of what is learned, nor any global generator."""
    settings = POINT | {"train.iterations": 4}
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[union-attr, index]
    paths = []
    for every in (0, 1):
        evaluation = {"train.evaluate_every": every, "train.evaluate_tasks": 3}
        paths.append(train.train(configured(settings=settings | evaluation), tmp_path / str(every), quiet=True))
    assert torch.equal(before, torch.get_rng_state()) and np.array_equal(numpy_before, np.random.get_state()[1])  # type: ignore[index]
    states = [(p / "checkpoints" / "00000004" / "state.safetensors").read_bytes() for p in paths]
    assert states[0] == states[1]
    plain, evaluated = (record.Run.open(p).metrics() for p in paths)
    for one, two in zip(plain, evaluated, strict=True):
        extra = {n for n in two if n.startswith("test_")}
        assert extra == {"test_return_0", "test_return_1", "test_success_0", "test_success_1"}
        one.pop("clock"), two.pop("clock")
        assert {n: v for n, v in two.items() if n not in extra} == one


def test_an_iteration_whose_evaluation_fails_is_logged_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise errors.UserError("observation is not finite")

    monkeypatch.setattr(curves, "curve", fail)
    settings = POINT | {"train.iterations": 4, "train.evaluate_every": 2}
    with pytest.raises(errors.UserError, match="not finite"):
        train.train(configured(settings=settings), tmp_path / "run", quiet=True)
    assert [row["iteration"] for row in record.Run.open(tmp_path / "run").metrics()] == [0, 1]
    assert [p.name for p in (tmp_path / "run" / "checkpoints").iterdir()] == ["00000002"]


def test_an_evaluation_leaves_the_algorithm_as_it_was() -> None:
    learner = learners.build(configured())
    before = learner.algorithm.state()
    curves.curve(learner, "test", 3, learner.schedule(2, 2), seed=0)
    assert all(torch.equal(t, before[n]) for n, t in learner.algorithm.state().items())


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"split": "tets"}, "did you mean 'test'"),
        ({"tasks": 0}, "tasks is 0: expected at least 1"),
        ({"stages": -1}, "stages is -1: expected at least 0"),
        ({"lanes": 0}, "lanes is 0: expected at least 1"),
        ({"deterministic": True}, "expected an agent with memory"),
        ({"deterministic": 2}, "deterministic is 2: expected True or False"),
    ],
)
def test_values_out_of_range_are_refused(run: Path, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.UserError, match=message):
        evaluate.evaluate_run(run, **wrong)


def test_a_published_protocol_draws_its_actions() -> None:
    published = Protocol("nobody", 5, 1, 1, 1)
    with pytest.raises(errors.UserError, match="published protocols draw actions as in training"):
        evaluate._schedule(learners.build(configured()), published, None, None, deterministic=True)


def test_most_likely_actions_leave_nothing_to_chance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On a world without chance both lanes of a task do the same, and the document, its file and its title say why."""
    settings = {"train.iterations": 1, "train.meta_batch": 2, "train.episodes": 2, "family.horizon": 5, "family.radius": 0.0}
    path = train.train(config.load_config("rl2", "point", settings, "none"), tmp_path / "run", quiet=True)
    learner = learners.trained(record.Run.open(path), "cpu")[0]
    drawn = learner.schedule(lanes=2)
    for schedule, same in ((drawn, False), (scheduling.without_chance(drawn), True)):
        reward = curves.played_on(learner, "test", 3, schedule, seed=0)[1][0].reward
        assert torch.equal(reward[:, 0], reward[:, 1]) is same
    assert cli.main(["evaluate", str(path), "--tasks", "3", "--lanes", "2", "--deterministic", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["protocol"]["deterministic"] and "most likely actions" in curve_pictures.title(document)
    usual = evaluate.evaluate_run(path, tasks=3, lanes=2)
    assert not usual["protocol"]["deterministic"] and usual["curve"][0]["return"] != document["curve"][0]["return"]
    kept = [evaluate.document_path(path, each) for each in (document, usual)]
    assert kept[0].name.endswith("-deterministic.json") and kept[0] != kept[1] and all(each.exists() for each in kept)
    capsys.readouterr()
    assert cli.main(["compare", str(kept[0]), str(path)]) == 2
    assert "is of most likely actions" in capsys.readouterr().err


# ---- tasks that are the same


def layout_of(family: str, tasks: int, split: str = "test", **settings: Any) -> Layout:
    made = learners.family_of(config.load_config("rl2", family, settings, preset="none"))
    return curves.layout_of(made, made.sample(tasks, split, Stream(0).rng()).rows(), split)


def test_a_family_of_a_few_choices_is_a_stratification_and_held_out_choices_are_not() -> None:
    shared = layout_of("two-step", 40)  # train and test tasks are both one of two
    assert shared.is_whole and shared.distinct == 2 and not layout_of("two-step", 1).is_whole
    assert not layout_of("dark-room", 2000).is_whole and layout_of("dark-room", 2000).distinct < 2000  # others are for training
    assert layout_of("point", 40).distinct == 40 and not layout_of("point", 40).is_whole
    assert not layout_of("two-step", 40, "ood").is_whole or layout_of("two-step", 40, "ood").distinct == 2


def test_a_moved_axis_leaves_one_task_where_nothing_else_varies() -> None:
    family = learners.family_of(config.load_config("maml", "half-cheetah-vel", preset="none"))
    tasks = family.axes["velocity"].place(family.sample(20, "test", Stream(0).rng()), 1.5).rows()
    found = curves.layout_of(family, tasks, "test", "velocity")
    assert found.distinct == 1 and found.is_whole
    assert curves.layout_of(family, tasks, "test").is_whole is False


def test_a_document_says_how_many_tasks_differ_and_has_no_interval_for_one(tmp_path: Path) -> None:
    settings = {"train.iterations": 1, "train.meta_batch": 2, "train.lanes": 2, "policy.size": 4, "train.episodes": 2}
    path = train.train(config.load_config("rl2", "two-step", settings, "none"), tmp_path / "run", quiet=True)
    document = evaluate.evaluate_run(path, tasks=6, players=True)
    assert (document["distinct_tasks"], document["all_tasks"]) == (2, True)
    returns = np.array([row["return"][0] for row in document["per_task"]])
    number = [row["task"]["better"] for row in document["per_task"]]
    within = np.concatenate([returns[np.equal(number, b)] - returns[np.equal(number, b)].mean() for b in (0, 1)])
    assert document["curve"][0]["return"]["std_error"] == pytest.approx(np.sqrt((within**2).sum() / 4 / 6))
    one = evaluate.evaluate_run(path, tasks=1, players=True)
    every = [one["trial_return"], *(point["return"] for point in one["curve"])]
    every += [each["trial_return"] for each in one["players"]["each"].values()]
    assert one["distinct_tasks"] == 1 and {(s["std_error"], s["ci95"]) for s in every} == {(None, None)}
    for shown in (terminal.curve_table(one), terminal.players_table(one)):
        text = io.StringIO()
        Console(file=text, width=100).print(shown)
        assert "–" in text.getvalue()
    assert curve_pictures.curve_picture(one, tmp_path / "one.png").exists()
    edited = document | {"distinct_tasks": 6}
    assert "distinct_tasks is 6: expected 2" in " ".join(schema.faults(cast(schema.Evaluation, edited)))


def test_an_adapted_agent_has_no_interval(run: Path) -> None:
    document = agent.load(run).adapt({"goal": [0.1, 0.2]}, stages=1).document
    assert document["curve"][0]["return"]["ci95"] is None and document["trial_return"]["std_error"] is None


# ---- statistics


def test_summary_is_that_of_numpy_and_scipy() -> None:
    x = np.array([3.0, -1.0, 4.0, 1.0, -5.0, 9.0, 2.0, 6.0])
    summary = statistics.summary(x)
    assert summary["mean"] == x.mean() and summary["std_error"] == pytest.approx(stats.sem(x))
    assert summary["iqm"] == (1 + 2 + 3 + 4) / 4, "the mean of the middle half"
    assert summary["ci95"] == pytest.approx(stats.t.interval(0.95, 7, loc=x.mean(), scale=stats.sem(x)))


def test_intervals_cover_the_mean_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    found = [statistics.summary(rng.normal(1.0, 2.0, 40))["ci95"] for _ in range(400)]
    assert 0.92 <= np.mean([ends is not None and ends[0] <= 1.0 <= ends[1] for ends in found]) <= 0.98


@pytest.mark.parametrize("wrong", [[], [1.0, math.nan], [math.inf], [[1.0, 2.0]]])
def test_a_sample_that_is_none_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="expected one finite value per task"):
        statistics.summary(wrong)
