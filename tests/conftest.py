"""What all tests share: a short form and a whole one, one thread for each process, and nothing left for the next test."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

MOST_PROCESSES = 8

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before anybody imports torch or NumPy, and for every process that tests begin

for _signal, _usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_signal) is signal.SIG_IGN:  # as `nohup make test &` leaves it to all that it begins
        signal.signal(_signal, _usual)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--whole", action="store_true", help="every test at full length, those marked `whole` among them")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is for the whole suite alone."""
    if config.getoption("--whole"):
        return
    left_out = [item for item in items if item.get_closest_marker("whole")]
    items[:] = [item for item in items if not item.get_closest_marker("whole")]
    config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Processes for `-n auto`: one for each core that may be used, none besides our own if that is one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_PROCESSES) if cores > 1 else 0


@pytest.fixture(scope="session")
def length(pytestconfig: pytest.Config) -> Callable[[int, int], int]:
    """`length(short, whole)`: how long a test is in the short suite, and with --whole."""
    is_whole = bool(pytestconfig.getoption("--whole"))
    return lambda short, whole: whole if is_whole else short


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Training sets the number of torch's threads for its process; the next test begins with what was there."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 0
    yield
    if torch and torch.get_num_threads() != before:
        torch.set_num_threads(before)


# ---- processes


SERVER = """
import json, os, sys, traceback
from pliant import config
from pliant.cli import main as cli
from pliant.running import evaluate, learner, train

learner.build(config.load_config("maml", "point", {"train.threads": 1}, preset="none"))  # fills caches, learns nothing


def act(code, words, folder, more, said):
    for handle, path in enumerate((os.devnull, *said)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), handle)
    sys.stdin, sys.argv = open(0, closefd=False), ["python", *words]
    os.chdir(folder)
    os.environ.update(more)
    try:
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


print("ready", flush=True)
for line in sys.stdin:
    if pid := os.fork():
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
    else:
        act(*json.loads(line))
"""
PLIANT = "import sys; from pliant.cli import main as cli; sys.exit(cli.main(sys.argv[1:]))"


class Done(NamedTuple):
    """A process that has ended."""

    returncode: int
    """Its exit status, or minus the signal that ended it."""
    stdout: str
    stderr: str


class Forked:
    """Python in a process of its own, one at a time: each a fork of one that has imported torch and pliant and trained nothing.

    It knows no simulator and no family but `point`, and may be killed. A new process would take seconds to import torch.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.count, self.process = folder, 0, 0
        pipe = subprocess.PIPE
        path = os.pathsep.join(p for p in sys.path if p)
        command, env = [sys.executable, "-c", SERVER], os.environ | {"PYTHONPATH": path}
        self.server = subprocess.Popen(command, bufsize=0, env=env, stdin=pipe, stdout=pipe)
        assert self._said(120) == "ready"

    def start(self, code: str, *words: object, cwd: Path | None = None, env: dict[str, str] | None = None) -> int:
        """Begin `python -c code words`; its process id."""
        assert self.server.stdin and not self.process
        self.count += 1
        self.said = [self.folder / f"{self.count}.{name}" for name in ("out", "err")]
        job = [code, [str(word) for word in words], str(cwd or self.folder), env or {}, [str(path) for path in self.said]]
        self.server.stdin.write(json.dumps(job).encode() + b"\n")
        self.process = int(self._said(60))
        return self.process

    def finish(self, timeout: float = 120.0) -> Done:
        """Wait for it, at most some seconds."""
        try:
            status = int(self._said(timeout))
        except TimeoutError:
            os.kill(self.process, signal.SIGKILL)
            status = int(self._said(60))
        self.process = 0
        return Done(status, *(path.read_text(encoding="utf-8") for path in self.said))

    def run(self, code: str, *words: object, cwd: Path | None = None, env: dict[str, str] | None = None) -> Done:
        """All of `python -c code words`."""
        self.start(code, *words, cwd=cwd, env=env)
        return self.finish()

    def start_pliant(self, *words: object, cwd: Path | None = None) -> int:
        """Begin the command line `pliant words`; its process id."""
        return self.start(PLIANT, *words, cwd=cwd)

    def pliant(self, *words: object, cwd: Path | None = None) -> Done:
        """All of it."""
        return self.run(PLIANT, *words, cwd=cwd)

    def is_over(self) -> bool:
        """It has ended, and `finish` will not wait."""
        return bool(select.select([self.server.stdout], [], [], 0)[0])

    def reset(self) -> None:
        """End what a test that failed has left running."""
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process, signal.SIGKILL)
            self.finish()

    def close(self) -> None:
        self.server.kill()
        self.server.communicate()

    def _said(self, timeout: float) -> str:
        """A line of the server, which says one at a time."""
        assert self.server.stdout
        if not select.select([self.server.stdout], [], [], timeout)[0]:
            raise TimeoutError
        return self.server.stdout.readline().decode().strip()


@pytest.fixture(scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forked]:
    made = Forked(tmp_path_factory.mktemp("forked"))
    yield made
    made.close()


@pytest.fixture
def forked(_server: Forked) -> Iterator[Forked]:
    yield _server
    _server.reset()
