"""Meta-learners and four baselines on one family, three seeds each, in one page; where adaptation stops working.

    python benchmarks/compared.py point               # about 25 minutes on two cores
    python benchmarks/compared.py half-cheetah-vel    # about an hour on two cores

Trains what is not trained yet in --runs, one process per core, sweeps an axis for MAML and RL^2, and writes the comparison to
benchmarks/results/compared-FAMILY.json, with the minutes that everything took, and its page and figures to docs/studies.
"""

import argparse
import datetime
import functools
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import recorded

from pliant.comparing import compare
from pliant.storage import record
from pliant.system import machine

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "studies"
SEEDS = (0, 1, 2)


class Study(NamedTuple):
    """What is trained on a family, and moved in the sweep."""

    iterations: dict[str, int]
    """By algorithm: about 4 million environment steps on point and 3 on half-cheetah-vel, fewer where trials end early, and for
    `replay` 0.2 and 0.1."""
    axis: str


STUDIES = {
    "point": Study(
        {"maml": 40, "fomaml": 40, "reptile": 16, "rl2": 150, "pretrain": 100, "conditioned": 100, "replay": 80, "random": 0,
         "scratch": 0},
        "distance=0:1",
    ),
    "half-cheetah-vel": Study(
        {"maml": 75, "fomaml": 75, "reptile": 75, "rl2": 188, "pretrain": 150, "conditioned": 150, "replay": 50, "random": 0,
         "scratch": 0},
        "velocity=0:4",
    ),
}


def pliant(words: Sequence[object]) -> None:
    """One command, on one core."""
    said = [sys.executable, "-m", "pliant", *map(str, words)]
    subprocess.run(said, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=sys.stderr)


def trained(job: tuple[str, str, int, int], runs: Path) -> Path:
    """The folder of a run, trained to its end."""
    algorithm, family, seed, iterations = job
    out = runs / family / f"{algorithm}-seed{seed}"
    if not (out / "run.json").exists() or len(record.Run.open(out).metrics()) < iterations:
        wanted = ["--iterations", iterations] if iterations else []
        pliant(["train", algorithm, family, "--seed", seed, *wanted, "--out", out, "--resume", "--quiet"])
    return out


def minutes_since(begin: float) -> float:
    return round((time.perf_counter() - begin) / 60, 2)


def main() -> None:
    """Train, sweep, compare, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", choices=STUDIES)
    parser.add_argument("--runs", type=Path, help="where runs are kept")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="trainings at a time")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    family, study = arguments.family, STUDIES[arguments.family]
    jobs = [(algorithm, family, seed, n) for seed in SEEDS for algorithm, n in study.iterations.items()]
    kept = Path(os.path.relpath(arguments.runs or recorded.runs(f"compared-{family}") / "compared"))  # the document names them
    with ThreadPoolExecutor(arguments.jobs) as pool:
        runs = list(pool.map(functools.partial(trained, runs=kept), jobs))
        swept = [run for run in runs if run.name.startswith(("maml", "rl2"))]
        begin = time.perf_counter()
        list(pool.map(lambda run: pliant(["sweep", run, "--axis", study.axis]), swept))
    spent = {"sweeps": minutes_since(begin)}
    begin = time.perf_counter()
    document = compare.compare(runs, quiet=False)
    spent["evaluations"] = minutes_since(begin)
    begin = time.perf_counter()
    page = PAGES / f"{family}.html"
    pliant(["report", *runs, "--out", page])
    page.with_suffix(".md").unlink()  # the same in Markdown, and every number in CSV: the JSON document has them
    page.with_suffix(".csv").unlink()
    spent["report"] = minutes_since(begin)
    spent["training, of one core"] = round(sum(a["cost"]["train_seconds"] * len(SEEDS) for a in document["agents"]) / 60, 1)
    facts = {
        "command": f"python benchmarks/compared.py {family}",
        "date": datetime.date.today().isoformat(),
        "minutes": spent,
        "page_kilobytes": round(page.stat().st_size / 1000),
        "machine": machine.described(),
    }
    recorded.write(f"compared-{family}", document | {"study": facts})


if __name__ == "__main__":
    main()
