"""Tracked results: where they lie, the law of numbers that they were measured under, and which are out of date.

A change of bits alone (other draws of the same law) leaves a result true. A change of what is measured or learned does not: it
raises the number of the results that it touches in `LAWS`, and `make studies` measures those again. A result is named by its
file, or as "file/part" where commands of their own measure parts of one file.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"

FINITE = ("point", "half-cheetah-dir", "cartpole", "motor", "metaworld/reach", "compared-point", "generic")
"""Since advantages of gradient-based agents are those of a finite horizon."""
CENTRED = ("half-cheetah-vel", "compared-half-cheetah-vel", "memories-dependent")
"""Since then, and since held-out tasks of a single range are centred."""
SEEN = ("driving-maml", "memories-binding", "memories-recall", "rl2-tabular")
"""Since splits are decided by what changes the environment, in cells of probability."""
LAWS: Mapping[str, int] = dict.fromkeys((*FINITE, *CENTRED, *SEEN), 2)
"""The law of today, by result; 1 for those that are not here."""


def law(name: str) -> int:
    """How often what a result measures has changed, from 1."""
    return LAWS.get(name, 1)


def read(name: str) -> dict[str, Any] | None:
    """A tracked result, or None if it has not been measured."""
    file, _, part = name.partition("/")
    path = RESULTS / f"{file}.json"
    whole = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    found: dict[str, Any] = whole.get(part, {}) if part else whole
    return found or None


def write(name: str, document: Mapping[str, Any], out: Path | None = None) -> None:
    """Write a result under the law of today, into `out` instead of where it is tracked; a part beside the other parts."""
    file, _, part = name.partition("/")
    measured = {**document, "law": law(name)}
    if "study" in document:  # beside a document of pliant's own, which holds nothing but what its kind says
        measured = {**document, "study": {**document["study"], "law": law(name)}}
    if part:
        measured = (read(file) or {"schema": f"pliant.{file}/1"}) | {part: measured}
    text = json.dumps(measured, indent=1) + "\n"
    (out or RESULTS / f"{file}.json").write_text(text, encoding="utf-8")


def is_current(name: str) -> bool:
    """Whether a result has been measured under the law of today."""
    document = read(name)
    return document is not None and document.get("study", document).get("law", 1) == law(name)


def runs(name: str) -> Path:
    """Where a study keeps its runs, to continue them: those of an earlier law are others."""
    return ROOT / "runs" / "benchmarks" / (f"law{law(name)}" if law(name) > 1 else "")
