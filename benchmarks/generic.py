"""CartPole through the generic family against the native twin: the same tasks, the same settings, the same learning curve?

    python benchmarks/generic.py --seeds 5   # ten minutes; writes benchmarks/results/generic.json

`gymnasium` plays CartPole-v1 itself in worker processes, with lengths, masses, gravity and pushes drawn from the laws of the
family `cartpole`, which is tensor code. Random numbers differ (an environment draws its own starts), so the curves can only
agree within their intervals: returns after adaptation, averaged over windows of iterations, mean and 95 % t-interval over
seeds, and the interval of the difference, so wide that all windows together hold the truth with 95 % (Bonferroni).
"""

import argparse
import time
from typing import Any

import numpy as np
import recorded
import stepping
from scipy import stats

from pliant.config.config import load_config
from pliant.config.presets import preset_path
from pliant.running import learner as learners
from pliant.running import loop

ITERATIONS, WINDOW = 60, 10
FAMILIES: dict[str, dict[str, str]] = {
    "cartpole": {},
    "gymnasium": {
        "family.env": "CartPole-v1",
        "family.vary": "force_mag=-15:-8|8:15, length=0.3:1, masspole=0.05:0.3, masscart=0.5:1.5, gravity=8:12",
    },
}
PRESET = str(preset_path("maml", "cartpole", None))


def curve(family: str, seed: int) -> dict[str, Any]:
    """Returns before and after adaptation by window, and how long the run took."""
    settings = FAMILIES[family] | {"train.iterations": str(ITERATIONS), "train.threads": "1", "family.horizon": "200"}
    learner = learners.build(load_config("maml", family, settings, PRESET, seed))
    start = time.perf_counter()
    steps = loop.iterate(learner, 0, ITERATIONS)
    rows = np.array([[float(r.reward.sum(2).mean()) for r in step.rollouts] for step in steps])  # [iterations, stages]
    before, after = rows.reshape(-1, WINDOW, 2).mean(1).T.tolist()
    return {"seed": seed, "seconds": round(time.perf_counter() - start, 1), "before": before, "after": after}


def interval(values: Any) -> tuple[float, float]:
    """Mean and half of the 95 % t-interval over seeds."""
    values = np.asarray(values)
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return round(float(values.mean()), 2), round(float(half), 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    runs = {family: [curve(family, seed) for seed in range(arguments.seeds)] for family in FAMILIES}
    windows = []
    for w in range(ITERATIONS // WINDOW):
        ours, theirs = (np.array([run["after"][w] for run in runs[family]]) for family in ("gymnasium", "cartpole"))
        low, high = stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval(1 - 0.05 * WINDOW / ITERATIONS)
        windows.append(
            {
                "iterations": [w * WINDOW + 1, (w + 1) * WINDOW],
                "gymnasium": interval(ours),
                "cartpole": interval(theirs),
                "difference": [round(float(low), 2), round(float(high), 2)],
                "agree": bool(low <= 0 <= high),
            }
        )
        print(windows[-1])
    document = {
        "schema": "pliant.benchmark/1",
        "command": f"python benchmarks/generic.py --seeds {arguments.seeds}",
        "settings": FAMILIES["gymnasium"] | {"preset": "maml-cartpole", "family.horizon": 200},
        "return_after_one_step": windows,
        "runs": runs,
        "machine": stepping.machine(),
    }
    recorded.write("generic", document)


if __name__ == "__main__":
    main()
