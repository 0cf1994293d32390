"""`pliant check`: a good family passes, each way to break one is found by the check that asks for it, in words that mend it."""

import json
import re
from pathlib import Path

import pytest

from pliant import errors
from pliant.checking import check
from pliant.checking.family import same
from pliant.cli import main as cli

from . import breaking
from .breaking import found

GOOD = """
from dataclasses import dataclass
import numpy as np
import torch
from pliant.tasks.base import BatchEnv, Family, Parameter, Tasks, Told
from pliant.types import Spec

@dataclass(frozen=True)
class Settings:
    horizon: int = 6

class World(BatchEnv):
    reset_noise, step_noise = 1, 1

    def __init__(self, family, tasks, lanes, episodes):
        super().__init__(family, tasks, lanes, episodes)
        self.pull = tasks.tensor("pull")[:, None]
        self.x = torch.zeros(self.shape, dtype=torch.float64)

    def begin(self, chosen, noise):
        self.x = torch.where(chosen, 0.2 * noise[..., 0], self.x)

    def observe(self):
        return self.x[..., None]

    def advance(self, action, noise):
        self.x = self.x + action[..., 0] + 0.1 * self.pull + 0.1 * noise[..., 0]
        reward = -self.x.abs()
        ended = self.x.abs() > 1.5
        return reward, ended, ended

class Mine(Family):
    pass

def family(settings=None):
    settings = settings or Settings()
    return Mine(
        name="pull",
        summary="stay where you are",
        parameters=(Parameter("pull", train=(0.0, 1.0), ood=(0.0, 2.0), meaning="how strongly it is pulled"),),
        spec=Spec(obs_size=1, action_size=1, discrete=False),
        horizon=settings.horizon,
        environment=World,
        shift="stronger pulls",
        success="it fell off",
        settings=settings,
    )
"""
"""A family in which lanes end early, with chance at every opening and step."""

SAMPLE = "class Mine(Family):\n    def sample(self, n, split, rng):\n        "
STEP = "\n    def step(self, action):\n        "

BROKEN: breaking.Broken = {
    "exports": {
        "Settings can change": ("(frozen=True)", "", "Settings can be changed after it is made", "@dataclass(frozen=True)"),
        "a setting without a default": ("int = 6", "int", "Settings.horizon has no default", "horizon: ... ="),
        "no Settings": ("class Settings:", "class Setting:", "does not define Settings", "class Settings:"),
        "no dataclass": ("@dataclass(frozen=True)", "", "Settings is not a dataclass", "@dataclass(frozen=True)"),
        "not a family at all": ("def family(", "def fam(", "does not define family", "def family(settings=None)"),
        "family is no function": ("def family(", "family = 3\ndef fam(", "family is a int", "return Family("),
    },
    "settings": {
        "a setting that is a class": (
            "int = 6",
            "int = 6\n    more: type = int",
            "cannot be written to run.json",
            "int, float, bool",
        ),
    },
    "construction": {
        "family returns a dict": ("return Mine(", "return dict(", "returned a dict", "return Family(...)"),
        "family returns nothing": ("    return Mine(", "    Mine(", "returned None", "return Family(...)"),
        "family raises": ("    return Mine(", "    {}['size']\n    Mine(", "KeyError: 'size'", "mend that line: {}['size']"),
        "parameters that do not fit": ("(Parameter(", "3 + (Parameter(", "TypeError", "mend that line"),
    },
    "words": {
        "no summary": ('"stay where you are"', '""', "summary is '': expected words on one line", 'summary="..."'),
        "no shift": ('"stronger pulls"', "None", "shift is None", "what the ood split is"),
        "two lines": ('name="pull"', 'name="pull\\nup"', "name is 'pull\\nup'", 'name="..."'),
    },
    "sizes": {
        "no horizon": ("horizon=settings.horizon", "horizon=0", "horizon is 0: expected an integer of at least 1", "horizon=1"),
        "half an episode": ("success=", "episodes=1.5, success=", "episodes is 1.5", "episodes=1"),
        "an image of another size": ("discrete=False", "discrete=False, image=(3, 2, 2)", "but obs_size 1", "obs_size=12"),
    },
    "parameters": {
        "a name of two words": ('Parameter("pull"', 'Parameter("a pull"', "'a pull', which cannot be typed", "Parameter("),
        "a list": ("(Parameter(", "[Parameter(", "is a list: expected a tuple", "parameters=("),
        "twice the same": ("parameters=(", 'parameters=(Parameter("pull", meaning="x"),', "the same name", "parameters=("),
    },
    "sampling": {
        "float32 arrays": (
            "class Mine(Family):\n",
            SAMPLE + 'tasks = super().sample(n, split, rng).arrays["pull"]\n'
            '        return Tasks("pull", {"pull": tasks.astype(np.float32)})\n',
            "pull of 64 train tasks is float32 [64]: expected float64 [64]",
            "leave `Family.sample` as it is",
        ),
        "too few tasks": (
            "class Mine(Family):\n",
            SAMPLE + "return super().sample(1, split, rng)\n",
            "is float64 [1]: expected float64 [64]",
            "Family.sample",
        ),
        "NaN": (
            "class Mine(Family):\n",
            SAMPLE + 'return Tasks("pull", {"pull": np.full(n, np.nan)})\n',
            "pull of a train task is not finite",
            "Family.sample",
        ),
    },
    "repeats": {
        "chance of its own": (
            "class Mine(Family):\n",
            "RNG = np.random.default_rng(0)\n" + SAMPLE + "return super().sample(n, split, RNG)\n",
            "the same seed drew other tasks of split train",
            "the `rng` that `sample` is given",
        ),
    },
    "differ": {
        "all tasks are equal": (
            "class Mine(Family):\n",
            SAMPLE + 'low = {"train": 0.01, "test": 0.05, "ood": 1.5}[split]\n'
            '        return Tasks("pull", {"pull": np.full(n, low)})\n',
            "all tasks of split train are {'pull': 0.01}",
            'Parameter("pull", train=(low, high), ...)',
        ),
    },
    "disjoint": {
        "splits overlap": (
            "class Mine(Family):\n",
            SAMPLE + 'return super().sample(n, "train", rng)\n',
            "64 of 64 tasks drawn for test",
            "leave `Family.sample` and `split_of` as they are",
        ),
    },
    "named": {
        "another task by name": (
            "class Mine(Family):\n",
            'class Mine(Family):\n    def task(self, values):\n        return super().task({"pull": 0.5})\n',
            "became {'pull': 0.5} when it was named again",
            "the inverse of `Tasks.rows`",
        ),
    },
    "described": {
        "told another shape": (
            "success=",
            "told=Told(2, lambda tasks: np.zeros((len(tasks), 1))), success=",
            "described(tasks) is [64, 1]: expected [64, 2]",
            "told=Told(K, of)",
        ),
        "told what is not finite": (
            "success=",
            "told=Told(1, lambda tasks: np.full((len(tasks), 1), np.inf)), success=",
            "is not finite for the task {'pull': ",
            "from -1 to 1",
        ),
    },
    "reset": {
        "no last dim": (
            "self.x[..., None]",
            "self.x",
            "observe() is float64 [3, 3]: expected floating point [3, 3, 1]",
            "obs_size",
        ),
        "whole numbers": ("self.x[..., None]", "self.x[..., None].long()", "observe() is int64 [3, 3, 1]", "obs_size"),
        "no tensor": (
            "self.x[..., None]",
            "self.x[..., None].numpy()",
            "observe() is a ndarray: expected a tensor",
            "[M, B, D]",
        ),
        "it opens with NaN": ("0.2 * noise[..., 0]", "float('nan')", "the first observation of task 0 {'pull': ", "in `begin`"),
        "no BatchEnv": ("environment=World", "environment=lambda *a: 3", "environment made a int", "class MyWorld(BatchEnv)"),
    },
    "step": {
        "two values": (
            "return reward, ended, ended",
            "return reward, ended",
            "advance returned 2 values: expected three",
            "success",
        ),
        "a reward of each number": ("= -self.x.abs()", "= -self.x.abs()[..., None]", "is float64 [3, 3, 1]", "reward.double()"),
        "a whole reward": (
            "= -self.x.abs()",
            "= (self.x > 0).long()",
            "reward, which advance returned, is int64",
            "reward.double()",
        ),
        "an ending that is a number": (
            "self.x.abs() > 1.5",
            "self.x.abs()",
            "terminated, which advance returned, is float64",
            "bool",
        ),
        "it raises": ("= -self.x.abs()", "= -self.y.abs()", "no attribute 'y'", "mend that line: reward = -self.y.abs()"),
    },
    "finite": {
        "a reward of NaN": ("= -self.x.abs()", "= -(self.x - 0.5).sqrt()", "the reward is nan in task", "x.clamp(min=1e-9)"),
        "an endless observation": (
            "self.x[..., None]",
            "1 / (self.x[..., None] < 1)",
            "the observation is inf in task",
            "clamp",
        ),
    },
    "endings": {
        "it never ends": (
            "\n    def begin",
            STEP + "found = super().step(action)\n"
            "        return found._replace(truncated=torch.zeros_like(found.first), terminated=torch.zeros_like(found.first))\n"
            "\n    def begin",
            "still in an episode of 6 steps, the horizon",
            "leave `BatchEnv.step`, `active` and the horizon to pliant",
        ),
        "it ends twice": (
            "\n    def begin",
            STEP + "found = super().step(action)\n"
            "        return found._replace(truncated=found.truncated | found.terminated)\n\n    def begin",
            "both terminated and truncated",
            "only `advance` and `cut` say what ended",
        ),
        "it goes on": (
            "\n    def begin",
            STEP + "found = super().step(action)\n        self.active = torch.ones_like(self.active)\n"
            "        return found\n\n    def begin",
            "said to go on after 2 episodes",
            "leave `BatchEnv.step`",
        ),
    },
    "restarts": {
        "all lanes begin": (
            "torch.where(chosen, 0.2 * noise[..., 0], self.x)",
            "0.2 * noise[..., 0]",
            "opened elsewhere",
            "torch.where",
        ),
    },
    "success": {
        "nobody says what it is": (
            'success="it fell off"',
            'success=""',
            "steps report success, but",
            "what counts as success",
        ),
    },
    "repeatable": {
        "the same seed, another trial": (
            "class World(BatchEnv):",
            "LUCK = torch.Generator()\nclass World(BatchEnv):",
            "two trials from the same random numbers differ in the reward of task",
            "the `noise` of `begin` and `advance`",
        ),
    },
    "reopens": {
        "what is never set back": (
            "= -self.x.abs()",
            "= -self.x.abs() + self.total\n        self.total = self.total + 1",
            "a second trial in the same batch differs",
            "not in `__init__` alone",
        ),
    },
    "alone": {
        "other tasks": (
            'tasks.tensor("pull")[:, None]',
            'tasks.tensor("pull")[:, None].cumsum(0).flip(0)',
            "a task alone in a batch",
            "dim 0",
        ),
    },
    "lanes": {
        "other lanes": ("= -self.x.abs()", "= -self.x.abs().sum(1, True).expand(self.shape)", "lanes 1 and 2 changed", "dim 1"),
    },
    "padding": {
        "lanes that have ended": (
            "= -self.x.abs()",
            "= -self.x.abs() + (self.x * ~self.active).sum(1, True)",
            "lanes that had ended changed the reward",
            "`self.active`",
        ),
    },
    "number": {
        "the number of lanes": ("= -self.x.abs()", "= -self.x.abs() / self.lanes", "a lane alone in a batch", "size of dim 1"),
    },
    "matters": {
        "a parameter without use": ("+ 0.1 * self.pull", "", "no parameter changes anything", 'tasks.tensor("pull")[:, None]'),
    },
    "influence": {
        "an action without use": ("+ action[..., 0]", "+ 0.3", "other actions changed nothing", "use `action` in `advance`"),
    },
    "range": {
        "actions beyond the range": (
            "\n    def begin",
            STEP + "self.told = action\n        return super().step(action)\n\n    def begin",
            "an action beyond [-1, 1] is not taken as -1 or 1",
            "it clips what `advance` gets",
        ),
    },
    "copies": {
        "observations in place": (
            "self.x = self.x + action",
            "self.x += action",
            "which reset returned, changed",
            "never self.x += change",
        ),
        "actions in place": (
            "= -self.x.abs()",
            "= -self.x.abs()\n        action.zero_()",
            "changed the action",
            "never action += 1",
        ),
    },
    "generators": {
        "torch's generator": (
            "self.x = torch.zeros(",
            "torch.rand(1)\n        self.x = torch.zeros(",
            "generator of torch",
            "`rng`",
        ),
        "NumPy's generator": (
            "settings = settings or",
            "np.random.seed(0)\n    settings = settings or",
            "generator of NumPy",
            "`rng`",
        ),
    },
}
MORE = {
    "the same seed, another trial": [("= -self.x.abs()", "= -self.x.abs() + torch.rand(self.shape, generator=LUCK)")],
    "what is never set back": [("self.pull = ", "self.total = 0.0\n        self.pull = ")],
    "actions beyond the range": [("self.x + action[..., 0]", "self.x + self.told[..., 0]")],
    "a list": [('is pulled"),)', 'is pulled")]')],
    "it never ends": [("self.x.abs() > 1.5", "self.x.abs() > 99")],
    "actions in place": [("action[..., 0]", "0.5 * action"), ("action_size=1, discrete=False", "action_size=2, discrete=True")],
}
"""What some need in other places."""
CHEAP = ("point", "bandit", "gridnavi", "cartpole", "dark-room")


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """How fast a family is, is not asked here."""
    monkeypatch.setattr(same, "SHORT", 0.0)


def written(text: str, name: str = "a_family.py") -> str:
    return breaking.written(text, name)


def changed(old: str, new: str, text: str = GOOD) -> str:
    return breaking.changed(old, new, text)


# ---- good families


def test_a_good_family_passes_every_check() -> None:
    report = check.check_family(written(GOOD))
    assert [f for f in report.findings if f.verdict != "ok"] == []
    assert report.failed == () and report.family == "pull"
    assert report.line() == f"{len(report.findings)} checks passed for a_family.py"
    assert "lanes that had ended" in found(report, "padding").words  # the family is one that could fail it


@pytest.mark.parametrize("name", CHEAP)
def test_a_family_that_ships_with_pliant_passes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", name]) == 0
    out, err = capsys.readouterr()
    assert f"checks passed for {name}" in out and "wrong" not in out and "warning" not in out and err == ""


@pytest.mark.parametrize("kind", ["a_family:family", "a_family.py:ready", "folder.mine", "folder/mine.py"])
def test_a_family_is_found_by_each_kind_of_name(kind: str) -> None:
    Path("folder").mkdir()
    written(GOOD + "\nready = family()\n")
    written(GOOD, "folder/mine.py")
    assert check.check_family(kind).failed == ()


def test_a_file_is_found_wherever_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(GOOD, "far_away.py")
    Path("here").mkdir()
    monkeypatch.chdir("here")
    assert check.check_family(str(tmp_path / "far_away.py")).failed == ()
    assert check.check_family("../far_away.py").failed == ()
    with pytest.raises(errors.UserError, match=r"^there is no file \.\./nowhere\.py$"):
        check.check_family("../nowhere.py")


# ---- broken families


def test_every_check_has_a_family_that_fails_it() -> None:
    names = {f.check for f in check.check_family(written(GOOD)).findings}
    assert names - set(BROKEN) == {"shift", "doubts", "speed"}  # two warn, the other measures


@pytest.mark.parametrize("name, old, new, words, mend", breaking.cases(BROKEN))
def test_a_broken_family_fails_the_check_that_asks(
    name: str, old: str, new: str, words: str, mend: str, request: pytest.FixtureRequest
) -> None:
    what = request.node.callspec.id
    text = changed(old, new)
    for also in MORE.get(what, ()):
        text = changed(*also, text)
    breaking.require(check.check_family(written(text)), name, words, mend)


WARNED = {
    "shift": ("ood=(0.0, 2.0), ", "", "no tasks in split ood"),
    "parameters": (', meaning="how strongly it is pulled"', "", "nobody can tell what pull means"),
    "described": ("success=", "told=Told(1, lambda t: 99 + t.arrays['pull'][:, None]), success=", "critics learn from order 1"),
    "matters": ("parameters=(", 'parameters=(Parameter("idle", train=(0.0, 1.0), meaning="none"),', "idle changed nothing"),
}


@pytest.mark.parametrize("name", WARNED)
def test_what_may_be_meant_is_a_warning(name: str) -> None:
    old, new, words = WARNED[name]
    report = check.check_family(written(changed(old, new)))
    assert report.failed == () and found(report, name).verdict == "warning" and words in found(report, name).words
    assert "1 warning" in report.line()


def test_what_cannot_be_asked_yet_is_skipped() -> None:
    report = check.check_family(written(changed("(frozen=True)", "")))
    skipped = [f for f in report.findings if f.verdict == "skipped"]
    assert len(skipped) == len(report.findings) - 1
    assert found(report, "settings").words == "once exports is mended"
    assert found(report, "settings").mend == ""


def test_settings_other_than_the_defaults_are_checked() -> None:
    name = written(GOOD)
    assert "2 x 9 steps" not in found(check.check_family(name), "sizes").words
    assert "1 x 9 steps" in found(check.check_family(name, {"horizon": 9}), "sizes").words
    with pytest.raises(errors.UserError, match="horizn"):
        check.check_family(name, {"horizn": 9})
    with pytest.raises(errors.UserError, match="takes no settings"):
        check.check_family("a_family:family", {"horizon": 9})


# ---- the command


def line_of(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    """stdout, and the one line on stderr of a command that fails."""
    assert cli.main(["check", *words]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("pliant: ") and err.count("\n") == 1, err
    return out, err.removeprefix("pliant: ").rstrip("\n")


def test_the_command_says_what_is_wrong_and_how_to_mend_it(capsys: pytest.CaptureFixture[str]) -> None:
    out, line = line_of(capsys, written(changed("= -self.x.abs()", "= -self.x.abs() / self.lanes")))
    assert line == f"1 of {len(check.CHECKS['family'])} checks failed for a_family.py: number"
    assert "wrong" in out and "a lane alone in a batch" in out and "to mend: no sum, mean or size of dim 1" in out


def test_the_command_prints_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    out, line = line_of(capsys, written(changed("(frozen=True)", "")), "--json", "--seed", "3")
    document = json.loads(out)
    assert document["schema"] == "pliant.check/1" and document["seed"] == 3 and document["failed"] == ["exports"]
    assert document["findings"][0]["mend"].startswith("@dataclass(frozen=True)")
    assert "30 skipped" in line or "31 skipped" in line


NOTHING = {
    "piont": r"unknown family 'piont': did you mean 'point'\?",
    "nowhere.py": "there is no file nowhere.py",
    "nowhere.at_all": "no module 'nowhere.at_all'",
    "broken.py": r"broken.py cannot be imported: broken.py:2: ZeroDivisionError: division by zero",
    "untyped.py": r"untyped.py cannot be imported: untyped.py:1: SyntaxError: ",
    "leaves.py": r"leaves.py cannot be imported: leaves.py:1: SystemExit: 3",
    "needs.py": r"needs.py cannot be imported: needs.py:1: ModuleNotFoundError: No module named 'no_such_package'",
    "extra.py": r"extra.py needs the package metaworld, which is not installed: pip install 'pliant\[metaworld\]'",
    "math.py": "math.py is not what Python finds by the name math",
    "a_family:famly": r"unknown attribute of a_family 'famly': did you mean 'family'\?",
    "a_family:World": "a_family:World is the class World: expected a Family, or a function that returns one",
    "a_family:VALUE": "a_family:VALUE is a int: expected a Family",
    "a_family:": "names no family",
    ":family": "names no family",
}


@pytest.mark.parametrize("name", NOTHING)
def test_a_name_that_is_no_family_is_one_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    written(GOOD + "\nVALUE = 3\n")
    written("x = 1\nx / 0\n", "broken.py")
    written("def family(:\n", "untyped.py")
    written("raise SystemExit(3)\n", "leaves.py")
    written("import no_such_package\n", "needs.py")
    written("raise ModuleNotFoundError('none', name='metaworld')\n", "extra.py")
    written("x = 1\n", "math.py")
    out, line = line_of(capsys, name)
    assert out == ""
    assert re.search(NOTHING[name], line), line
