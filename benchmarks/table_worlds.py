"""The table of robots, games, driving and industry."""

from table_cells import Document, read, said, spread, trained

from pliant.config import config as configuration

ROBOTS = {"reach": "`metaworld-ml1` reach-v3", "push": "`metaworld-ml1` push-v3", "ml10": "`metaworld-ml10`"}
PRESETS = {"reach": "reach", "push": None, "ml10": None}
"""What each study is trained by: an evaluation by protocol has the protocol's horizon among its settings."""
HEAD = ("family", "agent", "measured", "before", "after", "beside it", "seeds", "minutes per seed (cores)")


def worlds() -> str:
    """Every world that has been measured, one row each."""
    rows = [row for row in (part() for part in (_reactor, _motor, _minigrid, _driving)) if row] + _robots()
    text = (
        "Held-out tasks, final agents, mean of all seeds (± standard deviation); *before* is the agent as it meets a task, in"
        " its first episode or before a gradient step, *after* its last episode or step. Tracking errors are means over the"
        " steps of an episode (`python benchmarks/trials.py reactor`, `minigrid`; `learning.py motor`; `driving.py maml`;"
        " `manipulation.py reach`, `push`, `ml10`):"
    )
    return said(text, HEAD, rows) if rows else ""


def episodes() -> str:
    """Meta-World's curves: what the headline of the protocol, the last three episodes, does not say."""
    document: Document = read("metaworld") or {}
    rows = [_by_stage(study, row) for study in ROBOTS if study in document for row in document[study]["rows"]]
    reach = next((row for row in document.get("reach", {}).get("rows", []) if row["algorithm"] == "rl2"), None)
    text = (
        "Meta-World's protocol adapts for 10 episodes of 500 steps and counts the success of the next 3. RL^2 was trained on"
        " trials of two or three episodes of 100 or 150 steps, so that what counts lies far beyond what it was trained for."
    )
    if reach:
        first, last, headline = reach["success"][0], reach["success"][-1], reach["headline"]["mean"]
        text += f" On reach-v3 its success falls from {first:.1%} in the first episode to {last:.1%} in the last;"
        text += f" the {headline:.0%} of the protocol are the end of that curve."
    text += " Success by stage (`python benchmarks/manipulation.py reach`, `push`, `ml10`):"
    head = ("family", "agent", "trained on trials of", "stages", "success, %")
    return said(text, head, rows) if rows else ""


def _by_stage(study: str, row: Document) -> list[str]:
    """The curve of one agent."""
    preset = configuration.load_config(row["algorithm"], row["config"]["family"], preset=PRESETS[study])
    horizon, number = preset.parts["family"].horizon, row["config"]["parts"]["train"]["episodes"]
    trial = f"{number} {'episode' if number == 1 else 'episodes'} of {horizon} steps"
    stages = "episodes 1 to 13" if len(row["success"]) == 13 else f"after 0 to {len(row['success']) - 1} gradient steps"
    return [ROBOTS[study], row["algorithm"], trial, stages, " / ".join(f"{100 * share:.3g}" for share in row["success"])]


def kelvin() -> tuple[str, str, dict[str, float]]:
    """The reactor's tracking error in K: in the first episode, in the last, and of the PI controllers."""
    document = read("rl2-reactor")
    assert document is not None
    unit = 50 / document["runs"][0]["config"]["parts"]["family"]["horizon"]  # of error a step that cost a return of -1
    summary = document["summary"]
    before, after = (spread([-unit * run["return"][i] for run in document["runs"]]) for i in (0, -1))
    return before, after, {name: -unit * v / len(summary["return"]) for name, v in summary["players"].items()}


def _reactor() -> list[str] | None:
    if not (document := read("rl2-reactor")):
        return None
    before, after, pi = kelvin()
    others = f"PI tuned on the nominal plant {pi['pi']:.2f}, PI tuned on training plants {pi['pi-robust']:.2f}"
    return ["`reactor`", "rl2, `gru`", "tracking error, K", before, after, others, *trained(document["runs"])]


def _minigrid() -> list[str] | None:
    if not (document := read("rl2-minigrid")):
        return None
    before, after = (spread([run["success"][i] for run in document["runs"]], share=True) for i in (0, -1))
    return ["`minigrid`", "rl2, `gru`", "goal reached in unseen rooms", before, after, "", *trained(document["runs"])]


def _motor() -> list[str] | None:
    if not (document := read("motor")):
        return None
    runs = [run for run in document["runs"] if (run["algorithm"], run["split"]) == ("maml", "test")]
    share = 200 / runs[0]["config"]["parts"]["family"]["horizon"]  # an error of twice a limit costs 1
    before, after = (spread([-share * run["return"][i] for run in runs]) for i in (0, -1))
    pi, robust = (-share * runs[0]["players"][name] for name in ("pi", "robust-pi"))
    others = f"PI tuned on the nominal plant {pi:.2f}, PI tuned on training plants {robust:.2f}"
    return ["`motor`", "maml", "tracking error of unseen motors, % of the limits", before, after, others, *trained(runs)]


def _driving() -> list[str] | None:
    if not (document := read("driving-maml")):
        return None
    runs = [row for row in document["runs"] if (row["simulator"], row["split"]) == ("highway-env", "test")]
    before, after = (spread([row["crashes"][i]["mean"] for row in runs], share=True) for i in (0, -1))
    minutes = [row["train_minutes"] for row in document["runs"] if "train_minutes" in row]
    others = f"careful driver {document['players']['idm']:.0%}"
    cost = [str(len(runs)), f"{sum(minutes) / len(minutes):.0f} (1)"]
    return ["`driving`", "maml", "episodes that crash on highway-env", before, after, others, *cost]


def _robots() -> list[list[str]]:
    """Meta-World: the best algorithm of each study, the others beside it."""
    document: Document = read("metaworld") or {}
    rows, measured = [], "success on test goals, published protocol, one seed"
    for study, family in ROBOTS.items():
        if study in document:
            best, *rest = sorted(document[study]["rows"], key=lambda row: -row["headline"]["mean"])
            before, after = f"{best['success'][0]:.0%}", f"{best['headline']['mean']:.0%}"
            others = ", ".join(f"{row['algorithm']} {row['headline']['mean']:.0%}" for row in rest)
            rows.append([family, best["algorithm"], measured, before, after, others, *trained([best])])
    return rows
