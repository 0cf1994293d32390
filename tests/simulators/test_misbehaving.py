"""Environments that misbehave: each is refused, or doubted before a training, in one line that names what is to blame."""

import json
import re
import subprocess
import sys
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
from pliant.streams import Stream
from pliant.system import outside, progress
from pliant.tasks import pool
from pliant.tasks.base import Family

HERE = Path(__file__).parent
STEP = "expected (observation, reward, terminated, truncated, info)"
PAIR = "expected the pair (observation, info)"
MEANT = "if it matters only later, all is well"
STATE = (
    " keeps state from episode to episode: the same seed gives another episode after others were played, so that an evaluation"
    " depends on what came before it, and a resumed run is not what it would have been; leave it out, or make the environment"
    " anew for every episode (--fresh true)"
)
AFTER = (
    " after reset, so that tasks do not differ in it; vary what reset draws it from (argument.NAME, option.NAME), or set it"
    " after reset in a wrapper (--wrappers module.Wrapper)"
)

REFUSED: dict[str, str] = {
    "BareReset": "# returned array([ 0.27392337, -0.46042657]) from reset: " + PAIR,
    "Seedless": "# takes no seed in reset: expected reset(self, *, seed=None, options=None)",
    "ThreeFromReset": "# returned 3 values from reset: " + PAIR,
    "ListInfo": f"# returned the info [] from reset: {PAIR}, info a dict",
    "RaisesInReset": "# raised FileNotFoundError in reset, before anything varies: no map there",
    "HangsInReset": "# did not answer for 2 seconds while being reset",
    "ExitsInReset": "# ended its process with status 3 while being reset",
    "NanFromReset": "# returned an observation that is not finite from reset: [nan, nan]",
    "LongFromReset": "# returned an observation of 3 numbers from reset: its observation_space has 2",
    "FourFromStep": "# returned 4 values from step, as before Gymnasium 0.26: " + STEP,
    "NoneFromStep": "# returned None from step: " + STEP,
    "VectorReward": (
        "# returned a reward of shape (2,) from step: expected one number, so weigh its parts in a wrapper"
        " (--wrappers module.Wrapper)"
    ),
    "NoReward": "# returned the reward None from step: expected a number",
    "NanReward": "# returned the reward nan from step: expected a finite number",
    "TextReward": "# returned the reward 'much' from step: expected a number",
    "InfoForTruncated": "# returned the truncated {'late': True} from step: expected true or false",
    "ManyEnds": "# returned the terminated array([ True, False]) from step: expected true or false",
    "NoInfo": "# returned the info None from step: expected a dict",
    "LongFromStep": "# returned an observation of 3 numbers from step: its observation_space has 2",
    "RaisesInStep": "# raised ZeroDivisionError in step, before anything varies: the plant is on fire",
    "FailsSoon": "# cannot be played: OverflowError: too far",
    "KilledInStep": "# was killed by SIGKILL while being stepped",
    "RaisesWhenMade": "# cannot be made: RuntimeError: no licence",
    "NeedsDisplay": (
        "# cannot be made: OSError: pygame.error: No available video device: it needs a display, and there is none; set"
        " SDL_VIDEODRIVER=dummy (pygame) or MUJOCO_GL=egl (MuJoCo), or call xvfb-run -a pliant ..."
    ),
    "ExitsWhenMade": "# ended its process with status 4 while being made",
}
"""What is said of each; # stands for its id."""

UNDONE: dict[str, tuple[str, str]] = {
    "Redrawn": ("goal=0.1:0.9", "--vary: reset of # undoes goal: set to 0.1 and 0.9, it is 0.202997 and 0.202997" + AFTER),
    "Rebuilt": ("model.UA=1:2", "--vary: reset of # undoes model.UA: set to 1 and 2, it is 5 and 5" + AFTER),
}
"""What varies, and why no training begins."""

DOUBTED: dict[str, tuple[str, str]] = {
    "ConstructorOnly": (
        "mass=1:3",
        "--vary: mass changed nothing in 300 steps of # at random, at 1 and 3: an attribute that is read in the constructor"
        f" alone is varied as argument.NAME, or set by --apply; {MEANT}",
    ),
    "IgnoresOptions": (
        "option.x=1:2",
        f"--vary: x changed nothing in 300 steps of # at random, at 1 and 2: reset may not use this option; {MEANT}",
    ),
    "OneLayout": (
        "seed=0..99",
        "--vary: seed changed nothing in 300 steps of # at random, at 0 and 99: reset may draw nothing from its seed, and all"
        f" tasks are one then; {MEANT}",
    ),
    "Counting": ("n=0.2:0.8", "#" + STATE),
    "Cached": ("gain=1:2", "#" + STATE),
    "Unseeded": (
        "n=0.2:0.8",
        "# does not repeat itself from the same seed and actions, even made anew: its chance must come from self.np_random,"
        " seeded by reset(seed=...); no result of it can be repeated",
    ),
    "FailsLater": (
        "n=0.2:0.8",
        "# raised OverflowError: too often while the same episode twice were played at random: what else varies was not tried",
    ),
    "RaisesInClose": ("n=0.2:0.8", "# raised KeyError: 'socket' in close: that is passed over wherever it is closed"),
    "ShowsGoal": (
        "n=0.2:0.8",
        "# shows its goal in every observation ('desired_goal'): tasks that differ in the goal leave nothing to adapt to;"
        " --leave-out desired_goal hides it",
    ),
}
"""What varies, and what is said before a training."""


@pytest.fixture(autouse=True)
def misbehaving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(HERE))
    yield outside.import_outside("misbehaving")
    while pool._idle:
        pool._idle.pop().close()


def family(env: str, vary: str = "n=0.2:0.8", **more: Any) -> Family:
    return family_file.family(family_file.Settings(env=f"{env}-v0", vary=vary, **{"workers": 1, "timeout": 20.0} | more))


def doubts(made: Family) -> list[str]:
    assert made.doubts
    return list(made.doubts())


@pytest.mark.parametrize("env", REFUSED)
def test_what_an_environment_does_wrong_is_said_of_itself(env: str) -> None:
    with pytest.raises(UserError) as error:
        family(env, timeout=2.0 if env == "HangsInReset" else 20.0)
    assert str(error.value) == REFUSED[env].replace("#", f"{env}-v0")


@pytest.mark.parametrize("env", UNDONE)
def test_what_reset_undoes_is_refused(env: str) -> None:
    vary, expected = UNDONE[env]
    with pytest.raises(UserError) as error:
        doubts(family(env, vary))
    assert str(error.value) == expected.replace("#", f"{env}-v0")


@pytest.mark.parametrize("env", DOUBTED)
def test_what_looks_wrong_is_said(env: str) -> None:
    vary, expected = DOUBTED[env]
    assert doubts(family(env, vary)) == [expected.replace("#", f"{env}-v0")]


@pytest.mark.parametrize("env", ["Good", "Positional", "Noisy", "Unsendable"])
def test_of_one_that_is_right_nothing_is_said(env: str) -> None:
    assert doubts(family(env)) == []


def test_the_campaign_is_of_thirty_or_more(misbehaving: Any) -> None:
    good = {"Good", "Positional", "Noisy", "Erratic"}
    assert {kind.__name__ for kind in misbehaving.KINDS} - good == {*REFUSED, *UNDONE, *DOUBTED}
    assert len({*REFUSED, *UNDONE, *DOUBTED}) >= 30


def test_a_wrapper_that_keeps_state_is_the_one_that_is_named() -> None:
    stack = "misbehaving.Silent, misbehaving.Running, misbehaving.Silent"
    assert doubts(family("Good", wrappers=stack)) == ["the wrapper Running of Good-v0" + STATE]
    said = doubts(family("Good", wrappers="NormalizeObservation"))
    assert said == ["the wrapper NormalizeObservation of Good-v0" + STATE]


def test_an_environment_made_anew_for_every_episode_keeps_no_state() -> None:
    for env, vary in (("Counting", "n=0.2:0.8"), ("Cached", "gain=1:2")):
        assert doubts(family(env, vary, fresh=True)) == []
    made = family("Counting", fresh=True)
    tasks = made.task({"n": 0.5})
    first = [made.batch(tasks, 1, episodes=2).reset(Stream(0)).tolist() for _ in range(2)]
    assert first[0] == first[1]


def test_a_value_that_reset_undoes_may_be_set_by_a_wrapper_after_it() -> None:
    made = family("Redrawn", "apply.goal=0.1:0.9", wrappers="misbehaving.Kept", apply="misbehaving:set_goal")
    assert doubts(made) == []
    batch = made.batch(made.task({"goal": 0.7}), 1)
    batch.reset(Stream(0))
    assert float(batch.step(torch.zeros(1, 1, dtype=torch.int64)).reward) == pytest.approx(0.7)


def test_what_agents_shall_not_see_is_left_out() -> None:
    made = family("ShowsGoal", leave_out="desired_goal")
    assert doubts(made) == [] and made.spec.obs_size == 4
    with pytest.raises(UserError, match=r"unknown key in --leave-out.*'desire_goal'.*did you mean 'desired_goal'"):
        family("ShowsGoal", leave_out="desire_goal")
    with pytest.raises(UserError, match="unknown key in --leave-out.*there is none"):
        family("Good", leave_out="goal")


def test_no_run_is_begun_with_tasks_that_are_all_one(tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "run"
    small = ["--iterations", "1", "--train.meta-batch", "2", "--train.lanes", "2", "--workers", "1", "--quiet"]
    words = ["train", "maml", "gymnasium", "--env", "Redrawn-v0", "--vary", "goal=0.1:0.9", "--import", "misbehaving"]
    for more in (["--out", str(out)], ["--out", str(out), "--seeds", "0..1"]):
        assert cli.main([*words, *small, *more]) == 2
        said = capsys.readouterr().err
        assert said.startswith("pliant: --vary: reset of Redrawn-v0 undoes goal") and said.count("\n") == 1
        assert not out.exists()
    agent = pliant.Agent("maml", "gymnasium", settings={"family.env": "Redrawn-v0", "family.vary": "goal=0.1:0.9"})
    with pytest.raises(UserError, match="undoes goal"):
        agent.learn(iterations=1)
    doubted = ["train", "maml", "gymnasium", "--env", "OneLayout-v0", "--vary", "seed=0..99", "--import", "misbehaving"]
    assert cli.main([*doubted, *small, "--out", str(out)]) == 0
    assert "pliant: warning: --vary: seed changed nothing in 300 steps" in capsys.readouterr().err


# ---- an environment that a caller hands us


def agent(env: str, vary: str = "n=0.2:0.8", algorithm: str = "maml", **family_settings: Any) -> pliant.Agent:
    settings = {"family.env": f"{env}-v0", "family.vary": vary, "family.workers": 1, "train.lanes": 2, "train.meta_batch": 2}
    settings |= {f"family.{name}": value for name, value in family_settings.items()}
    return pliant.Agent(algorithm, "gymnasium", preset="none", settings=settings)


def test_all_episodes_keep_the_layout_where_a_task_is_a_reset_seed(misbehaving: Any) -> None:
    seeds: list[int] = []

    class Watched(misbehaving.Good):  # type: ignore[misc, name-defined]
        def reset(self, **how: Any) -> Any:
            seeds.append(how["seed"])
            return super().reset(**how)

    made = agent("Good", "seed=0..99")
    env = gymnasium.wrappers.TimeLimit(Watched(), 5)
    adapted = made.adapt(env, stages=1)
    assert len(seeds) == 4 and len(set(seeds)) == 1, "drawn once"
    assert adapted.task == {"environment": "Watched", "seed": seeds[0]}
    env.reset(seed=7)
    assert made.adapt(env, stages=1, seed=5).task == {"environment": "Watched", "seed": 7} and set(seeds[4:]) == {7}
    seeds.clear()
    assert agent("Good").adapt(env, stages=1).task == {"environment": "Watched"} and len(set(seeds)) == 4


def test_what_was_left_out_in_training_is_left_out_of_an_environment_too() -> None:
    env = gymnasium.make("ShowsGoal-v0", disable_env_checker=True)
    adapted = agent("ShowsGoal", leave_out="desired_goal").adapt(env, stages=0)
    assert adapted.spec.obs_size == 4
    assert adapted.predict(env.reset(seed=0)[0])[0] in range(3)


@pytest.mark.parametrize("env", ["BareReset", "FourFromStep", "VectorReward", "ManyEnds"])
def test_an_environment_to_adapt_to_is_blamed_by_its_name(env: str, misbehaving: Any) -> None:
    whole = getattr(misbehaving, env)()
    with pytest.raises(UserError) as error:
        agent("Good").adapt(gymnasium.wrappers.TimeLimit(whole, 5) if env != "BareReset" else whole, stages=0)
    begin = REFUSED[env].replace("#", env).partition(" from ")[0].partition("(")[0]
    begin = {"FourFromStep": "FourFromStep returned other than 5 values from step, as before Gymnasium 0.26: "}.get(env, begin)
    assert str(error.value).startswith(begin), str(error.value)


def test_an_agent_with_memory_has_trials_of_several_episodes() -> None:
    made = {name: agent("Good", algorithm=name) for name in ("maml", "rl2")}
    assert (made["maml"].learner.episodes, made["rl2"].learner.episodes) == (1, 4)
    assert agent("Good", algorithm="rl2", episodes=2).learner.episodes == 2
    assert made["rl2"].learner.schedule().last == 3


# ---- what runs where nothing can be imported from


SCRIPT = """
import sys
sys.path.insert(0, {here!r})
import gymnasium, misbehaving, pliant

class Mine(misbehaving.Good):
    pass

gymnasium.register("Mine-v0", Mine, max_episode_steps=5)
settings = {{"family.env": "Mine-v0", "family.vary": "n=0.2:0.8", "train.meta_batch": 2, "train.lanes": 2, "family.workers": 1}}

def main():
    try:
        pliant.Agent("maml", "gymnasium", preset="none", settings=settings).learn(1)
        print("learned")
    except pliant.UserError as error:
        print(error)

{call}
"""
GUARDED = "if __name__ == '__main__':\n    main()"


@pytest.mark.slow
@pytest.mark.parametrize(
    "how, call, said",
    [
        ("file", GUARDED, "learned"),
        ("file", "main()", "an environment is defined in the script itself, .*: put the environment in a module"),
        (
            "stdin",
            "main()",
            r"an environment is defined where worker processes cannot import it \(standard input, .* in a module",
        ),
        ("-c", "main()", r"an environment is defined where worker processes cannot import it \(standard input, .* in a module"),
    ],
)
def test_a_class_of_the_main_script(how: str, call: str, said: str, tmp_path: Path) -> None:
    code, script = SCRIPT.format(here=str(HERE), call=call), tmp_path / "script.py"
    script.write_text(code)
    words = {"file": [str(script)], "stdin": ["-"], "-c": ["-c", code]}[how]
    done = subprocess.run([sys.executable, *words], input=code, capture_output=True, text=True, timeout=300)
    assert re.fullmatch(said, done.stdout.strip()) and done.stderr == "", done


# ---- pictures, checks, and what is imported elsewhere


@pytest.mark.slow
def test_pictures_that_change_a_rounding_error_are_drawn_all_the_same(tmp_path: Path, misbehaving: Any) -> None:
    small = ["--iterations", "1", "--train.meta-batch", "2", "--train.lanes", "2", "--workers", "1", "--quiet"]
    for env, status in (("Noisy", 0), ("Erratic", 2)):
        out = tmp_path / env
        words = ["--env", f"{env}-v0", "--vary", "n=0.2:0.8", "--import", "misbehaving", "--out", str(out)]
        assert cli.main(["train", "maml", "gymnasium", *words, *small]) == 0
        film = tmp_path / f"{env}.gif"
        assert cli.main(["watch", str(out), "--stages", "1", "--import", "misbehaving", "--out", str(film)]) == status
        assert film.exists() == (status == 0)


@pytest.mark.slow
def test_a_check_of_what_varies(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    words = ["check", "gymnasium", "--import", "misbehaving", "--workers", "1", "--horizon", "5", "--json"]
    assert cli.main([*words, "--env", "Good-v0", "--vary", "n=0.2:0.8"]) == 0
    said = capsys.readouterr()
    assert "check 31/32" in said.err
    found = {each["check"]: each["verdict"] for each in json.loads(said.out)["findings"]}
    assert found["doubts"] == found["matters"] == "ok" and "wrong" not in found.values()
    assert cli.main([*words, "--quiet", "--env", "Redrawn-v0", "--vary", "goal=0.1:0.9"]) == 2
    said = capsys.readouterr()
    found = {each["check"]: each["verdict"] for each in json.loads(said.out)["findings"]}
    assert found["doubts"] == found["matters"] == "wrong" and said.err.count("\n") == 1
    assert cli.main(["check", "gymnasium", "--env", "Good-v0", "--vary", "n=0.2:0.8", "--inner.lr", "1"]) == 2
    assert "is no setting of the family gymnasium" in capsys.readouterr().err


@pytest.mark.slow
def test_dm_control_is_looked_up_in_the_worker() -> None:
    pytest.importorskip("dm_control")
    pytest.importorskip("shimmy")
    outside.import_outside("shimmy")
    made = family_file.family(
        family_file.Settings(env="dm_control/cartpole-balance-v0", vary="seed=0..99", horizon=20, workers=1)
    )
    assert made.spec.obs_size == 5 and made.spec.action_size == 1 and doubts(made) == []
    batch, env = made.batch(made.task({"seed": 7}), 1), gymnasium.make("dm_control/cartpole-balance-v0")
    seen, expected = batch.reset(Stream(0)), env.reset(seed=7)[0]
    for _ in range(20):
        assert seen[0, 0].tolist() == pytest.approx([*expected["position"], *expected["velocity"]], abs=0)
        step = batch.step(torch.full((1, 1, 1), 0.5))
        expected, reward, *_ = env.step(np.array([0.5]))
        assert float(step.reward) == pytest.approx(float(reward), abs=0)
        seen = step.next_obs
