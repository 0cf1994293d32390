"""Measure again what is out of date: every tracked result whose law of numbers has changed since, one after the other.

    python benchmarks/studies.py --list             # what there is, what it takes, what is out of date
    python benchmarks/studies.py                    # all that is out of date: hours
    python benchmarks/studies.py rl2-reactor point  # these, out of date or not
    python benchmarks/studies.py --minutes 120      # begin none that the hours table says will end later

It may be stopped at any moment and begun again: runs that are trained are kept, half-trained ones are continued. `make studies`
does the same and draws the tables anew. Times are of two cores; what measures speed wants an idle machine and is not here.
"""

import argparse
import subprocess
import sys
import time
from typing import NamedTuple

import recorded


class Study(NamedTuple):
    """A command that measures a result."""

    command: str
    minutes: int
    """About, on two cores; 0 for less than one."""


STUDIES = {
    "point": Study("learning.py point", 85),
    "half-cheetah-dir": Study("learning.py half-cheetah-dir", 20),
    "half-cheetah-vel": Study("learning.py half-cheetah-vel", 20),
    "cartpole": Study("learning.py cartpole", 15),
    "motor": Study("learning.py motor", 25),
    "rl2-bandit-10-5": Study("trials.py bandit-10-5", 8),
    "rl2-bandit-10-10": Study("trials.py bandit-10-10", 8),
    "rl2-bandit-100-5": Study("trials.py bandit-100-5", 60),
    "rl2-bandit-100-10": Study("trials.py bandit-100-10", 60),
    "rl2-bandit-500-5": Study("trials.py bandit-500-5", 50),
    "rl2-tabular": Study("trials.py tabular", 15),
    "rl2-gridnavi": Study("trials.py gridnavi", 15),
    "rl2-point": Study("trials.py point", 15),
    "rl2-reactor": Study("trials.py reactor", 20),
    "rl2-minigrid": Study("trials.py minigrid", 20),
    "replay-bandit-10-5": Study("replay.py bandit-10-5", 35),
    "replay-gridnavi": Study("replay.py gridnavi", 75),
    "replay-point": Study("replay.py point", 45),
    "replay-half-cheetah-vel": Study("replay.py half-cheetah-vel", 75),
    "bandit-players": Study("bandits.py players", 15),
    "memories-binding": Study("memories.py binding", 50),
    "memories-recall": Study("memories.py recall", 40),
    "memories-two-step": Study("memories.py two-step", 10),
    "memories-dependent": Study("memories.py dependent", 10),
    "driving-maml": Study("driving.py maml --tasks 200 20 --stages 1", 50),
    "metaworld/reach": Study("manipulation.py reach", 20),
    "metaworld/push": Study("manipulation.py push", 20),
    "metaworld/ml10": Study("manipulation.py ml10", 15),
    "compared-point": Study("compared.py point", 25),
    "compared-half-cheetah-vel": Study("compared.py half-cheetah-vel", 65),
    "generic": Study("generic.py --seeds 5", 10),
    "coverage": Study("coverage.py", 6),
    "sinusoid": Study("sinusoid.py", 3),
    "reptile": Study("reptile.py", 5),
    "meta-gradients": Study("meta_gradients.py", 1),
}


def listed() -> str:
    """Every study in a line."""
    rows = [
        f"{name:26}{'current' if recorded.is_current(name) else 'out of date':13}{study.minutes:4} min  {study.command}"
        for name, study in STUDIES.items()
    ]
    return "\n".join(rows)


def main() -> int:
    """Run what is asked for; exit status 1 if a study failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="results to measure, instead of all that are out of date")
    parser.add_argument("--list", action="store_true", help="say what there is, and measure nothing")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="time there is")
    wanted = parser.parse_args()
    if unknown := sorted(set(wanted.names) - set(STUDIES)):
        parser.error(f"no study is called {unknown[0]!r}: choose among {', '.join(STUDIES)}")
    if wanted.list:
        print(listed())
        return 0
    begin, failed = time.monotonic(), []
    for name in wanted.names or [name for name in STUDIES if not recorded.is_current(name)]:
        study, spent = STUDIES[name], (time.monotonic() - begin) / 60
        if spent + study.minutes > wanted.minutes:
            print(f"{name}: left for another time, it takes about {study.minutes} minutes", flush=True)
            continue
        print(f"{name}: python benchmarks/{study.command}", flush=True)
        script, *words = study.command.split()
        if subprocess.run([sys.executable, recorded.ROOT / "benchmarks" / script, *words], cwd=recorded.ROOT).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
