"""Meta-World: goals that never mix, and quick classes beside the originals, bit for bit."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pliant.cli import main as cli
from pliant.errors import UserError
from pliant.families import metaworld_ml1, metaworld_ml10, metaworld_ml25, metaworld_ml45
from pliant.simulators.metaworld import benchmark
from pliant.simulators.metaworld import goals as metaworld
from pliant.storage import checkpoint
from pliant.streams import Stream
from pliant.tasks import parameters
from pliant.tasks.base import SPLITS, Family, Parameter

FAMILIES = {"ml1": metaworld_ml1, "ml10": metaworld_ml10, "ml25": metaworld_ml25, "ml45": metaworld_ml45}
SOME = ("reach-v3", "push-v3", "basketball-v3", "window-open-v3")
"""Of the quick tests: the plainest, the general grip reward, a live view of a site as target, and a joint set at a reset."""


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A cache of our own, so that no test reads what an earlier version has left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        metaworld.goals.cache_clear()
        yield
    metaworld.goals.cache_clear()


def simulators() -> tuple[Any, Any]:
    pytest.importorskip("metaworld")
    return import_module("pliant.simulators.metaworld.env"), import_module("pliant.simulators.metaworld.fast")


def stages() -> Any:
    pytest.importorskip("metaworld")
    return import_module("pliant.simulators.metaworld.stage")


def task(name: str, goal: int) -> NDArray[np.float64]:
    return np.array([1000.0 * benchmark.CLASSES.index(name) + goal])


def family(name: str, **settings: Any) -> Family:
    module = FAMILIES[name]
    return module.family(module.Settings(**settings))


# ---- classes and goals


def test_the_lists_of_classes_are_those_of_metaworld() -> None:
    table = pytest.importorskip("metaworld.env_dict")
    assert tuple(sorted(table.ALL_V3_ENVIRONMENTS)) == benchmark.CLASSES and len(benchmark.CLASSES) == 50
    for size in ("10", "25", "45"):
        ours, theirs = getattr(benchmark, f"ML{size}"), getattr(table, f"ML{size}_V3")
        for split in ("train", "test"):
            assert sorted(ours[split]) == sorted(theirs[split])
        assert len(ours["train"]) == int(size) and len(ours["test"]) == 5


@pytest.mark.parametrize("name", FAMILIES)
def test_no_task_is_in_two_splits_under_any_seed(name: str, length: Callable[[int, int], int]) -> None:
    made = family(name)
    for seed in range(length(3, 20)):
        drawn = {split: set(made.sample(200, split, Stream(seed).rng()).arrays["task"].tolist()) for split in SPLITS}
        assert drawn["train"].isdisjoint(drawn["test"]) and drawn["train"].isdisjoint(drawn["ood"])
        assert drawn["test"].isdisjoint(drawn["ood"])
        for split, numbers in drawn.items():
            assert made.split_of(made.task({"task": next(iter(numbers))})).tolist() == [split]
    classes = {int(number) // 1000 for number in drawn["train"]} & {int(number) // 1000 for number in drawn["test"]}
    shared = {"ml1": ["reach-v3"], "ml25": ["basketball-v3"]}.get(name, [])
    assert [benchmark.CLASSES[kind] for kind in classes] == shared, "new classes, but for Meta-World's own"


def test_goals_of_the_three_splits_differ_and_shifted_ones_lie_beyond() -> None:
    _, fast = simulators()
    goals = metaworld.goals("push-v3")
    assert goals.shape == (130, 6) and len(np.unique(goals, axis=0)) == 130
    own = fast.original("push-v3")()._random_reset_space
    inside = ((own.low <= goals) & (goals <= own.high)).all(1)
    assert inside[:90].all() and not inside[90:].any()
    half = 1.25 * (own.high - own.low) / 2
    assert (np.abs(goals - (own.high + own.low) / 2) <= half + 1e-12).all()
    assert (np.linalg.norm(goals[:, :2] - goals[:, 3:5], axis=1) >= 0.15).all(), "push-v3's own rule"


def test_drawing_rejects_what_the_class_rejects() -> None:
    """A box in which most goals of reach-v3 are too near to play: only its rule keeps them out."""
    simulators()
    box = import_module("gymnasium.spaces").Box
    stage = stages().stage("reach-v3")
    near_low, near_high = np.array([-0.1, 0.7, 0.02, -0.1, 0.8, 0.05]), np.array([0.1, 0.75, 0.02, 0.1, 0.88, 0.3])

    class Near(stage.quick):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self._random_reset_space = box(near_low, near_high, dtype=np.float64)

    near = np.random.default_rng(0).uniform(near_low, near_high, (1000, 6))
    assert 0.2 < (np.linalg.norm(near[:, :2] - near[:, 3:5], axis=1) < 0.15).mean()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "quick", Near)
        goals = stages().draw_goals("reach-v3", "train", 200, np.random.default_rng(0))
    assert (np.linalg.norm(goals[:, :2] - goals[:, 3:5], axis=1) >= 0.15).all()


def test_a_number_is_a_goal_of_a_split() -> None:
    goals = metaworld.goals("reach-v3")
    first = 1000.0 * benchmark.CLASSES.index("reach-v3")
    for goal, row in [(0, 0), (49, 49), (50, 50), (89, 89), (100, 90), (139, 129)]:
        assert np.array_equal(metaworld.vector(first + goal), goals[row])
    for nothing in (first + 90, first + 140, 50_000.0, -1.0):
        with pytest.raises(UserError, match="Meta-World has no task"):
            metaworld.vector(nothing)


def test_a_critic_is_told_goal_and_class() -> None:
    number = np.array(metaworld.numbers(["reach-v3"], "train"))
    told = metaworld.described(number, ["reach-v3"])
    assert told.shape == (50, 6)
    assert np.allclose(told.min(0), [-1, -1, 0, -1, -1, -1]) and np.allclose(told.max(0), [1, 1, 0, 1, 1, 1])
    both = metaworld.described(np.concatenate([number[:2], task("door-open-v3", 0)]), ["door-open-v3", "reach-v3"])
    assert np.allclose(both[:2, :6], told[:2]) and both[:, 6:].tolist() == [[0, 1], [0, 1], [1, 0]]
    assert both[2, 3:6].tolist() == [0, 0, 0], "door-open-v3 has three numbers"


# ---- the cache


def test_goals_are_the_same_anew_and_from_the_cache_and_a_damaged_file_is_mended() -> None:
    simulators()
    goals = metaworld.goals("reach-v3").copy()
    path = metaworld.cache_folder() / "reach-v3.json"
    whole = path.read_text()
    assert str(path).startswith(str(Path(metaworld.os.environ["XDG_CACHE_HOME"]) / "pliant" / "metaworld-3.1.1"))
    changed = json.loads(whole)
    changed["goals"][3][0] += 1e-9
    other = json.loads(whole) | {"class": "push-v3", "sha256": "0" * 64}
    for damage in (whole[:100], "", "[]", "\0", json.dumps(changed), json.dumps(other), '{"schema": 1}'):
        path.write_text(damage)
        metaworld.goals.cache_clear()
        assert np.array_equal(metaworld.goals("reach-v3"), goals)
        assert path.read_text() == whole
    assert [file.name for file in path.parent.iterdir() if file.suffix == ".part"] == []


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulators()
    goals = metaworld.goals("reach-v3").copy()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    metaworld.goals.cache_clear()
    assert np.array_equal(metaworld.goals("reach-v3"), goals)
    metaworld.goals.cache_clear()


def test_drawing_leaves_the_global_stream_alone() -> None:
    simulators()
    np.random.seed(0)
    before = np.random.get_state()[1].tolist()
    stages().draw_goals("reach-v3", "train", 3, np.random.default_rng(0))
    assert np.random.get_state()[1].tolist() == before


# ---- beside the original


def original(fast: Any, env: Any, name: str, goal: int) -> Any:
    """Meta-World's own class, constructed anew, with the goal of a task."""
    return stages().frozen(fast.original(name), metaworld.vector(float(task(name, goal)[0])))


def expert(name: str) -> Any:
    policies = import_module("metaworld.policies")
    words = "PegInsertionSide" if name == "peg-insert-side-v3" else "".join(w.capitalize() for w in name.split("-")[:-1])
    return getattr(policies, f"Sawyer{words}V3Policy")()


def require_equal(ours: Any, theirs: Any, said: str) -> None:
    obs, reward, terminated, _, success = ours
    wanted, pay, ended, _, info = theirs
    assert np.array_equal(obs[:36], wanted[:36]), said
    assert reward == float(pay) and success == bool(info["success"]) and terminated == ended, said


def play_both(name: str, goal: int, steps: int) -> tuple[int, float]:
    """An episode of random actions, then one of the expert with noise at its end; (steps compared, best reward)."""
    env, fast = simulators()
    lane, beside = env.Lane(horizon=steps), original(fast, env, name, goal)
    rng = np.random.default_rng(goal)
    seen, best = 0, 0.0
    for episode in range(2):
        # For the expert the original shows the goal; what else it shows is the same.
        beside._partially_observable = episode == 0
        beside.__dict__.pop("sawyer_observation_space", None)
        obs, (shown, _) = lane.begin(task(name, goal), seed=episode), beside.reset()
        assert np.array_equal(obs[:36], shown[:36]) and not obs[36:].any(), name
        policy = expert(name)
        for t in range(steps):
            action = rng.uniform(-1, 1, 4)
            if episode and t < 0.8 * steps:
                action = np.clip(np.asarray(policy.get_action(shown), dtype=np.float64), -1, 1)
            step, theirs = lane.advance(action), beside.step(action)
            require_equal(step, theirs, f"{name}, goal {goal}, episode {episode}, step {t}")
            assert step[3] == (t == steps - 1) and not step[0][36:].any()
            shown, seen, best = theirs[0], seen + 1, max(best, step[1])
    return seen, best


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Constant")
@pytest.mark.parametrize("name", SOME)
def test_a_quick_class_is_the_original_bit_for_bit(name: str) -> None:
    seen, best = play_both(name, 51, 120)
    assert seen == 240 and best > 2, "the expert does something worth comparing"


@pytest.mark.slow
@pytest.mark.whole
@pytest.mark.filterwarnings("ignore:Constant")
@pytest.mark.parametrize("name", benchmark.CLASSES)
def test_every_quick_class_is_the_original_bit_for_bit(name: str) -> None:
    goal = 7 * benchmark.CLASSES.index(name) % 50
    assert play_both(name, goal, 200)[0] == 400
    assert play_both(name, 100 + goal % 40, 30)[0] == 60


def test_lanes_that_take_turns_do_not_disturb_each_other() -> None:
    """Three lanes of a class share a model; a fourth is of another class."""
    env, _ = simulators()
    tasks = [task("door-open-v3", 0), task("door-open-v3", 1), task("door-open-v3", 0), task("push-v3", 3)]
    rng = np.random.default_rng(0)
    acts = rng.uniform(-1, 1, (30, 4, 4))

    def played(together: bool) -> list[list[Any]]:
        lanes = [env.Lane() for _ in tasks]
        results: list[list[Any]] = [[] for _ in tasks]
        order = [(t, n) for t in range(30) for n in range(4)] if together else [(t, n) for n in range(4) for t in range(30)]
        for t, n in order:
            if t in (0, 17):
                results[n].append(lanes[n].begin(tasks[n], 0).tolist())
            obs, *rest = lanes[n].advance(acts[t, n])
            results[n].append([obs.tolist(), *rest])
        return results

    assert played(True) == played(False)


def test_an_episode_of_a_task_is_the_same_after_any_other() -> None:
    env, _ = simulators()
    acts = np.random.default_rng(0).uniform(-1, 1, (20, 4))
    lane = env.Lane()

    def episode(name: str, goal: int, seed: int) -> list[Any]:
        first = lane.begin(task(name, goal), seed).tolist()
        return [first, *([obs.tolist(), *rest] for obs, *rest in map(lane.advance, acts))]

    once = episode("push-v3", 5, 0)
    assert once != episode("push-v3", 6, 0)
    assert once == episode("push-v3", 5, 1), "the seed changes nothing: Meta-World's resets have no randomness of their own"
    episode("basketball-v3", 0, 0)
    assert once == episode("push-v3", 5, 0)
    lane.close()
    assert once == episode("push-v3", 5, 0)


def test_the_original_takes_a_stored_goal_as_it_is() -> None:
    env, fast = simulators()
    for number in (0, 60, 110):
        beside = original(fast, env, "push-v3", number)
        beside.reset()
        vector = metaworld.vector(float(task("push-v3", number)[0]))
        assert np.array_equal(beside._last_rand_vec, vector)
        assert np.array_equal(beside._target_pos[:2], vector[3:5]) and np.array_equal(beside.obj_init_pos[:2], vector[:2])


def test_observations_do_not_tell_the_goal() -> None:
    """Two tasks that differ in the goal alone look alike and pay differently."""
    env, _ = simulators()
    lanes = [env.Lane(), env.Lane()]
    vectors = [metaworld.vector(float(task("reach-v3", goal)[0])) for goal in (0, 1)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metaworld, "vector", lambda number: np.concatenate([vectors[0][:3], vectors[int(number) % 1000][3:]]))
        first = [lane.begin(task("reach-v3", goal), 0) for goal, lane in enumerate(lanes)]
    assert np.array_equal(*first)
    paid = set()
    for action in np.random.default_rng(0).uniform(-1, 1, (50, 4)):
        one, two = (lane.advance(action) for lane in lanes)
        assert np.array_equal(one[0], two[0]) and not one[0][36:].any()
        paid.add(one[1] == two[1])
    assert paid == {False}


# ---- shortcuts of arithmetic


def test_objects_can_be_left_out_of_observations_and_nothing_else() -> None:
    env, _ = simulators()
    task = np.array([metaworld.numbers(["push-v3"], "train")[0]])
    plain, without = env.Lane(5), env.Lane(5, objects=False)
    shown, hidden = plain.begin(task, 0), without.begin(task, 0)
    for act in np.random.default_rng(0).uniform(-1, 1, (4, 4)):
        assert shown[4:11].any() and not hidden[4:18].any() and not hidden[22:36].any()
        kept = [0, 1, 2, 3, 18, 19, 20, 21, 36, 37, 38]
        assert np.array_equal(shown[kept], hidden[kept]) and shown[kept].any()
        (shown, *one), (hidden, *two) = plain.advance(act), without.advance(act)
        assert one == two
    assert np.array_equal(without.begin(task, 0), env.Lane(5, objects=False).begin(task, 0))


def test_shortcuts_give_what_the_general_functions_give() -> None:
    simulators()
    sums = import_module("pliant.simulators.metaworld.sums")
    reward_utils = import_module("metaworld.utils.reward_utils")
    rotation = import_module("scipy.spatial.transform").Rotation
    rng = np.random.default_rng(0)
    for _ in range(500):
        x = rng.normal(size=rng.integers(1, 8)) * 10.0 ** rng.integers(-3, 3)
        wide = np.zeros(2 * len(x))
        wide[::2] = x
        for vector in (x, wide[::2]):
            assert sums.norm(vector) == np.linalg.norm(vector) and sums.norm(vector, ord=2) == np.linalg.norm(vector, ord=2)
        low, high = np.sort(rng.uniform(0, 0.1, 2))
        margin = rng.choice([0.0, rng.exponential(0.3)])
        for value in (rng.exponential(0.2), np.float64(rng.normal()), low, high):
            for sigmoid in ("long_tail", "gaussian"):
                wanted = reward_utils.tolerance(value, (low, high), margin, sigmoid)
                assert sums.tolerance(value, (low, high), margin, sigmoid) == wanted
    for matrix in rotation.random(500, random_state=0).as_matrix():
        for turn in (matrix, matrix + 1e-9, 1.1 * matrix):
            assert np.array_equal(sums.Turn.from_matrix(turn).as_quat(), rotation.from_matrix(turn).as_quat())
    with pytest.raises(ValueError, match="determinant"):
        sums.Turn.from_matrix(-np.eye(3))
    assert np.array_equal(sums.hstack((np.ones(2), np.zeros(3))), [1, 1, 0, 0, 0])
    assert sums.hstack((1.0, np.float64(2.0))).tolist() == [1, 2] and sums.hstack((np.ones(2), 3.0)).tolist() == [1, 1, 3]
    with pytest.raises(ValueError, match="margin"):
        sums.tolerance(1.0, (0.0, 0.5), -1.0, "long_tail")


def test_another_metaworld_is_refused_in_one_line() -> None:
    _, fast = simulators()
    with pytest.raises(UserError, match=r"metaworld is 3.0.0: expected 3.1.1, .*pip install 'pliant\[metaworld\]'"):
        fast.require_version("3.0.0")


# ---- the families


def test_a_batch_plays_every_lane_the_same_number_of_episodes() -> None:
    env, _ = simulators()
    made = family("ml1", horizon=6)
    tasks = made.sample(2, "train", Stream(0).rng())
    batch = made.batch(tasks, 2, episodes=3)
    obs = batch.reset(Stream(0))
    assert obs.shape == (2, 2, 39) and obs.dtype == torch.float64 and made.episodes == 10
    lane = env.Lane(horizon=6)
    acts = Stream(0).at("a").uniform(18, 2, 2, 4, dtype=torch.float64) * 2 - 1
    wanted = lane.begin(tasks.arrays["task"][1:], 0)
    for t, act in enumerate(acts):
        assert bool(batch.active.all()) and np.array_equal(obs[1, 0].numpy(), wanted)
        step = batch.step(act)
        seen, reward, terminated, truncated, success = lane.advance(act[1, 0].numpy())
        assert np.array_equal(step.next_obs[1, 0].numpy(), seen) and float(step.reward[1, 0]) == reward
        got = (bool(step.terminated[1, 0]), bool(step.truncated[1, 0]), bool(step.success[1, 0]))
        assert got == (terminated, truncated, success) and truncated == (t % 6 == 5)
        wanted = lane.begin(tasks.arrays["task"][1:], 0) if truncated else seen
        obs = step.obs
    assert not bool(batch.active.any())


def test_an_evaluation_of_200_tasks_plays_each_of_40_goals_of_5_classes_once() -> None:
    tasks = family("ml10").sample(200, "test", Stream(3).rng()).arrays["task"].astype(int)
    assert len(set(tasks.tolist())) == 200
    kinds = {benchmark.CLASSES[kind] for kind in tasks // 1000}
    assert kinds == set(benchmark.ML10["test"]) and set(tasks % 1000) == set(range(50, 90))
    meta_batch = family("ml10").sample(20, "train", Stream(3).rng()).arrays["task"].astype(int)
    assert sorted(np.unique(meta_batch // 1000, return_counts=True)[1].tolist()) == [2] * 10, "two of each class"


@pytest.mark.slow
def test_a_resumed_run_of_ml10_is_the_uninterrupted_one(tmp_path: Path) -> None:
    simulators()
    words = "train rl2 metaworld-ml10 --preset none --horizon 5 --train.meta_batch 10 --train.lanes 1 --policy.size 8 --quiet"
    for iterations, out in ((2, "whole"), (1, "parts"), (2, "parts")):
        resume = ["--resume"] if out == "parts" and iterations == 2 else []
        assert cli.main([*words.split(), "--iterations", str(iterations), "--out", str(tmp_path / out), *resume]) == 0
    whole, parts = (checkpoint.load_latest(tmp_path / out / "checkpoints") for out in ("whole", "parts"))
    assert whole.iteration == parts.iteration == 2 and whole.tensors.keys() == parts.tensors.keys()
    assert all(torch.equal(tensor, parts.tensors[name]) for name, tensor in whole.tensors.items())


def test_a_parameter_may_list_what_it_holds_out() -> None:
    parameter = Parameter("x", choices=(1, 2, 3, 14, 15), held_out=(3, 15), ood=(26,), stride=10)
    draws = {split: parameter.draw(6, split, np.random.default_rng(0))[:, 0].tolist() for split in SPLITS}
    assert sorted(draws["train"][:2])[1] == 14 and set(draws["train"]) == {1, 2, 14} and draws["ood"] == [26] * 6
    assert all(sorted(draws["test"][n : n + 2]) == [3, 15] for n in (0, 2, 4))
    assert draws["train"].count(14) == 3, "kinds in turn, however many a kind has"
    x = np.array([[1.0], [3], [15], [26], [7]])
    assert parameters.split_of([parameter], x).tolist() == ["train", "test", "test", "ood", ""]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"task": "raech-v3"}, "unknown Meta-World task 'raech-v3': did you mean 'reach-v3'?"),
        ({"task": "reach"}, "did you mean 'reach-v3'?"),
        ({"horizon": 0}, "horizon is 0: expected at least 1"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as caught:
        metaworld_ml1.Settings(**wrong)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_settings_are_data() -> None:
    expected = {"horizon": 500, "objects": True, "workers": 0, "timeout": 60.0, "task": "reach-v3"}
    assert dataclasses.asdict(metaworld_ml1.Settings()) == expected


@pytest.mark.parametrize("missing", ["metaworld", "mujoco"])
def test_without_metaworld_tasks_can_be_named_and_the_error_names_the_extra(missing: str, forked: Any, tmp_path: Path) -> None:
    code = f"""
import os, sys
os.environ["XDG_CACHE_HOME"] = {str(tmp_path)!r}
sys.modules[{missing!r}] = None
import numpy
from pliant.families import metaworld_ml1, metaworld_ml45
made = metaworld_ml1.family()
tasks = made.sample(2, "train", numpy.random.default_rng(0))
metaworld_ml45.family()
for play in (lambda: made.batch(tasks, 2), lambda: made.described(tasks)):
    try:
        play()
    except ValueError as error:
        print(error)
"""
    answer = forked.run(code)
    lines = answer.stdout.splitlines()
    assert len(lines) == 2 and all(line.startswith("metaworld-ml1 needs") for line in lines)
    assert all(f"pip install 'pliant[{missing}]'" in line for line in lines)


@pytest.mark.slow
def test_what_workers_import_knows_no_torch() -> None:
    pytest.importorskip("metaworld")
    code = "import sys; from pliant.simulators.metaworld import env; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)
