"""What documents hold, for programs and for people: the JSON schemas that ship, and the page docs/documents.md.

python docs/schemas.py             # rewrites both from the types in pliant.storage.schema
python docs/schemas.py --check     # exit status 1 if one says anything else
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cells
from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import is_typeddict

from pliant.storage import validation
from pliant.storage.schema import parts
from pliant.storage.schema.kind import Kind
from pliant.storage.schema.kinds import KINDS

PAGE = Path(__file__).resolve().parent / "documents.md"
SHIPPED = PAGE.parent.parent / "src" / "pliant" / "storage" / "schemas"
WHERE = {
    "run": "`run.json` in a run's folder",
    "checkpoint": "`manifest.json` in every checkpoint",
    "evaluation": "`pliant evaluate --json`, `evaluations/` in a run's folder, `evaluation.json` beside an adapted policy",
    "sweep": "`pliant sweep --json`, `sweeps/` in a run's folder",
    "comparison": "`pliant compare --json`",
    "adapted": "`adapted.json` in the folder of an adapted policy",
    "check": "`pliant check --json`",
}
"""Where documents of each kind are found."""
SEALED = {
    "always": "Sealed by `sha256`.",
    "since 0.2": "Sealed by `sha256`, except those of pliant 0.1.0.",
    "never": "Not sealed.",
}
BEGIN = """# Documents

Whatever pliant measures is a document: a JSON object whose `schema` names its kind and version. Every kind has one type in
`pliant.storage.schema`, from which this page and a JSON schema are made; the JSON schemas are installed with the package, in
`pliant/storage/schemas`. Documents are checked when they are read: one that is cut off, was edited, or does not hold what its
kind holds is refused in one line that says where and why. Lengths and means must agree too: `curve` has an entry for every
stage, `per_task` one for every task, and the means in `curve` are those of `per_task`.

Numbers are finite; what cannot be known is `null`. Steps are environment steps in one lane, returns are undiscounted. Of arrays
the shape is given: `[M, S]` is a list of M lists of S numbers. A checksum `sha256` is that of the document without it, as JSON
with sorted names: of `json.dumps(document, sort_keys=True)` in Python. No kind has other fields than these.
"""


def schema_of(kind: Kind[Any]) -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a kind of document."""
    made = validation.adapter(kind).json_schema()
    return {"$schema": GenerateJsonSchema.schema_dialect, "$id": kind.schema, **_untitled(made)}


def pages() -> dict[Path, str]:
    """Every file that is made here, as it should be."""
    schemas = {name: schema_of(kind) for name, kind in KINDS.items()}
    made = {SHIPPED / f"{name}.json": json.dumps(schema, indent=2) + "\n" for name, schema in schemas.items()}
    page = [BEGIN.rstrip(), *(_section(KINDS[name], schema) for name, schema in schemas.items()), _end()]
    return made | {PAGE: "\n\n".join(page) + "\n"}


def _untitled(schema: Any) -> Any:
    """A schema without the titles that only repeat names."""
    if isinstance(schema, list):
        return [_untitled(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: _untitled(each) for name, each in schema.items() if not (name == "title" and isinstance(each, str))}


def _section(kind: Kind[Any], schema: Mapping[str, Any]) -> str:
    """The part of the page about one kind."""
    own = [_part(name, part) for name, part in _parts(schema).items() if name not in _shared()]
    return "\n\n".join(
        [
            f"## {kind.name}: `{kind.schema}`",
            f"{_flat(schema)} Found in {WHERE[kind.name]}. {SEALED[kind.sealed]}",
            _fields(schema),
            *own,
        ]
    )


def _end() -> str:
    """The part of the page about what several kinds hold."""
    every = {name: part for kind in KINDS.values() for name, part in _parts(schema_of(kind)).items() if name in _shared()}
    return "\n\n".join(["## Parts of several documents", *(_part(name, part) for name, part in every.items())])


def _shared() -> set[str]:
    """Names of the parts that several kinds hold."""
    return {name for name, each in vars(parts).items() if is_typeddict(each)}


def _parts(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The objects within a document by name, in the order in which they are met."""
    found: dict[str, Any] = {}

    def walk(part: Mapping[str, Any]) -> None:
        for field in part["properties"].values():
            for name in re.findall(r"'#/\$defs/([^']*)'", str(field)):
                if name not in found:
                    found[name] = schema["$defs"][name]
                    walk(found[name])

    walk(schema)
    return found


def _part(name: str, part: Mapping[str, Any]) -> str:
    return f"**{name}**: {_flat(part)}\n\n{_fields(part)}"


def _fields(part: Mapping[str, Any]) -> str:
    """The table of the fields of an object."""
    required = part.get("required", ())
    rows = [
        (f"`{name}`", _type(field) + ("" if name in required else ", optional"), cells.plain(_flat(field)))
        for name, field in part["properties"].items()
    ]
    return cells.table(("field", "type", "meaning"), rows)


def _flat(part: Mapping[str, Any]) -> str:
    return " ".join(part.get("description", "").split())


def _type(field: Mapping[str, Any]) -> str:
    """A type in words."""
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "anyOf" in field:
        return " or ".join(_type(each) for each in field["anyOf"])
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array":
        count = f"{field['minItems']} " if field.get("minItems", 0) == field.get("maxItems") else ""
        return f"list of {count}{_many(field['items'])}" if field.get("items") else "list"
    if field.get("type") == "object":
        values = field.get("additionalProperties")
        return f"object of {_type(values)}" if isinstance(values, dict) else "object"
    words = {"string": "text", "boolean": "true or false"}
    return words.get(field.get("type", ""), str(field.get("type", "any"))) + _range(field)


def _many(field: Mapping[str, Any]) -> str:
    """A type in words, for several of it."""
    kind, _, more = _type(field).partition(" ")
    return " ".join(filter(None, [{"number": "numbers", "integer": "integers", "list": "lists"}.get(kind, kind), more]))


def _range(field: Mapping[str, Any]) -> str:
    """The range of a number, where it has one that says something."""
    low, high = field.get("minimum"), field.get("maximum")
    if low is None or (high is not None and high > 1_000_000):
        return "" if low is None else f" from {low}"
    return f" from {low}" if high is None else f" from {low} to {high}"


def main(words: Sequence[str]) -> int:
    """Rewrite what is made here, or say what is out of date."""
    there = {path: path.read_text(encoding="utf-8") if path.exists() else None for path in pages()}
    stale = {path: text for path, text in pages().items() if there[path] != text}
    for path, text in stale.items():
        print(path.name)
        if "--check" not in words:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return int("--check" in words and bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
