"""Any Gymnasium environment as a family: what varies arrives where it belongs, and what cannot be served is one line."""

import dataclasses
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

import pliant
from pliant.cli import main as cli
from pliant.errors import UserError
from pliant.families import gymnasium as family_file
from pliant.simulators.gymnasium import parameters, spaces
from pliant.simulators.gymnasium import vary as varying
from pliant.simulators.gymnasium.vary import Axis, Range
from pliant.streams import Stream
from pliant.system import outside
from pliant.tasks import asked, pool
from pliant.tasks.base import Family

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def no_pool_is_left() -> Iterator[None]:
    yield
    while pool._idle:
        pool._idle.pop().close()


@pytest.fixture
def worlds(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(HERE))
    return outside.import_outside("worlds")


def family(env: str, vary: str, **more: Any) -> Family:
    return family_file.family(family_file.Settings(env=env, vary=vary, **{"workers": 1} | more))


# ---- what varies, in words


def test_what_varies_is_read_as_written() -> None:
    text = "length=0.3:1.5, force_mag=5:15|-15:-5, map_name=4x4|8x8, option.n = 3..5|9, slippery=true|false, seed=0:2"
    assert varying.parse("vary", text) == (
        Axis("length", (Range(0.3, 1.5),)),
        Axis("force_mag", (Range(-15, -5), Range(5, 15))),
        Axis("map_name", values=("4x4", "8x8")),
        Axis("option.n", values=(3.0, 4.0, 5.0, 9.0)),
        Axis("slippery", values=(True, False)),
        Axis("seed", values=(0.0, 1.0, 2.0)),
    )
    assert varying.parse("vary", "x=1e-3:2.5E1,") == (Axis("x", (Range(1e-3, 25),)),)


def test_as_many_values_as_there_may_be_are_read_in_a_second() -> None:
    begin = time.process_time()
    (axis,) = varying.parse("vary", f"seed=0..{varying.MOST_CHOICES - 1}")
    made = parameters.parameter(axis, None)
    assert len(made.choices) == varying.MOST_CHOICES and made.choices[-1] == varying.MOST_CHOICES - 1
    (axis,) = varying.parse("vary", "mode=easy|hard")
    assert axis.numbers() == (0.0, 1.0)
    assert time.process_time() - begin < 5  # what looks at all values for each of them takes minutes


@pytest.mark.parametrize(
    "text, words",
    [
        ("length", "expected NAME=LOW:HIGH"),
        ("=1:2", "expected NAME=LOW:HIGH"),
        ("length=", "names no value"),
        ("length=1|", "names no value"),
        ("length=2:1", "the range 2:1 is empty"),
        ("length=1:1", "the range 1:1 is empty"),
        ("n=5..3", "the range 5..3 is empty"),
        ("n=0..100000", "at most 100,000 values"),
        ("length=a:b", "'a:b' is no range"),
        ("length=1:2:3", "'1:2:3' is no range"),
        ("length=1:2|3", "either ranges or values"),
        ("length=1:3|2:4", "overlap"),
        ("length=1|2|1", "a value is there twice"),
        ("length=1:2, length=3:4", "vary has length twice"),
        ("seed=0.5:3", "seeds are integers"),
        ("seed=-3:3", "seeds are integers"),
        ("seed=a", "seeds are integers"),
        ("seed=1|true", "seeds are integers"),
        ("le ngth=1:2", "expected NAME=LOW:HIGH"),
        (",", "names nothing"),
        (" ", "names nothing"),
        ("length=0.3:1e400", "expected finite bounds"),
        ("length=-1e308:1e308", "expected finite bounds"),
        ("length=1:2, attribute.length=3:4", "vary has length twice"),
    ],
)
def test_malformed_words_are_one_line(text: str, words: str) -> None:
    with pytest.raises(ValueError, match="^vary has ") as error:
        family_file.Settings(env="CartPole-v1", vary=text)
    assert words in str(error.value) and "\n" not in str(error.value)


# ---- where it goes


def test_cartpole_gets_its_attributes_and_what_follows_from_them() -> None:
    made = family("CartPole-v1", "length=0.3:1.5, masspole=0.05:0.3, force_mag=-15:-5|5:15", ood="length=1.5:2")
    assert (made.spec.obs_size, made.spec.action_size, made.spec.discrete, made.horizon) == (4, 2, True, 500)
    tasks = made.sample(3, "train", Stream(1).rng())
    batch = made.batch(tasks, 2, episodes=2)
    obs = batch.reset(Stream(0))
    starts = Stream(0).at("reset").uniform(3, 2, 2, 1, dtype=torch.float64)
    for m, row in enumerate(tasks.rows()):
        env: Any = gymnasium.make("CartPole-v1")
        inner = env.unwrapped
        inner.length, inner.masspole, inner.force_mag = row["length"], row["masspole"], row["force_mag"]
        inner.total_mass = inner.masspole + inner.masscart
        inner.polemass_length = inner.masspole * inner.length
        first, _ = env.reset(seed=int(starts[m, 0, 0, 0] * 2**31))
        assert obs[m, 0].numpy() == pytest.approx(first, abs=0)
    length = made.sample(50, "ood", Stream(2).rng()).arrays["length"]
    assert 1.5 < length.min() and length.max() <= 2


def test_whole_trials_are_those_of_the_environment_itself() -> None:
    made = family("CartPole-v1", "length=0.3:1.5, masspole=0.05:0.3, force_mag=-15:-5|5:15", workers=2, horizon=40)
    tasks = made.sample(3, "train", Stream(1).rng())
    batch = made.batch(tasks, 2, episodes=3)
    obs = batch.reset(Stream(0))
    starts = Stream(0).at("reset").uniform(3, 2, 3, 1, dtype=torch.float64)
    rng = np.random.default_rng(0)
    originals = [[_Original(row, starts[m, b, :, 0]) for b in range(2)] for m, row in enumerate(tasks.rows())]
    ended = 0
    for _ in range(batch.max_steps):
        action = rng.integers(0, 2, (3, 2))
        active = batch.active.clone()
        step = batch.step(torch.tensor(action))
        for m, b in active.nonzero().tolist():
            expected, reward, terminated, truncated = originals[m][b].step(int(action[m, b]), obs[m, b])
            assert step.next_obs[m, b].numpy() == pytest.approx(expected, abs=0)
            assert (float(step.reward[m, b]), bool(step.terminated[m, b])) == (reward, terminated)
            assert bool(step.truncated[m, b]) == truncated
            ended += terminated or truncated
        obs = step.obs
        if not bool(batch.active.any()):
            break
    assert ended == 18, "three episodes in six lanes"


class _Original:
    """CartPole-v1 with the physics of a task, played by hand."""

    def __init__(self, row: dict[str, float], starts: Any) -> None:
        self.env: Any = gymnasium.make("CartPole-v1", max_episode_steps=40)
        inner = self.env.unwrapped
        inner.length, inner.masspole, inner.force_mag = row["length"], row["masspole"], row["force_mag"]
        inner.total_mass = inner.masspole + inner.masscart
        inner.polemass_length = inner.masspole * inner.length
        self.seeds = [int(x * 2**31) for x in starts]
        self.obs, _ = self.env.reset(seed=self.seeds.pop(0))

    def step(self, action: int, shown: Any) -> tuple[Any, float, bool, bool]:
        assert shown.numpy() == pytest.approx(self.obs, abs=0), "what the policy saw"
        after, reward, terminated, truncated, _ = self.env.step(action)
        self.obs = after
        if (terminated or truncated) and self.seeds:
            self.obs, _ = self.env.reset(seed=self.seeds.pop(0))
        return after, reward, terminated, truncated and not terminated


def numbers(made: Family, **values: Any) -> Any:
    """The first observation of a task, as the policy sees it."""
    return made.batch(made.task(values), 1).reset(Stream(0))[0, 0].tolist()


def test_everything_arrives_in_a_strange_environment(worlds: Any) -> None:
    vary = (
        "size=2..5, argument.name=plain|other, mode=true|false, weight=1:3, count=1..9, attribute.inner.gain=0:2,"
        "option.start=0:5, seed=0..99"
    )
    made = family("Strange-v0", vary)
    assert made.spec == (3 + 2 + 4 + 5 + 1, 6, True, 8, 0, None)
    names = ["size", "name", "mode", "weight", "count", "inner_gain", "start", "seed"]
    assert [p.name for p in made.parameters] == names
    task = dict(zip(names, (5, 1, 1, 2.5, 7, 1.5, 4.0, 3), strict=True))
    # Dict spaces are flattened in the order of their keys: flags, kind (one-hot), matrix, pair (one-hot by part, then Box).
    env = gymnasium.make("Strange-v0")
    env.reset(seed=3)
    draw = np.float32(env.unwrapped.draw)  # type: ignore[attr-defined]
    expected = [0, 1, 0, 0, 1, 2.5, 1.5, 4.0, draw, 1, 0, 1, 0, 0, 7]
    assert numbers(made, **task) == pytest.approx(expected)
    assert made.split_of(made.task(task | {"seed": 5}))[0] != "" and made.parameters[-1].split
    batch = made.batch(made.task(task), 1)
    batch.reset(Stream(0))
    for index in range(6):
        step = batch.step(torch.tensor([[index]]))
        first, second = divmod(index, 3)
        one_hot = [float(first == 0), float(first == 1), *(float(second == i) for i in range(3))]
        assert step.next_obs[0, 0, 9:14].tolist() == one_hot and float(step.reward[0, 0]) == 2.5
        assert bool(step.success[0, 0]) == (second == 2)
    assert bool(step.truncated[0, 0]), "at its own limit of 6 steps"


def test_layouts_are_the_same_in_every_episode_and_held_out(worlds: Any) -> None:
    made = family("Strange-v0", "seed=0..99")
    tasks = {split: set(made.sample(200, split, Stream(0).rng()).arrays["seed"]) for split in ("train", "test")}
    assert len(tasks["train"]) + len(tasks["test"]) == 100 and not tasks["train"] & tasks["test"] and len(tasks["test"]) == 20
    batch = made.batch(made.task({"seed": 7}), 2, episodes=2)
    draws = [batch.reset(Stream(s))[0, :, 8].tolist() for s in range(2)]
    assert len({d for pair in draws for d in pair}) == 1


def test_a_function_and_wrappers_of_the_user(worlds: Any) -> None:
    made = family(
        "Strange-v0", "apply.heavy=1:3", apply="worlds:weigh", wrappers="worlds.Half, worlds.Half(by=5)", arguments="size=4"
    )
    batch = made.batch(made.task({"heavy": 2.0}), 1)
    assert batch.reset(Stream(0))[0, 0, :6].tolist() == [1, 0, 0, 1, 0, 20.0], "size 4: kind 1"
    assert float(batch.step(torch.zeros(1, 1, dtype=torch.int64)).reward[0, 0]) == pytest.approx(20 / 2 / 5)


def test_images_are_shares_of_full_brightness_with_channels_first(worlds: Any) -> None:
    for first, lit in ((False, [0]), (True, None)):
        made = family("Camera-v0", "light=50:200", arguments=f"first={str(first).lower()}")
        assert made.spec.image == (3, 12, 16) and made.spec.obs_size == 576 and not made.spec.discrete
        picture = np.array(numbers(made, light=102.0)).reshape(3, 12, 16)
        assert set(np.unique(picture)) == {0.0, 0.4}
        assert (picture[:, 0] == 0.4).all() if lit else (picture[0] == 0.4).all()
    grey = family("Camera-v0", "light=50:200", wrappers="GrayscaleObservation, FrameStackObservation(2)")
    assert grey.spec.image == (2, 12, 16)
    batch = made.batch(made.task({"light": 60.0}), 1)
    batch.reset(Stream(0))
    for ours, theirs in ((-1.0, 0.0), (0.0, 5.0), (1.0, 10.0)):
        assert float(batch.step(torch.tensor([[[0.3, ours]]])).reward[0, 0]) == pytest.approx(theirs)


@pytest.mark.parametrize(
    "env, vary, size",
    [("FrozenLake-v1", "map_name=4x4, is_slippery=true|false", 16), ("Blackjack-v1", "sab=true|false", 32 + 11 + 2)],
)
def test_games_of_gymnasium(env: str, vary: str, size: int) -> None:
    made = family(env, vary, horizon=9)
    assert made.spec.obs_size == size and made.spec.discrete
    batch = made.batch(made.sample(2, "train", Stream(0).rng()), 2)
    assert batch.reset(Stream(0)).sum(-1).tolist() == [[1 if env[0] == "F" else 3] * 2] * 2, "one-hot"


def test_success_and_constructor_arguments_of_pendulum() -> None:
    made = family("Pendulum-v1", "g=5:15, m=0.5:2", ood="g=15:20")
    batch = made.batch(made.sample(2, "test", Stream(0).rng()), 1)
    obs = batch.reset(Stream(0))
    step = batch.step(torch.full((2, 1, 1), 0.5))
    for m, row in enumerate(batch.tasks.rows()):
        env: Any = gymnasium.make("Pendulum-v1", g=row["g"])
        env.unwrapped.m = row["m"]
        seed = int(Stream(0).at("reset").uniform(2, 1, 1, 1, dtype=torch.float64)[m, 0, 0, 0] * 2**31)
        assert env.reset(seed=seed)[0] == pytest.approx(obs[m, 0].numpy(), abs=0)
        after, reward, *_ = env.step(np.array([1.0], np.float32))
        assert after == pytest.approx(step.next_obs[m, 0].numpy(), abs=0)
        assert reward == pytest.approx(float(step.reward[m, 0]), rel=1e-12)


# ---- made once


def test_an_environment_is_looked_at_once_per_process_whatever_asks_for_its_family(worlds: Any) -> None:
    made: list[str] = []

    def counted(job: Any, called: str, timeout: float) -> Any:
        made.append(called)
        return ask(job, called, timeout)

    ask = asked.ask
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asked, "ask", counted)
        one = family("Strange-v0", "weight=1.5:2.5")
        first = len(made)
        two = family("Strange-v0", "weight=1.5:2.5", episodes=3, horizon=5)
        assert first == 1 and len(made) == first
        assert (one.parameters, one.spec, one.horizon, two.episodes, two.horizon) == (two.parameters, two.spec, 6, 3, 5)
        family("Strange-v0", "weight=1.5:2.5", arguments="size=4")
        assert len(made) > first, "other arguments are another environment"


def test_an_environment_that_is_registered_anew_under_its_name_is_looked_at_again(worlds: Any) -> None:
    family("Camera-v0", "light=50:60")
    with pytest.MonkeyPatch.context() as patch:
        for other, words in (("Moody", "too bright to step"), ("Words", "cannot be served")):
            spec = dataclasses.replace(gymnasium.spec("Camera-v0"), entry_point=f"worlds:{other}")
            patch.setitem(gymnasium.registry, "Camera-v0", spec)
            with pytest.raises(UserError, match=words):
                family("Camera-v0", "light=50:200")


def test_true_and_one_are_not_the_same_environment() -> None:
    family("FrozenLake-v1", "is_slippery=true|false", horizon=9)
    with pytest.raises(UserError, match="expected true or false"):
        family("FrozenLake-v1", "is_slippery=1|0", horizon=9)


# ---- refusals


@pytest.mark.parametrize(
    "env, vary, more, words",
    [
        ("CartPole-v1", "lenght=1:2", {}, "did you mean 'length'?"),
        ("CartPole-v1", "inner.length=1:2", {}, "unknown name in --vary"),
        ("CartPole-v1", "apply.x=1:2", {}, "--apply module:function"),
        ("CartPole-v1", "length=1:2", {"ood": "length=1.2:1.5"}, "a range beyond 1:2"),
        ("CartPole-v1", "length=1:2", {"ood": "masscart=1:2"}, "which vary does not have"),
        ("CartPole-v1", "length=1:2", {"ood": "length=3|4"}, "expected a range"),
        ("CartPole-v1", "length=1:2|3:4", {"ood": "length=0:2.5|3:5"}, "must leave out what vary does"),
        ("CartPole-v1", "length=1|2", {"ood": "length=2|3"}, "values that vary does not have"),
        ("CartPole-v1", "sutton_barto_reward=1:2", {}, "expected true or false"),
        ("CartPole-v1", "", {}, "vary is empty"),
        ("", "length=1:2", {}, "env is empty"),
        ("CartPole-v1", "length=1:2", {"horizon": -1}, "horizon is -1"),
        ("CartPole-v1", "length=1:2", {"timeout": 0.0}, "timeout is 0.0: expected above 0 seconds"),
        ("CartPole-v1", "length=1:2", {"arguments": "a=1|2"}, "give one value"),
        ("CartPole-v1", "length=1:2", {"arguments": "render=1"}, "cannot be made: TypeError"),
        ("CartPole-v1", "length=1:2", {"wrappers": "Grayscale"}, "unknown wrapper 'Grayscale'"),
        ("CartPole-v1", "length=1:2", {"wrappers": "TimeLimit(open('x'))"}, "must be constants"),
        ("CartPole-v1", "length=1:2", {"wrappers": "a b"}, "expected names"),
        ("CartPole-v1", "length=1:2", {"wrappers": "os.Half"}, "--import os"),
        ("CartPole-v1", "apply.x=1:2", {"apply": "os:system"}, "--import os"),
        ("CartPol-v1", "length=1:2", {}, "did you mean 'CartPole-v1'?"),
        ("antigravity:Env-v0", "length=1:2", {}, "--import antigravity"),
        ("os:CartPole-v1", "length=1:2", {}, "--import os"),
        ("CartPole-v1", "length=true|false", {}, "which is 0.5 in CartPole-v1: expected numbers"),
        ("CartPole-v1", "step=0:1", {}, "step, a method in CartPole-v1"),
        ("CartPole-v1", "action_space=1|2", {}, "action_space, a Discrete in CartPole-v1"),
        ("CartPole-v1", "np_random=1:2", {}, "np_random, a Generator"),
        ("Pendulum-v1", "g=abc", {}, "g=abc, which is 10.0 in Pendulum-v1: expected numbers"),
        ("Strange-v0", "weight=1:2, count=2|inf", {}, "expected integers"),
        ("Moody-v0", "light=50:200", {}, "rejects light=200.0: OverflowError: too bright to step"),
        ("Camera-v0", "light=50:200", {"apply": "worlds:local"}, "cannot be sent to a worker process"),
        ("Hidden-v0", "light=50:200", {}, "worlds register it there"),
        ("FetchReach-v9", "seed=0..9", {}, "gymnasium-robotics registers"),
        ("Strange-v0", "size=2..7", {}, "rejects size=7: RuntimeError: size must be at most 6"),
        ("Strange-v0", "size=2.5:3", {}, "expected integers"),
        ("Strange-v0", "name=1..3", {}, "expected text"),
        ("Strange-v0", "mode=0|1", {}, "mode=0.0|1.0, which is False in Strange-v0: expected true or false"),
        ("Strange-v0", "count=yes|no", {}, "count=yes|no, which is 2 in Strange-v0: expected integers"),
        ("Timeless-v0", "light=50:200", {}, "no time limit"),
        ("Endless-v0", "light=50:200", {}, "without bounds"),
        ("Words-v0", "light=50:200", {}, "cannot be served: its observations are Sequence"),
        ("Crowd-v0", "light=50:200", {}, "2,500 choices in all"),
        ("FrozenLake-v1", "map_name=4x4|8x8", {}, "one observation space"),
    ],
)
def test_what_cannot_be_served_is_one_line(env: str, vary: str, more: dict[str, Any], words: str, worlds: Any) -> None:
    with pytest.raises(ValueError) as error:
        family(env, vary, **more)
    message = str(error.value)
    assert words in message, message
    assert "\n" not in message and "antigravity" not in sys.modules


def test_refusals_at_the_command_line_have_status_2_and_leave_nothing(tmp_path: Path, capsys: Any) -> None:
    out, settings = tmp_path / "run", tmp_path / "named.toml"
    settings.write_text('[family]\nenv = "CartPole-v1"\nvary = "apply.x=1:2"\napply = "antigravity:fly"\n')
    loaded = tmp_path / "loaded.toml"  # a module that pliant itself has imported
    loaded.write_text(settings.read_text().replace("antigravity:fly", "torch.hub:load"))
    for words in (
        ["--env", "CartPole-v1", "--vary", "lenght=1:2"],
        ["--env", "CartPole-v1", "--vary", "length=2:1"],
        ["--env", "CartPol-v1", "--vary", "length=1:2"],
        ["--env", "antigravity:Env-v0", "--vary", "length=1:2"],
        ["--env", "CartPole-v1", "--vary", ","],
        ["--env", "CartPole-v1", "--vary", "length=0.3:1e400"],
        ["--env", "CartPole-v1", "--vary", "step=0:1"],
        ["--env", "Pendulum-v1", "--vary", "g=abc"],
        ["--env", "CartPole-v1", "--vary", "apply.x=1:2", "--apply", "os:system"],
        ["--env", "CartPole-v1", "--vary", "apply.x=1:2", "--apply", "antigravity:fly"],
        ["--preset", str(settings)],
        ["--preset", str(loaded)],
        ["--env", "CartPole-v1"],
        ["--enw", "CartPole-v1", "--vary", "length=1:2"],
        ["--env", "CartPole-v1", "--family.env", "CartPole-v0", "--vary", "length=1:2"],
    ):
        assert cli.main(["train", "maml", "gymnasium", *words, "--out", str(out), "--quiet"]) == 2
        said = capsys.readouterr()
        assert said.out == "" and said.err.startswith("pliant: ") and said.err.count("\n") == 1, said.err
        assert not out.exists() and "antigravity" not in sys.modules


def test_an_id_with_its_module_is_served_once_the_module_is_imported(worlds: Any) -> None:
    made = family("worlds:Camera-v0", "light=50:200")
    assert made.horizon == 6 and made.batch(made.sample(1, "train", Stream(0).rng()), 1).reset(Stream(0)).shape[-1] > 1


def test_what_is_not_installed_is_said_before_a_run_begins(forked: Any, tmp_path: Path) -> None:
    blocked = f"import sys; sys.modules['mujoco'] = None; sys.path.insert(0, {str(tmp_path)!r})\n"
    for name in ("metaworld-ml1", "half-cheetah-vel"):
        words = f"train maml {name} --iterations 1 --quiet --out {tmp_path / 'run'}".split()
        script = f"{blocked}from pliant.cli import main as cli\nsys.exit(cli.main({words!r}))"
        done = forked.run(script)
        assert done.returncode == 2 and "pip install 'pliant[" in done.stderr and done.stderr.count("\n") == 1, done.stderr
        assert not (tmp_path / "run").exists()


# ---- the whole way


@pytest.mark.slow
def test_train_evaluate_and_adapt_from_the_command_line(tmp_path: Path, capsys: Any) -> None:
    out = str(tmp_path / "run")
    words = ["--env", "CartPole-v1", "--vary", "length=0.3:1.5, force_mag=-15:-5|5:15", "--ood", "length=1.5:2"]
    small = ["--train.meta-batch", "2", "--train.lanes", "2", "--horizon", "20", "--iterations", "2", "--quiet"]
    assert cli.main(["train", "maml", "gymnasium", *words, *small, "--out", out]) == 0
    assert cli.main(["evaluate", out, "--tasks", "3", "--stages", "1", "--split", "ood"]) == 0
    assert cli.main(["adapt", out, "--task", "length=1 force_mag=-7", "--stages", "1"]) == 0
    assert "adapted policy" in capsys.readouterr().out
    settings = tmp_path / "cartpole.toml"
    settings.write_text('[family]\nenv = "CartPole-v1"\nvary = "length=0.3:1.5, force_mag=-15:-5|5:15"\nood = "length=1.5:2"\n')
    same = str(tmp_path / "same")
    assert cli.main(["train", "maml", "gymnasium", "--preset", str(settings), *small, "--out", same]) == 0
    last = [json.loads((Path(run) / "metrics.jsonl").read_text().splitlines()[-1]) for run in (out, same)]
    assert all(row.pop("clock") for row in last) and last[0] == last[1]
    assert cli.main(["train", "maml", "point", "--preset", str(settings), "--out", str(tmp_path / "p")]) == 2
    assert "unknown setting 'family.env'" in capsys.readouterr().err


def test_an_adapted_policy_acts_in_an_environment_with_unusual_spaces(worlds: Any, tmp_path: Path) -> None:
    """Observations as the environment gives them, actions as it takes them; flattened by hand they give the same."""
    settings = {"family.env": "Strange-v0", "family.vary": "weight=1:3", "family.workers": 1, "policy.hidden": (4,)}
    agent = pliant.Agent("maml", "gymnasium", preset="none", settings=settings | {"train.lanes": 2})
    env = gymnasium.make("Strange-v0", disable_env_checker=True)
    adapted = agent.adapt(env, stages=1)
    obs, _ = env.reset(seed=0)
    action, _ = adapted.predict(obs, deterministic=True)
    assert env.action_space.contains(action)
    env.step(action)
    flat = gymnasium.spaces.flatten(env.observation_space, obs)
    assert np.array_equal(adapted.predict(flat, deterministic=True)[0], action)
    both = adapted.predict(np.stack([flat, flat]), deterministic=True)[0]
    assert both.shape == (2, 2) and np.array_equal(both[0], action)
    loaded = pliant.load(adapted.save(tmp_path / "adapted"))
    assert np.array_equal(loaded.predict(flat, deterministic=True)[0], action)
    with pytest.raises(UserError, match="expected"):
        loaded.predict(np.zeros(3))


def test_an_adapted_policy_acts_upon_images(worlds: Any) -> None:
    settings = {"family.env": "Camera-v0", "family.vary": "light=50:200", "family.workers": 1, "policy.hidden": (4,)}
    agent = pliant.Agent("maml", "gymnasium", preset="none", settings=settings | {"train.lanes": 2})
    env = gymnasium.make("Camera-v0", disable_env_checker=True)
    adapted = agent.adapt(env, stages=0)
    obs, _ = env.reset(seed=0)
    action, _ = adapted.predict(obs, deterministic=True)
    assert env.action_space.contains(action) and action.shape == (1, 2)
    assert not np.array_equal(action, adapted.predict(np.zeros_like(obs), deterministic=True)[0])


def test_actions_in_a_box_of_whole_numbers_are_the_nearest() -> None:
    box = gymnasium.spaces.Box(0, 3, (1,), np.int64)
    taken = [int(spaces.actor(box).of(np.array([a]))[0]) for a in np.linspace(-1, 1, 3001)]
    shares = np.bincount(taken, minlength=4) / len(taken)
    assert shares == pytest.approx([1 / 6, 1 / 3, 1 / 3, 1 / 6], abs=1e-3)
    assert spaces.actor(box).of(np.array([1.0])).dtype == np.int64


def test_what_cannot_be_served_inside_a_dict_is_named_with_a_way_out() -> None:
    words = gymnasium.spaces.Sequence(gymnasium.spaces.Discrete(2))
    space = gymnasium.spaces.Dict({"image": gymnasium.spaces.Discrete(3), "mission": words})
    with pytest.raises(ValueError, match=r"observations have 'mission', Sequence.*FilterObservation\(\['image'\]\)"):
        spaces.observer(space)
