"""Settings: defaults, presets, overrides; every wrong one is one line that names its flag."""

import dataclasses
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from pliant import errors
from pliant.config import config, registry, values
from pliant.config import presets as preset_files
from pliant.config.config import load_config
from pliant.system import outside as outside_module

OUTSIDE = '''
"""An algorithm and a family of one's own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

POLICY = "mlp"


@dataclass(frozen=True)
class Settings:
    """All the types a setting may have."""

    whole: int = 1
    """A whole number."""
    real: float = 0.5
    maybe: float | None = None
    flag: bool = False
    name: str = "none"
    mode: Literal["fast", "slow"] = "fast"
    order: Literal[1, 2] = 1
    sizes: tuple[int, ...] = (3,)
    low_high: tuple[float, float] = (0.0, 1.0)
    some: tuple[int, ...] | None = None
    where: Path = Path("here")

    def __post_init__(self) -> None:
        if self.whole < 0:
            raise ValueError(f"whole is {self.whole}: expected at least 0")
        if self.low_high[0] > self.low_high[1]:
            raise ValueError("the range is upside down")


PARTS = {"inner": Settings}


def make(*arguments): ...
def family(settings=None): ...
'''


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module outside pliant with a setting of every type, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    name = f"outside_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(OUTSIDE)
    return f"{name}.py"


def refused(*arguments: Any, **keywords: Any) -> str:
    with pytest.raises(errors.UserError) as error:
        load_config(*arguments, **keywords)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_defaults_fill_every_part() -> None:
    found = load_config("maml", "point")
    assert (found.algorithm, found.family, found.policy, found.seed) == ("maml", "point", "mlp", 0)
    assert list(found.parts) == ["train", "inner", "outer", "policy", "family"]


def test_overrides_are_typed_text_or_values() -> None:
    typed = load_config("maml", "point", {"inner.steps": "3", "policy.hidden": "100,100", "family.distance": "squared"})
    valued = load_config("maml", "point", {"inner.steps": 3, "policy.hidden": (100, 100), "family.distance": "squared"})
    assert typed == valued
    assert typed.parts["inner"].steps == 3 and typed.parts["policy"].hidden == (100, 100)
    assert load_config("maml", "point", {"inner.learn-lr": "true"}).parts["inner"].learn_lr is True


READS = [
    ("whole", "7", 7),
    ("whole", 7, 7),
    ("real", "1e-3", 1e-3),
    ("real", "2", 2.0),
    ("real", 2, 2.0),
    ("maybe", "none", None),
    ("maybe", "0.25", 0.25),
    ("flag", "true", True),
    ("flag", "no", False),
    ("name", "none", "none"),
    ("name", "1,2", "1,2"),
    ("mode", "slow", "slow"),
    ("order", "2", 2),
    ("sizes", "64", (64,)),
    ("sizes", "64,32,", (64, 32)),
    ("sizes", "(64, 32)", (64, 32)),
    ("sizes", "[64]", (64,)),
    ("sizes", "", ()),
    ("sizes", "()", ()),
    ("sizes", [1, 2], (1, 2)),
    ("low_high", "-1,2.5", (-1.0, 2.5)),
    ("some", "none", None),
    ("some", "1,2", (1, 2)),
    ("where", "a/b", Path("a/b")),
]


@pytest.mark.parametrize(("name", "given", "value"), READS)
def test_a_value_is_read_as_its_field_says(outside: str, name: str, given: Any, value: Any) -> None:
    got = getattr(load_config(outside, outside, {f"inner.{name}": given}).parts["inner"], name)
    assert got == value and type(got) is type(value)


WRONG = [
    ("whole", "abc", "--inner.whole is 'abc': expected an integer"),
    ("whole", "1.5", "--inner.whole is '1.5': expected an integer"),
    ("whole", True, "--inner.whole is True: expected an integer"),
    ("whole", 2.0, "--inner.whole is 2.0: expected an integer"),
    ("whole", "-1", "--inner.whole is -1: expected at least 0"),
    ("real", "nan", "--inner.real is 'nan': expected a number"),
    ("real", "inf", "--inner.real is 'inf': expected a number"),
    ("real", "1e999", "--inner.real is '1e999': expected a number"),
    ("real", "none", "--inner.real is 'none': expected a number"),
    ("maybe", "x", "--inner.maybe is 'x': expected a number or none"),
    ("flag", "maybe", "--inner.flag is 'maybe': expected true or false"),
    ("flag", 1, "--inner.flag is 1: expected true or false"),
    ("mode", "fst", "--inner.mode is 'fst': expected one of fast, slow"),
    ("sizes", "1,x", "--inner.sizes is '1,x': expected integers separated by commas"),
    ("sizes", "(1", "--inner.sizes is '(1': expected integers separated by commas"),
    ("sizes", "()1", "--inner.sizes is '()1': expected integers separated by commas"),
    ("sizes", "9" * 20, f"--inner.sizes is ({'9' * 20},): expected at most {2**63 - 1}"),
    ("sizes", "1,,2", "--inner.sizes is '1,,2': expected integers separated by commas"),
    ("low_high", "1", "--inner.low_high is '1': expected 2 numbers separated by commas"),
    ("low_high", "2,1", "settings of inner: the range is upside down"),
    ("some", "x", "--inner.some is 'x': expected integers separated by commas or none"),
    ("name", 3, "--inner.name is 3: expected text"),
    ("whole", object, "--inner.whole is <class 'object'>: expected an integer"),
]


@pytest.mark.parametrize(("name", "given", "message"), WRONG)
def test_a_wrong_value_is_one_line_that_names_its_flag(outside: str, name: str, given: Any, message: str) -> None:
    assert refused(outside, outside, {f"inner.{name}": given}) == message


def test_unknown_names_suggest_the_nearest() -> None:
    assert "unknown algorithm 'mmal': did you mean 'maml'?" in refused("mmal", "point")
    assert "unknown family 'piont': did you mean 'point'?" in refused("maml", "piont")
    assert "unknown policy 'mlpp': did you mean 'mlp'?" in refused("maml", "point", policy="mlpp")
    assert "unknown setting 'inner.stps': did you mean 'inner.steps'?" in refused("maml", "point", {"inner.stps": "1"})
    assert "did you mean 'inner.steps'?" in refused("maml", "point", {"iner.steps": "1"})
    assert "train, inner, outer, policy, family" in refused("maml", "point", {"iner.steps": "1"})
    assert "unknown setting 'inner.'" in refused("maml", "point", {"inner": "1"})


def test_names_cannot_leave_the_folder() -> None:
    for name in ("_inner", "base", "__init__", "", "/etc/passwd", "POINT"):
        assert "unknown algorithm" in refused(name, "point")


@pytest.mark.parametrize("seed", [-1, 2**63, 1.0, True, "1"])
def test_a_seed_is_a_natural_number(seed: Any) -> None:
    assert "--seed is" in refused("maml", "point", seed=seed)


def test_json_and_back_is_exact(outside: str) -> None:
    overrides = {"inner.real": "0.1", "inner.sizes": "1,2", "inner.where": "x/y", "inner.low_high": "0.30000000000000004,1"}
    for given in (load_config(outside, outside, overrides, seed=5), load_config("maml", "point", {"policy.hidden": "7,8"})):
        document = json.loads(json.dumps(config.to_dict(given)))
        assert config.from_dict(document) == given
        assert config.to_dict(config.from_dict(document)) == document


def test_text_in_a_document_is_not_parsed(outside: str) -> None:
    document = config.to_dict(load_config(outside, outside))
    assert config.from_dict(document).parts["inner"].name == "none"
    document["parts"]["inner"]["whole"] = "1"
    with pytest.raises(errors.UserError, match=r"--inner\.whole is '1': expected an integer"):
        config.from_dict(document)


CHANGES = {
    "unknown setting": (lambda d: d["parts"]["inner"].update(warp=9), r"inner\.warp"),
    "unknown part": (lambda d: d["parts"].update(warp={}), "unknown part 'warp'"),
    "part no table": (lambda d: d["parts"].update(inner=3), "inner"),
    "parts no table": (lambda d: d.update(parts=[]), "settings of this run"),
    "missing key": (lambda d: d.pop("seed"), "keys"),
    "extra key": (lambda d: d.update(extra=1), "extra"),
    "unknown algorithm": (lambda d: d.update(algorithm="maml2"), "unknown algorithm"),
    "algorithm no text": (lambda d: d.update(algorithm=["maml"]), "expected text"),
    "out of range": (lambda d: d["parts"]["inner"].update(steps=0), r"--inner\.steps is 0"),
    "seed": (lambda d: d.update(seed="0"), "--seed"),
    "code outside": (lambda d: d.update(algorithm="antigravity.sub"), "outside pliant"),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_foreign_document_is_refused_in_one_line(kind: str) -> None:
    document = config.to_dict(load_config("maml", "point"))
    change, message = CHANGES[kind]
    change(document)
    with pytest.raises(errors.UserError, match=message) as error:
        config.from_dict(document)
    assert "\n" not in str(error.value)


def test_a_setting_newer_than_the_document_keeps_its_default() -> None:
    document = config.to_dict(load_config("maml", "point", preset="none"))
    del document["parts"]["inner"]["lam"]
    assert config.from_dict(document) == load_config("maml", "point", preset="none")


def test_reading_a_document_imports_nothing_outside(outside: str) -> None:
    document = config.to_dict(load_config(outside, outside))
    module = outside.removesuffix(".py")
    del sys.modules[module]
    with pytest.raises(errors.UserError, match=f"--import {module}.py"):
        config.from_dict(document)
    assert module not in sys.modules
    outside_module.import_outside(outside)
    assert config.from_dict(document).algorithm == outside


def test_missing_outside_code_is_one_line(outside: str) -> None:
    assert "no module 'nobody.has_this'" in refused("nobody.has_this", "point")
    Path("empty_thing.py").write_text("")
    assert "does not define PARTS" in refused("empty_thing.py", "point")


@pytest.fixture
def presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of presets in place of the shipped one."""
    monkeypatch.setattr(preset_files, "PRESETS", tmp_path)
    (tmp_path / "maml-point.toml").write_text(
        'summary = "tuned"\n[inner]\nsteps = 4\n[policy]\nname = "mlp"\nhidden = [9, 9]\n[family]\ndistance = "squared"\n'
    )
    (tmp_path / "maml-point@fast.toml").write_text("[inner]\nsteps = 2\n")
    return tmp_path


def test_defaults_then_preset_then_overrides(presets: Path) -> None:
    plain = load_config("maml", "point")
    assert (plain.parts["inner"].steps, plain.parts["policy"].hidden, plain.parts["family"].distance) == (4, (9, 9), "squared")
    assert load_config("maml", "point", {"inner.steps": "5"}).parts["inner"].steps == 5
    assert load_config("maml", "point", preset="fast").parts["inner"].steps == 2
    assert load_config("maml", "point", preset="fast").parts["family"].distance == "plain"
    assert load_config("maml", "point", preset="none").parts["inner"].steps == 1
    assert load_config("fomaml", "point").parts["inner"].steps == 4  # what is maml's is fomaml's, unless it has its own
    assert preset_files.presets("maml", "point") == [("maml", "point", ""), ("maml", "point", "fast")]


def test_a_preset_says_nothing_about_another_policy(presets: Path, outside: str) -> None:
    found = load_config("maml", "point", policy=outside)
    assert found.parts["policy"].sizes == (3,)
    assert found.parts["inner"].steps == 4


def test_a_preset_file_of_ones_own(presets: Path) -> None:
    (presets / "mine.toml").write_text("[inner]\nsteps = 6\n")
    assert load_config("fomaml", "point", preset=str(presets / "mine.toml")).parts["inner"].steps == 6


def test_a_wrong_preset_is_one_line(presets: Path) -> None:
    assert "unknown preset of maml point 'fats': did you mean 'fast'?" in refused("maml", "point", preset="fats")
    assert "does not exist" in refused("maml", "point", preset="nowhere.toml")
    for text in (
        "inner = 3",
        "[inner",
        '[inner]\nsteps = "4"',
        "[inner]\nstps = 4",
        "[warp]\nx = 1",
        "[inner]\nsteps = 2020-01-01",
    ):
        (presets / "bad.toml").write_text(text)
        assert "bad.toml" in refused("maml", "point", preset=str(presets / "bad.toml"))


def test_every_shipped_preset_loads() -> None:
    for algorithm, family, name in preset_files.presets():
        load_config(algorithm, family, preset=name or None)
    for path in preset_files.PRESETS.glob("*.toml"):
        assert any(path.stem == f"{a}-{f}" + (f"@{n}" if n else "") for a, f, n in preset_files.presets()), path


def test_every_setting_that_ships_has_a_docstring_and_a_readable_type() -> None:
    from pliant.cli import explain

    seen = set()
    for algorithm, family in itertools.product(registry.names("algorithm"), registry.names("family")):
        for part, settings in config.part_classes(algorithm, family, registry.load("algorithm", algorithm).POLICY).items():
            if settings in seen:
                continue
            seen.add(settings)
            docs = explain.field_docs(settings)
            for name, kind in values.field_types(settings).items():
                assert docs.get(name), f"{part}.{name} of {algorithm} {family} has no docstring"
                assert "[" not in values.expected(kind) and "<" not in values.expected(kind), f"{part}.{name}: {kind}"


def test_override_and_differences() -> None:
    old = load_config("maml", "point")
    new = config.override(old, {"inner.steps": "9"})
    assert config.differences(old, new) == [("--inner.steps", old.parts["inner"].steps, 9)]
    assert config.differences(old, dataclasses.replace(new, seed=3))[0] == ("--seed", 0, 3)
    with pytest.raises(errors.UserError, match=r"--inner\.steps is 0"):
        config.override(old, {"inner.steps": "0"})
