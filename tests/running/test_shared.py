"""Processes that share a training: shards add up to the whole, and how many processes there are changes no bit."""

import dataclasses
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from pliant.config import config, registry
from pliant.errors import UserError
from pliant.rollout import rollout
from pliant.running import curve as curves
from pliant.running import learner as learners
from pliant.running import sweep, train
from pliant.storage import checkpoint, record
from pliant.streams import Stream
from pliant.system import crew as crews
from pliant.system import interpreter
from pliant.system.crew import Crew

GRADIENTS = {"policy.hidden": "[8]", "train.lanes": 3, "family.horizon": 8}
MEMORY = {"policy.size": 8, "critic.told": True, "critic.infer": 1, "train.lanes": 2, "critic.hidden": "[8]"}
OWN: dict[str, dict[str, Any]] = {
    "rl2": MEMORY | {"outer.scale": "both", "outer.minibatches": 2, "family.horizon": 6},
    "replay": MEMORY | {"outer.warmup": 0, "outer.updates": 4, "outer.refresh": 2, "policy.head": "[8]", "outer.trials": 6},
}
FAMILIES = {"rl2": "gridnavi", "replay": "bandit"}
LEARN = [name for name in registry.names("algorithm") if name not in ("random", "scratch")]
METHODS: list[tuple[str, dict[str, Any]]] = [(name, {}) for name in LEARN]
METHODS += [("maml", {"outer.method": "trpo", "outer.stages": "all", "inner.steps": 2}), ("promp", {"outer.kl_target": 1e-3})]
METHODS += [("reptile", {"outer.method": "adam"}), ("replay", {"critic.remembers": True, "critic.shared": True})]
METHODS += [("rl2", {"train.evaluate_every": 1, "train.evaluate_tasks": 2, "outer.chunk": 5})]


def settings_of(algorithm: str, own: dict[str, Any]) -> dict[str, str]:
    every = {"train.meta_batch": 6} | OWN.get(algorithm, GRADIENTS) | own
    return {name: str(value) for name, value in every.items()}


def asked(algorithm: str, **own: Any) -> config.Config:
    return config.load_config(algorithm, FAMILIES.get(algorithm, "point"), settings_of(algorithm, own), preset="none")


@pytest.mark.parametrize(("algorithm", "own"), METHODS, ids=[" ".join([n, *o]) for n, o in METHODS])
def test_shards_add_up_to_the_whole(algorithm: str, own: dict[str, Any]) -> None:
    """One outer step from the same rollouts, all at once and in three shards."""
    found = []
    for shards in (1, 3):
        learner = learners.build(asked(algorithm, **own, **{"train.shards": shards}))
        tasks = learner.family.sample(6, "train", Stream(0).rng())
        collect = partial(rollout, learner.family.batch(tasks, learner.settings.lanes, learner.episodes), Stream(1))
        rollouts = learner.algorithm.adapt(collect)
        crew = Crew(shards)
        parts = [[r.part(crew.part(shard, 6)) for r in rollouts] for shard in range(shards)]
        metrics = learner.algorithm.learn_shared(parts, crew)  # type: ignore[attr-defined]
        found.append((learner.algorithm.state(), metrics))
    (whole, said), (shared, also) = found
    before = learners.build(asked(algorithm, **own)).algorithm.state()
    assert any(not torch.equal(whole[name], value) for name, value in before.items()), "it learned"
    names = [name for name, value in whole.items() if value.is_floating_point() and name in before and "exp_avg" not in name]
    start, one, other = (torch.cat([state[name].flatten() for name in names]) for state in (before, whole, shared))
    assert float((one - other).norm() / (one - start).norm()) < 2e-3
    assert also == pytest.approx(said, rel=1e-3, abs=1e-6)


def test_sums_are_in_the_order_of_shards() -> None:
    parts = [torch.tensor([1e8, 1.0]), torch.tensor([1.0, 1e-8]), torch.tensor([-1e8, 2.0])]
    assert Crew(3).total(parts).tolist() == ((parts[0] + parts[1]) + parts[2]).tolist()
    assert [list(Crew(5, rank, 2).own) for rank in range(2)] == [[0, 2, 4], [1, 3]]
    assert [Crew(3).part(shard, 6) for shard in range(3)] == [slice(0, 2), slice(2, 4), slice(4, 6)]
    assert [Crew(3).part(shard, 5) for shard in range(3)] == [slice(0, 1), slice(1, 3), slice(3, 5)]


def test_processes_of_one_machine_have_a_device_each(monkeypatch: pytest.MonkeyPatch) -> None:
    assert crews.device("cuda") == "cuda"
    for name, value in {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    assert [crews.device(name) for name in ("cuda", "cuda:3", "cpu")] == ["cuda:1", "cuda:3", "cpu"]


@pytest.mark.parametrize("tasks", [2, 7])
def test_an_evaluation_in_shards_plays_the_same_tasks_of_which_each_is_like_alone(tasks: int) -> None:
    """Without chance, in the environment or the policy, it says the same as an evaluation of all tasks at once."""
    learner = learners.build(asked("maml", **{"train.shards": 3}))
    schedule = dataclasses.replace(learner.schedule(1, 2), deterministic=True)
    whole, shared = (play(learner, "test", tasks, schedule, seed=4) for play in (curves.curve, curves.shared))
    assert shared.tasks.digest == whole.tasks.digest and shared.episodes == whole.episodes
    for name in ("returns", "steps", "trial", "success"):
        assert getattr(shared, name) == pytest.approx(getattr(whole, name), abs=1e-5), name
    assert shared.summary()[0]["return"]["mean"] == pytest.approx(whole.summary()[0]["return"]["mean"], abs=1e-5)


# ---- processes

Begin = Callable[..., list["subprocess.Popen[str]"]]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """`begin(ranks, out, words)`: the processes of a group, which find each other by a file."""
    started: list[subprocess.Popen[str]] = []

    def start(
        ranks: int, out: Path, words: Sequence[str], meet: str = "", own: Sequence[int] = (), **more: str
    ) -> list["subprocess.Popen[str]"]:
        meet = (tmp_path / (meet or f"meet{len(started)}")).as_uri()
        what = ["train", *words, "--out", str(out), "--quiet"] if words[0] != "sweep" else [words[0], str(out), *words[1:]]
        command = interpreter.command("-m", "pliant", *what)
        processes = []
        for rank in own or range(ranks):
            place = {"RANK": str(rank), "WORLD_SIZE": str(ranks), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(ranks)}
            settled = interpreter.environment() | place | {"PLIANT_MEET": meet, "OMP_NUM_THREADS": "1"} | more
            heard: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            processes.append(subprocess.Popen(command, env=settled, start_new_session=True, **heard))
        started.extend(processes)
        return processes

    yield start
    for process in started:
        process.kill()
        process.communicate()


def ended(processes: Sequence["subprocess.Popen[str]"], seconds: float = 120) -> list[tuple[int, str]]:
    """The status of each, and what it said on stderr."""
    end = time.monotonic() + seconds
    said = [process.communicate(timeout=max(1.0, end - time.monotonic()))[1] for process in processes]
    return [(process.returncode, text) for process, text in zip(processes, said, strict=True)]


def began(run: Path) -> bool:
    """Some iterations are over."""
    lines = run / "metrics.jsonl"
    return lines.exists() and lines.read_bytes().count(b"\n") > 2


def words(algorithm: str, iterations: int, **settings: Any) -> list[str]:
    every = settings_of(algorithm, {"train.shards": 3, "train.iterations": iterations} | settings)
    return [algorithm, FAMILIES.get(algorithm, "point"), "--preset", "none", *(f"--{n}={value}" for n, value in every.items())]


def bits(run: Path) -> tuple[bytes, list[dict[str, Any]]]:
    """The last checkpoint, and the metrics without their clocks."""
    rows = record.Run.open(run).metrics()
    for row in rows:
        del row["clock"]
    last = checkpoint.load_latest(run / "checkpoints").path
    return (last / "state.safetensors").read_bytes(), rows


LOST = "pliant: process 1 of the 2 that share this training is lost: "
SHORT = METHODS[-1], METHODS[-5], ("replay", {})
LONG = [pytest.param(*each, marks=() if each in SHORT else pytest.mark.whole) for each in METHODS]


@pytest.mark.slow
@pytest.mark.parametrize(("algorithm", "own"), LONG)
def test_how_many_processes_there_are_changes_no_bit(algorithm: str, own: dict[str, Any], begin: Begin, tmp_path: Path) -> None:
    alone = train.train(asked(algorithm, **own, **{"train.shards": 3, "train.iterations": 2}), tmp_path / "alone", quiet=True)
    for ranks in (2, 3):
        assert ended(begin(ranks, tmp_path / str(ranks), words(algorithm, 2, **own))) == [(0, "")] * ranks
        assert bits(tmp_path / str(ranks)) == bits(alone)


@pytest.mark.slow
def test_processes_share_a_sweep_and_only_the_first_says_it(begin: Begin, tmp_path: Path) -> None:
    run = train.train(asked("maml", **{"train.iterations": 1}), tmp_path / "run", quiet=True)
    given = "sweep", "--axis", "distance=0.5,1,2", "--tasks", "3", "--json"
    group = begin(2, run, given)
    said = [process.communicate(timeout=120)[0] for process in group]
    assert [process.returncode for process in group] == [0, 0] and said[1] == ""
    shared = json.loads(said[0])
    (kept,) = (run / "sweeps").iterdir()
    assert json.loads(kept.read_text()) == shared
    kept.unlink()
    assert sweep.sweep_run(run, "distance=0.5,1,2", tasks=3) == shared
    found = ended(begin(4, run, (*given[:2], "distance=1,2", *given[3:])))
    assert {(status, said.count("\n"), "4 processes share 2 values" in said) for status, said in found} == {(2, 1, True)}


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", [pytest.param("maml", marks=pytest.mark.whole), "replay"])
def test_a_lost_process_ends_the_others_and_the_run_goes_on_from_there(
    algorithm: str, begin: Begin, tmp_path: Path
) -> None:
    asked_for = words(algorithm, 40)
    processes = begin(2, tmp_path / "run", asked_for, PLIANT_PATIENCE="20")
    end = time.monotonic() + 90
    while not began(tmp_path / "run"):
        assert time.monotonic() < end and all(process.poll() is None for process in processes)
        time.sleep(0.01)
    os.kill(processes[1].pid, signal.SIGKILL)
    (status, said), _ = ended(processes, 60)
    assert status == 2 and said.startswith(LOST) and said.count("\n") == 1
    reached = checkpoint.load_latest(tmp_path / "run" / "checkpoints").iteration
    assert 2 < reached < 40
    again = begin(3, tmp_path / "run", asked_for)  # the same words go on, by more processes than before
    assert [status for status, _ in ended(again)] == [0, 0, 0]
    whole = train.train(asked(algorithm, **{"train.shards": 3, "train.iterations": 40}), tmp_path / "whole", quiet=True)
    assert bits(tmp_path / "run") == bits(whole)


@pytest.mark.slow
@pytest.mark.whole
def test_a_process_that_hangs_is_named_in_bounded_time(begin: Begin, tmp_path: Path) -> None:
    processes = begin(2, tmp_path / "run", words("maml", 100_000), PLIANT_PATIENCE="4")
    end = time.monotonic() + 90
    while not began(tmp_path / "run"):
        assert time.monotonic() < end
        time.sleep(0.05)
    os.kill(processes[1].pid, signal.SIGSTOP)
    ((status, said),) = ended(processes[:1], 60)
    os.kill(processes[1].pid, signal.SIGCONT)
    assert status == 2 and said.startswith(LOST) and said.count("\n") == 1


@pytest.mark.slow
@pytest.mark.whole
def test_a_polite_end_of_one_saves_and_ends_all(begin: Begin, tmp_path: Path) -> None:
    processes = begin(2, tmp_path / "run", words("reptile", 100_000))
    end = time.monotonic() + 90
    while not began(tmp_path / "run"):
        assert time.monotonic() < end
        time.sleep(0.05)
    processes[1].send_signal(signal.SIGTERM)
    (first, said), (second, _) = ended(processes, 60)
    assert first == second == 128 + signal.SIGTERM and "saved; --resume continues" in said
    assert checkpoint.load_latest(tmp_path / "run" / "checkpoints").iteration > 0


def test_what_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ValueError, match="shards is 4: expected a divisor of the meta_batch of 6 tasks"):
        asked("maml", **{"train.shards": 4})
    with pytest.raises(UserError, match="3 processes share a training of --train.shards 2: add --train.shards 3"):
        learners.build(asked("maml", **{"train.shards": 2}), place=(0, 3))
    with pytest.raises(UserError, match="--train.shards is 2: expected 1, because random learns from all tasks at once"):
        learners.build(config.load_config("random", "point", {"train.shards": "2"}, preset="none"))
    with pytest.raises(UserError, match="6 lanes are fewer than --train.shards times --outer.minibatches"):
        learners.build(asked("rl2", **{"train.shards": 6, "train.lanes": 1}))
    with pytest.raises(UserError, match="--outer.trials is 2: expected at least one for each of --train.shards"):
        learners.build(asked("replay", **{"train.shards": 3, "outer.trials": 2}))


@pytest.mark.slow
def test_wrong_groups_are_one_line(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pliant.cli import main as cli

    found = ended(begin(2, tmp_path / "run", words("maml", 1, **{"train.shards": 1})))
    assert [status for status, _ in found] == [2, 2]
    assert all(said == "pliant: 2 processes share a training of --train.shards 1: add --train.shards 2, or a multiple of it\n"
               for _, said in found)  # fmt: skip
    one, other = (words("maml", 1, **{"train.lanes": lanes}) for lanes in (2, 3))
    group = [begin(2, tmp_path / "differ", each, meet="place", own=[rank])[0] for rank, each in enumerate((one, other))]
    for status, said in ended(group):
        assert status == 2 and "differ in settings, packages or kind of processor: all must be the same" in said, said
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank, more, message in (
        ("zero", [], "RANK is 'zero' in the environment: expected a whole number"),
        ("0", [], "2 processes share this training: give --out, the folder of its run"),
        ("0", ["--seeds", "0,1"], "--seeds begins processes of its own: begin it without torchrun, or give --seed"),
    ):
        monkeypatch.setenv("RANK", rank)
        capsys.readouterr()
        assert cli.main(["train", "maml", "point", *more]) == 2
        assert capsys.readouterr().err == f"pliant: {message}\n"
