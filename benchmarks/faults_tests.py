"""Campaigns whose faults the tests inject, at full length. A test says as `faults` how many they are, and holds all or none."""

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import recorded
from faults_counts import Counts


def kills(times: float) -> Counts:
    """A training is killed by SIGKILL at random moments; in the end it is the one that nobody killed, bit for bit."""
    return counted("running/test_train.py", "kills_lose_nothing", "kill -9 of a training")


def commands(times: float) -> Counts:
    """Generated wrong command lines: each is one line with status 2, and changes nothing."""
    return counted("cli/test_wrong_lines.py", "wrong_lines_get_one_line", "a wrong word, flag or value")


def misuses(times: float) -> Counts:
    """Generated wrong calls from Python: each is a UserError of one line, and changes nothing."""
    return counted("agent/test_misuse.py", "wrong_call_is_one_line", "a wrong argument")


def environments(times: float) -> Counts:
    """Environments that misbehave, each in its own way: each has its own line."""
    asked = "what_an_environment_does_wrong or what_reset_undoes or what_looks_wrong"
    return counted("simulators/test_misbehaving.py", asked, "a Gymnasium environment that does one thing wrong")


def counted(path: str, which: str, kind: str) -> Counts:
    """The faults of some tests of one file."""
    counts = Counts()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.xml"
        words = ["-q", "--whole", "-p", "no:cacheprovider", "-k", which, f"--junitxml={out}", f"tests/{path}"]
        done = subprocess.run([sys.executable, "-m", "pytest", *words], cwd=recorded.ROOT, capture_output=True, text=True)
        if not out.exists():
            raise SystemExit(f"pytest ended with status {done.returncode}: {done.stderr or done.stdout}")
        for case in ElementTree.parse(out).getroot().iter("testcase"):
            told = {found.get("name"): found.get("value", "1") for found in case.iter("property")}
            failure = next((found.get("message", "") for found in case if found.tag in ("failure", "error")), None)
            for _ in range(int(told.get("faults", "1"))):
                counts.add(kind, None if failure is None else f"{case.get('name')}: {failure.splitlines()[0]}")
    return counts
