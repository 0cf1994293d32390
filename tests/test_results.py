"""The tables in the documentation say what the tracked results say, and the tracked results hold what we claim of them."""

import ast
import contextlib
import dataclasses
import importlib
import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pliant.config import config

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def tracked(name: str) -> dict[str, Any]:
    path = RESULTS / f"{name}.json"
    if not path.exists():
        pytest.skip(f"{name} has not been measured")
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def mean_curve(name: str, algorithm: str, split: str = "test") -> list[float]:
    rows = [row for row in tracked(name)["summary"] if (row["algorithm"], row["split"]) == (algorithm, split)]
    assert len(rows) == 1 and len(rows[0]["seeds"]) >= 3, f"{name}: {algorithm} needs three seeds"
    curve: list[float] = rows[0]["return"]
    return curve


def test_tables_are_those_of_the_tracked_results(forked: Any) -> None:
    script = "import runpy, sys; sys.path.insert(0, 'benchmarks'); runpy.run_path('benchmarks/table.py', run_name='__main__')"
    done = forked.run(script, "--check", cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_tracked_result_is_measured_again_by_a_study_or_times_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    studied = importlib.import_module("studies").STUDIES
    timed = {"busy", "driving-speed", "faults", "growth", "recurrent", "speed", "stepping", "workers"}
    measured = {p.stem for p in RESULTS.glob("*.json")} | {"faults"}
    assert measured == {name.partition("/")[0] for name in studied} | timed
    for study in studied.values():
        assert (ROOT / "benchmarks" / study.command.split()[0]).is_file()


@pytest.mark.parametrize("name", sorted(p.stem for p in (ROOT / "benchmarks").glob("*.py")))
def test_every_benchmark_imports_and_finds_its_presets(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    for value in runpy.run_path(str(ROOT / "benchmarks" / f"{name}.py"), run_name="imported").values():
        assert not (isinstance(value, str) and value.endswith(".toml")) or Path(value).is_file()


def imported(source: str) -> Iterator[tuple[str, str]]:
    """(module, name) of what code of pliant it imports, also inside functions and inside code that is kept as text."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "pliant":
            yield from ((str(node.module), alias.name) for alias in node.names)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "import " in node.value:
            with contextlib.suppress(SyntaxError):
                yield from imported(node.value)


def test_what_benchmarks_import_later_or_in_another_process_is_there() -> None:
    found = {each for path in (ROOT / "benchmarks").glob("*.py") for each in imported(path.read_text(encoding="utf-8"))}
    assert ("pliant.system", "machine") in found and len(found) > 50
    for module, name in sorted(found):
        if not hasattr(importlib.import_module(module), name):
            importlib.import_module(f"{module}.{name}")


def test_a_result_is_out_of_date_when_its_law_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    results = importlib.import_module("recorded")
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    for name in ("one", "two/a", "two/b"):
        assert not results.is_current(name), "it is not there"
        results.write(name, {"value": name})
        assert results.is_current(name) and results.read(name)["value"] == name
    results.write("own", {"schema": "pliant.comparison/1", "study": {"date": "today"}})
    assert results.is_current("own") and set(results.read("own")) == {"schema", "study"}, "the kind of document it is"
    before = results.runs("two/a")
    monkeypatch.setattr(results, "LAWS", {"two/a": 2})
    assert [results.is_current(name) for name in ("one", "two/a", "two/b")] == [True, False, True]
    assert results.runs("two/a") != before == results.runs("two/b"), "runs of the old law are not continued"
    results.write("two/a", {"value": "new"})
    assert results.is_current("two/a") and results.read("two/b")["value"] == "two/b"


MEMORIES = ("rl2-", "memories-", "replay-")


def cells(kind: str, study: str) -> dict[str, config.Config]:
    """The agents of a study as they would be trained today, by cell."""
    module = importlib.import_module(kind)
    if kind == "trials":
        chosen = module.STUDIES[study]
        return {"": config.load_config("rl2", chosen["family"], preset=chosen["preset"])}
    if kind == "replay":
        chosen, on_the_way = module.STUDIES[study], {"train.evaluate_tasks": module.BETWEEN}
        on_the_way["train.evaluate_every"] = chosen.every
        return {"": config.load_config("replay", chosen.family, on_the_way, chosen.preset)}
    made = module.STUDIES[study][0]()
    return {c.name: config.load_config("rl2", c.family, c.settings, c.preset, 0, c.policy) for c in made}


@pytest.mark.parametrize("name", sorted(p.stem for p in RESULTS.glob("*.json") if p.stem.startswith(MEMORIES)))
def test_tracked_agents_with_memory_were_trained_with_the_presets_that_ship(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    kind, _, study = name.partition("-")
    today = cells("trials" if kind == "rl2" else kind, study)
    for run in tracked(name)["runs"]:
        trained, now = run["config"], config.to_dict(today[run.get("cell", "")])
        assert (trained["family"], trained["policy"]) == (now["family"], now["policy"])
        classes = config.part_classes(now["algorithm"], now["family"], now["policy"])
        for part, settings in now["parts"].items():  # a setting that was added since has its default
            defaults = dataclasses.asdict(classes[part]())
            then = json.loads(json.dumps(defaults | trained["parts"][part]))
            assert json.loads(json.dumps(settings)) == then, f"{run.get('cell', study)}: {part}"


@pytest.mark.parametrize("study", ["bandit-10-5", "gridnavi", "point"])
def test_replay_is_as_good_as_rl2_with_a_fifth_of_its_experience(study: str) -> None:
    """Within a standard error, of the tasks that both were measured on."""
    ours, theirs = tracked(f"replay-{study}"), tracked(f"rl2-{study}")
    needed = min(row["train_env_steps"] for row in theirs["runs"])
    assert len(ours["runs"]) == 5 and all(5 * row["train_env_steps"] <= needed for row in ours["runs"])
    missed = theirs["summary"]["trial_return"] - ours["summary"]["trial_return"]["mean"]
    assert missed < theirs["summary"]["std_error_over_tasks"]


def test_replay_finds_the_goal_of_a_grid_nearly_as_well_as_can_be() -> None:
    grid = tracked("replay-gridnavi")["summary"]
    assert grid["train_env_steps"] <= 6e5 and grid["trial_return"]["mean"] >= 36.0


def test_replay_is_better_than_rl2_on_the_half_cheetah_with_a_thirtieth_of_its_experience() -> None:
    cheetah = tracked("replay-half-cheetah-vel")
    (rl2,) = [agent for agent in tracked("compared-half-cheetah-vel")["agents"] if agent["name"] == "rl2"]
    assert 30 * cheetah["summary"]["train_env_steps"] <= rl2["cost"]["train_env_steps"]
    assert len(cheetah["runs"]) == 5
    assert cheetah["summary"]["return"][0]["mean"] >= -45 > rl2["curve"][0]["return"]["mean"]


@pytest.mark.parametrize("study", ["bandit-10-5", "gridnavi", "half-cheetah-vel"])
def test_what_replay_leaves_to_chance_is_no_help(study: str) -> None:
    """But on point, where the most likely action stops short of the last hundredth."""
    for row in tracked(f"replay-{study}")["runs"]:
        assert row["most_likely"]["trial_return"] >= row["trial_return"] - 3 * row["std_error"]


def test_half_cheetah_dir_runs_in_both_directions_after_adaptation() -> None:
    curve, untrained = mean_curve("half-cheetah-dir", "maml"), mean_curve("half-cheetah-dir", "untrained maml")
    assert curve[1] >= 300 and curve[3] >= 300
    assert curve[1] > 5 * untrained[1] and curve[3] > 5 * untrained[3]
    for row in tracked("half-cheetah-dir")["runs"]:
        if row["algorithm"] == "maml" and row["split"] == "test":
            assert row["train_minutes"] <= 60
            assert all(each[1] > 100 and each[3] > 100 for each in row["by_task"].values())


def test_half_cheetah_vel_gains_from_adaptation() -> None:
    curve = mean_curve("half-cheetah-vel", "maml")
    assert max(curve[1:]) >= curve[0] + 0.3 * abs(curve[0])
    mean_curve("half-cheetah-vel", "maml", "ood")


def test_cartpole_balances_after_three_steps_and_not_before() -> None:
    curve = mean_curve("cartpole", "maml")
    assert curve[0] < 250 and max(curve[1:]) >= 450


def test_point_matches_the_published_table() -> None:
    curve = mean_curve("point", "maml")
    assert curve[0] <= -34 and curve[2] >= -3.7 and curve[3] >= -3.5
    runs = [row for row in tracked("point")["runs"] if (row["algorithm"], row["split"]) == ("maml", "test")]
    assert sum(row["ci95"][1][1] for row in runs) / len(runs) >= -11.68, "the published one is within its interval"
    mean_curve("point", "fomaml")


def test_reptile_adapts_on_point_with_five_seeds() -> None:
    curve = mean_curve("point", "reptile")
    (row,) = [row for row in tracked("point")["summary"] if (row["algorithm"], row["split"]) == ("reptile", "test")]
    assert len(row["seeds"]) >= 5 and curve[3] >= -6 and curve[6] >= -2.5
    shares = {row["rates"]: row for row in tracked("reptile")["rows"]}
    short, ours = shares["0.1, 0.04, 0.016"], shares["7 from 0.4 by 0.6"]
    assert short["e2_over_e1"] < 0.05 and short["cosine"] > 0.9, "the joint gradient, and little else"
    assert ours["e2_over_e1"] > 0.3 and ours["cosine"] < 0.75


def test_sinusoid_matches_the_published_table() -> None:
    summary = tracked("sinusoid")["summary"]
    assert all(got <= bar for got, bar in zip(summary["maml"]["mse"], (0.67, 0.38, 0.35), strict=True))
    assert summary["pretrain"]["mse"][0] > 2
    assert {"fomaml", "reptile"} <= set(summary)


def test_the_meta_gradient_is_exact_with_dice_or_with_what_samples_are_paid_and_only_there() -> None:
    rows = {(row["episodes"], row["estimator"]): row for row in tracked("meta-gradients")["rows"]}
    few, many = (min(n for n, _ in rows), max(n for n, _ in rows))
    for exact in (rows[few, "reinforce, samples paid"], rows[many, "dice"]):
        assert exact["bias"] < 3 * exact["standard_error"]
    for name in ("fomaml", "reinforce", "surrogate"):
        for episodes in (few, many):
            row = rows[episodes, name]
            assert row["bias"] > 0.2 > 10 * row["standard_error"], "wrong in length"
            assert row["cosine"] > 0.95, "right in direction"


@pytest.mark.parametrize(
    ("study", "bar", "minutes"),
    [
        ("bandit-10-5", 6.60, 3),
        ("bandit-10-10", 6.63, 3),
        ("bandit-100-5", 78.0, 20),
        ("bandit-100-10", 82.4, 20),
        ("tabular", 150.0, 120),
        ("gridnavi", 0.9 * 37.214, 20),
    ],
)
def test_memory_agents_come_near_the_exact_optimum_and_never_above_it(study: str, bar: float, minutes: float) -> None:
    document = tracked(f"rl2-{study}")
    summary = document["summary"]
    assert len(document["runs"]) >= 3 and document["tasks"] >= 2_000
    assert summary["trial_return"] >= bar
    if summary["optimum"] is not None:
        assert summary["trial_return"] <= summary["optimum"] + 3 * summary["std_error_over_tasks"]
    assert all(run["train_minutes"] <= minutes for run in document["runs"])


def test_a_memory_agent_gets_better_from_one_episode_to_the_next() -> None:
    runs = tracked("rl2-point")["runs"]
    assert len(runs) >= 3
    assert all(run["return"][1] > run["return"][0] + 1 for run in runs)


def test_external_memory_binds_what_a_gru_of_its_size_does_not() -> None:
    summary = tracked("memories-binding")["summary"]
    external = {name: s for name, s in summary.items() if name.startswith("external")}
    assert len(external) == 9 and all(s["mean"] - s["ci95"] > 0.9 for s in external.values())
    for name, ours in external.items():
        other = summary[name.replace("external", "gru")]
        assert other["parameters"] >= ours["parameters"]
        if "2 pairs" not in name:
            assert ours["mean"] - ours["ci95"] > other["mean"] + other["ci95"] + 0.2


def test_episodic_memory_has_less_regret_when_contexts_return() -> None:
    summary = tracked("memories-recall")["summary"]
    ours = summary.pop("episodic")
    for other in summary.values():
        later = zip(ours["mean"][1:], ours["ci95"][1:], other["mean"][1:], other["ci95"][1:], strict=True)
        assert all(a + a_ci < b - b_ci for a, a_ci, b, b_ci in later)


def test_dependent_arms_are_told_apart_at_most_twice_as_dearly_as_can_be() -> None:
    document = tracked("memories-dependent")
    for name, measured in document["summary"].items():
        runs = [run for run in document["runs"] if run["cell"] == name]
        assert len(runs) >= 3
        if "hidden" in name:
            assert measured["mean"] == pytest.approx(runs[0]["chance"], rel=0.02), "without the reward nothing is learned"
        else:
            assert runs[0]["optimal"] * 0.95 < measured["mean"] <= 2 * runs[0]["optimal"]


def test_two_step_choices_are_model_based() -> None:
    document = tracked("memories-two-step")
    assert len(document["runs"]) >= 3
    for run in document["runs"]:
        assert 0.9 * run["optimal"] < run["regret"] < 3 * run["optimal"]
        for kind, least in (("plain", 0.1), ("among equals", 0.01)):
            effect = run["signature"][kind]["interaction"]
            assert effect["size"] > least and effect["p_value"] < 1e-6
        assert abs(run["signature"]["plain"]["reward"]["size"]) < 0.05, "model-free choices would repeat what was rewarded"


def test_acting_and_learning_with_memory_is_as_fast_as_we_say() -> None:
    document = tracked("recurrent")
    found = document["results"]
    assert found["acting"]["ratio"] <= 1.3
    assert found["pulls per second"] >= 5e6
    assert found["learning"]["ratio"] >= 6.0
    peaks = {int(length): mib for length, mib in found["peak MiB"].items()}
    per_step = (peaks[10_000] - peaks[1_000]) / 9_000
    straight = peaks[1_000] + 9_000 * (peaks[5_000] - peaks[1_000]) / 4_000
    assert peaks[10_000] < 1.25 * straight, "memory grows linearly at most"
    assert per_step < 0.05, "what a step keeps for learning is bounded by the chunk, not by the trial"


# ---- robots, games, driving, industry


def test_a_reactor_is_held_better_after_an_episode_and_better_than_by_a_tuned_controller() -> None:
    document = tracked("rl2-reactor")
    summary = document["summary"]
    assert len(document["runs"]) >= 3 and document["tasks"] >= 400
    assert -summary["return"][-1] <= 0.7 * -summary["return"][0]
    assert -summary["return"][-1] < -summary["players"]["pi"] / 4, "a trial has four episodes"
    assert all(run["return"][-1] > run["return"][0] for run in document["runs"])


def test_a_motor_is_controlled_better_after_adaptation_and_better_than_by_a_tuned_controller() -> None:
    before, *_, after = mean_curve("motor", "maml")
    pi = {run["players"]["pi"] for run in tracked("motor")["runs"] if run["split"] == "test"}
    assert -after <= 0.7 * -before and len(pi) == 1 and after > pi.pop()


def test_rooms_are_searched_once_and_then_known() -> None:
    document = tracked("rl2-minigrid")
    assert len(document["runs"]) >= 3
    for run in document["runs"]:
        first, second, third = run["success"]
        assert first < second <= third and third >= 0.9 and run["return"][-1] * 3 < run["players"]["ceiling"]


def test_driving_crashes_half_as_often_after_adaptation_on_highway_env_itself() -> None:
    rows = [row for row in tracked("driving-maml")["runs"] if (row["simulator"], row["split"]) == ("highway-env", "test")]
    assert len(rows) >= 3
    before, after = (sum(row["crashes"][i]["mean"] for row in rows) / len(rows) for i in (0, 1))
    assert after <= 0.5 * before


def test_the_twin_of_highway_env_is_200_times_as_fast() -> None:
    default, *_ = tracked("driving-speed")["rows"]
    assert default["settings"] == {} and default["lanes"] == 256 and default["ratio"] >= 200


def test_reach_succeeds_on_test_goals_by_the_published_protocol() -> None:
    rows = {row["algorithm"]: row for row in tracked("metaworld")["reach"]["rows"]}
    best = max(row["headline"]["mean"] for row in rows.values())
    assert best >= 0.8 and rows["rl2"]["tasks"] == 40
    assert all(row["train_env_steps"] <= 2e6 and row["train_minutes"] <= 60 for row in rows.values())


def test_steps_of_meta_world_take_half_the_time_and_a_worker_per_core_pays() -> None:
    document = tracked("metaworld")["speed"]
    assert len(document["times_as_fast"]) == 50 and document["median_times_as_fast"] >= 2
    times = document["worker_per_core_times"]
    assert times["SyncVectorEnv"] >= 1.7, "Meta-World in one process, as Gymnasium steps it"
    assert min(times.values()) >= 1.4, "the same quick steps in one process: docs/design/decisions.md says what is lost"


def test_cartpole_through_gymnasium_learns_as_the_twin_does() -> None:
    windows = tracked("generic")["return_after_one_step"]
    assert len(windows) == 6 and all(window["agree"] for window in windows)
    assert windows[-1]["gymnasium"][0] > 2 * windows[0]["gymnasium"][0], "and both learn"


@pytest.mark.parametrize("family", ["point", "half-cheetah-vel"])
def test_a_study_has_every_learner_and_baseline_with_three_seeds_on_one_page(family: str) -> None:
    document = tracked(f"compared-{family}")
    every = {"maml", "fomaml", "reptile", "rl2", "replay", "pretrain", "scratch", "conditioned", "random"}
    assert {a["name"]: a["seeds"] for a in document["agents"]} == {name: [0, 1, 2] for name in every}
    assert [a["name"] for s in document["sweeps"] for a in s["agents"]] == ["maml", "rl2"]
    page = ROOT / "docs" / "studies" / f"{family}.html"
    assert page.stat().st_size < 3e6 and document["study"]["minutes"]["report"] < 0.5
    assert all(f"<bdi>{name}</bdi>" in page.read_text(encoding="utf-8") for name in every)
    assert not any(Path(run).is_absolute() for a in document["agents"] for run in a["runs"])


def test_velocity_is_swept_to_twice_what_was_trained() -> None:
    (sweep,) = tracked("compared-half-cheetah-vel")["sweeps"]
    assert (sweep["axis"], sweep["values"][0], sweep["values"][-1], sweep["trained"]) == ("velocity", 0, 4, [[0, 2]])
    for agent in sweep["agents"]:
        after = {value: found["mean"] for value, found in zip(sweep["values"], agent["after"], strict=True)}
        inside, outside = ([x for v, x in after.items() if (v <= 2) is where] for where in (True, False))
        assert min(inside) > max(outside), agent["name"]


def test_the_cost_of_an_iteration_grows_linearly_in_operations_and_fomaml_saves() -> None:
    document = tracked("growth")
    exponents = {(r["algorithm"], r["axis"]): r["fit"]["flops"]["exponent"] for r in document["growth"]}
    assert {a for a, _ in exponents} == {"maml", "fomaml", "reptile", "rl2"}
    assert all(0.8 <= k <= 1.05 for k in exponents.values())
    assert all(row["seconds_ratio"] > 1.5 for row in document["fomaml"])


def test_intervals_of_differences_hold_the_truth() -> None:
    found = {(r["interval"], r["kind"]): r for r in tracked("coverage")["summary"]}
    for interval in ("mean", "difference", "interquartile mean", "difference, same runs"):
        assert 0.93 <= found[interval, "normal"]["mean"] <= 0.97, interval
    assert found["difference", "normal"]["least"] >= 0.93 and tracked("coverage")["studies"] == 1000


def test_workers_are_faster_than_asynchronous_environments() -> None:
    assert tracked("workers")["speed"]["pliant_as_a_multiple_of"]["asynchronous"] >= 3


def test_workers_mend_every_fault() -> None:
    document = tracked("workers")
    kinds = document["faults"]["kinds"]
    assert sum(kinds[kind]["times"] for kind in ("kill", "kill from outside")) == 50
    assert all(kinds[kind]["times"] == 10 for kind in ("hang", "raise", "nan"))
    assert all(each["as_if_nothing_had_happened"] == each["times"] for each in kinds.values())
    assert all(each["slowest_seconds"] <= each["limit"] for each in kinds.values())
    assert document["faults"]["processes_left"] == document["faults"]["shared_memory_left"] == []


def test_the_published_half_cheetah_is_another_robot_wherever_it_stands() -> None:
    pages = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md", "docs/results.md")}
    lines = [line for page in pages.values() for line in page.splitlines() if "293.19" in line]
    assert lines and all("rllab" in line for line in lines)
    _, _, behind = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8").partition("293.19")
    assert "**Not the same robot**" in behind[:400]


def test_meta_worlds_number_stands_beside_the_curve_that_it_ends() -> None:
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    for row in tracked("metaworld")["reach"]["rows"]:
        curve = " / ".join(f"{100 * share:.3g}" for share in row["success"]).replace(" ", "\N{NO-BREAK SPACE}")
        (line,) = [line for line in page.splitlines() if curve in line]
        assert row["algorithm"] in line and "of 100 steps" in line
