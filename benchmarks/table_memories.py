"""Tables of what agents with memory reach, beside reference agents and exact optima."""

import statistics

from table_cells import Document, basis, read, said, span, within
from table_gradients import ALGORITHMS

TRIALS = ("bandit-10-5", "bandit-10-10", "bandit-100-5", "bandit-100-10", "bandit-500-5", "tabular", "gridnavi")
BOUNDS = {"optimal": "Bayes-optimal", "amnesic": "Bayes-optimal, forgetting between episodes"}


def trials() -> str:
    """The table of agents with memory, reference agents and bounds beside them."""
    rows, tasks, errors = [], set(), set()
    for study in TRIALS:
        if document := read(f"rl2-{study}"):
            rows.append(_trial(study, document))
            tasks.add(document["tasks"])
            errors.add(document["summary"]["std_error_over_tasks"])
    if not rows:
        return ""
    text = (
        f"RL^2, return of a whole trial on {span(tasks, ',.0f')} test tasks, held out but for gridnavi's, which has 21 goals in"
        f" all (standard error over tasks {span(errors, '.2f')}), mean of all seeds ± standard deviation over seeds; beside it"
        " the two best classical agents, the Bayes-optimal agent, and an agent that knows the task"
        " (`python benchmarks/trials.py STUDY`; bandit-100-5: 100 pulls of 5 arms):"
    )
    head = ["study", "memory", "RL^2", "best classical agents", "Bayes-optimal", "told the task", "seeds"]
    return said(text, [*head, "minutes per seed (cores)"], rows)


def _trial(study: str, document: Document) -> list[str]:
    summary, first = document["summary"], document["runs"][0]
    deviation = summary["sd_over_seeds"]
    ours = f"{summary['trial_return']:.2f}" + ("" if deviation is None else f" ± {deviation:.2f}")
    best = sorted(summary["players"].items(), key=lambda each: -each[1])[:2]
    others = ", ".join(f"{name} {value:.2f}" for name, value in best)
    bounds = ["" if summary[b] is None else f"{summary[b]:.2f}" for b in ("optimum", "ceiling")]
    minutes = f"{summary['train_minutes']:.0f} ({first['cores']})"
    return [study, f"`{first['config']['policy']}`", ours, others, *bounds, str(len(document["runs"])), minutes]


def tabular() -> str:
    """What is earned in each episode of a random MDP."""
    document = read("rl2-tabular")
    if not document:
        return ""
    summary, run = document["summary"], document["runs"][0]
    curves = {f"`rl2`, `{run['config']['policy']}`": (summary["return"], summary["trial_return"])}
    for name, each in sorted(run["players"]["each"].items(), key=lambda each: -each[1]["trial_return"]["mean"]):
        curves[name] = each["return"], each["trial_return"]["mean"]
    rows = [[name, *(f"{x:.1f}" for x in curve), f"{total:.1f}"] for name, (curve, total) in curves.items()]
    head = ["agent", *(f"episode {i + 1}" for i in range(len(summary["return"]))), "all"]
    seeds = len({run["seed"] for run in document["runs"]})
    text = (
        f"Random MDPs, return of each of the ten episodes, {document['tasks']:,} test tasks (standard error of the total"
        f" {summary['std_error_over_tasks']:.1f}), rl2 the mean of {seeds} seeds; *informed* agents know the distribution from"
        " which the MDPs are drawn (`python benchmarks/trials.py tabular`; published totals, Duan et al. 2016: RL^2 156.2, BEB"
        " 150.2, OPSRL 144.1):"
    )
    return said(text, head, rows)


def schools() -> str:
    """Adaptation by gradient and by memory, by the steps that each has seen of its task."""
    document, gradients = read("rl2-point"), read("point")
    if not document or not gradients:
        return ""
    groups = {"rl2": document["runs"]}
    for run in gradients["runs"]:
        if run["algorithm"] in ALGORITHMS and run["split"] == "test":
            groups.setdefault(run["algorithm"], []).append(run)
    rows = []
    for name, runs in groups.items():
        n = len(runs)
        curve = zip(*(zip(run["return"], run["steps_seen"], strict=True) for run in runs), strict=True)
        told = [f"{sum(r for r, _ in each) / n:.1f} ({sum(s for _, s in each) / n:,.0f})" for each in curve]
        told[-1] += f" ± {statistics.stdev(run['return'][-1] for run in runs):.1f}" if n > 1 else ""
        steps, minutes = (sum(run[key] for run in runs) / n for key in ("train_env_steps", "train_minutes"))
        rows.append([name, ", ".join(told), str(n), f"{steps / 1e6:.1f}, {minutes:.0f} ({runs[0]['cores']})"])
    text = (
        "Both schools on `point`: return of an episode and, in parentheses, the environment steps of its task that the agent"
        " has seen before it; mean of all seeds ± standard deviation over seeds of the last; test tasks,"
        f" {document['tasks']} for `rl2` and {gradients['tasks']} for the others (`python benchmarks/trials.py point`):"
    )
    return said(text, ["algorithm", "return (steps seen)", "seeds", "training: million steps, minutes per seed (cores)"], rows)


def binding() -> str:
    """External memory beside a GRU, by pairs and delay."""
    document = read("memories-binding")
    if not document:
        return ""
    summary = document["summary"]
    sizes = sorted({(int(name.split()[1]), int(name.split()[-1])) for name in summary})
    each = {
        size: " / ".join(within(summary[f"{who} {size[0]} pairs delay {size[1]}"]) for who in ("external", "gru"))
        for size in sizes
    }
    delays = sorted({d for _, d in sizes})
    rows = [[str(p), *(each[p, d] for d in delays)] for p in sorted({p for p, _ in sizes})]
    settings = document["runs"][0]["config"]["parts"]["train"]
    trained = settings["iterations"] * settings["meta_batch"] * settings["lanes"]
    text = (
        "What external memory is for: share of questions answered about symbols that were shown once with one of four labels;"
        " the questions come after a delay filled with distractors. `external` / a GRU with as many parameters, both after"
        f" {trained:,} trials of training; {basis(document)} (`python benchmarks/memories.py binding`); guessing reaches 0.25:"
    )
    return said(text, ["pairs", *(f"delay {d} steps" for d in delays)], rows)


def recall() -> str:
    """Episodic memory beside LSTMs, by encounter."""
    document = read("memories-recall")
    if not document:
        return ""
    summary, first = document["summary"], document["runs"][0]
    rows = []
    for name, s in summary.items():
        half = s["ci95"] or [None] * len(s["mean"])
        cells = [within({"mean": m, "ci95": c}) for m, c in zip(s["mean"], half, strict=True)]
        rows.append([name, f"{s['parameters']:,}", *cells])
    rows += [[name, "", *(f"{x:.2f}" for x in first[bound])] for bound, name in BOUNDS.items() if first[bound]]
    encounters = len(next(iter(summary.values()))["mean"])
    text = (
        "What episodic memory is for: regret per episode when a context is met for the first, second, ... time, with other"
        f" contexts in between; {basis(document)} (`python benchmarks/memories.py recall`):"
    )
    return said(text, ["memory", "parameters", *(f"encounter {i + 1}" for i in range(encounters))], rows)


def dependent() -> str:
    """Two arms that depend on each other."""
    document = read("memories-dependent")
    if not document:
        return ""
    summary, rows = document["summary"], []
    for name in (name for name in summary if "hidden" not in name):
        run = next(run for run in document["runs"] if run["cell"] == name)
        hidden = within(summary[f"{name}, reward hidden"])
        rows.append([name, within(summary[name]), f"{run['optimal']:.3f}", hidden, f"{run['chance']:.1f}"])
    text = (
        f"Two arms whose probabilities add up to 1 (Wang et al. 2016): regret of 100 pulls, {basis(document)}"
        " (`python benchmarks/memories.py dependent`):"
    )
    return said(text, ["arms", "RL^2", "Bayes-optimal", "RL^2 without the reward as input", "chance"], rows)


def two_step() -> str:
    """How the last episode moves the next choice."""
    document = read("memories-two-step")
    if not document:
        return ""
    (measured,) = document["summary"].values()
    runs = document["runs"]
    effects = [run["signature"]["among equals"]["interaction"] for run in runs]
    stay = [run["signature"]["plain"]["stay"] for run in runs]
    (s00, s01), (s10, s11) = ([sum(each[r][c] for each in stay) / len(stay) for c in (0, 1)] for r in (0, 1))
    sizes = ", ".join(f"{each['size']:.3f}" for each in effects)
    highest = max(each["p_value"] for each in effects)
    p = next((f"< {10.0**n:g}" for n in range(-15, 0) if highest < 10.0**n), f"= {highest:.2f}")
    return (
        f"The two-step task (Wang et al. 2016), learned from the reward alone: regret of 100 episodes {within(measured)}"
        f" (Bayes-optimal {runs[0]['optimal']}; {basis(document)}). After a reward by the common transition the first action is"
        f" repeated with probability {s11:.2f}, by the rare one {s10:.2f}; without a reward {s01:.2f} and {s00:.2f}: the"
        " reward x transition interaction of model-based choices. Among episodes of equal merit, where habits show none, it is"
        f" {sizes} by seed, all p {p} (`python benchmarks/memories.py two-step`)."
    )


def popgym() -> str:
    """Memories on environments of POPGym."""
    document = read("popgym")
    if not document:
        return ""
    found = {(row["environment"], row["memory"]): row for row in document["summary"]}
    environments, names = dict.fromkeys(e for e, _ in found), list(dict.fromkeys(m for _, m in found))
    rows = []
    for name in environments:
        cells = [found[name, memory]["return"] for memory in names]
        rows.append([name, *(within({"mean": cell["mean"], "ci95": cell["half"]}) for cell in cells)])
    mean = [statistics.mean(found[name, memory]["return"]["mean"] for name in environments) for memory in names]
    minutes = [statistics.mean(found[name, memory]["train_minutes"] for name in environments) for memory in names]
    rows.append(["mean of all", *(f"{x:.2f}" for x in mean)])
    rows.append(["minutes of a training", *(f"{x:.1f}" for x in minutes)])
    steps = max(run["train_env_steps"] for run in document["runs"])
    text = (
        f"POPGym through `gymnasium`: return of an episode, in [-1, 1], after at most {steps / 1e6:.1f} million steps, on reset"
        f" seeds held out; {basis(document)} (`python benchmarks/pomdps.py`). In the paper's table (Morad et al. 2023,"
        " arXiv:2303.01859, 15 million steps, means of maxima) the GRU leads:"
    )
    return said(text, ["environment", *(f"`{memory}`" for memory in names)], rows)
