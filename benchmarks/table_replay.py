"""The table of what the off-policy agent with memory reaches, by environment steps."""

from typing import Any

from table_cells import Document, read, said

STUDIES = ("bandit-10-5", "gridnavi", "point", "half-cheetah-vel")


def replay() -> str:
    """What `replay` reaches, and what `rl2` does with more."""
    rows = [_row(name, document) for name in STUDIES if (document := read(f"replay-{name}"))]
    if not rows:
        return ""
    text = (
        "`replay`, off-policy RL^2: return of the first / the last episode of a trial and of all of it on held-out tasks, mean"
        " of all seeds ± half of a 95 % interval over seeds, with actions drawn as in training and with the most likely ones;"
        " beside it what `rl2` reaches, and with how much more (`python benchmarks/replay.py STUDY`). Minutes were taken beside"
        " other work:"
    )
    head = ["study", "memory", "steps", "first / last episode", "trial", "trial, most likely actions", "beside it"]
    return said(text, [*head, "seeds", "minutes per seed (cores)"], rows)


def _row(name: str, document: Document) -> list[str]:
    summary, run = document["summary"], document["runs"][0]
    minutes = f"{summary['train_minutes']:.0f} ({run['cores']})"
    ends = dict.fromkeys((0, len(summary["return"]) - 1))
    drawn = " / ".join(_within(summary["return"][i]) for i in ends)
    trials = [_within(summary[name]) for name in ("trial_return", "most_likely_trial")]
    steps, seeds = f"{summary['train_env_steps'] / 1e6:.2g} M", str(len(document["runs"]))
    return [name, f"`{run['config']['policy']}`", steps, drawn, *trials, _beside(name), seeds, minutes]


def _within(over_seeds: Any) -> str:
    mean, half = over_seeds["mean"], over_seeds["half"]
    digits = 1 if abs(mean) >= 10 else 2
    return f"{mean:.{digits}f}" + (f" ± {half:.{digits}f}" if half is not None else "")


def _beside(name: str) -> str:
    """What `rl2` reaches in a trial, and with how many steps; exact values beside it."""
    if document := read(f"rl2-{name}"):
        summary, steps = document["summary"], document["runs"][0]["train_env_steps"]
        exact = "" if summary["optimum"] is None else f"; Bayes-optimal {summary['optimum']:.2f}"
        return f"trial {summary['trial_return']:.2f}, {steps / 1e6:.1f} M{exact}"
    if document := read(f"compared-{name}"):
        (rl2,) = [agent for agent in document["agents"] if agent["name"] == "rl2"]
        return f"first episode {rl2['curve'][0]['return']['mean']:.1f}, {rl2['cost']['train_env_steps'] / 1e6:.1f} M"
    return ""
