"""Fill the reference of every page of a family, an algorithm or a memory, and of the command line, from the code.

    python docs/reference.py             # rewrites what stands between the reference markers
    python docs/reference.py --check     # exit status 1 if a page says anything else
"""

import dataclasses
import re
import shlex
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cells
import commands
import measured
import schemas
import tracked

from pliant import errors, players
from pliant.config import presets, registry, training
from pliant.config import values as valued
from pliant.storage import shown
from pliant.tasks.base import Family, Parameter

DOCS = Path(__file__).resolve().parent
BASELINES = ("random", "scratch", "pretrain", "conditioned")
ORDER = ("maml", "rl2", "replay", "fomaml", "reptile", "cavia", "anil", "promp", "emaml", *BASELINES)
"""Which algorithm a family's commands show: the first that has a preset."""
MOST_TYPED = 6
"""Numbers of a task that a person would type."""
PLAYED = {path.stem.replace("_", "-") for path in Path(players.__file__).parent.glob("[!_]*.py")}
"""Families that have players."""
SMALL = 200
"""Steps of a trial of which a thousand are quickly played."""


def pages() -> dict[Path, str]:
    """Every page that has a reference, as it should be."""
    made: dict[Path, str] = {}
    for path in sorted((DOCS / "families").glob("*.md")):
        made[path] = _filled(path, of_family(path.stem))
    for path in sorted((DOCS / "algorithms").glob("*.md")):
        made[path] = _filled(path, of_algorithm(path.stem))
    for path in sorted((DOCS / "memories").glob("*.md")):
        made[path] = _filled(path, of_memory(path.stem))
    for name, place, table in (
        ("cli", "commands", commands.commands),
        ("memories", "memories", tracked.memories),
        ("evaluation", "growth", tracked.growth),
        ("evaluation", "coverage", tracked.coverage),
        ("studies", "studies", tracked.studies),
    ):
        path = DOCS / f"{name}.md"
        made[path] = _replaced(made.get(path) or path.read_text(encoding="utf-8"), path, place, table())
    return made | schemas.pages()


def of_family(name: str) -> str:
    """The reference of a family: its tasks, settings, presets, commands and what was measured on it."""
    module = registry.load("family", name)
    family = module.family()
    names = [figure for figure in cells.figures() if _is_on(figure, name)]
    parts = [
        "## Tasks",
        cells.table(("parameter", "train and test", "shift", "meaning"), map(_row_of_parameter, family.parameters)),
        _facts(family),
        "## Settings",
        f"{cells.said(module.Settings)}: `--NAME` or `--family.NAME` of `pliant train`, `family.NAME` in Python.",
        cells.settings(module.Settings),
        "## Presets",
        _presets_of(family=name) or "None: bare defaults.",
        "## Commands",
        "```console\n" + "\n".join(_commands(family)) + "\n```",
    ]
    return "\n\n".join([*parts, *(["## Measured", *map(cells.figure, names)] if names else [])])


def of_algorithm(name: str) -> str:
    """The reference of an algorithm: the settings of its parts, its presets and where it was measured."""
    module = registry.load("algorithm", name)
    own = [figure for figure in cells.figures() if figure.startswith(f"{name}-")]
    names = own or _compared(name)
    parts = ["## Settings"]
    if module.PARTS:
        policy = registry.load("policy", module.POLICY).Settings
        parts.append("As `--PART.NAME` of `pliant train`, as `PART.NAME` in Python; those of the family are on its page.")
        for part, kind in {**module.PARTS, "policy": policy, "train": training.Settings}.items():
            said = f"policy (`{module.POLICY}`)" if part == "policy" else part
            parts += [f"### {said}", f"{cells.said(kind)}.", cells.settings(kind)]
        if name == "rl2":
            parts += ["### Memories", cells.table(("`--policy`", "", "settings of its own"), _own_settings())]
    else:
        parts.append("None.")
    parts += ["## Presets", _presets_of(algorithm=name) or "None of its own.", *_borrowed(module)]
    return "\n\n".join([*parts, *(["## Measured", *map(cells.figure, names)] if names else [])])


def _compared(algorithm: str) -> list[str]:
    """The figures of comparisons in which an algorithm is one of the agents."""
    shown = {f"compared-{c['family']}": c["agents"] for c in measured.of_schema("pliant.comparison/1").values()}
    there = [figure for figure, agents in shown.items() if algorithm in {agent["algorithm"] for agent in agents}]
    return [figure for figure in cells.figures() if figure in there]


def of_memory(name: str) -> str:
    """The reference of a memory: its settings."""
    kind = registry.load("policy", name).Settings
    said = f"{cells.said(kind)}: `--policy.NAME` of `pliant train`, `policy.NAME` in Python."
    return "\n\n".join(["## Settings", said, cells.settings(kind)])


def _filled(path: Path, reference: str) -> str:
    return _replaced(path.read_text(encoding="utf-8"), path, "reference", reference)


def _replaced(page: str, path: Path, place: str, text: str) -> str:
    """`page` with `text` between the two markers of a place."""
    marked = re.compile(rf"(<!-- {place} -->\n).*?(<!-- /{place} -->)", re.S)
    if not marked.search(page):
        raise errors.UserError(f"{path.name} has no place for its {place}: add <!-- {place} --> and <!-- /{place} -->")
    return marked.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page)


def _row_of_parameter(parameter: Parameter) -> tuple[str, ...]:
    p = dataclasses.replace(parameter, ood=None)
    here = re.sub(r"^(\S+) to \1$", r"\1", p.describe())
    if p.held_out:
        trained = tuple(c for c in p.choices if c not in p.held_out)
        here = f"{_domain(p, trained)}; for tests {_domain(p, p.held_out)}"
    shift = _domain(p, parameter.ood) if parameter.ood else "the same"
    return f"`{p.name}`", cells.plain(here), cells.plain(shift), cells.plain(p.meaning)


def _domain(parameter: Parameter, values: Sequence[float]) -> str:
    """What a parameter may be where it is within `values`."""
    ranged = dataclasses.replace(parameter, size=None, held_out=())
    if parameter.choices:
        return dataclasses.replace(ranged, choices=tuple(values)).describe()
    return dataclasses.replace(ranged, train=(values[0], values[1])).describe()


def _facts(family: Family) -> str:
    trial = f"{family.episodes} episodes" if family.episodes > 1 else "one episode"
    trial += f" ({family.memory_episodes} for an agent with memory)" if family.memory_episodes > family.episodes else ""
    said = [f"**Shift** {family.shift}.", f"**Trial** {trial} of at most {family.horizon} step{'s'[: family.horizon > 1]}."]
    said += [f"**Success** {family.success}."] if family.success else []
    axes = ", ".join(f"`{n}` {a.shifted[0]:g} to {a.shifted[1]:g}" for n, a in family.axes.items())
    said += [f"**Axes of `pliant sweep`** {axes}."] if axes else []
    return "\n".join(f"- {fact}" for fact in said)


def _own_settings() -> Iterable[tuple[str, ...]]:
    shared = valued.field_types(registry.load("policy", "lstm").Settings)
    for name in registry.names("policy"):
        kind = registry.load("policy", name).Settings
        if set(shared) <= set(valued.field_types(kind)):
            own = [field for field in dataclasses.fields(kind) if field.name not in shared]
            said = ", ".join(f"`{field.name}` {cells.typed(field.default)}" for field in own)
            yield f"[`{name}`](../memories/{name}.md)", cells.plain(registry.summary("policy", name)), said


def _presets_of(algorithm: str | None = None, family: str | None = None) -> str:
    rows = []
    for a, f, name in presets.presets(algorithm, family):
        path = presets.preset_path(a, f, name or None)
        assert path is not None
        told = tomllib.loads(path.read_text(encoding="utf-8")).get("summary", "")
        page = f"[`{a}`](../algorithms/{a}.md)" if family else f"[`{f}`](../families/{f}.md)"
        rows.append((page, f"`--preset {name}`" if name else "the default", cells.plain(told)))
    return cells.table(("algorithm" if family else "family", "preset", ""), rows) if rows else ""


def _borrowed(module: Any) -> list[str]:
    if not hasattr(module, "BORROWS"):
        return []
    other = module.BORROWS[0]
    return [f"Where it has no preset of its own it takes that of [`{other}`]({other}.md), as far as it makes sense."]


def _commands(family: Family) -> list[str]:
    """Train, evaluate, adapt, sweep: with the pair that has a preset, if any."""
    own = sorted(presets.presets(family=family.name), key=lambda found: (found[2] != "", ORDER.index(found[0]), found[2]))
    algorithm, _, preset = own[0] if own else ("rl2" if family.episodes > 1 else "maml", "", "")
    run = f"runs/{algorithm}-{shown.folder(shown.family(family.name, vars(family.settings)))}-seed0"
    bare = type(family.settings)()
    flags = [
        f"--{f.name} {shlex.quote(cells.typed(getattr(family.settings, f.name)))}"
        for f in dataclasses.fields(bare)
        if getattr(family.settings, f.name) != getattr(bare, f.name)
    ]
    flags += [f"--preset {preset}"] if preset else []
    many = "1000 --lanes 1" if algorithm == "rl2" and family.horizon * family.episodes <= SMALL else "40"
    lines = [" ".join(["pliant train", algorithm, family.name, *flags])]
    lines.append(f"pliant evaluate {run} --tasks {many}" + " --players" * (family.name in PLAYED))
    if sum(p.width for p in family.parameters if p.varies or p.choices) <= MOST_TYPED:
        task = {p.name: _example(p) for p in family.parameters if p.varies or p.choices}
        family.task(task)  # it exists
        lines.append(f"pliant adapt {run} " + " ".join(f"--task {name}={cells.typed(value)}" for name, value in task.items()))
    for name, axis in [*family.axes.items()][:1]:
        lines.append(f"pliant sweep {run} --axis {name}={axis.shifted[0]:g}:{axis.shifted[1]:g}")
    return lines


def _example(parameter: Parameter) -> Any:
    """A value away from the middle: 0.7 of the way, 0.3, 0.7, ..."""
    places = [0.3 if i % 2 else 0.7 for i in range(parameter.width)]
    if parameter.choices:
        values = [parameter.choices[int(place * len(parameter.choices))] for place in places]
    else:
        low, high = parameter.train
        values = [float(f"{low + place * (high - low):.2g}") for place in places]
    return values if parameter.size else values[0]


def _is_on(figure: str, family: str) -> bool:
    """maml-point is on point, rl2-bandit-100-10 on bandit, maml-half-cheetah-dir on half-cheetah-dir alone."""
    return re.fullmatch(rf"({'|'.join(ORDER)}|schools|compared)-{family}(-[\d-]+)?", figure) is not None


def main(words: Sequence[str]) -> int:
    """Rewrite the pages, or say which are out of date."""
    stale: Mapping[Path, str] = {path: page for path, page in pages().items() if path.read_text(encoding="utf-8") != page}
    for path, page in stale.items():
        print(path.relative_to(DOCS.parent))
        if "--check" not in words:
            path.write_text(page, encoding="utf-8")
    return int("--check" in words and bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
