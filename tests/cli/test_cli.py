"""The command line: right words do the right thing, wrong ones get one line, exit status 2 and no traceback."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pliant import Agent, errors
from pliant.cli import complete, listing, names, shared, verbs
from pliant.cli import main as cli
from pliant.config import config, registry, values
from pliant.reporting import curves
from pliant.storage import record, shown

PYTHON = [sys.executable, "-m", "pliant"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, with a terminal of known width."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(p for p in sys.path if p))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("PLIANT_TRACEBACK", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[config.Config, Path, dict[str, Any]]]:
    """What `pliant.train.train` was called with, in place of training."""
    calls: list[tuple[config.Config, Path, dict[str, Any]]] = []

    def train(settings: config.Config, out: Path, **keywords: Any) -> Path:
        calls.append((settings, out, keywords))
        return out

    monkeypatch.setattr("pliant.running.train.train", train)
    return calls


def a_run(path: Path, **overrides: Any) -> Path:
    settings = config.load_config("maml", "point", {"train.iterations": 10, **overrides}, preset="none")
    record.Run.start(path, config.to_dict(settings)).close()
    return path


def one_line(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The error of a wrong command line, which must be all it says."""
    assert cli.main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("pliant: ") and err.endswith("\n") and err.count("\n") == 1, err
    return err.removeprefix("pliant: ").rstrip("\n")


WRONG: list[tuple[str, str]] = [
    ("trian maml point", "unknown command 'trian': did you mean 'train'?"),
    ("--seed 1", "unknown command '1'"),
    ("_secret", "unknown command '_secret'"),
    ("train", "train needs ALGORITHM and FAMILY"),
    ("train maml", "known family names are .*point"),
    ("train mmal point", "unknown algorithm 'mmal': did you mean 'maml'?"),
    ("train mmal", "unknown algorithm 'mmal': did you mean 'maml'?"),
    ("train maml piont", "unknown family 'piont': did you mean 'point'?"),
    ("train point maml", "unknown algorithm 'point'"),
    ("train maml point cartpole", "unexpected argument 'cartpole'"),
    ("train maml point --polcy mlp", "unknown flag '--polcy': did you mean '--policy'?"),
    ("train maml point --policy mpl", "unknown policy 'mpl': did you mean 'mlp'?"),
    ("train maml point --iteration 3", "unknown flag '--iteration': did you mean '--iterations'?"),
    ("train maml point --stps 3", "unknown flag '--stps': did you mean '--inner.steps'?"),
    ("train maml point --inner.stps 3", "unknown setting 'inner.stps': did you mean 'inner.steps'?"),
    ("train maml point --iner.steps=3", "did you mean 'inner.steps'?"),
    ("train maml point --inner.steps abc", "--inner.steps is 'abc': expected an integer"),
    ("train maml point --inner.steps", "--inner.steps is 'true': expected an integer"),
    ("train maml point --inner.steps 0", "--inner.steps is 0: expected at least 1"),
    ("train maml point --inner.steps -1", "--inner.steps is -1: expected at least 1"),
    ("train maml point --inner.lr nan", "--inner.lr is 'nan': expected a number"),
    ("train maml point --inner.steps 1 --inner.steps=2", "--inner.steps is given twice"),
    ("train maml point --policy.hidden 1,x", "--policy.hidden is '1,x': expected one or more integers of at least 1"),
    ("train maml point --iterations 0", "--iterations is '0': expected an integer of at least 1"),
    ("train maml point --iterations 1 --train.iterations 2", "the same setting"),
    ("train maml point --seed -1", "--seed is '-1': expected an integer of at least 0"),
    ("train maml point --seed x", "--seed is 'x': expected an integer"),
    ("train maml point --seed", "--seed"),
    ("train maml point --device tpu9", "--device is 'tpu9': torch cannot use it"),
    ("train maml point --device cuda:99", "--device is 'cuda:99': torch cannot use it"),
    ("train maml point --preset nowhere", "unknown preset of maml point 'nowhere'"),
    ("train maml nobody.module", "no module 'nobody.module'"),
    ("train ../.. point", "'../..' names no code: expected package.module"),
    ("train maml ..1", "'..1' names no code"),
    ("train maml point --import ..x", "'..x' names no code"),
    ("train maml point --policy ../x", "'../x' names no code"),
    ("train maml point --preset ''", "--preset is '': expected the name of a preset"),
    ("train maml point --preset deep.toml", "preset deep.toml cannot be read: it is nested too deeply"),
    ("train maml point --preset policy.toml", "preset policy.toml: 'policy' is 'x': expected a table"),
    ("train maml point --preset named.toml", "preset named.toml: policy.name is 3: expected text"),
    ("train maml point --device meta", "--device is 'meta': torch cannot use it"),
    ("train maml point --device cpu:99", "--device is 'cpu:99': torch cannot use it (there is one cpu"),
    ("train maml point --device ''", "--device is ''"),
    ("train maml point --seeds 0..1 --device meta", "--device is 'meta'"),
    ("train maml point --seeds 0..1 --seed 1", "--seed and --seeds: give one"),
    ("train maml point --jobs 2", "--jobs goes with --seeds"),
    ("train maml point --out ''", "--out is '': expected a path"),
    ("train maml point --lr 3", "unknown flag '--lr': did you mean '--inner.lr' or '--outer.lr'?"),
    ("train maml point --.lr 3", "unknown setting '.lr': did you mean 'inner.lr' or 'outer.lr'?"),
    ("train maml point --tensorboard", r"unknown flag '--tensorboard' \("),
    ("train maml point --config x", r"unknown flag '--config' \("),
    ("version", "unknown command 'version': known are adapt"),
    ("list Foo-v1", r"unknown name 'Foo-v1' \("),
    ("list ''", r"unknown name '' \("),
    ("list piont", "unknown name 'piont': did you mean 'point'?"),
    ("report empty --out ''", "--out is '': expected a path"),
    ("evaluate", "RUN"),
    ("evaluate nowhere", "nowhere does not exist"),
    ("evaluate empty", "empty is not a run"),
    ("evaluate foreign", "foreign is not a run of this version"),
    ("evaluate empty --split tset", "unknown split 'tset': did you mean 'test'?"),
    ("evaluate empty --tasks 0", "--tasks is '0': expected an integer of at least 1"),
    ("evaluate empty --jsn", "unknown flag '--jsn': did you mean '--json'?"),
    ("adapt nowhere --task goal=1", "nowhere does not exist"),
    ("adapt empty", "adapt needs --task"),
    ("adapt empty --task goal", "--task is 'goal': expected NAME="),
    ("adapt empty --task goal=", "--task is 'goal='"),
    ("adapt empty --task =3", "--task is '=3'"),
    ("adapt empty --task goal=a,b", "--task is 'goal=a,b'"),
    ("adapt empty --task goal=1 --task goal=2", "'goal' twice"),
    ("list --jsno", "unknown flag '--jsno': did you mean '--json'?"),
    ("completion tcsh", "unknown shell 'tcsh'"),
]


@pytest.mark.parametrize(("words", "message"), WRONG)
def test_wrong_words_get_one_line(words: str, message: str, capsys: pytest.CaptureFixture[str], trained: list[Any]) -> None:
    Path("empty").mkdir()
    Path("foreign").mkdir()
    Path("foreign/run.json").write_text('{"schema": "other/1"}')
    Path("deep.toml").write_text(f"a = {'[' * 5000}{']' * 5000}")
    Path("policy.toml").write_text('policy = "x"')
    Path("named.toml").write_text("[policy]\nname = 3")
    line = one_line(capsys, *shlex.split(words))
    assert message in line or re.search(message, line), line
    assert trained == []
    assert not Path("runs").exists()


def test_a_wrong_word_in_a_real_process_has_status_2_and_no_traceback() -> None:
    result = subprocess.run([*PYTHON, "train", "maml", "piont"], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("pliant: unknown family 'piont'") and result.stderr.count("\n") == 1


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any, **keywords: Any) -> None:
        json.loads("{")  # a ValueError, but from a library: no message to the user

    monkeypatch.setattr(verbs.load("train"), "run", broken)
    with pytest.raises(json.JSONDecodeError):
        cli.main(["train", "maml", "point"])


def raising(error: BaseException) -> Any:
    def raise_it(*arguments: Any, **keywords: Any) -> None:
        raise error

    return raise_it


EXPECTED = [
    (errors.UserError("two\nlines"), "two lines", 2),
    (PermissionError(13, "Permission denied", "/x"), "/x: permission denied", 2),
    (
        ModuleNotFoundError("no", name="mujoco"),
        "this needs the package mujoco, which is not installed: pip install 'pliant[mujoco]'",
        2,
    ),
    (errors.Stopped("stopped by SIGTERM at iteration 3", 15), "stopped by SIGTERM at iteration 3", 143),
    (KeyboardInterrupt(), "interrupted", 130),
]


@pytest.mark.parametrize(("error", "line", "status"), EXPECTED)
def test_expected_errors_are_one_line(
    error: BaseException, line: str, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verbs.load("train"), "run", raising(error))
    assert cli.main(["train", "maml", "point"]) == status
    assert capsys.readouterr() == ("", f"pliant: {line}\n")


def test_a_value_error_of_ours_is_one_line_and_a_missing_module_is_a_bug(capsys: pytest.CaptureFixture[str]) -> None:
    from pliant.families import point

    with pytest.raises(ValueError, match="unknown 'gaol'") as caught:
        point.family().task({"gaol": 1})
    assert "unknown 'gaol'" in (errors.one_line(caught.value) or "")
    assert errors.one_line(ModuleNotFoundError("no", name="pliant.typo")) is None
    assert errors.one_line(ValueError("from outside")) is None
    assert errors.one_line(RuntimeError("bug")) is None


def test_a_missing_extra_names_the_family(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.importlib, "import_module", raising(ModuleNotFoundError("no", name="mujoco.rollout")))
    with pytest.raises(errors.UserError, match=r"point needs the package mujoco.*pip install 'pliant\[mujoco\]'"):
        registry.load("family", "point")


def test_train_hands_over_what_was_asked(trained: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    words = "train --inner.steps 3 maml --policy.hidden=8,9 point --seed 4 --iterations 7 --quiet --inner.learn-lr"
    assert cli.main([*words.split(), "--family.radius", "0.1"]) == 0
    settings, out, keywords = trained[0]
    assert (settings.algorithm, settings.family, settings.policy, settings.seed) == ("maml", "point", "mlp", 4)
    assert (settings.parts["inner"].steps, settings.parts["inner"].learn_lr) == (3, True)
    assert (settings.parts["policy"].hidden, settings.parts["family"].radius) == ((8, 9), 0.1)
    assert settings.parts["train"].iterations == 7
    assert out == Path("runs/maml-point-seed4")
    assert keywords == {"device": "cpu", "resume": False, "quiet": True}
    assert capsys.readouterr().out == "run: runs/maml-point-seed4\nnext: pliant evaluate runs/maml-point-seed4\n"


def test_train_never_writes_into_a_finished_run(trained: list[Any]) -> None:
    a_run(Path("runs/maml-point-seed0"))
    assert cli.main(["train", "maml", "point", "--quiet"]) == 0
    assert trained[0][1] == Path("runs/maml-point-seed0-2")


def same_run(path: Path, seed: int, iterations: int, saved: int | None) -> Path:
    """A run of random on point without a preset, saved once."""
    settings = config.load_config("random", "point", {"train.iterations": iterations}, preset="none", seed=seed)
    with record.Run.start(path, config.to_dict(settings)) as run:
        if saved is not None:
            run.save(saved, {}, {"iteration": saved})
    return path


RANDOM = "train random point --preset none --iterations 7"


def test_the_same_run_is_not_trained_twice(trained: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    whole = same_run(Path("runs/random-point-seed0"), 0, 7, saved=7)
    assert cli.main(RANDOM.split()) == 0
    out, err = capsys.readouterr()
    assert trained == [] and out == f"run: {whole}\nnext: pliant evaluate {whole}\n"
    assert err == f"pliant: {whole} is this very run, trained to its end: taking it (another --out trains it again)\n"
    assert cli.main(f"{RANDOM} --inner.steps 2".replace("random", "scratch").split()) == 0
    assert trained.pop()[1] == Path("runs/scratch-point-seed0")
    assert cli.main([*RANDOM.split(), "--policy.hidden", "3"]) == 0
    assert trained.pop()[1] == Path("runs/random-point-seed0-2")


def test_a_run_that_was_stopped_goes_on(trained: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    a_run(Path("runs/random-point-seed0"))  # of other settings
    begun = same_run(Path("runs/random-point-seed0-2"), 0, 7, saved=3)
    assert cli.main(RANDOM.split()) == 0
    assert (trained[0][1], trained[0][2]["resume"]) == (begun, True)
    assert "not yet at its end: going on with it" in capsys.readouterr().err


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[int, Path]]]:
    """What `pliant.cli.seeds.train` was called with, in place of processes."""
    calls: list[tuple[list[str], dict[int, Path]]] = []
    monkeypatch.setattr("pliant.cli.seeds.train", lambda words, outs, *others: calls.append((list(words), dict(outs))))
    return calls


def test_several_seeds_take_what_is_trained_already(processes: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    runs = [Path(f"runs/random-point-seed{seed}") for seed in range(3)]
    same_run(runs[0], 0, 7, saved=7)
    same_run(runs[1], 1, 7, saved=3)
    assert cli.main([*RANDOM.split(), "--seeds", "0..2"]) == 0
    out, err = capsys.readouterr()
    words, outs = processes[0]
    assert outs == {1: runs[1], 2: runs[2]} and "--resume" in words and "--train.iterations=7" in words
    assert err == "pliant: trained to their end, and taken as they are: runs/random-point-seed0\n"
    assert out.splitlines() == [*(f"run: {run}" for run in runs), f"next: pliant compare {' '.join(map(str, runs))}"]
    for run, seed in zip(runs[1:], (1, 2), strict=True):
        (run / "run.json").unlink(missing_ok=True)
        same_run(run.with_name(f"{run.name}-2") if seed == 1 else run, seed, 7, saved=7)
    assert cli.main([*RANDOM.split(), "--seeds", "0..2", "--quiet"]) == 0
    assert len(processes) == 1  # nothing is left to train


def test_folders_of_runs_read_well(trained: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("homes").mkdir()
    text = (Path(__file__).resolve().parent.parent.parent / "examples" / "own_family.py").read_text()
    for path in ("a_room.py", "homes/a_room.py"):
        Path(path).write_text(text)
    gymnasium = "gymnasium --env CartPole-v1 --vary length=0.5:1"
    for family in ("a_room.py", "homes.a_room", "homes/a_room.py", gymnasium):
        assert cli.main(["train", "maml", *family.split(), "--quiet"]) == 0
    assert cli.main(f"train maml {gymnasium} --resume --quiet".split()) == 0
    room = Path("runs/maml-a_room-seed0")
    assert [call[1] for call in trained] == [room, room, room, *[Path("runs/maml-CartPole-v1-seed0")] * 2]


def test_shown_names() -> None:
    names_of = {"maml": "maml", "room.py": "room", "../my/room.py": "room", "package.room": "room", "half-cheetah-dir": None}
    for full, name in names_of.items():
        assert shown.name(full) == (name or full)
    config = {"family": "gymnasium", "parts": {"family": {"env": "ALE/Pong-v5"}}}
    assert shown.family_of(config) == "ALE/Pong-v5" and shown.folder("ALE/Pong-v5") == "Pong-v5"
    assert shown.family_of({"family": "gymnasium", "config": config}) == "ALE/Pong-v5"
    assert shown.family_of({"family": "gymnasium", "family_settings": {"env": "worlds:Camera-v0"}}) == "Camera-v0"
    assert shown.family_of({"family": "gymnasium"}) == "gymnasium"
    document = {"algorithm": "mine.anil", "family": "gymnasium", "config": config, "split": "test", "tasks": 1, "protocol": {}}
    assert curves.title({**document, "per_task": [{"task": 1}]}) == "anil on ALE/Pong-v5: 1 held-out tasks"
    assert shown.family_of({"family": "package.room", "parts": {"family": {"env": "x"}}}) == "room"


BANDIT = "train rl2 bandit --family.arms 5 --family.pulls 100"


def test_a_preset_made_for_what_is_typed_is_named_once(
    trained: list[Any], processes: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    line = (
        "pliant: warning: preset 100-5 was made for these settings of bandit, but the plain preset is used: "
        "--preset 100-5 takes it (in Python, preset='100-5')\n"
    )
    assert cli.main([*BANDIT.split(), "--quiet"]) == 0
    assert capsys.readouterr().err == line
    assert cli.main([*BANDIT.split(), "--train.lanes", "2", "--seeds", "0,1", "--quiet"]) == 0
    assert capsys.readouterr().err == line
    for words in (f"{BANDIT} --preset 100-5", f"{BANDIT} --preset none", f"{BANDIT}7", "train rl2 bandit --family.arms 5"):
        assert cli.main([*words.split(), "--quiet"]) == 0
        assert capsys.readouterr().err == "", words
    Agent("rl2", "bandit", settings={"family.arms": 5, "family.pulls": 100})
    assert capsys.readouterr().err == line


def test_resume_takes_the_settings_of_the_run(trained: list[Any]) -> None:
    a_run(Path("mine"), **{"inner.steps": 3})
    assert cli.main("train maml point --out mine --resume".split()) == 0
    assert cli.main("train maml point --out mine --resume --iterations 99 --inner.steps 3 --seed 0 --policy mlp".split()) == 0
    (first, out, keywords), (second, _, _) = trained
    assert (first.parts["inner"].steps, first.parts["train"].iterations) == (3, 10)
    assert (second.parts["inner"].steps, second.parts["train"].iterations) == (3, 99)
    assert out == Path("mine") and keywords["resume"] is True


def test_resume_without_out_continues_the_last_default_run(trained: list[Any]) -> None:
    a_run(Path("runs/maml-point-seed0"))
    a_run(Path("runs/maml-point-seed0-2"))
    assert cli.main("train maml point --resume".split()) == 0
    assert trained[0][1] == Path("runs/maml-point-seed0-2")


def test_resume_where_there_is_no_run_begins_it_and_says_so(trained: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main("train maml point --out new --resume".split()) == 0
    assert trained[0][1] == Path("new")
    assert capsys.readouterr().err == "pliant: there is no run in new yet: beginning it\n"


OTHER = [
    ("maml point --inner.steps 2", "--inner.steps is 2 but mine was begun with 1: a resumed run keeps its settings"),
    ("maml point --seed 1", "--seed is 1 but mine was begun with 0"),
    ("maml point --iterations 9", "--iterations is 9 but mine was begun with 10: a resumed run can only have more"),
    ("fomaml point", "mine is a run of maml on point, not fomaml on point"),
    ("maml half-cheetah-dir", "mine is a run of maml on point, not maml on half-cheetah-dir"),
    ("maml point --inner.warp 2", "unknown setting 'inner.warp'"),
]


@pytest.mark.parametrize(("words", "message"), OTHER)
def test_resume_refuses_other_settings(
    words: str, message: str, capsys: pytest.CaptureFixture[str], trained: list[Any]
) -> None:
    a_run(Path("mine"))
    assert message in one_line(capsys, *f"train {words} --out mine --resume".split())
    assert trained == []


def test_evaluate_json_prints_one_document_whatever_else_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    a_run(Path("mine"))
    asked: list[Any] = []

    def evaluate_run(path: Path, **keywords: Any) -> dict[str, Any]:
        asked.append((path, keywords))
        print("a simulator says hello")
        return {"schema": "pliant.evaluation/1", "curve": []}

    monkeypatch.setattr("pliant.running.evaluate.evaluate_run", evaluate_run)
    assert cli.main("evaluate mine --split ood --tasks 5 --stages 0 --lanes 2 --seed 3 --json".split()) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"schema": "pliant.evaluation/1", "curve": []}
    assert "hello" in err
    keywords = {"split": "ood", "tasks": 5, "stages": 0, "lanes": 2, "seed": 3, "device": "cpu"}
    keywords |= dict.fromkeys(("players", "protocol", "deterministic"), False)
    assert asked == [(Path("mine"), keywords | {"changed": {}, "out": None})]


def test_evaluate_prints_a_table_and_draws_the_curve(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    a_run(Path("mine"))
    value = {"mean": -12.5, "std_error": 1.0, "iqm": -12.0, "ci95": [-14.0, -11.0]}
    document = {
        "algorithm": "maml",
        "family": "point",
        "split": "test",
        "seed": 3,
        "tasks": 2,
        "protocol": {"lanes": 4, "stages": 0},
        "curve": [{"stage": 0, "steps_seen": 0.0, "return": value, "success": None}],
        "per_task": [{"task": {"goal": [0.0, 0.1]}, "return": [-11.0]}, {"task": {"goal": [0.2, 0.1]}, "return": [-14.0]}],
    }
    monkeypatch.setattr("pliant.running.evaluate.evaluate_run", lambda path, **keywords: document)
    assert cli.main(["evaluate", "mine"]) == 0
    out = capsys.readouterr().out
    assert "maml on point: 2 held-out tasks" in out and "-12.50" in out and "-14.00 to -11.00" in out
    picture = Path("mine/evaluations/test-seed3-tasks2-lanes4-stages0.png")
    assert f"picture: {picture}" in out
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_adapt_adapts_to_the_named_task_and_saves(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    a_run(Path("mine"))
    calls: list[Any] = []

    def adapt(task: dict[str, Any], **keywords: Any) -> SimpleNamespace:
        calls.append((task, keywords))
        return SimpleNamespace(document={}, save=lambda path: Path(path).mkdir(parents=True))

    monkeypatch.setattr("pliant.agent.agent.load_agent", lambda path, device: SimpleNamespace(adapt=adapt))
    monkeypatch.setattr("pliant.reporting.terminal.curve_table", lambda document: "table")
    for _ in range(2):
        assert cli.main("adapt mine --task goal=0.3,-0.2 --stages 2".split()) == 0
    assert calls[0] == ({"goal": [0.3, -0.2]}, {"stages": 2, "seed": 0, "episodes": None})
    assert sorted(p.name for p in Path("mine/adapted").iterdir()) == ["goal=0.3,-0.2", "goal=0.3,-0.2-2"]
    assert "adapted policy: mine/adapted/goal=0.3,-0.2\n" in capsys.readouterr().out


def test_a_task_is_read_from_words() -> None:
    assert shared.parse_task(["goal=0.3,-0.2", "speed=2"]) == {"goal": [0.3, -0.2], "speed": 2.0}
    assert shared.parse_task(["length=1e-1 mass=2,"]) == {"length": 0.1, "mass": [2.0]}


def help_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    try:
        assert cli.main(words) == 0
    except SystemExit as end:
        assert end.code == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


@pytest.mark.parametrize("command", ["", *verbs.names()])
def test_every_help_has_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    for flag in ("--help", "-h"):
        text = help_of(capsys, *command.split(), flag)
        assert "usage: pliant" in text and "examples:" in text and f"pliant {command}" in text
    if not command:
        assert help_of(capsys) == text


def test_help_of_a_pair_shows_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(capsys, "train", "maml", "point", "--help", "--inner.steps", "77")
    for setting in names.of_pair("maml", "point"):
        assert f"--{setting} " in text
    assert "--inner.steps 77    (an integer of at least 1)" in text
    assert "--policy.hidden 64,64    (integers separated by commas)" in text or "preset" in text
    assert "Gradient steps in training" in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert help_of(capsys, "--version").startswith("pliant 0.")


def test_help_is_fast_and_imports_nothing_heavy() -> None:
    script = (
        "import sys; from pliant.cli import main as cli\n"
        "for words in ('', 'list', '_complete train maml point --inner', 'completion bash', 'train x y', 'train -h'):\n"
        "    cli.main(words.split())\n"
        "heavy = {'torch', 'numpy', 'pydantic', 'rich', 'gymnasium', 'scipy', 'matplotlib', 'tyro'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    assert "inner.lr" in names.of_pair("maml", "point")  # kept from now on
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    for word, most in (("--help", 0.4), ("list", 0.5)):
        seconds = []
        for _ in range(3):
            begin = os.times()
            subprocess.run([*PYTHON, word], check=True, capture_output=True, timeout=60)
            end = os.times()  # of processors: other work on the machine does not count
            seconds.append(end.children_user + end.children_system - begin.children_user - begin.children_system)
        assert min(seconds) < most, (word, seconds)


def test_list_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(help_of(capsys, "list", "--json"))
    assert document["schema"] == listing.SCHEMA
    assert {a["name"] for a in document["algorithms"]} == set(registry.names("algorithm")) >= {"maml", "fomaml", "reptile"}
    assert {f["name"] for f in document["families"]} == set(registry.names("family"))
    point = next(f for f in document["families"] if f["name"] == "point")
    assert point["parameters"][0]["name"] == "goal" and point["splits"] == ["train", "test", "ood"] and point["shift"]
    assert (point["parameters"][0]["train"], point["horizon"]) == ([-0.5, 0.5], 100)
    text = help_of(capsys, "list")
    assert all(entry["name"] in text for kind in ("algorithms", "families", "policies") for entry in document[kind])
    assert all(len(line) <= 100 for line in text.splitlines())


def test_list_has_one_line_a_thing_whatever_the_width(capsys: pytest.CaptureFixture[str]) -> None:
    lines = help_of(capsys, "list").splitlines()
    things = [line.split()[0] for line in lines if line.startswith("  ")]
    assert things == listing.names()
    assert all(len(line) <= 60 for line in listing.lines(60) if line.startswith("  "))


def test_list_of_a_name_tells_the_whole_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    said = {name: help_of(capsys, "list", name) for name in ("point", "rl2", "lstm", "100-5", "maml-point")}
    for words in ("goal: 2 numbers, each -0.5 to 0.5", "Splits: train, test, ood", "of 100 steps", "--family.radius 0.01"):
        assert words in said["point"]
    assert "Policy: gru" in said["rl2"] and "--critic.told false" in said["rl2"] and "rl2-bandit@100-5" in said["rl2"]
    assert "i, f, o = sigmoid(W x + U h)" in said["lstm"] and "--policy.size 64" in said["lstm"]
    assert "pliant train rl2 bandit --preset 100-5" in said["100-5"] and "--family.pulls 100" in said["100-5"]
    assert "pliant train maml point (it is the default)" in said["maml-point"]
    document = json.loads(help_of(capsys, "list", "point", "--json"))
    assert [family["name"] for family in document.pop("families")] == ["point"]
    assert document == {"schema": listing.SCHEMA, "algorithms": [], "policies": [], "presets": []}


def test_every_verb_is_one_file(capsys: pytest.CaptureFixture[str]) -> None:
    said = help_of(capsys).splitlines()
    shown = [line.split()[0] for line in said if re.match(r"    [a-z]+( |$)", line)]
    assert shown == verbs.names() and shown[:2] == ["train", "evaluate"]
    for name in verbs.names():
        verb = verbs.load(name)
        assert verb.HELP and "\n" not in verb.HELP
        for line in verb.EXAMPLES.strip().splitlines():
            program, *words = shlex.split(re.split(r" {3,}| > |\)\"$", line.removeprefix('eval "$('))[0])
            assert (program, words[0]) == ("pliant", name) and not cli.understood(words)[2], line


def test_list_says_what_a_family_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(kind: Any, name: str) -> None:
        raise errors.UserError(f"{name} needs the package mujoco")

    monkeypatch.setattr(registry, "load", load)
    assert listing._family("point")["missing"] == "point needs the package mujoco"


def test_completion_knows_what_may_follow() -> None:
    a_run(Path("runs/one"))
    Path("runs/not-a-run").mkdir()

    def after(words: str) -> list[str]:
        return complete.candidates(words.split(" "))

    assert after("tr") == ["train"] and "evaluate" in after("")
    assert after("train m") == ["maml"]
    assert after("train maml poi") == ["point"]
    assert after("train --seed 3 maml poi") == ["point"]
    assert after("train maml --quiet poi") == ["point"]
    assert {"--inner.steps", "--inner.lr"} <= set(after("train fomaml point --inner."))
    assert "--policy.hidden" in after("train reptile point --p") and "--family.radius" in after("train maml point --family.")
    assert "--train.iterations" in after("train maml point --train.")
    assert after("evaluate run") == ["runs/one"] and after("adapt runs/") == ["runs/one"]
    assert after("evaluate runs/one --split t") == ["test", "train"]
    assert after("evaluate runs/one --tasks ") == []
    assert after("completion f") == ["fish"] and after("list lst") == ["lstm"] and "--json" in after("list --")
    assert after("train rl2 bandit --preset 100") == ["100-10", "100-5"]
    assert after("train maml point --policy tr") == ["transformer"]
    assert after("compare runs/one ru") == ["runs/one"] and after("check poi") == ["point"]
    assert after("nonsense x") == []


def test_completion_runs_nothing_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("bomb.py").write_text("raise SystemExit('run')\n")
    a_run(Path("runs/$(touch bomb)"))
    a_run(Path("runs/fine"))
    assert complete.candidates(["train", "maml", "bomb.py", "--"]) == complete.candidates(["train", "--"])
    assert complete.candidates(["evaluate", "runs/"]) == ["runs/fine"]


def test_names_are_kept_until_a_file_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    load = registry.load
    monkeypatch.setattr(registry, "load", lambda kind, name: (read.append(name), load(kind, name))[1])
    first = names.of_pair("maml", "point")
    assert "family.radius" in first and read == ["maml", "point", "mlp"]
    assert names.of_pair("maml", "point") == first and len(read) == 3
    assert names.of_family("cartpole") and len(read) == 4
    monkeypatch.setattr(names, "VERSION", "another")
    assert names.of_pair("maml", "point") == first and len(read) == 7
    for text in ("", "[]", "{}", '{"stamp": 1}', "[" * 9):
        names._path().write_text(text)
        assert names.of_pair("maml", "point") == first
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    assert names.of_pair("maml", "point") == first


def test_completion_finds_every_setting_of_every_pair() -> None:
    for algorithm in registry.names("algorithm"):
        classes = config.part_classes(algorithm, "point", registry.load("algorithm", algorithm).POLICY)
        expected = {f"{part}.{name}" for part, settings in classes.items() for name in values.field_types(settings)}
        assert set(names.of_pair(algorithm, "point")) == expected


@pytest.mark.parametrize("shell", ("bash", "zsh", "fish"))
def test_completion_scripts_parse(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    script = help_of(capsys, "completion", shell)
    assert "pliant _complete" in script
    if shell == "bash" and Path("/bin/bash").exists():
        words = 'COMP_WORDS=(pliant train ma); COMP_CWORD=2; _pliant; echo "${COMPREPLY[@]}"'
        pliant = f'pliant() {{ {shlex.quote(sys.executable)} -m pliant "$@"; }}'
        result = subprocess.run(["/bin/bash", "-c", f"{pliant}\n{script}\n{words}"], capture_output=True, text=True, timeout=60)
        assert result.stdout == "maml\n", result


def test_output_into_a_closed_pipe_is_no_error() -> None:
    command = f"{shlex.quote(sys.executable)} -m pliant train --help | true; exit ${{PIPESTATUS[0]}}"
    result = subprocess.run(["/bin/bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert result.returncode in (0, 141) and result.stderr == ""
