"""Made-up documents `pliant.comparison/1`: numbers as studies give them, names as a test wishes them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]
STEPS, STAGES, HORIZON = 2000, 4, 100
LOW, HIGH = -40.0, -2.0


class Kind(NamedTuple):
    """How an agent does: its returns by stage, how much its seeds differ, and what it costs."""

    algorithm: str
    levels: tuple[float, ...]
    baseline: bool = False
    by_episode: bool = False
    spread: float = 0.4
    train_steps: float = 8e6


KINDS = (
    Kind("fomaml", (-39.1, -13.0, -6.4, -5.2)),
    Kind("maml", (-38.7, -11.1, -3.4, -2.4)),
    Kind("reptile", (-36.0, -19.0, -12.0, -9.5), spread=1.5),
    Kind("rl2", (-12.0, -5.2, -4.1, -3.9), by_episode=True),
    Kind("conditioned", (-2.2, -2.1, -2.1, -2.1), True, spread=0.1),
    Kind("pretrain", (-27.0, -20.0, -15.0, -12.5), True),
    Kind("random", (-41.0,), True, spread=0.05, train_steps=0.0),
    Kind("scratch", (-41.0, -39.5, -38.0, -36.0), True, train_steps=0.0),
)

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<math><mi xlink:href='javascript:alert(1)'>x</mi></math>",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</textarea><iframe src=javascript:alert(1)>",
    "<a href='javascript:alert(1)'>here</a>",
    '"><b onmouseover=alert(1)>bold</b>',
    "' onfocus='alert(1)' autofocus='",
    '" style="position:fixed;inset:0',
    "<!-- -->",
    "--><script>alert(1)</script><!--",
    "]]><script>alert(1)</script><![CDATA[",
    "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>&e;",
    "&lt;script&gt;",
    "&amp;&nbsp;&#60;b&#62;",
    "{{ 7 * 7 }}",
    "{% for x in y %}",
    "{# a comment #}",
    "${7*7} #{7*7}",
    "$\\frac{1}{2}$",
    "$unclosed",
    "a_b^c \\alpha",
    "}*{display:none}",
    "url(https://example.org/x.png)",
    "</svg><image href='https://example.org/x.png'/>",
    "</text></g></svg><h1>",
    "<foreignObject><body onload=alert(1)>",
    "<style>@import 'https://example.org/x.css';</style>",
    "<meta http-equiv=refresh content='0;url=https://example.org'>",
    "<base href='https://example.org/'>",
    "![x](https://example.org/x.png)",
    "[x](javascript:alert(1))",
    "| a | b |",
    "`code` ```fence```",
    '=HYPERLINK("https://example.org","x")',
    "_nolegend_",
    "\u202eesrever\u202c",
    "nul\x00 bell\x07 escape\x1b[31m del\x7f c1\x85 \x9b",
    "line\nbreak\ttab\r\n",
    "zero\u200bwidth\ufeff \u2066isolate",
    "lone \ud800 surrogate \ufffe",
    "中文 العربية עברית 🤖 e\u0301",
    "long" * 250,
    " ",
    "",
)
"""Names that try to be something else than text."""


def document(
    kinds: Sequence[Kind] = KINDS, names: Sequence[str] = (), seeds: int = 3, tasks: int = 40, points: int = 200, seed: int = 0
) -> dict[str, Any]:
    """A comparison; agent i is called `names[i]` where there is one, its algorithm otherwise."""
    rng = np.random.default_rng(seed)
    named = [names[i] if i < len(names) else kind.algorithm for i, kind in enumerate(kinds)]
    score = [_scores(kind, seeds, tasks, rng) for kind in kinds]  # each [stages, S, M]
    return {
        "schema": "pliant.comparison/1",
        "family": "point",
        "family_version": "1",
        "family_settings": {"radius": 2.0, "distance": "plain"},
        "split": "test",
        "seed": 0,
        "tasks": tasks,
        "horizon": HORIZON,
        "tasks_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "versions": {"pliant": "0.4.0", "python": "3.11.9", "torch": "2.13.0", "numpy": "2.4.6"},
        "machine": {"processor": "a processor", "cores": 2, "system": "Linux"},
        "what": "return",
        "random": LOW,
        "reference": {"value": HIGH, "name": "conditioned"},
        "fraction": 0.9,
        "agents": [_agent(k, n, s, points, rng) for k, n, s in zip(kinds, named, score, strict=True)],
        "against": _against(named, [s[-1] for s in score]),
        "players": {"each": {"straight line": {"return": fixed(-1.9)}}, "optimum": -1.7, "ceiling": None},
        "missing": [],
        "notes": [],
        "sweeps": [_sweep(kinds, named, seeds, rng)],
    }


def _scores(kind: Kind, seeds: int, tasks: int, rng: np.random.Generator) -> Array:
    level = np.array(kind.levels)[:, None, None]
    of_seed = kind.spread * rng.normal(size=(1, seeds, 1))
    of_task = 1.0 * np.random.default_rng(99).normal(size=(1, 1, tasks))  # the same tasks for everybody
    return np.asarray(level + of_seed + of_task + 0.5 * rng.normal(size=(len(kind.levels), seeds, tasks)))


def _agent(kind: Kind, name: str, score: Array, points: int, rng: np.random.Generator) -> dict[str, Any]:
    S = score.shape[1]
    steps = HORIZON if kind.by_episode else STEPS
    final, trained = _summary(score[-1]), kind.train_steps > 0
    train, ood = score[-1] + 0.4, score[-1] - 3.0
    return {
        "name": name,
        "algorithm": kind.algorithm,
        "policy": "gru" if kind.by_episode else "mlp",
        "baseline": kind.baseline,
        "seeds": list(range(S)),
        "runs": [f"runs/{name}-point-seed{s}" for s in range(S)] if trained else [],
        "by_episode": kind.by_episode,
        "curve": [
            {
                "stage": i,
                "episodes_seen": i * (1 if kind.by_episode else steps // HORIZON),
                "steps_seen": float(i * steps),
                "return": _summary(stage),
                "success": None,
            }
            for i, stage in enumerate(score)
        ],
        "no_adaptation": _summary(score[0]),
        "final": final,
        "gain": _summary(score[-1] - score[0]),
        "speed": {
            "area": _summary((score.mean(0) - LOW) / (HIGH - LOW)),
            "steps_to_fraction": 1.4 * steps if final["mean"] > -6 else None,
            "episodes_to_fraction": 28.0 if final["mean"] > -6 else None,
            "stages_to_fraction": 1.4 if final["mean"] > -6 else None,
        },
        "efficiency": {
            "train_env_steps": kind.train_steps,
            "train_steps_to_target": 0.4 * kind.train_steps if trained and final["mean"] > -6 else None,
            "adapt_env_steps": float((len(score) - 1) * steps),
            "target": LOW + 0.9 * (HIGH - LOW),
        },
        "generalisation": {
            "train": _summary(train),
            "test": final,
            "ood": _summary(ood),
            "test_minus_train": _gap(final, _summary(train)),
            "ood_minus_test": _gap(_summary(ood), final),
        },
        "cost": _cost(kind, trained),
        "training": [_training(kind, s, points, rng) for s in range(S)] if trained else [],
        "per_task": score[-1].tolist(),
        "config": {
            "algorithm": kind.algorithm,
            "family": "point",
            "policy": "gru" if kind.by_episode else "mlp",
            "seed": 0,
            "parts": {
                "family": {"radius": 2.0, "distance": "plain"},
                "policy": {"hidden": [128] if kind.by_episode else [100, 100], "gate": "usual"},
                "train": {"meta_batch": 20, "lanes": 1 if kind.by_episode else 20, "iterations": 200},
            },
        },
        "command": f"pliant train {kind.algorithm} point --seed 0",
    }


def _cost(kind: Kind, trained: bool) -> dict[str, Any]:
    return {
        "train_env_steps": kind.train_steps,
        "train_seconds": 612.3 if trained else 0.0,
        "simulation_seconds": 101.2 if trained else None,
        "acting_seconds": 85.9 if trained else None,
        "inner_seconds": None if kind.by_episode or not trained else 140.0,
        "outer_seconds": 260.4 if trained else None,
        "evaluation_seconds": 12.0 if trained else None,
        "adapt_env_steps": 6000.0,
        "adapt_seconds": 0.43,
        "act_microseconds": 87.6,
        "adapt_flops": 4.2e9,
        "act_flops": 21_000.0,
        "peak_memory_mb": 512.5,
        "parameters": 10_804.0,
    }


def _training(kind: Kind, seed: int, points: int, rng: np.random.Generator) -> dict[str, Any]:
    share = 1 - np.exp(-5 * np.arange(1, points + 1) / points)
    before = LOW + (kind.levels[0] - LOW) * share + 0.6 * rng.normal(size=points)
    after = LOW + (kind.levels[-1] - LOW) * share + 0.6 * rng.normal(size=points)
    steps = kind.train_steps * np.arange(1, points + 1) / points
    return {"seed": seed, "env_steps": steps.tolist(), "before": before.tolist(), "after": after.tolist()}


def _against(names: Sequence[str], final: Sequence[Array]) -> list[dict[str, Any]]:
    pairs = [(i, j) for i in range(len(names)) for j in range(i + 1, len(names))]
    found = [_summary(final[i] - final[j]) for i, j in pairs]  # as if seeds were paired
    return [
        {
            "agent": names[i],
            "other": names[j],
            "difference": each["mean"],
            "ci95": each["ci95"],
            "p_value": _p_value(each),
            "p_holm": min(1.0, len(pairs) * _p_value(each)),
            "probability_of_improvement": float(np.mean(final[i][:, None] > final[j])),
            "verdict": _verdict(each["mean"], min(1.0, len(pairs) * _p_value(each)), len(final[i])),
        }
        for (i, j), each in zip(pairs, found, strict=True)
    ]


def _sweep(kinds: Sequence[Kind], names: Sequence[str], seeds: int, rng: np.random.Generator) -> dict[str, Any]:
    values = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0]
    agents = []
    for kind, name in zip(kinds, names, strict=True):
        if kind.baseline:
            continue
        after = [kind.levels[-1] - 6 * max(0.0, v - 2) + rng.normal(size=(seeds, 20)) for v in values]
        before = [kind.levels[0] - 3 * v + rng.normal(size=(seeds, 20)) for v in values]
        both = {"before": [_summary(x) for x in before], "after": [_summary(x) for x in after]}
        agents.append({"name": name, "seeds": list(range(seeds)), **both})
    return {
        "axis": "distance",
        "meaning": "how far the goal is, in metres",
        "values": values,
        "trained": [[0.0, 2.0]],
        "shifted": [[2.0, 4.0]],
        "agents": agents,
    }


def _summary(score: Array) -> dict[str, Any]:
    """Of [S, M], with an interval about as wide as it ought to be."""
    S, M = score.shape
    variance = score.mean(0).var() / M + (score.mean(1).var(ddof=1) / S if S > 1 else 0.0)
    value, half = float(score.mean()), 2.5 * float(np.sqrt(variance))
    return {"mean": value, "median": float(np.median(score)), "iqm": value, "ci95": [value - half, value + half]}


def _gap(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    value, half = one["mean"] - other["mean"], (one["ci95"][1] - one["ci95"][0]) / 2
    return {"mean": value, "ci95": [value - half, value + half]}


def _p_value(summary: dict[str, Any]) -> float:
    return float(2 * stats.norm.sf(abs(summary["mean"]) / ((summary["ci95"][1] - summary["ci95"][0]) / 4)))


def _verdict(difference: float, p_holm: float, seeds: int) -> str:
    if seeds < 3:
        return "too few seeds"
    return "no difference shown" if p_holm >= 0.05 else "better" if difference > 0 else "worse"


def fixed(value: float) -> dict[str, Any]:
    return {"mean": value, "median": value, "iqm": value, "ci95": [value - 0.05, value + 0.05]}
