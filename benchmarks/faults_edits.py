"""Senseless contents under checksums that fit: each is one line, or a run that does as it was told."""

import hashlib
import json
import random
import resource
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from faults_counts import SMALL, Counts, forked, small_run

from pliant.storage import checkpoint, documents

EDITS = 240
FOREIGN = (
    *(None, True, "x", "a\nb\x1b[31m", "1", -1, 0, 3, 2.5, 1e300, 10**9, 10**19, [], {}, [1], {"a": 1}, [[[]]], "..", "point"),
    *([10**9], [-1], [0, 0], "none", "nan", "1e999"),
)
MEMORY = 8 * 2**30
"""Bytes that a command may map: one that asks for more is told that there are none."""
SECONDS = 120.0


def edits(times: float) -> Counts:
    """Something else in the place of any value of a run, its checkpoint or its documents, sealed anew, for every command."""
    counts, chance = Counts(), random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        run = small_run(Path(folder))
        for n in range(round(EDITS * times)):
            copy = Path(shutil.copytree(run, Path(folder) / "copy"))
            kind, edited = _edit(copy, chance, n)
            words = _commands(copy)[kind][n // 6 % len(_commands(copy)[kind])]
            failure = forked(words, SECONDS, _bounded).failure()
            counts.add(kind, failure and f"{edited}, {' '.join(words[:1])}: {failure}")
            shutil.rmtree(copy)
    return counts


def _commands(run: Path) -> dict[str, list[list[str]]]:
    """What reads each kind of file."""
    evaluate = ["evaluate", str(run), "--tasks", "2", "--stages", "1"]
    resume = [*f"train maml point --iterations 4 {SMALL} --resume --out".split(), str(run)]
    adapt = ["adapt", str(run), "--task", "goal=0.1,0.2", "--stages", "1"]
    compare = ["compare", str(run), "--tasks", "2", "--stages", "1"]
    every = [evaluate, resume, adapt, compare]
    document = [["compare", str(next((run / "evaluations").glob("*.json")))], compare]
    sweep = [["sweep", str(run), *"--axis distance=0:1 --points 2 --tasks 2 --stages 1".split()], compare]
    return {"run.json": every, "facts": every, "tensors": every, "evaluation": document, "sweep": sweep, "manifest": every}


def _bounded() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _edit(run: Path, chance: random.Random, n: int) -> tuple[str, str]:
    """Change one thing in a run; (the kind of file, what was changed)."""
    kind = ("run.json", "facts", "tensors", "evaluation", "sweep", "manifest")[n % 6]
    newest = checkpoint.paths(run / "checkpoints")[0]
    paths = {
        "run.json": run / "run.json",
        "facts": newest / "facts.json",
        "manifest": newest / "manifest.json",
        "evaluation": next((run / "evaluations").glob("*.json")),
        "sweep": run / "sweeps" / "distance.json",
    }
    if kind == "tensors":
        edited = _edit_tensors(newest / "state.safetensors", chance)
    else:
        document = json.loads(paths[kind].read_bytes())
        edited = _edit_value(document, chance)
        paths[kind].write_text(json.dumps(documents.sealed(document) if "sha256" in document else document))
    if kind in ("tensors", "facts"):
        manifest = json.loads((newest / "manifest.json").read_bytes())
        for name in manifest["files"]:
            data = (newest / name).read_bytes()
            manifest["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        (newest / "manifest.json").write_text(json.dumps(manifest))
    return kind, edited


def _edit_value(document: Any, chance: random.Random) -> str:
    """Put something else, or nothing, in any place of a document."""
    *above, last = chance.choice(list(_places(document)))
    holder = document
    for key in above:
        holder = holder[key]
    if chance.random() < 0.15:
        del holder[last]
        return f"{'.'.join(map(str, (*above, last)))} is gone"
    holder[last] = chance.choice(FOREIGN)
    return f"{'.'.join(map(str, (*above, last)))} is {holder[last]!r}"


def _places(value: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*above, key)
        yield from _places(each, (*above, key))


def _edit_tensors(path: Path, chance: random.Random) -> str:
    """Change one tensor: another type or shape, none, or numbers that are none."""
    tensors = safetensors.torch.load(path.read_bytes())
    name = chance.choice(sorted(tensors))
    changes = {
        "a double": lambda x: x.double(),
        "a half": lambda x: x.half(),
        "integers": lambda x: x.long(),
        "truths": lambda x: x.bool(),
        "longer": lambda x: torch.cat([x.reshape(-1), x.reshape(-1)]),
        "without numbers": lambda x: x[..., :0] if x.ndim else x.reshape(1)[:0],
        "not finite": lambda x: torch.full_like(x.float(), float("nan")).to(x.dtype) if x.is_floating_point() else x,
        "infinite": lambda x: torch.full_like(x, float("inf")) if x.is_floating_point() else x,
        "flat": lambda x: x.reshape(-1),
    }
    if (how := chance.choice([*changes, "gone"])) == "gone":
        del tensors[name]
    else:
        tensors[name] = changes[how](tensors[name]).contiguous()
    path.write_bytes(safetensors.torch.save(tensors))
    return f"{name} is {how}"
