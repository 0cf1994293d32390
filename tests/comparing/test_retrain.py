"""The command that trains an agent again is read by the command line as the very same settings, whatever stands in them."""

import shlex
from pathlib import Path
from typing import Any

import pytest

from pliant.cli import main as cli
from pliant.cli import settled, shared
from pliant.comparing import retrain
from pliant.config import config
from pliant.system import outside

TASKS = {"family.env": "CartPole-v1", "family.vary": "length=0.3:1.5, force_mag=-15:-5|5:15"}
CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("maml", "point", {"inner.lr": 0.3, "family.horizon": 12}),
    ("maml", "point", {"policy.hidden": (4, 5)}),
    ("maml", "gymnasium", TASKS | {"family.ood": "length=1.5:2", "family.fresh": True}),
    ("rl2", "gymnasium", TASKS | {"family.wrappers": "FilterObservation(['a', \"it's\"]), $HOME `id` \\ *"}),
]


@pytest.mark.parametrize("algorithm, family, settings", CASES)
def test_the_command_says_the_very_same_settings(algorithm: str, family: str, settings: dict[str, Any]) -> None:
    wanted = config.load_config(algorithm, family, settings, seed=3)
    words = shlex.split(retrain.command(wanted, [3]))
    assert words[0] == "pliant"
    arguments, typed, rest = cli.understood(words[1:])
    assert not rest and settled.load(arguments, typed) == wanted


def test_the_command_imports_what_the_settings_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_worlds.py").write_text(
        "import gymnasium\ngymnasium.register('Own-v0', 'own_worlds:Own')\n"
        "class Own(gymnasium.Env): pass\nclass Twice(gymnasium.Wrapper): pass\n"
    )
    (tmp_path / "own_unneeded.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("own_worlds", "own_unneeded"):
        outside.import_outside(name)
    cases = {
        ("Own-v0", ""): True,
        ("own_worlds:CartPole-v1", ""): True,
        ("CartPole-v1", "own_worlds.Twice"): True,
        ("CartPole-v1", ""): False,
    }
    for (env, wrappers), needed in cases.items():
        settings = {"family.env": env, "family.vary": "seed=0..9", "family.wrappers": wrappers}
        words = shlex.split(retrain.command(config.load_config("maml", "gymnasium", settings), [0]))
        assert words[-2:] == ["--import", "own_worlds"] if needed else "--import" not in words, words


def test_a_hint_can_be_pasted() -> None:
    said = shared.command("evaluate", Path("runs/my run's"), imports=("my_envs", "folder/own.py", "my_envs"))
    assert said == "pliant evaluate 'runs/my run'\"'\"'s' --import my_envs --import folder/own.py"
    assert shlex.split(said)[2] == "runs/my run's"
