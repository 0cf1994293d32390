"""What `pliant train ALGORITHM FAMILY --help` says, read from the code itself."""

import ast
import dataclasses
import inspect
import itertools
import textwrap
from typing import Any

from pliant.cli import shared
from pliant.config import config, presets
from pliant.config import values as valued


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
            lines.append(f"  --{part}.{name} {shown(getattr(values, name))}    ({valued.expected(kind)})")
            lines += shared.wrapped(f"      {docs.get(name, '')}".rstrip())
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


def shown(value: Any) -> str:
    """A value as it would be typed; nothing for one that has to be given."""
    if value is dataclasses.MISSING:
        return ""
    if isinstance(value, tuple):
        return ",".join(str(v) for v in value) or "''"
    return str(value).lower() if isinstance(value, bool) or value is None else str(value) or "''"


def _example(chosen: config.Config) -> str:
    part = next((p for p in chosen.parts if p not in ("train", "policy", "family")), "train")
    values = chosen.parts[part]
    name = next(iter(valued.field_types(type(values))))
    return f"--{part}.{name} {shown(getattr(values, name))}"
