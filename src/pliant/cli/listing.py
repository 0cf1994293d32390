"""What there is: the document pliant.list/1, and the same for people, one line a thing or the whole of one."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pliant import errors
from pliant.cli import shared
from pliant.config import presets, registry

SCHEMA = "pliant.list/1"
TITLES = {
    "algorithms": "Algorithms",
    "families": "Families",
    "policies": "Policies, with or without memory",
    "presets": "Presets, ALGORITHM-FAMILY@NAME: pliant train ALGORITHM FAMILY --preset NAME; the default has no @",
}
_KINDS: dict[str, registry.Kind] = {"algorithms": "algorithm", "families": "family", "policies": "policy"}
"""The groups of a document, and what the registry calls them."""


def document(name: str | None = None) -> dict[str, Any]:
    """Everything, or what is called `name`, as the document pliant.list/1. Raises UserError for an unknown name."""
    wanted = {group: registry.names(kind) for group, kind in _KINDS.items()}
    shipped = presets.presets()
    if name is not None:
        wanted = {group: [n for n in known if n == name] for group, known in wanted.items()}
        shipped = [preset for preset in shipped if name and name in (preset[2], presets.stem(*preset))]
        if not any(wanted.values()) and not shipped:
            raise errors.unknown("name", name, names(), "see pliant list")
    return {
        "schema": SCHEMA,
        "algorithms": [_algorithm(n) for n in wanted["algorithms"]],
        "families": [_family(n) for n in wanted["families"]],
        "policies": [{"name": n, "summary": registry.summary("policy", n)} for n in wanted["policies"]],
        "presets": [{"algorithm": a, "family": f, "name": n} for a, f, n in shipped],
    }


def names() -> list[str]:
    """Every name that `pliant list NAME` knows."""
    return [n for kind in _KINDS.values() for n in registry.names(kind)] + [presets.stem(*p) for p in presets.presets()]


def lines(width: int) -> list[str]:
    """One line a thing: its name and as much of its summary as `width` columns hold. Imports nothing heavy."""
    groups = {group: [(n, registry.summary(kind, n)) for n in registry.names(kind)] for group, kind in _KINDS.items()}
    groups["presets"] = [(path.stem, presets.summary(path)) for path in map(_file, presets.presets())]
    column = 2 + max(len(name) for group in groups.values() for name, _ in group)
    said = []
    for group, entries in groups.items():
        said += [TITLES[group], *(_cut(f"  {name:<{column}}{summary}", width) for name, summary in entries), ""]
    return [*said, "The whole of one: pliant list NAME. Every setting of a pair: pliant train ALGORITHM FAMILY --help"]


def whole(found: dict[str, Any]) -> list[str]:
    """Everything that is to be said of the things in a document."""
    said: list[str] = []
    tellers = {"algorithms": _of_algorithm, "families": _of_family, "policies": _of_policy, "presets": _of_preset}
    for group, tell in tellers.items():
        for entry in found[group]:
            said += [*([""] if said else []), *tell(entry)]
    return said


def _algorithm(name: str) -> dict[str, Any]:
    module = registry.load("algorithm", name)
    return {"name": name, "summary": registry.summary("algorithm", name), "policy": module.POLICY, "parts": list(module.PARTS)}


def _family(name: str) -> dict[str, Any]:
    """One family; one whose extra is not installed says which."""
    entry: dict[str, Any] = {"name": name, "summary": registry.summary("family", name)}
    try:
        family = registry.load("family", name).family()
    except errors.UserError as error:
        return {**entry, "missing": str(error)}
    parameters = [
        {
            "name": p.name,
            "domain": p.describe(),
            "meaning": p.meaning,
            "train": list(p.train),
            "ood": list(p.ood) if p.ood else None,
            "size": p.size,
            "choices": list(p.choices),
        }
        for p in family.parameters
    ]
    splits = {"splits": ["train", "test", "ood"], "shift": family.shift, "version": family.version}
    length = {"horizon": family.horizon, "episodes": family.episodes}
    return {**entry, "summary": family.summary, "parameters": parameters, **splits, **length}


def _of_algorithm(entry: dict[str, Any]) -> list[str]:
    name = entry["name"]
    said = [f"Algorithm {name}", "", *shared.paragraphs(registry.text("algorithm", name)), "", f"Policy: {entry['policy']}"]
    for part, settings in registry.load("algorithm", name).PARTS.items():
        said += _settings(part, settings)
    return said + _presets(presets.presets(algorithm=name), f"pliant train {name} FAMILY")


def _of_family(entry: dict[str, Any]) -> list[str]:
    name = entry["name"]
    said = [f"Family {name}: {entry['summary']}", "", *shared.paragraphs(registry.text("family", name))]
    if "missing" in entry:
        return [*said, "", f"Not installed here: {entry['missing']}"]
    said += ["", "Parameters of a task"]
    for p in entry["parameters"]:
        said += shared.wrapped(f"  {p['name']}: {p['domain']}" + (f"; {p['meaning']}" if p["meaning"] else ""))
    said += ["", *shared.wrapped(f"Splits: {', '.join(entry['splits'])}; ood: {entry['shift']}"), f"Length: {_length(entry)}"]
    said += _settings("family", registry.load("family", name).Settings)
    return said + _presets(presets.presets(family=name), f"pliant train ALGORITHM {name}")


def _of_policy(entry: dict[str, Any]) -> list[str]:
    name = entry["name"]
    said = [f"Policy {name}", "", *shared.paragraphs(registry.text("policy", name))]
    return [*said, *_settings("policy", registry.load("policy", name).Settings), "", f"Use: --policy {name}"]


def _of_preset(entry: dict[str, Any]) -> list[str]:
    algorithm, family, name = entry["algorithm"], entry["family"], entry["name"]
    path = _file((algorithm, family, name))
    words = f"pliant train {algorithm} {family}" + (f" --preset {name}" if name else "")
    said = [f"Preset {path.stem}: {presets.summary(path)}", "", f"Use: {words}" + ("" if name else " (it is the default)"), ""]
    for part, values in presets.tables(path).items():
        said += [f"  --{part}.{setting} {_typed(value)}" for setting, value in values.items()]
    return said


def _settings(part: str, settings: type) -> list[str]:
    """The settings of a part with what they are by default."""
    from pliant.cli import explain

    docs = explain.field_docs(settings)
    said = []
    for field in dataclasses.fields(settings):
        said.append(f"  --{part}.{field.name} {explain.shown(field.default)}".rstrip())
        said += shared.wrapped(f"      {docs.get(field.name, '')}".rstrip())
    return ["", f"Settings of {part}, as they are without a preset", *said] if said else []


def _presets(found: Iterable[tuple[str, str, str]], words: str) -> list[str]:
    entries = [f"  {presets.stem(*preset)}" for preset in found]
    return ["", f"Presets ({words} [--preset NAME])", *entries] if entries else []


def _file(preset: tuple[str, str, str]) -> Path:
    return presets.PRESETS / f"{presets.stem(*preset)}.toml"


def _length(family: dict[str, Any]) -> str:
    """How long an episode is, and a trial if it has several."""
    trial = f"trials of {family['episodes']} episodes" if family["episodes"] > 1 else "episodes"
    return f"{trial} of {family['horizon']} step{'s' if family['horizon'] > 1 else ''}"


def _typed(value: Any) -> str:
    from pliant.cli import explain

    return explain.shown(tuple(value) if isinstance(value, list) else value)


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: width - 1].rstrip()}…"
