"""The numbers of a comparison as tidy rows: one value each, with all that says what it is."""

from collections.abc import Iterator, Mapping
from typing import Any

from pliant.reporting import samples, tables, verdicts, words

COLUMNS = (
    "agent algorithm baseline seeds few_seeds distinct_tasks measure split stage steps_seen episodes_seen seed task"
    " train_env_steps axis axis_value other value ci_low ci_high verdict"
).split()
Row = dict[str, Any]


def rows(comparison: Mapping[str, Any]) -> Iterator[Row]:
    """Every number of every agent, stage, seed, split, pair and sweep."""
    for row in _rows(comparison):
        split = row.get("split", "")
        yield row | {"distinct_tasks": samples.distinct(comparison, split) if split and "axis" not in row else None}


def _rows(comparison: Mapping[str, Any]) -> Iterator[Row]:
    split = comparison["split"]
    by_name = {agent["name"]: agent for agent in comparison["agents"]}
    for agent in comparison["agents"]:
        for row in (*_curve(agent), *_measures(agent), *_splits(agent), *_seeds(agent)):
            yield _of(agent) | {"split": split} | row
    for row in comparison["against"]:
        few = any(words.is_few(by_name[row[key]]["seeds"]) for key in ("agent", "other"))
        both = {"few_seeds": few, "other": row["other"], "split": split, "verdict": verdicts.said(row)}
        of = _of(by_name[row["agent"]]) | both
        yield of | {"measure": "difference", "value": row["difference"]} | _ends(row["ci95"])
        for measure in ("probability_of_improvement", "p_value", "p_holm"):
            yield of | {"measure": measure, "value": row[measure]}
    for sweep in comparison.get("sweeps", []):
        for agent in sweep["agents"]:
            of = _of(by_name[agent["name"]]) | {"seeds": len(agent["seeds"]), "few_seeds": words.is_few(agent["seeds"])}
            for place, value in enumerate(sweep["values"]):
                for when in ("before", "after"):
                    where = {"axis": sweep["axis"], "axis_value": value, "measure": f"return {when} adaptation"}
                    yield of | where | _summary(agent[when][place])


def _of(agent: Mapping[str, Any]) -> Row:
    return {
        "agent": agent["name"],
        "algorithm": agent["algorithm"],
        "baseline": agent["baseline"],
        "seeds": len(agent["seeds"]),
        "few_seeds": words.is_few(agent["seeds"]),
    }


def _curve(agent: Mapping[str, Any]) -> Iterator[Row]:
    for point in agent["curve"]:
        at = {name: point[name] for name in ("stage", "steps_seen", "episodes_seen")}
        for measure in ("return", "success"):
            if point[measure] is not None:
                yield at | {"measure": measure} | _summary(point[measure])


def _measures(agent: Mapping[str, Any]) -> Iterator[Row]:
    first = "first episode" if agent["by_episode"] else "before"
    for measure, summary in ((first, tables.first(agent)), ("after", agent["final"]), ("gain", agent["gain"])):
        yield {"measure": measure} | _summary(summary)
    speed = agent["speed"]
    yield {"measure": "area"} | _summary(speed["area"])
    alone = {f"speed {name}": value for name, value in speed.items() if name != "area"}
    alone |= {f"efficiency {name}": value for name, value in agent["efficiency"].items()}
    alone |= {f"cost {name}": value for name, value in agent["cost"].items()}
    for measure, value in alone.items():
        yield {"measure": measure, "value": value}


def _splits(agent: Mapping[str, Any]) -> Iterator[Row]:
    for name, summary in agent["generalisation"].items():
        if summary is not None:
            yield {"measure": "gap" if "_minus_" in name else "after", "split": name} | _summary(summary)


def _seeds(agent: Mapping[str, Any]) -> Iterator[Row]:
    for seed, scores in zip(agent["seeds"], agent["per_task"], strict=False):
        for task, score in enumerate(scores):
            yield {"measure": "return after adaptation", "seed": seed, "task": task, "value": score}
    for curve in agent["training"]:
        for place, steps in enumerate(curve["env_steps"]):
            for when in (when for when in ("before", "after") if curve[when]):
                at = {"seed": curve["seed"], "train_env_steps": steps, "split": "train"}
                yield at | {"measure": f"training return {when} adaptation", "value": curve[when][place]}


def _summary(summary: Mapping[str, Any] | None) -> Row:
    return {} if summary is None else {"value": summary["mean"]} | _ends(summary["ci95"])


def _ends(ci95: Any) -> Row:
    return {} if ci95 is None else {"ci_low": ci95[0], "ci_high": ci95[1]}
