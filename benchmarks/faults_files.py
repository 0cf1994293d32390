"""Single bits of every file of a run that flip: each is noticed, or changes nothing that is read."""

import json
import random
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from faults_counts import Counts, refusal, small_run

import pliant
from pliant.storage import checkpoint, documents, lines, record
from pliant.storage.schema import adapted, evaluation, sweep

FLIPS = 1000


def flips(times: float) -> Counts:
    """One bit flips in a checkpoint, and in every other file that is read of a run: it is noticed, or nothing changes."""
    counts, chance = Counts(), random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        run = small_run(Path(folder))
        newest = checkpoint.paths(run / "checkpoints")[0]
        _flip(counts, chance, "of a checkpoint", sorted(newest.iterdir()), round(FLIPS * times), lambda file: newest)
        policy = run / "adapted" / "one"
        others = [run / "run.json", run / "metrics.jsonl", policy / "adapted.json", policy / "evaluation.json"]
        others += [*(run / "evaluations").glob("*.json"), *(run / "sweeps").glob("*.json")]
        _flip(counts, chance, "of other files", others, round(FLIPS * times), lambda file: file)
        own = [path for path in (policy / "checkpoints").rglob("*") if path.is_file()]
        _flip(counts, chance, "of an adapted policy's parameters", own, round(FLIPS * times / 4), lambda file: policy)
        _lines(counts, chance, run, round(FLIPS * times / 10))
    return counts


def _flip(
    counts: Counts, chance: random.Random, kind: str, files: list[Path], number: int, subject: Callable[[Path], Path]
) -> None:
    """Bits that flip in `files`, as likely in each byte of a file, as often in one file as in another."""
    right = {subject(file): _read(subject(file)) for file in files}
    for n in range(number):
        file = files[n % len(files)]
        whole = file.read_bytes()
        position, bit = chance.randrange(len(whole)), chance.randrange(8)
        file.write_bytes(whole[:position] + bytes([whole[position] ^ 1 << bit]) + whole[position + 1 :])
        found: list[Any] = []
        try:
            refused = refusal(partial(_read_into, found, subject(file)))
            same = bool(found) and _same(found[0], right[subject(file)])
            counts.add(kind, None if refused or same else f"bit {bit} of byte {position} of {file.name} is not noticed")
        except Exception as error:
            counts.add(kind, f"bit {bit} of byte {position} of {file.name}: {type(error).__name__}: {error}")
        file.write_bytes(whole)


def _read_into(found: list[Any], path: Path) -> None:
    found.append(_read(path))


def _read(path: Path) -> Any:
    """What a file or a folder of a run says to those who read it; of damaged metrics, that they are."""
    if path.name == "metrics.jsonl":
        said: list[str] = []
        rows = record.metrics(path.parent, said.append)
        return {"rows": rows, "said": bool(said)}
    if path.name == "run.json":
        return record.Run.open(path.parent).document
    kinds = {"adapted.json": adapted.KIND, "distance.json": sweep.KIND}
    if path.suffix == ".json":
        return documents.read(path, kinds.get(path.name, evaluation.KIND))
    if (path / "adapted.json").exists():
        return pliant.load(path).params
    return checkpoint.load(path)


def _same(found: Any, right: Any) -> bool:
    """Nothing that was read has changed, or of metrics what is damaged has been named and the rest is right."""
    if isinstance(right, checkpoint.Checkpoint):
        return found.facts == right.facts and _same(found.tensors, right.tensors)
    if isinstance(right, dict) and right and all(isinstance(value, torch.Tensor) for value in right.values()):
        return found.keys() == right.keys() and all(torch.equal(found[name], right[name]) for name in right)
    if isinstance(right, dict) and right.keys() == {"rows", "said"}:
        return found == right or (found["said"] and all(row in right["rows"] for row in found["rows"]))
    return json.dumps(found) == json.dumps(right)


def _lines(counts: Counts, chance: random.Random, run: Path, number: int) -> None:
    """Bits that flip in the metrics of a run that is then resumed: no line that cannot be read is lost."""
    for _ in range(number):
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(shutil.copytree(run, Path(folder) / "run"))
            file = copy / "metrics.jsonl"
            data = bytearray(file.read_bytes())
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            file.write_bytes(data)
            damaged = [line.data for line in lines.read(file, copy) if line.row is None]
            with record.Run.start(copy, record.Run.open(copy).config, resume=True) as resumed:
                resumed.rewind(chance.randrange(4))
            kept = b"".join(path.read_bytes() for path in copy.glob("metrics*"))
            lost = [line for line in damaged if line not in kept]
            counts.add("of metrics of a run that is resumed", f"a line is lost: {lost[0][:80]!r}" if lost else None)
