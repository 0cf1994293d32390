"""Processes of a group that are killed: the others end, the same command goes on, and the run ends as if nothing had been."""

import json
import os
import random
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from faults_counts import Counts

from pliant.storage import checkpoint, record
from pliant.system import interpreter

KILLS, SHARDS, ITERATIONS = 50, 3, 60
SMALL = f"--preset none --train.meta_batch 6 --train.lanes 2 --train.shards {SHARDS} --train.checkpoint_every 0 --quiet"
TRAININGS = {
    "maml": f"maml point --family.horizon 8 --policy.hidden 8 --iterations {ITERATIONS} {SMALL}",
    "rl2": f"rl2 gridnavi --family.horizon 6 --policy.size 8 --outer.minibatches 2 --iterations {ITERATIONS} {SMALL}",
    "replay": f"replay bandit --policy.size 8 --policy.head 8 --outer.updates 4 --iterations {ITERATIONS} {SMALL}",
}
SECONDS = 120.0
"""Longest that one who is left waits for the lost, and then ends."""
PATIENCE = 30
"""Seconds after which it is lost."""
_SAID: dict[int, Path] = {}
"""What each process has said, by its number."""


def groups(times: float) -> Counts:
    """kill -9 of a random process of a group of two or three, at a random moment: bit for bit what was never disturbed."""
    counts, chance = Counts(), random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        for name, words in TRAININGS.items():
            whole = Path(folder) / f"{name}-whole"
            begin = time.monotonic()
            assert _ended(_begun(words, whole, 1), 4 * SECONDS) == [0]
            length, left, number = time.monotonic() - begin, max(1, round(KILLS * times / len(TRAININGS))), 0
            while left > 0:
                number += 1
                left -= _disturbed(counts, chance, words, Path(folder) / f"{name}-{number}", whole, length, left)
    return counts


def _disturbed(
    counts: Counts, chance: random.Random, words: str, out: Path, whole: Path, length: float, most: int
) -> int:
    """A run whose group is killed again and again, until it is whole; how often one of it was killed."""
    killed, failures = 0, list[str]()
    while killed < most:
        processes = _begun(words, out, chance.choice((2, 3)))
        time.sleep(chance.uniform(0.2, 1.2) * length)
        victim = chance.choice(processes)
        if victim.poll() is not None:  # they were through
            break
        os.kill(victim.pid, signal.SIGKILL)
        killed += 1
        statuses = _ended(processes)
        if wrong := [status for status in statuses if status not in (0, 2, -signal.SIGKILL)]:
            failures.append(f"those that were left ended with {wrong}")
    ranks = chance.choice((1, 2, 3))
    if any(statuses := _ended(processes := _begun(words, out, ranks), 4 * SECONDS)):
        failures.append(f"{ranks} processes end with {statuses}: {' | '.join(map(_said, processes))}")
    elif _bits(out) != _bits(whole):
        failures.append("other bits")
    for n in range(killed):
        counts.add("kill -9 of a process that shares a training", failures[n] if n < len(failures) else None)
    return max(killed, 1)


def _begun(words: str, out: Path, ranks: int) -> list["subprocess.Popen[bytes]"]:
    meet = Path(tempfile.mkdtemp()) / "meet"
    command = interpreter.command("-m", "pliant", "train", *words.split(), "--out", str(out))
    found = []
    for rank in range(ranks):
        place = {"RANK": rank, "WORLD_SIZE": ranks, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": ranks, "OMP_NUM_THREADS": 1}
        every = place | {"PLIANT_MEET": meet.as_uri(), "PLIANT_PATIENCE": PATIENCE}
        own = {name: str(value) for name, value in every.items()}
        with open(f"{meet}-{rank}", "wb") as said:
            quiet = {"stdout": subprocess.DEVNULL, "stderr": said}
            found.append(subprocess.Popen(command, env=interpreter.environment() | own, start_new_session=True, **quiet))
        _SAID[found[-1].pid] = Path(said.name)
    return found


def _said(process: "subprocess.Popen[bytes]") -> str:
    """The end of what it said on stderr."""
    return _SAID[process.pid].read_text(errors="replace").strip()[-200:]


def _ended(processes: list["subprocess.Popen[bytes]"], seconds: float = SECONDS) -> list[int | None]:
    """The status of each; None for one that does not end in time, and is ended."""
    end, found = time.monotonic() + seconds, list[int | None]()
    for process in processes:
        try:
            found.append(process.wait(max(0.1, end - time.monotonic())))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            found.append(None)
    return found


def _bits(run: Path) -> tuple[bytes, str]:
    """The last checkpoint, and the metrics without their clocks."""
    rows = record.Run.open(run).metrics()
    for row in rows:
        row.pop("clock")
    last = checkpoint.load_latest(run / "checkpoints")
    assert last.iteration == ITERATIONS
    return (last.path / "state.safetensors").read_bytes(), json.dumps(rows)
