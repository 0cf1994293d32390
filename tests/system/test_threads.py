"""Torch's threads: those that wait for work leave the cores to others, and small work is done by one."""

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import torch

from pliant.algorithms.rl2 import Rl2
from pliant.config import config
from pliant.rollout import rollout
from pliant.running import learner as learners
from pliant.streams import Stream
from pliant.system import threads
from pliant.types import Rollout

WAITING = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
SHARED = """
import pliant, time, torch
x = torch.rand(600, 600)
x @ x  # the threads begin
idle = 0.0
for _ in range(100):
    x @ x
    processor, thread, begin = time.process_time(), time.thread_time(), time.perf_counter()
    while time.perf_counter() - begin < 0.005:
        pass
    idle += (time.process_time() - processor) - (time.thread_time() - thread)
print(torch.get_num_threads(), idle)
"""


def said(script: str, environment: dict[str, str]) -> list[str]:
    """What a script prints in a new process that has only this to say about threads."""
    rest = {name: value for name, value in os.environ.items() if name not in WAITING}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env=rest | environment, check=True, capture_output=True, text=True).stdout.split()


@pytest.mark.parametrize(
    ("users", "expected"),
    [({}, "100"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, "None")],
)
def test_how_long_threads_look_out_for_work_is_bounded_unless_the_user_says_so(users: dict[str, str], expected: str) -> None:
    assert said("import os, pliant; print(os.environ.get('GOMP_SPINCOUNT'))", users) == [expected]


@pytest.mark.skipif("OpenMP" not in torch.__config__.parallel_info(), reason="torch has threads of another kind")
@pytest.mark.skipif(sys.platform != "linux", reason="GNU OpenMP is that of Linux")
def test_threads_without_work_leave_the_cores_to_others() -> None:
    """Beside 0.5 s of Python they take 5 % of a core at most; all of one, if nobody bounds how long they look out for work."""
    number, idle = said(SHARED, {"OMP_NUM_THREADS": "2"})
    assert number == "2"
    assert float(idle) < 0.15


def lesson(lanes: int) -> tuple[Rl2, list[Rollout]]:
    """An agent with a memory of 16 numbers, and a short trial in so many lanes to learn from."""
    settings = {"policy.size": 16, "outer.minibatches": 2, "outer.epochs": 1, "family.pulls": 3}
    learner = learners.build(config.load_config("rl2", "bandit", settings))
    assert isinstance(learner.algorithm, Rl2)
    chosen = learner.family.sample(lanes, "train", Stream(0).at("tasks").rng())
    batch = learner.family.batch(chosen, 1, learner.episodes)
    return learner.algorithm, learner.algorithm.adapt(partial(rollout, batch, Stream(0).at("acts")))


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("lanes", "expected"), [(64, 1), (2 * threads.SMALL // 16, 2)])
def test_a_memory_whose_steps_are_small_learns_with_one_thread(
    monkeypatch: pytest.MonkeyPatch, two_threads: None, lanes: int, expected: int
) -> None:
    algorithm, rollouts = lesson(lanes)
    used = list[int]()
    step = Rl2._step

    def watched(*given: Any) -> Any:
        used.append(torch.get_num_threads())
        return step(*given)

    monkeypatch.setattr(Rl2, "_step", watched)
    algorithm.learn(rollouts)
    assert set(used) == {expected}
    assert torch.get_num_threads() == 2


def test_what_a_small_memory_learns_does_not_depend_on_the_threads_of_a_machine(two_threads: None) -> None:
    learned = list[Any]()
    for number in (1, 2):
        torch.set_num_threads(number)
        algorithm, rollouts = lesson(64)
        algorithm.learn(rollouts)
        learned.append(algorithm.state())
    assert learned[0].keys() == learned[1].keys()
    assert all(torch.equal(learned[0][name], learned[1][name]) for name in learned[0])
