"""What a page says of itself: title, circumstances, the commands that made it."""

import json
from collections.abc import Mapping
from typing import Any

from pliant.reporting import samples, words
from pliant.storage import shown


def title(comparison: Mapping[str, Any]) -> str:
    return f"Adaptation on {words.shown(shown.family_of(comparison))}"


def lines(comparison: Mapping[str, Any]) -> str:
    said = f"{len(comparison['agents'])} agents and baselines, {sum(len(a['seeds']) for a in comparison['agents'])} runs"
    said += f" · {samples.tasks(comparison)}"
    return f"{said} (seed {comparison['seed']}) · {comparison['horizon']} steps an episode at most"


def settings(config: Mapping[str, Any]) -> dict[str, str]:
    """Settings by dotted name, as text; without the seed, which is no part of an agent."""
    flat = {name: config[name] for name in ("algorithm", "policy") if name in config}
    for part, values in config.get("parts", {}).items():
        flat |= {f"{part}.{name}": value for name, value in values.items()}
    return {n: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for n, v in flat.items()}


def circumstances(comparison: Mapping[str, Any]) -> dict[str, str]:
    """What else a result depends on."""
    family = {f"family.{name}": value for name, value in comparison["family_settings"].items()}
    known = {"family": comparison["family"], "family version": comparison["family_version"], **family}
    known |= {"tasks, SHA-256": comparison["tasks_sha256"], **comparison["versions"], **comparison["machine"]}
    return {name: str(value) for name, value in known.items()}


def commands(comparison: Mapping[str, Any]) -> list[tuple[str, str, list[str]]]:
    """Name, command and runs of every agent that somebody trained."""
    trained = [a for a in comparison["agents"] if a["runs"]]
    return [(words.shown(a["name"]), words.shown(a["command"]), [words.shown(r) for r in a["runs"]]) for a in trained]


def pairs(values: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(words.shown(name), words.shown(value)) for name, value in values.items()]
