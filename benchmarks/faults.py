"""Campaigns of injected faults: what is damaged, hostile or interrupted is one right line, and nothing is lost or run.

    python benchmarks/faults.py flips hostile        # these campaigns; writes benchmarks/results/faults.json
    python benchmarks/faults.py --list               # which there are
    python benchmarks/faults.py flips --times 0.1    # a tenth of each, which is not recorded

A campaign is a function of how many faults it injects, relative to the whole, which returns what came of them.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping

import faults_edits
import faults_files
import faults_groups
import faults_hostile
import faults_tests
import recorded
from faults_counts import Counts

Campaign = Callable[[float], Counts]
CAMPAIGNS: Mapping[str, Campaign] = {
    "flips": faults_files.flips,
    "hostile": faults_hostile.hostile,
    "edits": faults_edits.edits,
    "kills": faults_tests.kills,
    "groups": faults_groups.groups,
    "commands": faults_tests.commands,
    "misuses": faults_tests.misuses,
    "environments": faults_tests.environments,
}
"""By name."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("campaigns", nargs="*", metavar="NAME", help=", ".join(CAMPAIGNS))
    parser.add_argument("--times", type=float, default=1.0, help="how many faults, relative to the whole")
    parser.add_argument("--list", action="store_true", help="which there are")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(f"{name}: {(function.__doc__ or '').partition(chr(10))[0]}" for name, function in CAMPAIGNS.items()))
        return 0
    failed = 0
    for name in arguments.campaigns or CAMPAIGNS:
        begin = time.monotonic()
        counts = CAMPAIGNS[name](arguments.times)
        failed += len(counts.failures)
        print(f"{name}: {counts.held} of {counts.tried} held, {time.monotonic() - begin:.0f} seconds")
        print(*(f"  {failure}\n" for failure in counts.failures), sep="", end="", flush=True)
        if arguments.times == 1.0:
            recorded.write(f"faults/{name}", counts.document())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
