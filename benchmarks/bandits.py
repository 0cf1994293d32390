"""Classical players of Bernoulli bandits beside the table of Duan et al. 2016 (arXiv:1611.02779, Table 1).

    python benchmarks/bandits.py players     # writes benchmarks/results/bandit-players.json
    python benchmarks/bandits.py tune        # how the constants of UCB1 and epsilon-greedy were chosen, on training tasks

Every player plays one trial of each of 20,000 test tasks, in all nine settings, on one core (about 12 minutes);
`likeliest-thompson`, which samples twenty times per pull, plays a tenth of them at 100 pulls and a fortieth at 500. A mean
agrees with the published one within 3 standard errors of their difference (theirs: our standard deviation over tasks /
sqrt(1,000), the tasks they played) and what rounding hides, 0.05. With `--pulls` or `--only` the other rows stay as they were.
"""

import argparse
import os
import time
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import recorded
import stepping
import torch
from numpy.typing import NDArray

from pliant.families import bandit
from pliant.players import bandit as players
from pliant.rollout import episode_returns, rollout
from pliant.streams import Stream
from pliant.tasks.base import Family, Tasks

SETTINGS = [(pulls, arms) for pulls in (10, 100, 500) for arms in (5, 10, 50)]
PUBLISHED = {
    "random": [5.0, 5.0, 5.1, 49.9, 49.9, 49.8, 249.8, 249.0, 249.6],
    "gittins": [6.6, 6.6, 6.5, 78.3, 82.8, 85.2, 405.8, 437.8, 463.7],
    "thompson": [5.7, 5.5, 5.2, 74.7, 76.7, 64.5, 402.0, 429.5, 427.2],
    "likeliest-thompson": [6.5, 6.2, 5.5, 77.9, 81.4, 67.7, 406.7, 438.9, 437.6],
    "ucb1": [6.7, 6.7, 6.6, 78.0, 82.4, 84.3, 405.8, 437.1, 457.6],
    "epsilon-greedy": [6.6, 6.6, 6.5, 75.4, 77.4, 78.3, 388.2, 408.0, 413.6],
    "greedy": [6.6, 6.6, 6.5, 74.8, 77.1, 78.0, 380.6, 395.0, 402.8],
}
"""Means over `THEIR_TASKS` tasks, in the order of `SETTINGS`."""
THEIR_TASKS, ROUNDING = 1_000, 0.05
FEWER = {10: 1, 100: 10, 500: 40}
MOST_NUMBERS = 20_000_000
"""Tasks x pulls x arms that are played at once."""
CONFIDENCES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.6)
EPSILONS = (0.005, 0.01, 0.02, 0.05, 0.1)


def returns(family: Family, name: str, tasks: Tasks, seed: int) -> NDArray[np.float64]:
    """The return of one trial of each task."""
    pulls, arms = family.settings.pulls, family.settings.arms
    size = max(1, MOST_NUMBERS // (pulls * max(arms, 10)))
    parts = []
    for start in range(0, len(tasks), size):
        here = Stream(seed).at("bandits", start)
        part, player = tasks[start : start + size], players.players(family, here.at("players"))[name]
        played = rollout(family.batch(part, 1, pulls), here.at("play"), player, {})
        parts.append(episode_returns(played, pulls).sum(-1)[:, 0].numpy())
    return np.concatenate(parts)


def row(name: str, number: int, count: int, seed: int) -> dict[str, Any]:
    """One player in one of `SETTINGS`."""
    pulls, arms = SETTINGS[number]
    family = bandit.family(bandit.Settings(arms=arms, pulls=pulls))
    count = max(2, count // FEWER[pulls]) if name == "likeliest-thompson" else count
    tasks = family.sample(count, "test", Stream(seed).at("tasks").rng())
    begin = time.perf_counter()
    x = returns(family, name, tasks, seed)
    spread, error = float(x.std(ddof=1)), float(x.std(ddof=1) / np.sqrt(count))
    result: dict[str, Any] = {"player": name, "pulls": pulls, "arms": arms, "tasks": count, "seed": seed}
    result |= {"mean": float(x.mean()), "std_error": error}
    if name in PUBLISHED:
        published = PUBLISHED[name][number]
        allowed = 3 * float(np.hypot(error, spread / np.sqrt(THEIR_TASKS))) + ROUNDING
        result |= {"published": published, "allowed": allowed, "within": bool(abs(x.mean() - published) <= allowed)}
    result |= {"ceiling": float(players.ceiling(family, tasks, pulls).mean()), "optimum": players.optimum(family, pulls)}
    return result | {"seconds": time.perf_counter() - begin}


def show(result: dict[str, Any]) -> None:
    """One line of the table."""
    line = f"{result['pulls']:4d} {result['arms']:3d}  {result['player']:20s}{result['mean']:9.2f} +-{result['std_error']:5.2f}"
    if "published" in result:
        verdict = "" if result["within"] else "  MISSED"
        line += f"{result['published']:9.1f} +-{result['allowed']:5.2f}{verdict}"
    print(line, f"   {result['seconds']:.0f} s", flush=True)


def play(wanted: argparse.Namespace) -> None:
    """Every player in every setting."""
    load = os.getloadavg()[0]
    names = wanted.only or [*PUBLISHED, "optimistic-thompson"]
    numbers = [i for i, (pulls, _) in enumerate(SETTINGS) if pulls in wanted.pulls]
    print("pulls, arms, player, mean, published and what may lie between")
    rows = []
    for number in numbers:
        for name in names:
            rows.append(row(name, number, wanted.tasks, wanted.seed))
            show(rows[-1])
    rows += earlier({(r["pulls"], r["player"]) for r in rows})
    rows.sort(key=lambda r: (r["pulls"], r["arms"]))
    agree = [r for r in rows if "within" in r]
    print(f"{sum(r['within'] for r in agree)} of {len(agree)} means agree with the published ones")
    document = {"command": "python benchmarks/bandits.py players", "machine": stepping.machine() | {"load_before": load}}
    document |= {"split": "test", "rows": rows}
    recorded.write("bandit-players", document, wanted.out)


def earlier(new: set[tuple[int, str]]) -> list[dict[str, Any]]:
    """Rows of the tracked result that are not played anew, if they are of the law of today."""
    document = recorded.read("bandit-players")
    if document is None or not recorded.is_current("bandit-players"):
        return []
    return [r for r in document["rows"] if (r["pulls"], r["player"]) not in new]


def tune(wanted: argparse.Namespace) -> None:
    """Means of UCB1 and epsilon-greedy over their constants, on training tasks."""
    family = bandit.family(bandit.Settings(arms=10, pulls=100))
    tasks = family.sample(min(wanted.tasks, 10_000), "train", Stream(wanted.seed).at("tune").rng())
    candidates = {f"ucb1 {c:g}": (partial(players.upper_bound, confidence=c), players.spread) for c in CONFIDENCES}
    candidates |= {f"epsilon-greedy {e:g}": (attrgetter("mean"), partial(players.first, epsilon=e)) for e in EPSILONS}
    for name, (score, rule) in candidates.items():
        player = players.Player(10, score, rule)
        played = rollout(family.batch(tasks, 1, 100), Stream(wanted.seed).at("tune"), player, {})
        x = played.reward.sum(-1).mean(1).double()
        print(f"{name:22s}{float(x.mean()):7.2f} +-{float(x.std()) / len(tasks) ** 0.5:5.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["players", "tune"])
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--pulls", type=int, nargs="+", default=[10, 100, 500], help="only settings of so many pulls")
    parser.add_argument("--only", nargs="+", help="only these players")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="where the result is written, instead of where it is tracked")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    (play if wanted.what == "players" else tune)(wanted)


if __name__ == "__main__":
    main()
