"""A run is never lost: resumed it equals an uninterrupted one bit for bit, whatever stopped it and when.

Kills need many processes, and importing torch takes seconds. They are therefore forked from a process that has imported
everything and trained nothing (`forked`, of conftest.py); what runs in them is the command line's own `main`.
"""

import json
import os
import pty
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pliant import errors
from pliant.agent.agent import Agent
from pliant.config import config, registry, training
from pliant.running import learner as learners
from pliant.running import loop, train
from pliant.storage import checkpoint, record

TINY = {
    "train.threads": 1,
    "train.meta_batch": 2,
    "train.lanes": 2,
    "family.horizon": 4,
    "policy.hidden": (4,),
}
ALGORITHMS = {
    "maml clipped": ("maml", {"outer.method": "clipped"}),
    "maml trpo": ("maml", {"outer.method": "trpo"}),
    "maml rates": ("maml", {"inner.learn_lr": True, "inner.steps": 2}),
    "fomaml": ("fomaml", {}),
    "reptile adam": ("reptile", {"outer.method": "adam", "outer.lr": 0.01, "outer.lr_end": 0.1}),
    "anil": ("anil", {"inner.learn_lr": True, "inner.rates": "step"}),
    "cavia": ("cavia", {"context.size": 3}),
    "promp": ("promp", {"outer.kl_target": 0.01}),
    "emaml": ("emaml", {}),
}


def configured(iterations: int, name: str = "maml clipped", family: str = "point", **more: Any) -> config.Config:
    algorithm, own = ALGORITHMS[name]
    return config.load_config(algorithm, family, TINY | own | {"train.iterations": iterations} | more, preset="none")


def state_of(run: Path) -> bytes:
    """The bytes of the newest checkpoint's tensors; the names of its pieces, which are called by what they hold."""
    newest = checkpoint.paths(run / "checkpoints")[0]
    kept = json.loads((newest / "manifest.json").read_text()).get("kept", {})
    return newest.name.encode() + " ".join(sorted(kept)).encode() + (newest / "state.safetensors").read_bytes()


def lines_of(run: Path) -> list[dict[str, Any]]:
    """Every line of the metrics but for the clock; each line must be whole."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{n: v for n, v in row.items() if n != "clock"} for row in rows]


def stop_at(monkeypatch: pytest.MonkeyPatch, iteration: int) -> None:
    """Send this process SIGTERM during an iteration, before it is logged."""
    log = record.Run.log

    def logged(self: record.Run, number: int, *given: Any) -> None:
        if number == iteration:
            os.kill(os.getpid(), signal.SIGTERM)
        log(self, number, *given)

    monkeypatch.setattr(record.Run, "log", logged)


# ---- resuming


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(name: str, tmp_path: Path, monkeypatch) -> None:
    whole = train.train(configured(6, name), tmp_path / "whole", quiet=True)
    with monkeypatch.context() as patch, pytest.raises(errors.Stopped, match=r"iteration 3 of 6, saved; --resume continues"):
        stop_at(patch, 2)
        train.train(configured(6, name), tmp_path / "cut", quiet=True)
    assert [row["iteration"] for row in lines_of(tmp_path / "cut")] == [0, 1, 2]
    cut = train.train(configured(6, name), tmp_path / "cut", resume=True, quiet=True)
    assert state_of(cut) == state_of(whole)
    assert lines_of(cut) == lines_of(whole) and [row["iteration"] for row in lines_of(cut)] == list(range(6))


def test_a_run_can_be_given_more_iterations(tmp_path: Path) -> None:
    whole = train.train(configured(5), tmp_path / "whole", quiet=True)
    short = train.train(configured(2), tmp_path / "short", quiet=True)
    train.train(configured(5), tmp_path / "short", resume=True, quiet=True)
    assert state_of(short) == state_of(whole) and lines_of(short) == lines_of(whole)


def test_metrics_after_the_last_checkpoint_are_written_again_once(tmp_path: Path) -> None:
    """As after a crash: lines up to iteration 5, the newest whole checkpoint of iteration 4, the one after damaged."""
    whole = train.train(configured(8), tmp_path / "whole", quiet=True)
    run = train.train(configured(6, **{"train.checkpoint_every": 0.0}), tmp_path / "run", quiet=True)
    newest, before = checkpoint.paths(run / "checkpoints")
    assert (newest.name, before.name) == ("00000006", "00000005")
    (newest / "state.safetensors").write_bytes(b"damaged")
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"iteration": 6, "env_st')
    train.train(configured(8, **{"train.checkpoint_every": 0.0}), run, resume=True, quiet=True)
    assert state_of(run) == state_of(whole) and lines_of(run) == lines_of(whole)


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    run = train.train(configured(3), tmp_path / "run", quiet=True)
    state, lines = state_of(run), lines_of(run)
    train.train(configured(3), run, resume=True, quiet=True)
    assert state_of(run) == state and lines_of(run) == lines


def test_resuming_where_there_is_no_run_begins_it(tmp_path: Path) -> None:
    whole = train.train(configured(2), tmp_path / "whole", quiet=True)
    begun = train.train(configured(2), tmp_path / "begun", resume=True, quiet=True)
    assert state_of(begun) == state_of(whole)


def test_the_seed_and_nothing_else_decides(tmp_path: Path) -> None:
    torch.manual_seed(1)
    one = train.train(configured(2), tmp_path / "1", quiet=True)
    torch.manual_seed(2)
    two = train.train(configured(2, **{"train.checkpoint_every": 0.0}), tmp_path / "2", quiet=True)
    other = config.load_config("maml", "point", TINY | {"train.iterations": 2}, preset="none", seed=1)
    three = train.train(other, tmp_path / "3", quiet=True)
    assert state_of(one) == state_of(two) != state_of(three)


def test_steps_include_adaptation(tmp_path: Path) -> None:
    """2 tasks x 2 lanes x 4 steps x 2 rollouts an iteration; the goal is out of reach with a radius of zero."""
    run = train.train(configured(3, **{"family.radius": 0.0}), tmp_path / "run", quiet=True)
    assert [row["env_steps"] for row in lines_of(run)] == [32, 64, 96]
    assert all({"return_0", "return_1", "loss"} <= set(row) for row in lines_of(run))


def test_a_run_and_an_agent_are_one_loop(tmp_path: Path) -> None:
    run = train.train(configured(3), tmp_path / "run", quiet=True)
    agent = Agent("maml", "point", preset="none", settings=TINY | {"train.iterations": 3})
    metrics = [*agent.learn(1), *agent.learn(2)]
    assert [{"iteration": i, **row} for i, row in enumerate(metrics)] == lines_of(run)
    saved = agent.save(tmp_path / "agent")
    assert state_of(saved) == state_of(run)


def test_a_checkpoint_of_another_policy_is_refused(tmp_path: Path) -> None:
    run = train.train(configured(1), tmp_path / "run", quiet=True)
    with pytest.raises(errors.UserError, match=r"does not fit these settings: .* is \[4, 2\], expected \[5, 2\]"):
        learners.trained(record.Run.open(run), config=configured(1, **{"policy.hidden": (5,)}))


def test_a_checkpoint_of_another_precision_is_refused(tmp_path: Path) -> None:
    run = train.train(configured(1), tmp_path / "run", quiet=True)
    found = checkpoint.load_latest(run / "checkpoints")
    own = learners.build(configured(1)).algorithm.state()
    name = next(name for name in own if own[name].shape == (4, 2))
    checkpoint.save(run / "checkpoints", 1, found.tensors | {name: found.tensors[name].double()}, found.facts)
    with pytest.raises(errors.UserError, match=rf"{name} is \[4, 2\] of float64, expected \[4, 2\]$"):
        learners.trained(record.Run.open(run))


@pytest.mark.parametrize("other", [{"policy.hidden": (5,)}, {"inner.lr": 0.7}, {"train.iterations": 1}, {"seed": 1}])
def test_a_run_goes_on_with_the_settings_it_was_begun_with(other: dict[str, Any], tmp_path: Path) -> None:
    """In Python as at the command line; what was refused has changed nothing."""
    run = train.train(configured(2), tmp_path / "run", quiet=True)
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    seed = other.get("seed", 0)
    settings = TINY | ALGORITHMS["maml clipped"][1] | {"train.iterations": 3} | {n: v for n, v in other.items() if n != "seed"}
    asked = config.load_config("maml", "point", settings, preset="none", seed=seed)
    with pytest.raises(errors.UserError, match="was begun with"):
        train.train(asked, run, resume=True, quiet=True)
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before


def test_more_iterations_say_what_becomes_of_schedules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def asked(iterations: int, **more: Any) -> config.Config:
        own = {"train.meta_batch": 2, "train.lanes": 2, "train.iterations": iterations, "family.pulls": 3, "policy.size": 4}
        return config.load_config("rl2", "bandit", own | more, preset="none")

    run = train.train(asked(1), tmp_path / "run", quiet=True)
    train.train(asked(1), run, resume=True, quiet=True)
    assert capsys.readouterr().err == ""
    train.train(asked(3), run, resume=True, quiet=True)
    assert capsys.readouterr().err == (
        "pliant: warning: outer.lr changes over the whole of a training, which has 3 iterations from now on instead of 1: the"
        " run differs from one begun with 3\n"
    )
    steady = train.train(asked(1, **{"outer.lr_end": 1.0}), tmp_path / "steady", quiet=True)
    train.train(asked(3, **{"outer.lr_end": 1.0}), steady, resume=True, quiet=True)
    assert capsys.readouterr().err == ""


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", registry.names("algorithm"))
def test_an_algorithm_says_whether_it_depends_on_how_many_iterations_there_are(algorithm: str) -> None:
    """Two iterations of three are those of nine, unless the algorithm says that something is scheduled."""
    family = "bandit" if algorithm in ("rl2", "replay") else "point"
    states = []
    for iterations in (3, 9):
        own: dict[str, Any] = {"train.meta_batch": 2, "train.lanes": 2, "train.iterations": iterations}
        own |= {"outer.warmup": 0, "outer.updates": 2} if algorithm == "replay" else {}
        asked = config.load_config(algorithm, family, own, preset="none")
        learner = learners.build(asked)
        list(loop.iterate(learner, 0, 2))
        states.append(learner.algorithm.state())
    same = all(torch.equal(x, states[1][n]) for n, x in states[0].items())
    scheduled = getattr(registry.load("algorithm", algorithm), "scheduled", lambda parts: [])(asked.parts)
    assert same == (not scheduled)


# ---- kill -9


KEPT = {"train.threads": 1, "train.meta_batch": 2, "train.lanes": 1, "family.pulls": 3, "policy.size": 4, "outer.capacity": 90}
KEPT |= {"policy.head": (4,), "critic.hidden": (4,), "outer.warmup": 2, "outer.updates": 2, "outer.trials": 2}
PAIRS: dict[str, tuple[str, dict[str, Any]]] = {"maml": ("point", TINY), "replay": ("bandit", KEPT)}


def words(out: Path, iterations: int, *more: str, algorithm: str = "maml") -> list[str]:
    family, table = PAIRS[algorithm]
    settings = [f"--{n}={','.join(map(str, v)) if isinstance(v, tuple) else v}" for n, v in table.items()]
    own = ["--iterations", str(iterations), "--out", str(out), "--preset", "none", "--quiet", "--resume"]
    return ["train", algorithm, family, *own, *settings, *more]


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", PAIRS)
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.whole) for seed in range(1, 10))])
def test_kills_lose_nothing(
    seed: int,
    algorithm: str,
    forked: Any,
    tmp_path: Path,
    length: Callable[[int, int], int],
    record_property: Callable[[str, object], None],
) -> None:
    """kill -9 at 5 or 20 random moments: a fifth while it starts, others anywhere while it trains, half while it saves.

    The whole form kills ten runs, 200 times in all.
    After each, every checkpoint under its own name is whole; in the end the run equals one that nobody killed.
    """
    kills, iterations, rng = length(5, 20), length(60, 150), random.Random(seed)
    record_property("faults", kills)
    out = tmp_path / "killed"
    folder = out / "checkpoints"
    statuses, inside_writes = [], 0

    def names() -> set[str]:
        return {p.name for p in folder.iterdir()} if folder.is_dir() else set()

    def wait_for(condition: Callable[[set[str]], bool]) -> None:
        end = time.monotonic() + 30
        while not condition(names()) and not forked.is_over():
            assert time.monotonic() < end, "the run makes no progress"
            time.sleep(0.0003)

    for kill in range(kills):
        earlier = names()
        process = forked.start_pliant(*words(out, iterations, "--train.checkpoint_every=0", algorithm=algorithm))
        if kill < kills // 5:
            time.sleep(rng.uniform(0, 0.3))
        else:
            wait_for(lambda found, earlier=earlier: any(n[0] != "." for n in found - earlier))
            time.sleep(rng.uniform(0, 0.1))
        if kill >= kills // 2:
            wait_for(lambda found: any(n.startswith(".tmp") for n in found))
        os.kill(process, signal.SIGKILL)
        statuses.append(forked.finish().returncode)
        inside_writes += any(n.startswith(".") for n in names())
        for path in checkpoint.paths(folder):
            checkpoint.load(path)
    assert statuses == [-signal.SIGKILL] * kills and inside_writes >= length(0, 3)
    whole = tmp_path / "whole"
    for command in (
        words(out, iterations, "--train.checkpoint_every=0", algorithm=algorithm),
        words(whole, iterations, algorithm=algorithm),
    ):
        assert forked.pliant(*command).returncode == 0
    assert state_of(out) == state_of(whole) and checkpoint.paths(folder)[0].name == f"{iterations:08d}"
    assert lines_of(out) == lines_of(whole)
    assert not any(n.startswith(".") for n in names()), "what a kill left behind is cleared away"


# ---- signals


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_within_five_seconds_with_a_checkpoint(number: int, forked: Any, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = forked.start_pliant(*words(out, 10**6))
    wait_for_lines = time.monotonic() + 60
    while not (out / "metrics.jsonl").exists() or (out / "metrics.jsonl").read_bytes().count(b"\n") < 3:
        assert not forked.is_over() and time.monotonic() < wait_for_lines
        time.sleep(0.05)
    assert not checkpoint.paths(out / "checkpoints"), "none was due yet"
    begin = time.monotonic()
    os.kill(process, number)
    status, _, said = forked.finish(30)
    assert time.monotonic() - begin < 5
    assert status == 128 + number
    assert said.count("\n") == 1 and said.startswith("pliant: stopped after iteration ") and "--resume continues" in said
    found = checkpoint.load_latest(out / "checkpoints")
    assert found.iteration == lines_of(out)[-1]["iteration"] + 1 == found.facts["iteration"]


@pytest.mark.slow
@pytest.mark.whole
def test_a_terminal_that_closes_ends_a_run_with_a_checkpoint(tmp_path: Path) -> None:
    """The bar can no longer be drawn, the last line not be said, and the kernel sends SIGHUP."""
    out = tmp_path / "run"
    command = [arg for arg in words(out, 10**6) if arg != "--quiet"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", TERMINAL, *command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        end = time.monotonic() + 120
        while not (out / "metrics.jsonl").exists() or (out / "metrics.jsonl").read_bytes().count(b"\n") < 3:
            assert process.poll() is None and time.monotonic() < end
            while select.select([ours], [], [], 0.05)[0]:
                os.read(ours, 4096)
    finally:
        os.close(ours)
        try:
            status = process.wait(60)
        finally:
            process.kill()
    assert status == 128 + signal.SIGHUP
    assert checkpoint.load_latest(out / "checkpoints").iteration == lines_of(out)[-1]["iteration"] + 1


TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from pliant.__main__ import main
sys.exit(main())
"""


def test_signals_are_handed_back_after_training(tmp_path: Path) -> None:
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    train.train(configured(1), tmp_path / "run", quiet=True)
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before


# ---- numbers that are not finite

DIVERGES = '''
"""A point world whose fourth batch of training shows NaN; the first of all is to see that it can be made."""
import torch
from pliant.families import point
from pliant.families.point import Settings

WHAT, batches = "{what}", []

class Environment(point.Point):
    def __init__(self, *given):
        super().__init__(*given)
        batches.append(1)

    def observe(self):
        obs = super().observe().clone()
        if WHAT == "obs" and len(batches) == 5 and self._time == 2:
            obs[1, 0, 1] = float("nan")
        return obs

    def advance(self, action, noise):
        reward, terminated, success = super().advance(action, noise)
        if WHAT == "reward" and len(batches) == 5 and self._time == 2:
            reward[1, 0] = float("inf")
        return reward, terminated, success

def family(settings=None):
    import dataclasses
    return dataclasses.replace(point.family(settings), name="worlds.{what}", environment=Environment)
'''


@pytest.mark.slow
@pytest.mark.parametrize("what, named", [("obs", "observation"), ("reward", "reward")])
def test_an_environment_that_diverges_stops_the_run_in_one_line(
    what: str, named: str, forked: Any, tmp_path: Path
) -> None:
    """From a family of the user's own, by its dotted name: exit status 2, and nothing of the bad iteration is learned."""
    (tmp_path / "worlds").mkdir()
    (tmp_path / "worlds" / f"{what}.py").write_text(DIVERGES.format(what=what))
    given = words(tmp_path / "run", 9, "--train.checkpoint_every=0", "--family.radius=0")
    given[2] = f"worlds.{what}"
    done = forked.pliant(*given, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"pliant: {named} is not finite in task 1, lane 0, step ") and "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if "beginning it" not in line]) == 1
    assert [row["iteration"] for row in lines_of(tmp_path / "run")] == [0, 1, 2]
    healthy = train.train(configured(3, **{"family.radius": 0.0}), tmp_path / "healthy", quiet=True)
    assert state_of(tmp_path / "run") == state_of(healthy)


# ---- nothing grows


GROWTH = """
import gc, json, os, sys
import torch
from pathlib import Path
from pliant.config import load_config
from pliant.running import train
from pliant.storage import record

measured, log, iterations = [], record.Run.log, int(sys.argv[1])

def usage():
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    alive = sum(issubclass(type(o), torch.Tensor) for o in gc.get_objects())
    links = Path("/proc/self/fd").iterdir()
    opened = [os.readlink(link) for link in links if os.path.lexists(link)]
    opened = [name for name in opened if "tfevents" not in name]  # a thread of TensorBoard's opens its own when it likes
    return resident, alive, len(opened)

def logged(self, number, *given):
    log(self, number, *given)
    if number in (49, iterations - 1):
        measured.append(usage())

record.Run.log = logged
train.train(load_config("maml", "point", json.loads(sys.argv[2]), preset="none"), Path("grown"), quiet=True)
print(json.dumps(measured))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_nothing_grows_over_hundreds_of_iterations(forked: Any, tmp_path: Path, length: Callable[[int, int], int]) -> None:
    """Memory, tensors alive and open files after 50 iterations and after 150 or 1,000, a checkpoint every quarter second."""
    iterations = length(150, 1000)
    own = ALGORITHMS["maml clipped"][1]
    settings = TINY | own | {"train.iterations": iterations, "train.checkpoint_every": 0.25, "outer.epochs": 1}
    forked.start(GROWTH, iterations, json.dumps(settings), cwd=tmp_path)  # alone: other tests leave memory of their own
    done = forked.finish(500)
    assert done.returncode == 0, done.stderr
    (memory, tensors, files), (more_memory, more_tensors, more_files) = json.loads(done.stdout)
    assert more_files == files
    assert more_tensors == tensors
    assert more_memory - memory < 8, "MiB"


# ---- settings


@pytest.mark.parametrize(
    "wrong",
    [
        *({name: 0} for name in ("iterations", "meta_batch", "lanes", "evaluate_tasks")),
        *({name: -1} for name in ("episodes", "evaluate_every", "evaluate_stages", "threads", "checkpoint_every")),
        {"checkpoint_every": float("nan")},
    ],
)
def test_settings_out_of_range_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        training.Settings(**wrong)
