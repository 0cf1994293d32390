"""What all tests share: a short form and a whole one, one thread for each process, and nothing left for the next test."""

import os
import sys
from collections.abc import Callable, Iterator

import pytest

MOST_PROCESSES = 8

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before anybody imports torch or NumPy, and for every process that tests begin


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
