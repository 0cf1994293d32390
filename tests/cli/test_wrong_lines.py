"""Wrong command lines: each is one line on stderr with status 2, and nothing is created or lost by it.

Generated: every verb and flag as it may be mistyped, and every value that somebody types by mistake where its kind expects
another. What flags there are and what they take is asked of the parser, so a new verb is tested without a word here.
"""

import argparse
import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pliant.agent.agent import Agent
from pliant.cli import arguments, parser
from pliant.cli import main as cli
from pliant.config import config, values
from pliant.system import ranges

Line = tuple[str, ...]
TRAIN = ("train", "maml", "point")
GIVEN: dict[str, Line] = {
    "train": TRAIN,
    "evaluate": ("evaluate", "run"),
    "adapt": ("adapt", "run", "--task", "goal=0.1,0.2"),
    "compare": ("compare", "run"),
    "report": ("report", "run"),
    "sweep": ("sweep", "run", "--axis", "horizon=1:3"),
    "watch": ("watch", "run"),
    "check": ("check", "point"),
    "list": ("list",),
    "completion": ("completion", "bash"),
}
"""A right beginning for each verb."""
RUNS = ("", " ", "a" * 300, *"nowhere empty foreign file many damaged unsaved /dev/null run/run.json adapted".split())
NATURAL = ("-1", "x", "", " ", "1.5", "1e3", "0x3", "9" * 30, "nan", "true", "1,2", "--", "1 2")
WORDS: dict[Any, tuple[str, ...]] = {
    arguments.natural: NATURAL,
    arguments.positive: (*NATURAL, "0", "00"),
    arguments.seeds: ("", *"x 1.. ..1 3..1 1,,2 1, -1 0..99999 1...3 0-4 1.5 0..1..2".split(), "9" * 30),
    arguments.place: ("", " ", "\t"),
}
"""What is wrong for each kind of argument."""
NAMED: dict[str, tuple[str, ...]] = {
    "device": ("", "tpu9", "meta", "cpu:99", "cuda:99", "cuda:x", "CPU", "gpu", "3"),
    "split": ("", "tset", "TEST", "all", "1"),
    "preset": ("", *"nowhere nowhere.toml empty file.toml deep.toml word.toml named.toml list.toml null.toml maml".split()),
    "policy": ("", "a b", *"mpl ../x ..1 base _x point nobody.module nowhere.py .".split()),
    "imports": ("", "a b", *"..x nobody nobody.module nowhere.py / .".split()),
    "algorithm": ("", *"mmal ../.. ..1 base _inner point MAML nobody.module nowhere.py /etc .".split()),
    "family": ("", *"piont ../.. ..1 base __init__ maml Point nobody.module nowhere.py point/ ~".split()),
    "task": ("", "goal=1,2 goal=3,4", *"goal goal= =3 goal=a,b gaol=1,2 goal=9,9 goal=nan,0 goal=0.1 goal=,,".split()),
    "axis": ("", "goal", "goal=", "=0:1", "goal=0:1", "speed=0:1", "goal=a:b", "x=1:0", "x=nan:1", "x=0:inf", "x=0:1:2", ":"),
    "sweep": ("", "goal", "goal=0:1", "speed=0:1", "x"),
    "name": ("", " ", "piont", "Foo-v1", "mamll", "../..", "maml point"),
    "shell": ("", "tcsh", "Bash", "bash zsh"),
    "run": RUNS,
    "runs": RUNS,
}
"""And for arguments of these names."""
SETTING: dict[Any, tuple[str, ...]] = {
    int: ("x", "", "1.5", "-1", "true", "none", "nan", "9" * 20, "1e3", "1,2"),
    float: ("x", "", "nan", "inf", "-inf", "1e999", "none", "1,2", "0x"),
    bool: ("x", "", "2", "none", "1.5"),
}


TOGETHER = """\
--seed 1 --seeds 0..1
--jobs 2
--iterations 1 --train.iterations 2
--iterations=1 --train.iterations=1
--out file
--out many
--out run
--out file/below
--out run --resume --inner.steps 3
--out run --resume --seed 7
--out run --resume --iterations 1
--out foreign --resume
--out damaged --resume
--out empty/../file
--seeds 0..1 --out file
--seeds 0,1 --jobs 0
--preset none --preset nowhere
--policy gru --policy.hidden 3
--help --inner.steps x
--help --preset nowhere
--quiet=yes
--resume=1
stray
--inner.steps 1 stray"""
"""What does not go together, or finds something in its place."""


OTHERS = """\
train fomaml point --out run --resume
train maml cartpole --out run --resume
train rl2 point --policy mlp
train maml gymnasium --env CartPole-v1
evaluate run --protocol
evaluate run --protocol --tasks 3
evaluate run --protocol --lanes 3
evaluate run --players --players=1
evaluate run --stages 1 --stages x
adapt run
adapt run --task goal=0.1,0.2 --episodes 0
adapt run --task goal=0.1,0.2 --out file
adapt run --task goal=0.1,0.2 --out many
adapt run --task goal=0.1,0.2 --out run
adapt run --task goal=0.1,0.2 --out file/below
report run --out many
report run --out empty
report run --out file/below.html
watch run --out film.xyz
watch run --out film
watch run --out many
watch run --out file/below.mp4
compare run run
compare run nowhere
compare document.json run
compare nan.json
check
check nowhere.py
check point --policy mlp
check point --policy=
sweep run
sweep --axis x=0:1
list maml point
completion"""


def spoilt(word: str) -> Iterator[str]:
    """A word as it is mistyped, never one that is another right word."""
    yield from (word[:-1], word + word[-1], word[0] + word[2] + word[1] + word[3:], word + "-", word.upper())


def lines() -> Iterator[Line]:
    """Every wrong command line."""
    verbs = parser.commands()
    yield from ((wrong,) for verb in verbs for wrong in spoilt(verb) if wrong not in verbs)
    yield from ((wrong, *GIVEN[verb][1:]) for verb in verbs for wrong in spoilt(verb) if wrong not in verbs)
    yield from (("--seed", "1"), ("-x",), ("",), (" ",), ("_secret",), ("--", "train"), ("help",), ("--versoin",))
    for verb, command in verbs.items():
        yield from of_verb(verb, command)
    yield from of_settings()
    yield from together()


def of_verb(verb: str, command: argparse.ArgumentParser) -> Iterator[Line]:
    """Flags that are unknown, lack their value or have a wrong one; arguments that are missing, wrong or too many."""
    given = GIVEN[verb]
    known = command._option_string_actions
    for flag, action in known.items():
        if not flag.startswith("--"):
            continue
        yield from ((*given, wrong, "1") for wrong in (flag[:-1], flag + flag[-1], flag.upper()) if wrong not in known)
        if action.nargs == 0:
            yield (*given, f"{flag}=1")
            continue
        yield from ((*without(given, flag), f"{flag}={word}") for word in wrong_for(action))
        yield (*without(given, flag), flag)
    for action in command._actions:
        if action.option_strings:
            continue
        place = 1 + [a for a in command._actions if not a.option_strings].index(action)
        yield from (with_word(given, place, word) for word in wrong_for(action))
    yield (*given, "one", "too", "many") if verb not in ("compare", "report") else (verb,)
    if any(not a.option_strings and a.nargs is None for a in command._actions):
        yield (verb,)


def wrong_for(action: argparse.Action) -> tuple[str, ...]:
    return NAMED.get(action.dest, WORDS.get(action.type, ()))


def without(line: Line, flag: str) -> Line:
    """A line without a flag and its value."""
    if flag not in line:
        return line
    place = line.index(flag)
    return line[:place] + line[place + 2 :]


def with_word(line: Line, place: int, word: str) -> Line:
    return (*line[:place], word, *line[place + 1 :])


def of_settings() -> Iterator[Line]:
    """Settings that are unknown, or have a value of another kind or out of range, of two algorithms."""
    for pair in (("maml", "point"), ("rl2", "bandit")):
        for part, settings in config.load_config(*pair).parts.items():
            for name, kind in values.field_types(type(settings)).items():
                flag = f"--{part}.{name}"
                yield ("train", *pair, f"--{part}.{name}x", "1")
                yield ("train", *pair, flag, "1", f"{flag}=1")
                wrong = (word for word in SETTING.get(ranges.plain(kind), ()) if not is_right(kind, word))
                yield from (("train", *pair, f"{flag}={word}") for word in wrong)
    for word in ("x", "0", "1,x", "1,,2", "1.5", "-1", "9" * 20, "1,nan", "()1"):
        yield (*TRAIN, f"--policy.hidden={word}")
    for flag in "--lr --stps --.lr --inner. --. --x.y --inner.lr.x --Inner.lr".split():
        yield (*TRAIN, flag, "1")
    for flag in "inner.steps family.warp train.lanes family. x.y".split():
        yield ("evaluate", "run", f"--{flag}", "1")
    for flag in "horizon=0 horizon=x distance=far speed=-1 radius=nan".split():
        yield ("evaluate", "run", f"--family.{flag}")


def is_right(kind: Any, word: str) -> bool:
    """Text or a number that a setting does take."""
    with contextlib.suppress(ValueError):
        values.parse("--x", kind, word, typed=False)
        return True
    return False


def together() -> Iterator[Line]:
    """Words that do not go together."""
    for more in TOGETHER.splitlines():
        yield (*TRAIN, *more.split())
    yield from (tuple(line.split()) for line in OTHERS.splitlines())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with a run and with things that are none."""
    made = tmp_path_factory.mktemp("lines")
    settings = {"train.threads": 1, "train.meta_batch": 2, "train.lanes": 2, "family.horizon": 4, "policy.hidden": (4,)}
    agent = Agent("maml", "point", preset="none", settings=settings)
    for name in ("run", "damaged", "unsaved", "many/one"):
        agent.save(made / name)
    agent.adapt({"goal": [0.1, 0.2]}, stages=0).save(made / "adapted")
    (made / "damaged" / "run.json").write_text("{")
    for path in sorted((made / "unsaved" / "checkpoints").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (made / "empty").mkdir()
    (made / "foreign").mkdir()
    texts = {
        "foreign/run.json": '{"schema": "other/1"}',
        "file": "mine",
        "document.json": "{}",
        "nan.json": '{"schema": "pliant.evaluation/1", "x": 1e999}',
        "file.toml": "[inner",
        "deep.toml": f"a = {'[' * 5000}{']' * 5000}",
        "word.toml": 'policy = "x"',
        "named.toml": "[policy]\nname = 3",
        "list.toml": "[[inner]]\nsteps = 1",
        "null.toml": "\0",
    }
    for name, text in texts.items():
        (made / name).write_text(text)
    return made


def held(folder: Path) -> dict[str, bytes]:
    """All files and folders; not the lock of a run, which whoever looked at it leaves behind."""
    return {str(p): p.read_bytes() if p.is_file() else b"" for p in folder.rglob("*") if p.name != ".lock"}


def said(line: Line) -> str:
    """What is wrong with how a wrong line was answered; empty if nothing is."""
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status: Any = cli.main(line)
    except SystemExit as end:
        status = f"SystemExit {end.code}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:300]
    answer = [row for row in err.getvalue().splitlines() if not row.startswith("pliant: warning: ")]
    if status != 2:
        return f"status {status}, {out.getvalue()[:100]!r}"
    if len(answer) != 1 or not answer[0].startswith("pliant: ") or len(answer[0]) < 20 or out.getvalue():
        return f"says {answer!r:.300} and prints {out.getvalue()[:100]!r}"
    return ""


def begun(*given: Any, **named: Any) -> None:
    """In place of what a right line would begin."""
    raise AssertionError("was taken for a right one")


@pytest.mark.slow
def test_wrong_lines_get_one_line_and_change_nothing(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    length: Callable[[int, int], int],
    record_property: Callable[[str, object], None],
) -> None:
    """One of 25 of them, or all: more than 500."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("PLIANT_TRACEBACK", raising=False)
    for begins in ("pliant.cli.seeds.train", "pliant.running.loop.train", "pliant.running.curve.curve_on"):
        monkeypatch.setattr(begins, begun)
    every = list(dict.fromkeys(lines()))
    record_property("faults", len(every[:: length(25, 1)]))
    assert len(every) > 500
    before, wrong = held(folder), []
    for line in every[:: length(25, 1)]:
        if how := said(line):
            wrong.append((line, how))
        elif held(folder) != before:
            wrong.append((line, "has changed something"))
            break
    assert not wrong, "\n".join(f"{' '.join(map(repr, line))}: {how}" for line, how in wrong)


def test_the_line_of_every_verb_that_is_spoilt_is_right(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong with the others is what was spoilt: each begins as a line that is understood."""
    monkeypatch.chdir(folder)
    assert GIVEN.keys() == parser.commands().keys()
    for line in GIVEN.values():
        assert cli.understood(line)[2] == [], line
