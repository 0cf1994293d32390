"""What `pliant list` and `pliant train ALGORITHM FAMILY --help` say, read from the code itself."""

import ast
import inspect
import itertools
import shutil
import textwrap
from typing import Any

from pliant import errors
from pliant.config import config, presets, registry
from pliant.config import values as valued

SCHEMA = "pliant.list/1"


def everything() -> dict[str, Any]:
    """Algorithms, families, policies and presets, as the document pliant.list/1."""
    return {
        "schema": SCHEMA,
        "algorithms": [_algorithm(name) for name in registry.names("algorithm")],
        "families": [_family(name) for name in registry.names("family")],
        "policies": [{"name": name, "summary": registry.summary("policy", name)} for name in registry.names("policy")],
        "presets": [{"algorithm": a, "family": f, "name": n} for a, f, n in presets.presets()],
    }


def text(document: dict[str, Any]) -> str:
    """A pliant.list/1 document for people."""
    lines = ["Algorithms"]
    lines += [_entry(a["name"], a["summary"]) for a in document["algorithms"]]
    lines += ["", "Families"]
    for family in document["families"]:
        lines.append(_entry(family["name"], family["summary"]))
        if "missing" in family:
            lines.append(_entry("", f"not installed here: {family['missing']}"))
            continue
        lines += [
            _entry("", f"{p['name']}: {p['domain']}" + (f"; {p['meaning']}" if p["meaning"] else ""))
            for p in family["parameters"]
        ]
        lines.append(
            _entry("", f"splits {', '.join(family['splits'])}; ood: {family['shift']}; {_length(family)}")
        )
    lines += ["", "Policies"]
    lines += [_entry(p["name"], p["summary"]) for p in document["policies"]]
    lines += ["", "Presets (the plain one is the default of its pair; --preset NAME chooses another)"]
    lines += [
        f"  {p['algorithm']} {p['family']}" + (f" --preset {p['name']}" if p["name"] else "") for p in document["presets"]
    ]
    lines += ["", "Every setting of a pair: pliant train ALGORITHM FAMILY --help"]
    return "\n".join(lines)


def settings(algorithm: str, family: str, chosen: config.Config, preset: str | None) -> str:
    """Every setting of the pair: flag, type, value after the preset, meaning."""
    path = presets.chosen(algorithm, family, preset)[0]
    lines = [
        f"usage: pliant train {algorithm} {family} [options] [--PART.NAME VALUE ...]",
        "",
        f"Settings with preset {path.stem}" if path else "Settings (no preset: bare defaults)",
    ]
    for part, values in chosen.parts.items():
        lines += ["", f"{part}: {inspect.cleandoc(type(values).__doc__ or '').partition(chr(10))[0]}"]
        docs = field_docs(type(values))
        for name, kind in valued.field_types(type(values)).items():
            lines.append(f"  --{part}.{name} {_shown(getattr(values, name))}    ({valued.expected(kind)})")
            lines += textwrap.wrap(docs.get(name, ""), _width(), initial_indent=" " * 6, subsequent_indent=" " * 6)
    lines += [
        "",
        "options: pliant train --help",
        "example:",
        f"  pliant train {algorithm} {family} --seed 1 {_example(chosen)}",
        "",
    ]
    return "\n".join(lines)


def field_docs(kind: type) -> dict[str, str]:
    """The docstring under each field of a dataclass, which only its source holds."""
    docs: dict[str, str] = {}
    for cls in reversed(kind.__mro__[:-1]):
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
        except (OSError, SyntaxError):  # made at run time: it has no source
            continue
        body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
        for field, after in itertools.pairwise(body):
            if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
                continue
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
                docs[field.target.id] = " ".join(after.value.value.split())
    return docs


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


def _length(family: dict[str, Any]) -> str:
    """How long an episode is, and a trial if it has several."""
    trial = f"trials of {family['episodes']} episodes" if family["episodes"] > 1 else "episodes"
    return f"{trial} of {family['horizon']} step{'s' if family['horizon'] > 1 else ''}"


def _entry(name: str, meaning: str) -> str:
    indent = " " * 24
    return "\n".join(textwrap.wrap(meaning, _width(), initial_indent=f"  {name:<21} ", subsequent_indent=indent)) or f"  {name}"


def _shown(value: Any) -> str:
    """A value as it would be typed."""
    if isinstance(value, tuple):
        return ",".join(str(v) for v in value)
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def _example(chosen: config.Config) -> str:
    part = next((p for p in chosen.parts if p not in ("train", "policy", "family")), "train")
    values = chosen.parts[part]
    name = next(iter(valued.field_types(type(values))))
    return f"--{part}.{name} {_shown(getattr(values, name))}"


def _width() -> int:
    return min(shutil.get_terminal_size((100, 24)).columns, 120)
