"""What holds for the project as a whole: layers, sizes, nothing that runs code from files, and documents that are true."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import pliant
from pliant import errors

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "pliant"
FILES = sorted(SOURCE.rglob("*.py"))
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
MOST_LINES = 300

LAYERS = (
    {"types", "streams", "errors", "registry", "version", "machine"},
    {"masks", "distributions", "advantages", "losses", "trust_region", "functional", "statistics", "studies"},
    {"policies", "tasks", "players", "rollout"},
    {"algorithms"},
    {"config", "_presets", "documents", "record", "checkpoint", "progress", "train", "clock", "evaluate", "cost"}
    | {"sweep", "measures", "compare", "_agents", "_beside", "report", "watch", "behaviour", "drawing"}
    | {"page", "plots", "_axes", "_definitions", "_svg", "_tables", "_tidy", "_verdicts", "_words"}
    | {"check", "_check_tasks", "_check_play", "_check_same"},
    {"cli", "_parsers", "_commands", "_comparing", "_seeds", "completion", "explain"}
    | {"agent", "_carry", "__init__", "__main__"},
)
"""From the ground up: data, maths, parts, algorithms, running, surface."""

UNPICKLERS = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
RUNNERS = {"eval", "exec", "compile", "__import__"}


def name_of(path: Path) -> str:
    """`tasks/base.py` as "tasks.base"."""
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts)


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module that a piece of code imports, as far as its text says: "torch.nn", "pliant.tasks.base"."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "our modules are imported by their full name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer(module: str) -> int | None:
    """The layer of "pliant.tasks.base", None for what is no module of ours (`pliant.version.VERSION` is in its module's)."""
    part = module.split(".")[1]
    return next((i for i, layer in enumerate(LAYERS) if part in layer), None)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_go_downwards(path: Path) -> None:
    own = layer(f"pliant.{name_of(path)}")
    assert own is not None, f"{path.name} belongs to no layer: say in which"
    for module in imports(ast.parse(path.read_text())):
        if module.startswith("pliant."):
            there = layer(module)
            assert there is not None and there <= own, f"{name_of(path)} imports {module}, which is above it"


def test_algorithms_see_no_environment_and_no_file() -> None:
    for path in (SOURCE / "algorithms").glob("*.py"):
        seen = set(imports(ast.parse(path.read_text())))
        forbidden = ("pliant.tasks", "pliant.rollout", "pliant.policies", "gymnasium", "pathlib", "os", "io", "safetensors")
        assert not [m for m in seen if m.startswith(forbidden)], path.name


def test_one_family_or_policy_does_not_know_another() -> None:
    for folder in ("tasks", "policies"):
        shared = {"base", "workers"} | {p.stem for p in (SOURCE / folder).glob("_*.py")}
        for path in (SOURCE / folder).glob("*.py"):
            for module in imports(ast.parse(path.read_text())):
                if module.startswith(f"pliant.{folder}."):
                    assert module.split(".")[2] in shared, f"{path.name} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_nothing_runs_code_from_a_file(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert not {m.partition(".")[0] for m in imports(tree)} & UNPICKLERS
    assert "torch.load" not in set(imports(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in RUNNERS, f"{path.name}:{node.lineno}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) not in {("torch", "load"), ("torch", "save")}, f"{path.name}:{node.lineno}"
        if isinstance(node, ast.keyword):
            assert node.arg != "allow_pickle", f"{path.name}:{node.lineno}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_is_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES


def test_every_extra_that_an_error_names_exists() -> None:
    assert set(errors.EXTRAS.values()) <= set(project()["optional-dependencies"])


def test_every_package_that_is_imported_is_declared() -> None:
    declared = {name.replace("-", "_") for name in requirements()} | {"PIL"}  # as pillow calls its package
    imported = {m.partition(".")[0] for path in FILES for m in imports(ast.parse(path.read_text()))}
    assert imported - set(sys.stdlib_module_names) - {"pliant"} <= declared


def test_constraints_pin_every_requirement() -> None:
    pinned = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    assert requirements() <= pinned


def test_the_version_is_the_same_everywhere() -> None:
    assert f"version: {pliant.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## [{pliant.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_links_in_the_documents_lead_somewhere() -> None:
    for document in [*READMES, ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)[^):]*\)", document.read_text()):
            if not target.endswith("half-cheetah-dir.png"):  # the demo's picture
                assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_no_file_names_a_machine_or_a_registry() -> None:
    forbidden = [
        "/" + "work/",
        "/" + "root/",
        "/" + "home/",
        "../" + "shared",
        "pypi" + ".org",
        "python" + "hosted",
        "index" + "-url",
    ]
    folders = (ROOT / name for name in ("src", "tests", "docs", "examples", "benchmarks", ".ci"))
    inside = [
        path
        for folder in folders
        for path in folder.rglob("*")
        if "__pycache__" not in path.parts and ".egg-info" not in str(path)
    ]
    alone = [
        path
        for path in ROOT.iterdir()
        if path.suffix in {".md", ".toml", ".txt", ".cff"} or path.name in {"Makefile", ".gitignore"}
    ]
    for path in [*inside, *alone]:
        if path.is_file() and path.suffix != ".png":
            text = path.read_text(encoding="utf-8")
            assert not [word for word in forbidden if word in text], path


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements() -> set[str]:
    """The names of everything that pliant or one of its extras needs."""
    every = [project()["dependencies"], *project()["optional-dependencies"].values()]
    return {re.split(r"[<>=\[ ]", requirement)[0] for group in every for requirement in group}
