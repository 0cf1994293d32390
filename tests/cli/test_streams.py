"""What reaches the terminal is text; a stream that is closed or full is one line."""

import io
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from pliant import errors
from pliant.cli import main as cli
from pliant.cli import shared, streams
from pliant.reporting import terminal as tables
from pliant.system import interpreter, progress, terminal

EVIL = "\x1b]0;title\x07\x1b[31mred\x9b2J\u202e\udcff"
"""A title, a colour, a cleared screen, words turned round, and a byte that is no letter."""
HARMLESS = r"\x1b]0;title\x07\x1b[31mred\x9b2J\u202e\udcff"


def test_what_moves_a_cursor_is_escaped_and_letters_are_not() -> None:
    assert errors.printable(EVIL) == HARMLESS
    assert errors.printable("é 猫 ± \u00a0\u3000") == "é 猫 ± \u00a0\u3000"
    assert errors.printable("a\nb\tc") == r"a\nb\tc"


def test_errors_and_warnings_are_printable(capsys: pytest.CaptureFixture[str]) -> None:
    assert errors.one_line(errors.UserError(f"a {EVIL}\nb")) == f"a {HARMLESS} b"
    errors.warn(EVIL)
    assert cli.main(["evaluate", EVIL]) == 2
    assert cli.main(["train", EVIL, "point"]) == 2
    assert cli.main(["list", f"--{EVIL}"]) == 2
    shared.say(EVIL, "two")
    shared.say_aside(EVIL)
    found = capsys.readouterr()
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\udcff"} & set(found.out + found.err)
    assert found.out == f"{HARMLESS}\ntwo\n" and len(found.err.splitlines()) == 5


def shown(thing: Any) -> str:
    """What a terminal is sent of something."""
    file = io.StringIO()
    terminal.console(file=file, force_terminal=True, width=200, color_system="truecolor").print(thing)
    return file.getvalue()


def test_a_table_of_evil_words_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("name", title=f"title {EVIL}")
    table.add_row(EVIL)
    table.add_row(Text(EVIL, "bold"))
    found = shown(table)
    assert found.count(r"\x1b]0;title") == 3 and HARMLESS in found and "\x1b[1m" in found, "its own bold stays"
    assert not {"\x07", "\x9b", "\u202e"} & set(found) and "\x1b]" not in found


def test_a_name_is_no_markup() -> None:
    point = {"stage": 0, "steps_seen": 0.0, "return": {"mean": 1.0, "ci95": [0.0, 2.0]}, "success": None}
    document = {"algorithm": "maml", "family": "gymnasium", "split": "task", "protocol": {}, "curve": [point], "per_task": []}
    document["family_settings"] = {"env": "[link=x]a[/red]"}
    assert "[link=x]a[/red]" in shown(tables.curve_table(document))


def test_a_bar_of_evil_words_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stderr", screen := Screen())
    monkeypatch.setenv("TERM", "xterm")
    with progress.Progress(2, 0, False, what=f"{{task.fields}} [red]{EVIL}") as bar:
        bar.update(1, {"return_0": 1.0})
        assert isinstance(bar.bar, Bar)
    assert "{task.fields}" in screen.getvalue() and "\x07" not in screen.getvalue() and "\x9b" not in screen.getvalue()


def ended(words: str) -> subprocess.CompletedProcess[str]:
    """`pliant words` in a shell."""
    command = " ".join(interpreter.command("-m", "pliant", words))
    return subprocess.run(command, shell=True, env=interpreter.environment(), capture_output=True, text=True, timeout=60)


CLOSED = "pliant: warning: stdout is closed: what this command says on it goes nowhere"


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
def test_closed_and_full_streams_are_one_line(tmp_path: Path) -> None:
    found = ended("list >&-")
    assert (found.returncode, found.stderr.splitlines()) == (0, [CLOSED])
    found = ended("list nothing 2>&- <&-")
    assert (found.returncode, found.stdout) == (2, "")
    if Path("/dev/full").exists():
        found = ended("list > /dev/full")
        assert (found.returncode, found.stderr) == (2, "pliant: cannot write to stdout: no space left on device\n")


def test_letters_that_a_terminal_lacks_are_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    streams.prepare()
    shared.say("é")
    sys.stdout.flush()
    assert raw.getvalue() == b"\\xe9\n"


def test_a_bug_of_ours_shows_its_traceback_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise RuntimeError(EVIL)
    except RuntimeError as error:
        streams.show_bug(type(error), error, error.__traceback__)
    assert HARMLESS in capsys.readouterr().err


def test_a_warning_of_a_library_is_text_without_colours(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warnings.showwarning", errors.show_warning)
    monkeypatch.setattr("warnings.formatwarning", lambda message, *where: f"{message}\nwhere it came from\n")
    warnings.warn_explicit(f"\x1b[33mWARN: {EVIL}\x1b[0m", UserWarning, "here.py", 1)
    said = capsys.readouterr().err
    plain = HARMLESS.replace(r"\x1b[31m", "")
    assert said == f"WARN: {plain}\nwhere it came from\n"


WARNS = """
import gymnasium
from gymnasium.envs.classic_control import CartPoleEnv

class Loud(CartPoleEnv):
    def reset(self, **how):
        gymnasium.logger.warn("\\x1b[2J wipes the screen")
        return super().reset(**how)

gymnasium.register("Loud-v0", "loud:Loud")
"""


def test_what_an_environment_warns_of_is_text_in_a_command_and_in_its_workers(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(WARNS)
    words = "train maml gymnasium --env loud:Loud-v0 --import loud --vary length=0.3:1.5 --workers 1 --out run --quiet"
    small = "--iterations 1 --preset none --train.meta_batch 2 --train.lanes 2 --family.horizon 4 --policy.hidden 8"
    command = [*interpreter.command("-m", "pliant"), *words.split(), *small.split()]
    done = subprocess.run(command, cwd=tmp_path, env=interpreter.environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "\\x1b[2J wipes the screen" in done.stderr and "\x1b" not in done.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_trap_for_what_draws_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("matplotlibrc").write_text("figure.dpi: 100\n")
    assert cli.main(["list"]) == 0
    Path("matplotlibrc").unlink()
    os.mkfifo("pipe")
    Path("matplotlibrc").symlink_to("pipe")
    capsys.readouterr()
    assert cli.main(["list"]) == 2
    assert capsys.readouterr().err == (
        "pliant: matplotlibrc in this folder is no file, but Matplotlib reads it: remove it or work elsewhere\n"
    )
