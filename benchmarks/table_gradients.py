"""Tables of what gradient-based agents reach: adaptation curves, and sine waves."""

from table_cells import read, said, steps

PUBLISHED = {"point": "-40.41 / -11.68 / -3.33 / -3.23", "half-cheetah-dir": "-50.69 / 293.19 / 313.48 / 315.65"}
"""Finn et al. 2017, Tables 4 and 5."""
OTHER_ROBOT = {"half-cheetah-dir": "another robot (rllab's simulator): not comparable"}
"""What must stand beside a published number that is not of our robot."""
ALGORITHMS = ("maml", "fomaml", "reptile")
FAMILIES = ("point", "half-cheetah-dir", "half-cheetah-vel", "cartpole")


def learning() -> str:
    """The table of adaptation curves."""
    rows = []
    for family in FAMILIES:
        document = read(family)
        summary = document["summary"] if document else []
        for row in sorted(summary, key=lambda row: ALGORITHMS.index(row["algorithm"].removeprefix("untrained "))):
            means, deviations = row["return"], row["sd_over_seeds"]
            over_seeds = [f" ± {each:.1f}" for each in deviations] if deviations else [""] * len(means)
            cores = next(run["cores"] for run in document["runs"] if run["algorithm"] == row["algorithm"])
            minutes = "" if row["algorithm"].startswith("untrained") else f"{row['train_minutes']:.0f} ({cores})"
            curve, seeds = steps(means[:4]) + over_seeds[3], str(len(row["seeds"]))
            later = f"{means[6]:.1f}{over_seeds[6]}" if len(means) > 6 else ""
            rows.append([family, row["algorithm"], row["split"], curve, later, seeds, minutes])
        if document and family in PUBLISHED:
            caveat = f", {OTHER_ROBOT[family]}" if family in OTHER_ROBOT else ""
            rows.append([family, f"published: MAML{caveat}", "test", PUBLISHED[family], "", "", ""])
    text = (
        "Return per episode after 0 / 1 / 2 / 3 gradient steps of 20 episodes each (cartpole and half-cheetah-vel: 10), mean"
        " over 40 tasks (point: 400) and all seeds ± standard deviation over seeds after the third; *untrained* is the same"
        " adaptation from random parameters. half-cheetah-dir has only two tasks: there `test` means new trials of both, not"
        " new tasks (`python benchmarks/learning.py FAMILY`). Minutes were taken beside other work, some beside a lot of it."
    )
    head = ["family", "algorithm", "tasks", "return after 0 / 1 / 2 / 3 steps", "after 6", "seeds", "minutes per seed (cores)"]
    return said(text, head, rows) if rows else ""


def waves() -> str:
    """The table of the sine-wave example."""
    document = read("sinusoid")
    if not document:
        return ""
    rows = [[method, " / ".join(f"{x:.2f}" for x in s["mse"])] for method, s in document["summary"].items()]
    text = (
        "Sine waves, mean squared error from 5 points after 1 / 5 / 10 gradient steps, three seeds, 1,000 new waves"
        " (published: MAML 0.67 / 0.38 / 0.35, pretrained 2.41 / 2.23 / 2.19; `python benchmarks/sinusoid.py`):"
    )
    return said(text, ["method", "mean squared error"], rows)


def estimates() -> str:
    """The table of estimates of a meta-gradient that is known."""
    document = read("meta-gradients")
    if not document:
        return ""
    rows = [
        [str(r["episodes"]), r["estimator"], f"{r['bias']:.3f} ± {1.96 * r['standard_error']:.3f}", f"{r['spread']:.2f}"]
        for r in document["rows"]
    ]
    text = (
        "Estimates of the meta-gradient of an MDP of two states, whose exact value is known: bias with its 95% interval, and"
        " standard deviation of a single estimate from one pair of tasks, both as shares of the gradient's length. With few"
        " episodes the exact value is that over all samples an inner step can have, with many it is that of a step along the"
        " exact gradient. *samples paid*: with [`emaml`](algorithms/emaml.md)'s term (`python benchmarks/meta_gradients.py`)."
    )
    return said(text, ["episodes", "inner gradient", "bias", "spread"], rows)


def shares() -> str:
    """The table of what Reptile's moves are made of."""
    document = read("reptile")
    if not document:
        return ""
    rows = [
        [r["rates"], f"{r['e2_over_e1']:.2f}", f"{r['signal_to_noise']:.2f}", f"{r['cosine']:.2f}", f"{r['noise']:.2f}"]
        for r in document["rows"]
    ]
    text = (
        "What [`reptile`](algorithms/reptile.md)'s moves are made of, on `point`: by the rates of its inner steps alone, the"
        " part that has to do with adaptation (e2) against the joint gradient of all tasks (e1) and against noise; and measured"
        " after 20 iterations, the cosine between its mean move and the joint gradient, and the standard error of that mean"
        " over tasks, as a share of its length (`python benchmarks/reptile.py`)."
    )
    return said(text, ["inner rates", "e2 / e1", "e2 / noise", "cosine", "standard error"], rows)
