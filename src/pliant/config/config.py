"""What a run was asked to do: names, a seed, and the settings of every part.

    defaults  <-  the algorithm's DEFAULTS  <-  preset (TOML)  <-  overrides ("inner.steps" -> "3")

A part is a frozen dataclass beside the code it configures: "train", "family", "policy", and those the algorithm names in its
PARTS. Each value is checked against the type of its field here, and by the dataclass itself.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pliant import errors
from pliant.config import presets, registry
from pliant.config import values as valued
from pliant.system import given, outside

_RESERVED = {"train", "family", "policy"}


@dataclass(frozen=True)
class Config:
    """Everything that determines a run's result, apart from versions and the machine."""

    algorithm: str
    family: str
    policy: str
    seed: int
    parts: dict[str, Any]
    """Settings dataclass of each part, by name."""


def load_config(
    algorithm: str,
    family: str,
    overrides: Mapping[str, Any] | None = None,
    preset: str | None = None,
    seed: int = 0,
    policy: str | None = None,
) -> Config:
    """The settings of (algorithm, family): defaults, then the preset, then `overrides`.

    `preset` names one of the pair's presets or a .toml file; None is the pair's plain one if it has one, "none" no preset.
    Values in `overrides` are text as typed, or Python values. Raises UserError for anything unknown or out of range.
    """
    for kind, name in (("algorithm", algorithm), ("family", family), ("policy", policy)):
        if name is not None or kind != "policy":
            given.text(kind, name)
    overrides = given.names("settings", {} if overrides is None else overrides, 'such as {"inner.steps": 2}')
    default: str = registry.load("algorithm", algorithm).POLICY
    registry.load("family", family)  # an unknown name is reported before anything about its settings
    path, change = presets.chosen(algorithm, family, None if preset is None else given.text("preset", preset))
    table = change(presets.tables(path)) if path else {}
    default = table.get("policy", {}).pop("name", default)
    if policy not in (None, default):
        table["policy"] = {}  # the preset's are for another policy
    policy = default if policy is None else policy
    classes = part_classes(algorithm, family, policy)
    values: dict[str, dict[str, Any]] = {part: {} for part in classes}
    _set_all(values, classes, _defaults(algorithm, classes))
    try:
        _set_all(values, classes, table)
    except errors.UserError as error:
        raise errors.UserError(f"preset {path}: {error}") from error
    for flag, value in overrides.items():
        _set(values, classes, flag, value)
    _trust(values, overrides)
    return Config(algorithm, family, policy, _seed(seed), _build(classes, values))


def to_dict(config: Config) -> dict[str, Any]:
    """`config` as JSON values, for run.json."""
    parts = {
        part: {
            name: valued.adapter(kind).dump_python(getattr(settings, name), mode="json")
            for name, kind in valued.field_types(type(settings)).items()
        }
        for part, settings in config.parts.items()
    }
    return {
        "algorithm": config.algorithm,
        "family": config.family,
        "policy": config.policy,
        "seed": config.seed,
        "parts": parts,
    }


def from_dict(document: Mapping[str, Any]) -> Config:
    """The config that `to_dict` wrote, exactly; settings that are newer than the document keep their default.

    Raises UserError for a document with unknown names (a foreign run, or one of a newer pliant), and for code outside pliant
    that has not been imported: reading a file runs nothing.
    """
    expected = [field.name for field in dataclasses.fields(Config)]
    given.names("config", document, "as to_dict wrote it")
    if set(document) != set(expected) or not isinstance(document["parts"], dict):
        raise errors.UserError(f"the settings of this run have the keys {sorted(document)}: expected {expected}")
    kinds: tuple[registry.Kind, ...] = ("algorithm", "family", "policy")
    for kind in kinds:
        if not isinstance(document[kind], str):
            raise errors.UserError(f"the settings of this run name the {kind} {document[kind]!r}: expected text")
        registry.load(kind, document[kind], only_imported=True)
    classes = part_classes(document["algorithm"], document["family"], document["policy"])
    values: dict[str, dict[str, Any]] = {part: {} for part in classes}
    _set_all(values, classes, document["parts"])
    return Config(
        document["algorithm"], document["family"], document["policy"], _seed(document["seed"]), _build(classes, values)
    )


def override(config: Config, overrides: Mapping[str, Any]) -> Config:
    """`config` with some settings replaced, checked as in `load_config`."""
    overrides = given.names("settings", overrides, 'such as {"inner.steps": 2}')
    classes = {part: type(settings) for part, settings in config.parts.items()}
    values = {part: {name: getattr(s, name) for name in valued.field_types(type(s))} for part, s in config.parts.items()}
    for flag, value in overrides.items():
        _set(values, classes, flag, value)
    _trust(values, overrides)
    return dataclasses.replace(config, parts=_build(classes, values))


def _trust(values: Mapping[str, Mapping[str, Any]], named: Iterable[str]) -> None:
    """Import the module of a policy body that the user has just named; trust that of a family's function if it is imported."""
    for flag in {flag.replace("-", "_") for flag in named} & {"policy.body", "family.apply"}:
        part, _, name = flag.partition(".")
        code = values[part].get(name)
        if isinstance(code, str) and ":" in code:
            (outside.import_outside if part == "policy" else outside.trust)(code.partition(":")[0])


def differences(old: Config, new: Config) -> list[tuple[str, Any, Any]]:
    """(flag, old value, new value) wherever the two differ; of two policies only their names."""
    kinds = ("algorithm", "family", "policy", "seed")
    found = [(f"--{k}", getattr(old, k), getattr(new, k)) for k in kinds if getattr(old, k) != getattr(new, k)]
    for part, settings in old.parts.items():
        if type(settings) is not type(new.parts.get(part)):
            continue
        for name in valued.field_types(type(settings)):
            before, after = getattr(settings, name), getattr(new.parts[part], name)
            if before != after:
                found.append((f"--{part}.{name}", before, after))
    return found


def require_continues(old: Config, new: Config, out: Path) -> None:
    """Raise UserError unless a run that was begun in `out` with `old` may go on with `new`: with more iterations at most."""
    for flag, before, after in differences(old, new):
        if flag != "--train.iterations":
            was = f"{flag} is {after!r} but {out} was begun with {before!r}"
            raise errors.UserError(f"{was}: a resumed run keeps its settings, except for more --iterations")
        if after < before:
            raise errors.UserError(
                f"--iterations is {after} but {out} was begun with {before}: a resumed run can only have more"
            )


def part_classes(algorithm: str, family: str, policy: str) -> dict[str, type]:
    """The settings dataclass of every part of this combination, in the order of help texts."""
    from pliant.config import training

    own: dict[str, type] = registry.load("algorithm", algorithm).PARTS
    if clash := _RESERVED & set(own):
        raise ValueError(f"algorithm {algorithm} has a part named {clash.pop()!r}: that name is taken")
    task, body = registry.load("family", family).Settings, registry.load("policy", policy).Settings
    return {"train": training.Settings, **own, "policy": body, "family": task}


def _defaults(algorithm: str, classes: Mapping[str, type]) -> dict[str, dict[str, Any]]:
    """What an algorithm has in mind for settings that are not its own, as far as there are such."""
    wanted: dict[str, dict[str, Any]] = getattr(registry.load("algorithm", algorithm), "DEFAULTS", {})
    return {
        part: {name: value for name, value in table.items() if name in valued.field_types(classes[part])}
        for part, table in wanted.items()
    }


def _set_all(values: dict[str, dict[str, Any]], classes: Mapping[str, type], table: Mapping[str, Any]) -> None:
    """Check and put every value of a file. Text in a file is a value already, never something to parse."""
    for part, settings in table.items():
        if part not in classes:
            raise errors.unknown("part", part, classes)
        if not isinstance(settings, dict):
            raise errors.UserError(f"{part!r} is {settings!r}: expected a table of settings")
        for name, value in settings.items():
            _set(values, classes, f"{part}.{name}", value, typed=True)


def _set(values: dict[str, dict[str, Any]], classes: Mapping[str, type], flag: str, value: Any, typed: bool = False) -> None:
    """Check `value` and put it where `flag` ("inner.steps") says."""
    part, _, name = flag.replace("-", "_").partition(".")
    every = [f"{p}.{n}" for p, c in classes.items() for n in valued.field_types(c)]
    if part not in classes:
        raise errors.unknown("setting", flag, every, f"its part must be one of {', '.join(classes)}")
    known = valued.field_types(classes[part])
    if name not in known:
        raise errors.unknown("setting", f"{part}.{name}", [f"{part}.{n}" for n in known])
    values[part][name] = valued.parse(f"--{part}.{name}", known[name], value, typed)


def _build(classes: Mapping[str, type], values: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The settings of every part; what they refuse becomes an error that names the flag."""
    parts = {}
    for part, settings in classes.items():
        try:
            parts[part] = settings(**values[part])
        except ValueError as error:
            words = str(error).split(maxsplit=1)
            is_named = bool(words) and words[0] in valued.field_types(settings)
            raise errors.UserError(f"--{part}.{error}" if is_named else f"settings of {part}: {error}") from error
    return parts


def _seed(seed: Any) -> int:
    return given.integer("--seed", seed)
