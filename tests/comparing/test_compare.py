"""Comparisons, sweeps and several seeds by one command, on runs that are trained here in seconds."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from pliant import errors
from pliant.cli import main as cli
from pliant.comparing import compare, entry, kept, measuring
from pliant.comparing.contenders import Asked
from pliant.comparing.span import Span
from pliant.config import config
from pliant.maths import layouts, studies
from pliant.running import evaluate, sweep, train
from pliant.running import learner as learners
from pliant.storage import documents, record
from pliant.storage.schema import comparison as schema
from pliant.storage.schema.evaluation import Evaluation

TINY = {"train.iterations": 2, "train.meta_batch": 3, "train.lanes": 3, "family.horizon": 12, "policy.hidden": "8"}
ASKED = Asked(tasks=4)


def trained(out: Path, algorithm: str, seed: int, **settings: Any) -> Path:
    memory = {n: v for n, v in TINY.items() if n != "policy.hidden"} | {"policy.size": 8, "train.episodes": 2}
    known = memory if algorithm == "rl2" else TINY
    wanted = {**known, **{name.replace("__", "."): value for name, value in settings.items()}}
    return train.train(config.load_config(algorithm, "point", wanted, "none", seed=seed), out, quiet=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs of maml (three seeds), rl2, pretrain and conditioned."""
    folder = tmp_path_factory.mktemp("runs")
    for seed in range(3):
        trained(folder / f"maml{seed}", "maml", seed)
    for algorithm in ("rl2", "pretrain", "conditioned"):
        trained(folder / algorithm, algorithm, 0)
    return folder


@pytest.fixture(scope="module")
def compared(made: Path) -> dict[str, Any]:
    return compare.compare(sorted(made.iterdir()), ASKED)


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "runs"))


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    """The command line: status, and what it said of errors. With `--seeds` every run is a process of its own."""
    capsys.readouterr()
    return cli.main([str(word) for word in words]), capsys.readouterr().err.strip()


# ---- what a comparison says


def test_runs_that_differ_in_the_seed_are_one_agent(compared: dict[str, Any]) -> None:
    seeds = {a["name"]: a["seeds"] for a in compared["agents"]}
    three = ("maml", "random", "scratch")
    assert seeds == {n: [0, 1, 2] if n in three else [0] for n in (*three, "rl2", "conditioned", "pretrain")}
    assert [a["name"] for a in compared["agents"] if a["baseline"]] == ["conditioned", "pretrain", "random", "scratch"]


def test_numbers_are_those_of_the_evaluations(made: Path, compared: dict[str, Any]) -> None:
    maml = next(a for a in compared["agents"] if a["name"] == "maml")
    own = [evaluate.evaluate_run(made / f"maml{s}", "test", 4) for s in range(3)]
    score = np.array([[row["return"] for row in d["per_task"]] for d in own])  # [S, M, stages]
    assert maml["final"]["mean"] == pytest.approx(score[..., -1].mean(), abs=1e-12)
    assert maml["no_adaptation"]["mean"] == pytest.approx(score[..., 0].mean(), abs=1e-12)
    assert maml["final"]["ci95"] == studies.study_interval(score[..., -1])
    assert maml["gain"]["mean"] == pytest.approx((score[..., -1] - score[..., 0]).mean(), abs=1e-12)
    assert maml["per_task"] == score[..., -1].tolist()


def test_every_agent_meets_the_same_tasks_in_every_split(compared: dict[str, Any]) -> None:
    for agent in compared["agents"]:
        sides = agent["generalisation"]
        assert sides["test"] == agent["final"]
        assert sides["ood_minus_test"]["mean"] == pytest.approx(sides["ood"]["mean"] - sides["test"]["mean"])
        assert sides["test_minus_train"]["mean"] == pytest.approx(sides["test"]["mean"] - sides["train"]["mean"])


def test_baselines_that_are_not_trained_have_trained_nothing(compared: dict[str, Any]) -> None:
    for agent in compared["agents"]:
        steps = agent["efficiency"]["train_env_steps"]
        assert (steps == 0) is (agent["name"] in ("random", "scratch")), agent["name"]
        most = {"rl2": 12, "random": 0, "conditioned": 0}.get(agent["name"], 3 * 36)  # of one task; two do not adapt
        spent = agent["efficiency"]["adapt_env_steps"]
        assert 0.9 * most <= spent <= most and spent == agent["curve"][-1]["steps_seen"], "some episodes end at the goal"
        cost = agent["cost"]
        assert (cost["adapt_seconds"] > 0, cost["adapt_flops"] > 0) == (spent > 0, spent > 0), agent["name"]


def test_three_seeds_of_chance_are_three_seeds(compared: dict[str, Any]) -> None:
    one, two, three = next(a["per_task"] for a in compared["agents"] if a["name"] == "random")
    assert one != two != three != one


def test_a_memory_has_no_return_without_adaptation_and_counts_its_episodes_when_they_are_over(compared: dict[str, Any]) -> None:
    agents = {a["name"]: a for a in compared["agents"]}
    assert agents["rl2"]["no_adaptation"] is None and agents["rl2"]["first"] == agents["rl2"]["curve"][0]["return"]
    assert agents["maml"]["no_adaptation"] == agents["maml"]["first"] == agents["maml"]["curve"][0]["return"]
    # as good as anybody, so that the first stage has the target: after no gradient step, or after one episode of 12 steps
    speed = entry._speed
    for by_episode, reached in ((False, (0, 0, 0)), (True, (12, 1, 1))):
        document = {
            "protocol": {"stage": "episode" if by_episode else "gradient step", "horizon": 12},
            "curve": [{"stage": k, "episodes_seen": k, "steps_seen": 12.0 * k, "steps_after": 12.0 * (k + 1)} for k in (0, 1)],
            "per_task": [{"return": [5.0, 6.0], "steps_seen": [0, 12]}, {"return": [7.0, 8.0], "steps_seen": [0, 12]}],
        }
        scores = [np.array([[5.0, 7.0]]), np.array([[6.0, 8.0]])]
        found = speed([cast(Evaluation, document)], scores, Span(0.0, 6.0, "the best", 24.0), layouts.distinct(2))
        assert tuple(found[f"{unit}_to_fraction"] for unit in ("steps", "episodes", "stages")) == reached
        assert found["area"]["mean"] == pytest.approx((6.0 + 7.0) / 2 / 6.0)
        del document["curve"][1]["steps_after"]  # as in older documents
        late = [cast(Evaluation, document)], [s - 3.0 for s in scores], Span(0.0, 4.0, "the best", 24.0), layouts.distinct(2)
        assert speed(*late)["steps_to_fraction"] == (24 if by_episode else 12)


def test_nothing_is_called_better_with_fewer_than_three_seeds(compared: dict[str, Any]) -> None:
    seeds = {a["name"]: len(a["seeds"]) for a in compared["agents"]}
    assert len(compared["against"]) == 15
    for row in compared["against"]:
        few = min(seeds[row["agent"]], seeds[row["other"]]) < 3
        assert (row["verdict"] == "too few seeds") is few
        sign = "better" if row["difference"] > 0 else "worse"
        assert few or row["verdict"] == (sign if row["p_holm"] < 0.05 else "no difference shown")
    assert "rl2" in compared["notes"][0] and "maml" not in compared["notes"][0]


def test_a_missing_baseline_is_named_with_the_command_that_trains_it(made: Path) -> None:
    document = compare.compare([made / f"maml{seed}" for seed in range(3)], dataclasses.replace(ASKED, splits=("test",)))
    assert document["missing"] == [
        {"name": n, "command": f"pliant train {n} point --seeds 0..2 --family.horizon 12"} for n in ("pretrain", "conditioned")
    ]


def test_a_second_comparison_measures_nothing_again(made: Path, compared: dict[str, Any], monkeypatch: Any) -> None:
    monkeypatch.setattr(evaluate, "evaluate_run", lambda *a, **k: pytest.fail("measured again"))
    again = compare.compare([made / "maml0", made / "rl2"], ASKED)
    per_task = {a["name"]: a["per_task"] for a in compared["agents"]}
    for agent in again["agents"]:
        assert agent["per_task"] == per_task[agent["name"]][:1]


def test_agents_of_one_algorithm_are_named_by_what_differs(made: Path, tmp_path: Path) -> None:
    other = trained(tmp_path / "other", "maml", 0, inner__lr=0.3)
    document = compare.compare([made / "maml0", other], Asked(tasks=2, splits=("test",)))
    assert [a["name"] for a in document["agents"][:2]] == ["maml lr=0.1", "maml lr=0.3"]
    assert "--inner.lr 0.3" in document["agents"][1]["command"]


def test_documents_that_were_kept_are_compared_without_their_runs(copied: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        evaluate.evaluate_run(copied / f"maml{seed}", "test", 3)
        (found,) = (copied / f"maml{seed}" / "evaluations").glob("test-seed0-tasks3-*.json")
        found.rename(tmp_path / f"{seed}.json")
    document = compare.compare([tmp_path / "0.json", tmp_path / "1.json"], Asked(tasks=3))
    (agent,) = document["agents"]
    assert agent["seeds"] == [0, 1] and agent["runs"] == [] and agent["generalisation"]["ood"] is None
    assert document["random"] is None and agent["speed"]["area"] is None and agent["efficiency"]["target"] is None


def test_a_document_says_of_which_tasks_it_is(copied: Path) -> None:
    evaluate.evaluate_run(copied / "maml0", "ood", 3, seed=7)
    (path,) = (copied / "maml0" / "evaluations").glob("ood-seed7-tasks3-*.json")
    document = compare.compare([path])
    assert (document["split"], document["tasks"], document["seed"]) == ("ood", 3, 7)


def test_documents_of_one_agent_with_other_stages_are_refused(copied: Path, tmp_path: Path) -> None:
    for seed, stages in ((0, 1), (1, 2)):
        evaluate.evaluate_run(copied / f"maml{seed}", "test", 3, stages=stages)
        (found,) = (copied / f"maml{seed}" / "evaluations").glob(f"test-seed0-tasks3-*stages{stages}.json")
        found.rename(tmp_path / f"{seed}.json")
    assert "other stages (1 and 2)" in refused([tmp_path / "0.json", tmp_path / "1.json"], Asked())
    # ... and runs beside a document play as many as they usually do
    assert "other stages (1 and 3)" in refused([tmp_path / "0.json", copied / "maml2"], Asked())


def test_steps_to_the_target_are_of_every_iteration_and_of_who_adapts_in_training(compared: dict[str, Any]) -> None:
    after = {a["name"]: [len(c["after"]) for c in a["training"]] for a in compared["agents"]}
    assert after == {"maml": [2, 2, 2], "rl2": [2], "pretrain": [0], "conditioned": [0], "random": [], "scratch": []}
    assert {a["name"]: [c["seed"] for c in a["training"]] for a in compared["agents"]}["maml"] == [0, 1, 2]


def test_a_long_training_is_thinned_to_means_and_judged_unthinned(tmp_path: Path) -> None:
    steps = np.arange(1.0, 1001.0)
    training = kept.TrainingCurve(steps, -steps, np.where(steps < 500, 0.0, 1.0))
    thin = training.thinned(200)
    assert len(thin["env_steps"]) == 200 and thin["env_steps"][-1] == 1000 and thin["before"][0] == -3.0
    assert training.thinned(2000)["after"] == training.after.tolist()


def test_players_stand_beside_agents(tmp_path: Path) -> None:
    settings = {"train.iterations": 1, "train.meta_batch": 2, "train.lanes": 2, "policy.size": 4}
    train.train(config.load_config("rl2", "bandit", settings, "none"), tmp_path / "r", quiet=True)
    players = compare.compare([tmp_path / "r"], Asked(tasks=3, splits=("test",)))["players"]
    assert {"gittins", "ucb1", "thompson"} <= set(players["each"]) and "random" not in players["each"]
    assert 0 <= players["each"]["gittins"]["return"]["mean"] <= 1 and 0 < players["ceiling"] <= 1


def test_one_task_has_neither_intervals_nor_verdicts(made: Path) -> None:
    asked = Asked(tasks=1, splits=("test",))
    document = compare.compare([made / f"maml{seed}" for seed in range(3)], asked)
    assert document["distinct_tasks"] == {"test": 1} and document["task_numbers"] == [0]
    assert {(row["ci95"], row["p_value"], row["p_holm"]) for row in document["against"]} == {(None, None, None)}
    assert {row["verdict"] for row in document["against"]} == {"too few tasks"}
    assert {each["final"]["ci95"] for each in document["agents"]} == {None}
    documents.checked(Path("it"), schema.KIND, json.loads(json.dumps(document)))


# ---- what cannot be compared


def refused(paths: list[Path], asked: Asked = ASKED) -> str:
    """Why a comparison is refused, which must be said before anything is evaluated."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("evaluate_run", "evaluate_learner"):
            patch.setattr(evaluate, name, lambda *a, **k: pytest.fail("evaluated what was refused afterwards"))
        with pytest.raises(errors.UserError) as caught:
            compare.compare(paths, asked)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_runs_of_another_family_or_under_other_settings_are_refused(made: Path, tmp_path: Path) -> None:
    settings = {"train.iterations": 1, "train.meta_batch": 1, "train.lanes": 2, "policy.size": 4}
    bandit = train.train(config.load_config("rl2", "bandit", settings, "none"), tmp_path / "b", quiet=True)
    assert "one on bandit" in refused([made / "maml0", bandit])
    longer = trained(tmp_path / "longer", "maml", 5, family__horizon=13)
    assert "family.horizon 12" in refused([made / "maml0", longer])


def test_one_seed_twice_is_no_second_seed(copied: Path, tmp_path: Path) -> None:
    shutil.copytree(copied / "maml0", tmp_path / "copy")
    assert "are both maml with seed 0" in refused([copied / "maml0", tmp_path / "copy", copied / "rl2"], Asked(tasks=7))


def test_an_edited_document_is_refused(copied: Path) -> None:
    evaluate.evaluate_run(copied / "maml0", "test", 4)
    (path,) = (copied / "maml0" / "evaluations").glob("test-seed0-tasks4-*.json")
    path.write_text(path.read_text().replace('"return": [', '"return": [0.0, ', 1))
    assert "was edited" in refused([copied / "maml0"]) and "was edited" in refused([path])


def test_a_document_of_another_schema_is_refused(tmp_path: Path) -> None:
    documents.write_json(tmp_path / "x.json", documents.sealed({"schema": "pliant.evaluation/0"}))
    assert "expected 'pliant.evaluation/1'" in refused([tmp_path / "x.json"])
    (tmp_path / "x.json").write_text("nonsense")
    assert "is not JSON" in refused([tmp_path / "x.json"])


def test_documents_of_another_seed_or_other_tasks_are_refused(copied: Path, tmp_path: Path) -> None:
    for name, seed, tasks in (("maml0", 0, 3), ("maml1", 1, 3), ("maml2", 0, 2)):
        evaluate.evaluate_run(copied / name, "test", tasks, seed=seed)
        (found,) = (copied / name / "evaluations").glob(f"test-seed{seed}-tasks{tasks}-*.json")
        found.rename(tmp_path / f"{name}.json")
    assert "evaluation seed is 0 and 1" in refused([tmp_path / "maml0.json", tmp_path / "maml1.json"], Asked(tasks=3))
    assert "number of tasks is 3 and 2" in refused([tmp_path / "maml0.json", tmp_path / "maml2.json"], Asked())
    assert "evaluation seed is 1 and 0" in refused(
        [tmp_path / "maml1.json", copied / "maml0", tmp_path / "maml2.json"], Asked()
    )


def test_a_document_that_does_not_answer_what_is_asked_is_refused(made: Path, compared: dict[str, Any]) -> None:
    (path,) = (made / "maml0" / "evaluations").glob("test-seed0-tasks4-*.json")
    wrong = {
        "--tasks is 5, and ": Asked(tasks=5),
        "--split is ood, and ": Asked(split="ood"),
        "--seed is 3, and ": Asked(seed=3),
        "--stages is 2, and ": Asked(stages=2),
    }
    for said, asked in wrong.items():
        assert said in refused([path], asked) and "maml0" in refused([path], asked)
    assert compare.prepare([path], Asked(tasks=4, stages=3)).jobs == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("family_version", "0", "the family version is"),
        ("horizon", 13, "the horizon is"),
        ("published", "somebody 2020", "the published protocol is"),
        ("tasks_sha256", "0" * 64, "the tasks (their checksum) is"),
    ],
)
def test_documents_under_another_protocol_are_refused(
    name: str, value: Any, said: str, made: Path, compared: dict[str, Any], tmp_path: Path
) -> None:
    for seed in (0, 1):
        (path,) = (made / f"maml{seed}" / "evaluations").glob("test-seed0-tasks4-*.json")
        document = documents.read_sealed(path, evaluate.SCHEMA)
        if seed:
            document["protocol"][name] = value
        documents.write_json(tmp_path / f"{seed}.json", documents.sealed(document))
    assert said in refused([tmp_path / "0.json", tmp_path / "1.json"])
    assert said in refused([made / "maml0", tmp_path / "1.json"])


def test_a_run_without_a_checkpoint_is_refused(copied: Path) -> None:
    shutil.rmtree(copied / "maml0" / "checkpoints")
    assert "has no checkpoint" in refused([copied / "maml0"])
    assert refused([copied / "nothing"]) and "needs the folders" in refused([])


def test_a_run_whose_checkpoints_are_all_damaged_is_refused(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for state in (copied / "maml1" / "checkpoints").glob("*/state.safetensors"):
        state.write_bytes(state.read_bytes()[:-1])
    assert "holds no whole checkpoint" in refused([copied / "maml0", copied / "maml1"], Asked(tasks=7))


def test_an_edited_sweep_is_refused(copied: Path) -> None:
    (copied / "maml0" / "sweeps").mkdir(exist_ok=True)
    (copied / "maml0" / "sweeps" / "distance.json").write_text("{}")
    assert "distance.json" in refused([copied / "maml0"], Asked(tasks=7))


def test_what_nobody_can_measure_is_refused(made: Path) -> None:
    with pytest.raises(errors.UserError, match="unknown split 'tset': did you mean 'test'"):
        Asked(splits=("train", "tset"))
    with pytest.raises(errors.UserError, match="--tasks is 0: expected at least 1"):
        Asked(tasks=0)
    with pytest.raises(errors.UserError, match="--stages is -1: expected at least 0"):
        Asked(stages=-1)
    assert "unknown split 'tset'" in refused([made / "maml0"], Asked(split="tset"))


def test_a_split_that_the_family_lacks_is_refused(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "has_split", lambda family, split: split == "train")
    assert "point has no tasks in split test: choose train" in refused([made / "maml0"], Asked(tasks=7))


def test_an_evaluation_of_a_single_task_is_refused(tmp_path: Path, made: Path, compared: dict[str, Any]) -> None:
    (path,) = (made / "maml0" / "evaluations").glob("test-seed0-tasks4-*.json")
    one = documents.sealed(documents.read_sealed(path, evaluate.SCHEMA) | {"split": "task"})
    documents.write_json(tmp_path / "one.json", one)
    assert "is of a single task" in refused([tmp_path / "one.json"])


def test_the_family_is_built_once(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built, build = [], learners.family_of
    monkeypatch.setattr(learners, "family_of", lambda config: built.append(config) or build(config))
    prepared = compare.prepare(sorted(made.iterdir()), Asked(tasks=7))
    assert len(built) == 1 and len(prepared.jobs) == 3 * (3 + 3 + 6)  # on each split: maml, the others, two untrained baselines
    measuring.measure(prepared.jobs[:1] + prepared.jobs[-1:], prepared.asked, prepared.family, quiet=True)
    assert len(built) == 1, "evaluations of a run and of a baseline take the same"


def test_a_document_with_nan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        documents.sealed({"schema": evaluate.SCHEMA, "x": float("nan")})
    (tmp_path / "x.json").write_text(json.dumps({"schema": evaluate.SCHEMA, "x": float("nan"), "sha256": ""}))
    assert "a number that is not finite" in refused([tmp_path / "x.json"])


def test_wrong_commands_are_one_line_with_status_2(copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readonly = tmp_path / "file"
    readonly.write_text("")
    wrong = {
        ("compare", copied / "none"): "none",
        ("compare", copied / "maml0", "--split", "tset"): "did you mean 'test'",
        ("compare", copied / "maml0", "--tasks", "0"): "at least 1",
        ("report", copied / "maml0", "--out", tmp_path / "page.pdf"): "ends in .html",
        ("report", copied / "maml0", "--out", readonly / "page.html"): "it is a file",
        ("sweep", copied / "maml0", "--axis", "velocity=0:4"): "axis of point",
        ("sweep", copied / "maml0", "--axis", "distance=2:1"): "range is empty",
        ("sweep", copied / "maml0", "--axis", "distance=nan:1"): "LOW:HIGH",
        ("compare", copied): "a folder of runs: name them",
        ("train", "maml", "point", "--seeds", "0..1", "--out", readonly): "is a file",
        ("train", "maml", "point", "--seeds", "3..1"): "--seeds",
        ("train", "maml", "point", "--seeds", ""): "--seeds",
        ("train", "maml", "point", "--seeds", "0..1", "--seed", "1"): "give one",
        ("train", "maml", "point", "--seeds", "0..1", "--jobs", "0"): "--jobs",
    }
    before = sorted(copied.rglob("*"))
    for words, said in wrong.items():
        try:
            status = cli.main([str(word) for word in words])
        except SystemExit as ended:
            status = int(ended.code or 0)
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("pliant")]
        assert status == 2 and len(lines) == 1 and said in lines[0], (words, lines)
    assert sorted(copied.rglob("*")) == before


# ---- sweeps


def test_a_sweep_moves_one_axis_and_nothing_else(copied: Path) -> None:
    document = sweep.sweep_run(copied / "maml0", "distance=0.1:2", points=3, tasks=4)
    assert document["values"] == [0.1, 1.05, 2.0] and document["axis"] == "distance"
    returns = np.array(document["per_task"])  # [values, M, stages]
    assert returns.shape == (3, 4, 4)
    assert (np.diff(returns[..., 0].mean(1)) < 0).all(), "further goals cost more"
    for value, point in zip(document["values"], document["curve"], strict=True):
        assert point["value"] == value
        assert [s["mean"] for s in point["return"]] == pytest.approx(returns[document["values"].index(value)].mean(0).tolist())
    found = kept.sweeps([("maml", [copied / "maml0"])])
    assert found[0]["agents"][0]["after"][0]["mean"] == pytest.approx(returns[0, :, -1].mean())


def test_a_sweep_is_kept_and_an_edited_one_refused(copied: Path) -> None:
    first = sweep.sweep_run(copied / "maml0", "distance=0.1,2", tasks=2)
    assert sweep.sweep_run(copied / "maml0", "distance=0.1,2", tasks=2) == first
    path = copied / "maml0" / "sweeps" / "distance.json"
    path.write_text(path.read_text().replace("0.1", "0.2", 1))
    with pytest.raises(errors.UserError, match="was edited"):
        sweep.sweep_run(copied / "maml0", "distance=0.1,2", tasks=2)


def test_a_sweep_of_an_earlier_checkpoint_or_of_other_stages_is_left_out(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, stages in ((0, 1), (1, 2)):
        sweep.sweep_run(copied / f"maml{seed}", "distance=0.1,2", tasks=2, stages=stages)
    (found,) = kept.sweeps([("maml", [copied / "maml0", copied / "maml1"])])
    assert found["agents"][0]["seeds"] == [0] and "other stages" in capsys.readouterr().err
    wanted = config.load_config("maml", "point", TINY | {"train.iterations": 3}, "none", seed=0)
    train.train(wanted, copied / "maml0", resume=True, quiet=True)
    (found,) = kept.sweeps([("maml", [copied / "maml0", copied / "maml1"])])
    assert found["agents"][0]["seeds"] == [1] and "earlier checkpoint" in capsys.readouterr().err


def test_a_sweep_of_whole_numbers_has_whole_values() -> None:
    family = learners.family_of(config.load_config("rl2", "bandit", preset="none"))
    assert sweep.parse("arms=2,5,10", family) == ("arms", [2.0, 5.0, 10.0])
    assert sweep.parse("arms=2:6", family, 9)[1] == [2.0, 3.0, 4.0, 5.0, 6.0]


# ---- several seeds


@pytest.mark.slow
def test_seeds_of_one_command_are_what_they_are_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = [f"--{name}={value}" for name, value in TINY.items()]
    words = ["train", "maml", "point", "--preset", "none", *flags, "--quiet"]
    status, said = run(capsys, *words, "--seeds", "1..2", "--jobs", "2", "--out", tmp_path / "both")
    assert status == 0, said
    alone = trained(tmp_path / "alone", "maml", 2)
    rows = [record.Run.open(path).metrics() for path in (tmp_path / "both" / "seed2", alone)]
    assert [row["return_0"] for row in rows[0]] == [row["return_0"] for row in rows[1]]
    status, said = run(capsys, *words, "--seeds", "1..2", "--out", tmp_path / "both")
    assert status == 2 and "--resume" in said and len(said.splitlines()) == 1


@pytest.mark.slow
def test_a_seed_that_fails_is_named_and_the_others_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = [f"--{name}={value}" for name, value in TINY.items()]
    (tmp_path / "seed1" / "checkpoints").mkdir(parents=True)
    (tmp_path / "seed1" / "run.json").write_text("{}")
    words = ["train", "maml", "point", "--preset", "none", *flags, "--quiet", "--resume"]
    status, said = run(capsys, *words, "--seeds", "0..1", "--out", tmp_path)
    assert status == 2 and "1 of 2 seeds failed (1)" in said and len(said.splitlines()) == 1
    assert len(record.Run.open(tmp_path / "seed0").metrics()) == 2


@pytest.mark.slow
def test_ctrl_c_saves_every_seed(tmp_path: Path) -> None:
    flags = [f"--{name}={value}" for name, value in (TINY | {"train.iterations": 100_000}).items()]
    words = [sys.executable, "-m", "pliant", "train", "maml", "point", "--preset", "none", *flags, "--quiet"]
    process = subprocess.Popen([*words, "--seeds", "0..1", "--jobs", "2", "--out", tmp_path], stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 300  # two processes import torch, on a machine that may be busy
        while not all((tmp_path / f"seed{s}" / "metrics.jsonl").exists() for s in (0, 1)) and time.monotonic() < deadline:
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGINT)
        said = process.communicate(timeout=120)[1].strip()
    finally:
        process.kill()
    assert process.returncode == 130 and "--resume continues the seeds 0, 1" in said and "Traceback" not in said
    for seed in (0, 1):
        assert list((tmp_path / f"seed{seed}" / "checkpoints").iterdir())
