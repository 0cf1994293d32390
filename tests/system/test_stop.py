"""Signals: a wish to stop that is granted once, and never more than the user meant."""

import os
import signal
import subprocess
import sys

import pytest

from pliant.system import stop

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows sends no signals to itself")


def sent(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", stop.ENDING)
def test_the_first_signal_is_a_wish_and_others_are_handed_back(number: int) -> None:
    before = [signal.getsignal(each) for each in stop.ENDING]
    with stop.Stop() as wish:
        assert not wish.signal
        sent(number)
        assert wish.signal == number
    assert [signal.getsignal(each) for each in stop.ENDING] == before


def test_only_a_second_ctrl_c_acts_at_once() -> None:
    with stop.Stop() as wish:
        for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM):
            sent(number)
        assert wish.signal == signal.SIGHUP
        with pytest.raises(KeyboardInterrupt):
            sent(signal.SIGINT)
    with stop.Stop(), pytest.raises(KeyboardInterrupt):
        sent(signal.SIGINT)
        sent(signal.SIGINT)


def test_what_is_ignored_stays_ignored() -> None:
    old = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop.Stop() as wish:
            sent(signal.SIGHUP)
            assert not wish.signal
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, old)


EARLY = """
import os, signal, sys

class Finder:
    def find_spec(self, name, *_):
        if name == {where!r}:
            {act}

sys.meta_path.insert(0, Finder())
from pliant.__main__ import main
sys.argv = ["pliant", "train", "maml", "point", "--out", "never"]
sys.exit(main())
"""
CTRL_C = "os.kill(os.getpid(), signal.SIGINT)"


@pytest.mark.parametrize("where", ["pliant.cli.main", "pliant.cli.parser", "pliant.config.config"])
@pytest.mark.parametrize("twice", [False, True])
def test_ctrl_c_while_pliant_is_imported_is_one_line_or_none(where: str, twice: bool, tmp_path) -> None:
    """Also where a library makes another error of it, and when it comes a second time."""
    act = f"try: {CTRL_C}\n            finally: " + (CTRL_C if twice else "raise ImportError('a library says so')")
    act = act if twice or where == "pliant.config.config" else CTRL_C
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    words = [sys.executable, "-c", EARLY.format(where=where, act=act)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=60)
    assert done.returncode == 130, done
    assert done.stdout == "" and done.stderr in ("pliant: interrupted\n", ""), done.stderr
    assert not list(tmp_path.iterdir())
