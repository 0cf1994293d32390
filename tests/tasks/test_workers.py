"""Worker processes: results depend on nothing but seeds and actions, and every fault is named, mended or reported."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pliant import rollout as rollouts
from pliant.config.config import load_config
from pliant.errors import UserError
from pliant.running.train import train
from pliant.streams import Stream
from pliant.system import machine
from pliant.tasks import pool
from pliant.tasks.base import BatchEnv, Family, Parameter, Tasks
from pliant.tasks.workers import Pooled
from pliant.types import Rollout, Spec

HERE = Path(__file__).parent
HEIGHT = [0.5, 1.0, 2.0, 3.0]
LANES = 3
FAULTS = {
    "kill": "was killed by SIGKILL",
    "exit": "ended its process with status 3",
    "leave": "ended its process with status 4",
    "raise": "raised ZeroDivisionError: the plant is on fire",
    "hang": "did not answer for 1.5 seconds",
    "nan": "returned an observation that is not finite",
    "reward": "returned a reward that is not finite",
    "shape": "returned an observation of shape (3,) where (2,) was expected",
    "text": "returned an observation of shape () where (2,) was expected",
}


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module of environments whose faults are ordered; afterwards no worker is left."""
    monkeypatch.syspath_prepend(str(HERE))
    import faulty

    yield faulty
    while pool._idle:
        pool._idle.pop().close()


def walks(orders: tuple[Any, ...] = (), workers: int = 2, timeout: float = 60.0) -> Family:
    """Walks in worker processes that obey `orders`."""
    import faulty

    def environment(family: Family, tasks: Tasks, lanes: int, episodes: int) -> BatchEnv:
        return Pooled(family, tasks, lanes, episodes, partial(faulty.Walk, orders), workers, timeout)

    return Family(
        name="walks",
        summary="walk",
        parameters=(Parameter("height", train=(0.5, 3.0), ood=(3.0, 4.0)),),
        spec=Spec(obs_size=2, action_size=2, discrete=False),
        horizon=faulty.HORIZON,
        environment=environment,
        shift="higher",
        episodes=3,
    )


def tasks_of(family: Family) -> Tasks:
    return Tasks(family.name, {"height": np.array(HEIGHT)})


def play(family: Family, seed: int = 0) -> Rollout:
    """A trial of three episodes in four tasks x three lanes, with actions that do not depend on the policy's form."""
    batch = family.batch(tasks_of(family), LANES, episodes=3)
    policy = torch.nn.Module()
    policy.forward = lambda inputs, state: (_Output(inputs), state)  # type: ignore[assignment, method-assign]
    policy.broadcasts = True  # type: ignore[assignment]
    return rollouts.rollout(batch, Stream(seed), policy, {})


class _Output:
    """Half the place, and a standard deviation of one: the last observation decides the next action."""

    features = None

    def __init__(self, inputs: Any) -> None:
        self.dist = torch.cat([-0.5 * inputs.obs, torch.zeros_like(inputs.obs)], dim=-1)


def same(one: Rollout, two: Rollout) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def direct(family: Family, faulty: Any) -> Rollout:
    """The same trial in this process, by a plain loop over the environments."""
    played = play(family)
    batch = family.batch(tasks_of(family), LANES, episodes=3)
    acted = played.action.clamp(-1, 1)
    noise = Stream(0).at("stage", 0).at("env").at("reset").uniform(4, LANES, 3, 1, dtype=torch.float64)
    assert batch.max_steps == 3 * faulty.HORIZON
    for m, height in enumerate(HEIGHT):
        for b in range(LANES):
            t = 0
            for episode in range(3):
                env = faulty.Walk(())
                obs = env.begin(np.array([height]), int(noise[m, b, episode, 0] * 2**31))
                for step in range(faulty.HORIZON):
                    assert torch.equal(played.obs[m, b, t], torch.tensor(obs).float())
                    assert bool(played.first[m, b, t]) == (step == 0) and bool(played.valid[m, b, t])
                    obs, reward, terminated, truncated, success = env.advance(acted[m, b, t].double().numpy())
                    assert torch.equal(played.next_obs[m, b, t], torch.tensor(obs).float())
                    assert float(played.reward[m, b, t]) == pytest.approx(reward, abs=1e-6)
                    limit = not terminated and (truncated or step == faulty.HORIZON - 1)
                    assert (bool(played.terminated[m, b, t]), bool(played.truncated[m, b, t])) == (terminated, limit)
                    assert bool(played.success[m, b, t]) == success
                    t += 1
                    if terminated or limit:
                        break
            assert not bool(played.valid[m, b, t:].any())
    return played


def test_a_trial_is_that_of_a_plain_loop_whatever_the_number_of_workers(faulty: Any) -> None:
    one = direct(walks(workers=1), faulty)
    assert bool(one.terminated.any()) and bool(one.truncated.any()) and bool((one.truncated & one.valid).any())
    for workers in (2, 3, 5):
        assert same(one, play(walks(workers=workers)))
    assert not same(one, play(walks(workers=2), seed=1))


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("step", [-1, 0, 7])
def test_a_fault_is_named_and_the_trial_is_what_it_would_have_been(
    kind: str, step: int, faulty: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if (kind, step) == ("reward", -1):
        pytest.skip("nothing is paid for opening an episode")
    order = faulty.Order(kind, HEIGHT[2], step, str(tmp_path / "done"))
    expected = play(walks())
    capfd.readouterr()
    got = play(walks((order,), timeout=1.5))
    assert same(expected, got)
    line = capfd.readouterr().err
    assert line.count("pliant: warning:") == 1 and FAULTS[kind] in line
    assert re.search(r"walks, task 2 \(height=2\.0\), lane \d, episode \d, step \d+: the environment", line), line
    assert f"step {max(step, 0)}:" in line and "(1 of 3)" in line
    assert (tmp_path / "done").exists()


def test_several_faults_in_one_trial(faulty: Any, tmp_path: Path) -> None:
    kinds = (("kill", 3.0, 1), ("nan", 0.5, 2), ("raise", 2.0, 9))
    orders = tuple(faulty.Order(kind, task, step, str(tmp_path / kind)) for kind, task, step in kinds)
    assert same(play(walks()), play(walks(orders)))
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["kill", "raise", "nan", "hang"])
def test_a_fault_that_returns_ends_with_one_line_and_leaves_nothing(
    kind: str, faulty: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    family = walks((faulty.Order(kind, HEIGHT[1], 4),), timeout=0.5)
    expected = re.escape(FAULTS[kind].replace("1.5", "0.5")) + ".* replaced 3 times"
    with pytest.raises(UserError, match=expected):
        play(family)
    assert capfd.readouterr().err.count("pliant: warning:") == 3
    assert workers_of(os.getpid()) == []


def test_an_environment_that_does_not_repeat_itself_is_not_taken_up_again(faulty: Any, tmp_path: Path) -> None:
    orders = (faulty.Order("forget", 3.0, 4), faulty.Order("kill", 3.0, 5, str(tmp_path / "done")))
    with pytest.raises(UserError, match="does not repeat itself from the same seed and actions"):
        play(walks(orders))


def test_a_pool_is_used_again_and_grows(faulty: Any) -> None:
    family = walks()
    first = play(family)
    before = workers_of(os.getpid())
    assert same(first, play(family)) and workers_of(os.getpid()) == before and len(before) == 2
    batch = family.batch(tasks_of(family), 50, episodes=1)
    batch.reset(Stream(0))
    assert not set(workers_of(os.getpid())) & set(before), "more lanes than the board has rows"
    assert same(first, play(family)), "two trials at once have a pool each"


@pytest.mark.skipif(not hasattr(os, "sched_setscheduler") or machine.cores() < 2, reason="needs Linux and two cores")
def test_each_worker_has_its_core_if_there_is_one_for_each_and_none_takes_the_parents(faulty: Any) -> None:
    mine = os.sched_getaffinity(0)
    for workers in (1, len(mine)):
        play(walks(workers=workers))
        pids = [process.pid for process, _ in pool._idle[-1].worker]
        assert all(os.sched_getscheduler(pid) == os.SCHED_BATCH for pid in pids)
        cores = [os.sched_getaffinity(pid) for pid in pids]
        assert cores == ([mine] if workers == 1 else [{core} for core in sorted(mine)])
    assert os.sched_getaffinity(0) == mine and os.sched_getscheduler(0) == os.SCHED_OTHER


def test_a_trial_that_is_abandoned_or_reset_in_the_middle_disturbs_nobody(faulty: Any) -> None:
    family = walks()
    expected = play(family)
    batch = family.batch(tasks_of(family), LANES, episodes=3)
    for _ in range(3):
        batch.reset(Stream(5))
        for _ in range(4):
            batch.step(torch.zeros(4, LANES, 2))
    again = batch.reset(Stream(0).at("stage", 0).at("env"))
    assert torch.equal(again.float(), expected.obs[:, :, 0])
    del batch
    assert same(expected, play(family))


def test_environments_that_workers_cannot_import_are_refused(faulty: Any) -> None:
    family = walks()
    batch = Pooled(family, tasks_of(family), 1, 1, lambda: faulty.Walk(()))
    with pytest.raises(UserError, match="made by a function of a module"):
        batch.reset(Stream(0))


MODULE = """
import os
from dataclasses import dataclass
from functools import partial

import faulty
from pliant.tasks.base import Family, Parameter
from pliant.tasks.workers import Pooled
from pliant.types import Spec


@dataclass(frozen=True)
class Settings:
    pass


def environment(family, tasks, lanes, episodes):
    orders = (faulty.Order("raise", float(os.environ["HEIGHT"]), 3),)
    return Pooled(family, tasks, lanes, episodes, partial(faulty.Walk, orders), workers=2)


def family(settings=None):
    return Family("walks", "walk", (Parameter("height", (0.5, 3.0)),), Spec(2, 2, False), 12, environment, "none")
"""


@pytest.mark.slow
def test_a_run_ends_with_its_last_checkpoint_whole(faulty: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second iteration meets an environment that always fails; the run goes on from the first when that is mended."""
    (tmp_path / "walks.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    settings = {"iterations": "3", "meta_batch": "2", "lanes": "2", "episodes": "2", "checkpoint_every": "60"}
    settings = {f"train.{name}": value for name, value in settings.items()} | {"policy.size": "8"}
    config = load_config("rl2", "walks.py", settings)
    family = walks()
    heights = [family.sample(2, "train", Stream(0).at("tasks", i).rng()).arrays["height"][0] for i in range(2)]
    monkeypatch.setenv("HEIGHT", str(heights[1]))
    with pytest.raises(UserError, match="raised ZeroDivisionError"):
        train(config, tmp_path / "run", quiet=True)
    assert sorted(p.name for p in (tmp_path / "run" / "checkpoints").iterdir()) == ["00000001"]
    monkeypatch.setenv("HEIGHT", "-1")
    train(config, tmp_path / "run", resume=True, quiet=True)
    train(config, tmp_path / "whole", quiet=True)
    last = Path("checkpoints") / "00000003"
    tensors = {run: {p.name: p.read_bytes() for p in (tmp_path / run / last).glob("*.safetensors")} for run in ("run", "whole")}
    assert tensors["run"] and tensors["run"] == tensors["whole"]


# ---- nothing is left over


def workers_of(pid: int) -> list[int]:
    """The processes of workers below `pid`, by the fork server's children."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and pid in ancestors(int(entry.name)) and b"forkserver" in commandline(entry):
            found.append(int(entry.name))
    servers = {p for p in found if parent(p) == pid}
    return sorted(p for p in found if p not in servers)


def commandline(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""


def parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def ancestors(pid: int) -> list[int]:
    found = []
    while pid > 1:
        pid = parent(pid)
        found.append(pid)
    return found


def shared_memory() -> set[str]:
    return {p.name for p in Path("/dev/shm").iterdir()} if Path("/dev/shm").is_dir() else set()


def is_freed(before: set[str], seconds: float = 10.0) -> bool:
    """Nothing of it stays; what other processes of this machine share meanwhile comes and goes."""
    deadline = time.monotonic() + seconds
    while not shared_memory() <= before and time.monotonic() < deadline:
        time.sleep(0.05)
    return shared_memory() <= before


SCRIPT = """
import sys
sys.path.insert(0, {here!r})
import faulty, torch
from functools import partial
from pliant.streams import Stream
from pliant.families import point
from pliant.tasks import workers

print("started", flush=True)
family = point.family()
tasks = family.sample(2, "train", Stream(0).rng())
order = faulty.Order("hang", float(tasks.arrays["goal"][1, 0]), 0)
batch = workers.Pooled(family, tasks, 2, 1, partial(faulty.Walk, (order,)), workers=2)
batch.reset(Stream(0))
print("reset", flush=True)
{then}
"""


@contextlib.contextmanager
def running(then: str) -> "Iterator[subprocess.Popen[str]]":
    """A script without a main guard that has opened a trial in two workers; it is gone afterwards."""
    script = SCRIPT.format(here=str(HERE), then=then)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert [process.stdout.readline(), process.stdout.readline()] == ["started\n", "reset\n"], process.communicate()[1]
        yield process
    finally:
        process.kill()
        process.communicate()


def gone(pids: list[int], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(b"forkserver" in commandline(Path(f"/proc/{pid}")) for pid in pids):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_their_parent_even_in_the_middle_of_a_step_that_hangs(number: signal.Signals) -> None:
    before = shared_memory()
    with running("batch.step(torch.zeros(2, 2, 2))") as process:
        time.sleep(0.5)
        workers = workers_of(process.pid)
        assert len(workers) == 2
        process.send_signal(number)
        process.wait(10)
        assert gone(workers) and is_freed(before)


@pytest.mark.slow
def test_a_script_without_a_main_guard_runs_once_and_leaves_nothing(tmp_path: Path) -> None:
    before = shared_memory()
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(here=str(HERE), then=""))
    result = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout, result.stderr) == (0, "started\nreset\n", "")
    assert is_freed(before)
