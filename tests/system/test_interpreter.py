"""Code of the working directory is run by nobody but who names it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pliant.system import interpreter

NAMES = ["socket", "selectors", "signal", "random", "json", "re", "typing", "dataclasses", "argparse", "sitecustomize"]
OTHERS = ["numpy", "torch", "gymnasium", "mujoco", "rich", "pydantic", "tensorboard", "metaworld"]


def hostile(folder: Path, names: list[str]) -> Path:
    """A folder of modules that leave a trace when they are run; where the trace is."""
    ran = folder / "ran"
    for name in names:
        (folder / f"{name}.py").write_text(f"open({str(ran)!r}, 'a').write('{name} ')\nraise ImportError('hostile')\n")
    return ran


def done(folder: Path, command: list[str]) -> str:
    """What a command says that is begun in a folder and must end well."""
    found = subprocess.run(command, cwd=folder, env=interpreter.environment(), capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_a_child_runs_nothing_of_the_working_directory(tmp_path: Path) -> None:
    ran = hostile(tmp_path, NAMES)
    assert "pliant" in done(tmp_path, interpreter.command("-c", "import socket, random, pliant; print(pliant.__file__)"))
    assert not ran.exists()


def test_pliant_as_a_module_runs_nothing_of_the_working_directory(tmp_path: Path) -> None:
    ran = hostile(tmp_path, [*NAMES, *OTHERS])
    assert done(tmp_path, [sys.executable, "-m", "pliant", "--version"]).startswith("pliant ")
    assert not ran.exists()


def test_pliant_as_a_module_is_found_in_its_own_source_folder() -> None:
    code = "import runpy, sys; sys.argv[1:] = ['--version']; runpy.run_module('pliant', run_name='__main__', alter_sys=True)"
    assert done(Path(interpreter.ROOT), [sys.executable, "-c", code]).startswith("pliant ")
    assert done(Path(interpreter.ROOT), [sys.executable, "-m", "pliant", "--version"]).startswith("pliant ")


WORKER = """
import os
from pliant.tasks import pool
context = pool.context()
with pool.starting(b""):
    process = context.Process(target=pool.worker.interpreter.restore)
    process.start()
process.join()
assert process.exitcode == 0 and "PYTHONSAFEPATH" not in os.environ
"""


@pytest.mark.slow
def test_a_worker_runs_nothing_of_the_working_directory(tmp_path: Path) -> None:
    ran = hostile(tmp_path, [*NAMES, *OTHERS])
    done(tmp_path, interpreter.command("-c", WORKER))
    assert not ran.exists()


def test_code_that_is_named_is_found_in_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("print('mine')\n")
    named = "from pliant.system import outside; outside.import_outside('own.py')"
    assert done(tmp_path, interpreter.command("-c", named)) == "mine\n"


def test_an_empty_path_is_no_folder_of_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", "mine", ""]))
    assert interpreter.environment()["PYTHONPATH"].split(os.pathsep)[0] == "mine"
    assert "" not in interpreter.environment()["PYTHONPATH"].split(os.pathsep)


def test_what_a_worker_begins_is_its_own_affair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONSAFEPATH", interpreter.SAFE["PYTHONSAFEPATH"])
    interpreter.restore()
    assert "PYTHONSAFEPATH" not in os.environ
    monkeypatch.setenv("PYTHONSAFEPATH", "1")  # the user's own
    interpreter.restore()
    assert os.environ["PYTHONSAFEPATH"] == "1"
