"""Tables of what gradient-based agents reach: adaptation curves, and sine waves."""

from table_cells import read, said, steps

PUBLISHED = {"point": "-40.41 / -11.68 / -3.33 / -3.23", "half-cheetah-dir": "-50.69 / 293.19 / 313.48 / 315.65"}
"""Finn et al. 2017, Tables 4 and 5."""
OTHER_ROBOT = {
    "half-cheetah-dir": ("another robot (rllab's simulator): not comparable", "另一种机器人（rllab 的仿真器），不可比较"),
}
"""What must stand beside a published number that is not of our robot, in English and in Chinese."""
ALGORITHMS = ("maml", "fomaml", "reptile")
FAMILIES = ("point", "half-cheetah-dir", "half-cheetah-vel", "cartpole")


def learning() -> str:
    """The table of adaptation curves."""
    rows = []
    for family in FAMILIES:
        document = read(family)
        summary = document["summary"] if document else []
        for row in sorted(summary, key=lambda row: ALGORITHMS.index(row["algorithm"].removeprefix("untrained "))):
            over_seeds = f" ± {row['sd_over_seeds'][-1]:.1f}" if row["sd_over_seeds"] else ""
            cores = next(run["cores"] for run in document["runs"] if run["algorithm"] == row["algorithm"])
            minutes = "" if row["algorithm"].startswith("untrained") else f"{row['train_minutes']:.0f} ({cores})"
            curve, seeds = steps(row["return"]) + over_seeds, str(len(row["seeds"]))
            rows.append([family, row["algorithm"], row["split"], curve, seeds, minutes])
        if document and family in PUBLISHED:
            caveat = f", {OTHER_ROBOT[family][0]}" if family in OTHER_ROBOT else ""
            rows.append([family, f"published: MAML{caveat}", "test", PUBLISHED[family], "", ""])
    text = (
        "Return per episode after 0 / 1 / 2 / 3 gradient steps of 20 episodes each (cartpole and half-cheetah-vel: 10), mean"
        " over 40 tasks and all seeds ± standard deviation over seeds of the last; *untrained* is the same adaptation from"
        " random parameters. half-cheetah-dir has only two tasks: there `test` means new trials of both, not new tasks"
        " (`python benchmarks/learning.py FAMILY`)."
    )
    head = ["family", "algorithm", "tasks", "return after 0 / 1 / 2 / 3 steps", "seeds", "minutes per seed (cores)"]
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
