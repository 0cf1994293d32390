"""Shell completion: what may follow the words typed so far. Reads file names and source text, imports no part of a run."""

import ast
from collections.abc import Iterator
from pathlib import Path

from pliant.cli import parser
from pliant.config import registry
from pliant.system import outside

SCRIPTS = {
    "bash": """\
_pliant() {
    local IFS=$'\\n'
    COMPREPLY=($(compgen -W "$(pliant _complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _pliant pliant
""",
    "zsh": """\
#compdef pliant
_pliant() {
    local -a found
    found=("${(@f)$(pliant _complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if (( ${#found} )) && [[ -n "${found[1]}" ]]; then compadd -a found; else _files; fi
}
compdef _pliant pliant
""",
    "fish": """\
complete -c pliant -a '(pliant _complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
""",
}

_ROOT = Path(__file__).resolve().parent.parent


def candidates(words: list[str]) -> list[str]:
    """What may stand in place of the last of `words` (the ones after `pliant`), which is unfinished."""
    words = words or [""]
    *earlier, unfinished = words
    return sorted({c for c in _following(earlier, unfinished) if c.startswith(unfinished)})


def flags(command: str, algorithm: str | None = None, family: str | None = None) -> list[str]:
    """The flags of a command; for `train` of a known pair, its dotted flags too."""
    found = [flag for flag in _commands()[command]._option_string_actions if flag.startswith("--")]
    if command == "train" and algorithm in registry.names("algorithm") and family in registry.names("family"):
        found += [f"--{setting}" for setting in settings(algorithm, family)]
    return found


def family_settings(family: str) -> list[str]:
    """The settings of a family, from its source text; none for a module that is not a file here."""
    if outside.is_outside(family):
        path = Path(family)
        return list(_fields(path, ast.Name("Settings"))) if path.is_file() else []
    return list(_fields(registry.source("family", family), ast.Name("Settings")))


def settings(algorithm: str, family: str) -> Iterator[str]:
    """The dotted names of every setting of a pair with its default policy, from the source text."""
    yield from (f"train.{name}" for name in _fields(_ROOT / "running" / "train.py", ast.Name("Settings")))
    yield from (f"family.{name}" for name in family_settings(family))
    path = registry.source("algorithm", algorithm)
    where, policy = _resolve(path, ast.Name("POLICY"))
    if isinstance(policy, ast.Constant) and policy.value in registry.names("policy"):
        yield from (f"policy.{name}" for name in _fields(registry.source("policy", policy.value), ast.Name("Settings")))
    where, parts = _resolve(path, ast.Name("PARTS"))
    if isinstance(parts, ast.Dict):
        for part, kind in zip(parts.keys, parts.values, strict=True):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield from (f"{part.value}.{name}" for name in _fields(where, kind))


def _following(words: list[str], unfinished: str) -> list[str]:
    if not words:
        return [name for name in _commands() if not name.startswith("_")] + ["--help", "--version"]
    command, last = words[0], words[-1]
    if command not in _commands():
        return []
    values = {"--split": list(parser.SPLITS), "--policy": registry.names("policy"), "--device": ["cpu", "cuda"]}
    if last in values:
        return values[last]
    if (
        last.startswith("-")
        and _commands()[command]._option_string_actions.get(last) is not None
        and _takes_value(command, last)
    ):
        return []
    given = _positional(command, words[1:])
    if not unfinished.startswith("-"):
        if command == "train" and len(given) < 2:
            return registry.names("family" if given else "algorithm")
        if command in ("compare", "report") or (command in ("evaluate", "adapt", "sweep", "watch") and not given):
            return _runs(unfinished)
        if command == "check" and not given:
            return registry.names("family")
        if command == "completion" and not given:
            return list(parser.SHELLS)
    return flags(command, *given[:2]) if command == "train" else flags(command)


def _positional(command: str, words: list[str]) -> list[str]:
    found, skip = [], False
    for word in words:
        if skip or word.startswith("-"):
            skip = not skip and "=" not in word and _takes_value(command, word)
        else:
            found.append(word)
    return found


def _takes_value(command: str, flag: str) -> bool:
    action = _commands()[command]._option_string_actions.get(flag)
    return "." in flag if action is None else action.nargs != 0


def _commands() -> dict[str, parser.Parser]:
    action = next(a for a in parser.parser()._actions if a.dest == "command")
    return dict(action.choices or {})


def _runs(prefix: str) -> list[str]:
    """Run folders in runs/ and beside what is typed."""
    beside = Path(prefix) if prefix.endswith("/") else Path(prefix).parent
    found = [*Path("runs").glob("*/run.json"), *beside.glob("*/run.json")]
    return [str(path.parent) for path in found]


def _fields(path: Path, expression: ast.expr) -> list[str]:
    where, node = _resolve(path, expression)
    if not isinstance(node, ast.ClassDef):
        return []
    inherited = [name for base in node.bases for name in _fields(where, base)]
    annotated = [field.target for field in node.body if isinstance(field, ast.AnnAssign)]
    return inherited + [target.id for target in annotated if isinstance(target, ast.Name)]


def _resolve(path: Path, expression: ast.expr) -> tuple[Path, ast.AST | None]:
    """What a name or MODULE.NAME in the file `path` stands for, and the file that says so; (path, None) if it is not plain."""
    if isinstance(expression, ast.Name):
        return _lookup(path, expression.id)
    if isinstance(expression, ast.Attribute) and isinstance(expression.value, ast.Name):
        module, node = _lookup(path, expression.value.id)
        return _lookup(module, expression.attr) if isinstance(node, ast.Module) else (path, None)
    return path, expression


def _lookup(path: Path, name: str) -> tuple[Path, ast.AST | None]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body if path.is_file() else []:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return path, node
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                return _resolve(path, node.value)
        if isinstance(node, ast.ImportFrom) and node.module and any((a.asname or a.name) == name for a in node.names):
            original = next(a.name for a in node.names if (a.asname or a.name) == name)
            module = _ROOT.parent.joinpath(*node.module.split("."))
            if (module / f"{original}.py").is_file():
                return module / f"{original}.py", ast.Module([], [])
            return _lookup(module.with_suffix(".py"), original)
    return path, None
