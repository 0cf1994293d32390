"""What holds for the project as a whole: layers, sizes, nothing that runs code from files, and documents that are true."""

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pliant
from pliant import errors

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "pliant"
FILES = sorted(SOURCE.rglob("*.py"))
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
MOST_LINES, MOST_FUNCTION = 300, 40

WORDS = {"errors", "streams", "types", "version"}
"""Single files that every room may import."""
ROOMS: dict[str, set[str]] = {
    "maths": set(),
    "system": set(),
    "policies": {"maths", "system"},
    "tasks": {"system"},
    "algorithms": {"maths", "policies", "system"},
    "config": {"system"},
    "storage": {"system"},
    "rollout": {"maths", "system", "tasks"},
    "reporting": {"maths", "storage", "system"},
    "simulators": {"system", "tasks"},
    "families": {"simulators", "system", "tasks"},
    "checking": {"algorithms", "config", "maths", "policies", "rollout", "running", "storage", "system", "tasks"},
    "players": {"families", "maths", "rollout", "simulators", "tasks"},
    "running": {"algorithms", "config", "maths", "policies", "rollout", "storage", "system", "tasks"},
    "drawing": {"families", "reporting", "rollout", "running", "simulators", "storage", "system", "tasks"},
    "agent": {"config", "maths", "running", "simulators", "storage", "system", "tasks"},
    "comparing": {"config", "maths", "running", "storage", "system", "tasks"},
    "cli": {"agent", "checking", "comparing", "config", "drawing", "reporting", "running", "storage", "system"},
    "__main__": {"cli"},
    "__init__": {"agent", "maths", "reporting", "rollout", "running", "storage"},
}
"""Which rooms a room may import, beside the words; `simulators` are rooms within a room, and none knows another."""

TOOLS = {"dev", "docs", "bench"}
"""Extras for those who work on pliant; every other one is named by the error for a missing package."""
IMPORTED_BY_OTHERS = {"packaging", "imageio"}
"""What Gymnasium's own MuJoCo environments import."""

UNPICKLERS = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
RUNNERS = {"eval", "exec", "compile", "__import__"}


def name_of(path: Path) -> str:
    """`tasks/base.py` as "tasks.base"."""
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module that a piece of code imports, as far as its text says: "torch.nn", "pliant.tasks.base"."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "our modules are imported by their full name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(module: str) -> str:
    """The room of "pliant.tasks.base" is "tasks"; of "pliant" itself "__init__"."""
    return [*module.split("."), "__init__"][1]


@cache
def within(path: Path) -> set[str]:
    """Our modules that a file imports, whatever of them it takes."""
    found = set()
    for module in imports(parsed(path)):
        while module.startswith("pliant") and not is_module(module):
            module = module.rpartition(".")[0]
        if module.startswith("pliant"):
            found.add(module)
    return found - {f"pliant.{name_of(path)}".removesuffix(".__init__")}


@cache
def is_module(module: str) -> bool:
    place = SOURCE.parent.joinpath(*module.split("."))
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()


def circle(arrows: Mapping[str, set[str]]) -> list[str]:
    """A way along the arrows that ends where it began; empty if there is none."""
    done: set[str] = set()

    def walk(here: str, way: list[str]) -> list[str]:
        if here in way:
            return [*way[way.index(here) :], here]
        if here in done:
            return []
        for there in sorted(arrows.get(here, ())):
            if found := walk(there, [*way, here]):
                return found
        done.add(here)
        return []

    return next((found for start in sorted(arrows) if (found := walk(start, []))), [])


def test_a_room_imports_only_rooms_that_it_may() -> None:
    for path in FILES:
        own = room(f"pliant.{name_of(path)}")
        assert own in ROOMS.keys() | WORDS, f"{path.name} is in no room: say in which"
        for module in within(path):
            there = room(module)
            assert there in WORDS | {own} | ROOMS.get(own, set()), f"{name_of(path)} imports {module}: {own} may not"


def test_no_file_and_no_room_imports_itself_by_a_circle() -> None:
    files = {f"pliant.{name_of(path)}".removesuffix(".__init__"): within(path) - {"pliant"} for path in FILES}
    del files["pliant"]  # its names are loaded when they are first used
    assert not circle(files)
    rooms: dict[str, set[str]] = {}
    for module, there in files.items():
        rooms.setdefault(room(module), set()).update(room(m) for m in there)
    assert not circle({name: there - {name} for name, there in rooms.items()})


def test_a_circle_is_seen() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert not circle({"a": {"b", "c"}, "b": {"c"}})


def test_no_simulator_knows_another() -> None:
    for path in (SOURCE / "simulators").rglob("*.py"):
        own = path.relative_to(SOURCE / "simulators").with_suffix("").parts[0]
        assert {m.split(".")[2] for m in within(path) if m.startswith("pliant.simulators.")} <= {own}, path.name


def test_tests_mirror_the_package() -> None:
    folders = {path.parent.name for path in (ROOT / "tests").rglob("test_*.py")} - {"tests"}
    assert folders <= {path.name for path in SOURCE.iterdir() if path.is_dir()}


def test_few_files_stand_outside_the_rooms() -> None:
    assert len([path for path in SOURCE.iterdir() if path.is_file()]) <= 8
    assert not [path.name for path in SOURCE.glob("_*") if not path.name.startswith("__")]


def test_a_file_says_what_it_is_for() -> None:
    for path in FILES:
        said = (ast.get_docstring(parsed(path)) or "").partition("\n")[0]
        assert said.endswith((".", "?", ":")), f"{name_of(path)} begins with {said!r}"


def test_algorithms_see_no_environment_and_no_file() -> None:
    for path in (SOURCE / "algorithms").rglob("*.py"):
        seen = set(imports(parsed(path)))
        forbidden = ("pliant.tasks", "pliant.rollout", "pliant.policies", "gymnasium", "pathlib", "os", "io", "safetensors")
        seen -= {m for m in seen if m.startswith("pliant.policies.base.")}  # what a policy is, not which there are
        assert not [m for m in seen if m.startswith(forbidden)], path.name


def test_one_family_or_policy_does_not_know_another() -> None:
    for folder in ("families", "policies"):
        for path in (SOURCE / folder).glob("*.py"):
            for module in within(path):
                if module.startswith(f"pliant.{folder}."):
                    assert module.split(".")[2] in {"base", "parts"}, f"{path.name} imports {module}"


def test_nothing_runs_code_from_a_file() -> None:
    for path in FILES:
        tree = parsed(path)
        assert not {m.partition(".")[0] for m in imports(tree)} & UNPICKLERS, path
        assert "torch.load" not in set(imports(tree)), path
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in RUNNERS, f"{path}:{node.lineno}"
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in {("torch", "load"), ("torch", "save")}, f"{path}:{node.lineno}"
            if isinstance(node, ast.keyword):
                assert node.arg != "allow_pickle", f"{path}:{node.lineno}"


def test_interpreters_are_begun_in_one_place() -> None:
    """There they take no code from the working directory."""
    for path in FILES:
        begins = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.Attribute) and node.attr == "executable"]
        assert not begins or name_of(path) == "system.interpreter", path


def test_what_is_printed_goes_through_few_places() -> None:
    """There control characters are escaped: names of files, folders and environments may hold them."""
    places = {"errors", "__main__", "cli.main", "cli.shared", "cli.streams", "system.progress"}
    consoles = {"system.terminal"}
    for path in FILES:
        calls = (node.func for node in ast.walk(parsed(path)) if isinstance(node, ast.Call))
        called = {each.id for each in calls if isinstance(each, ast.Name)}
        assert "print" not in called or name_of(path) in places, path
        assert "rich.console.Console" not in set(imports(parsed(path))) or name_of(path) in consoles | {"cli.shared"}, path


def test_a_file_is_short() -> None:
    for path in FILES:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES, path


def test_a_function_is_short() -> None:
    for path in FILES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                assert lines <= MOST_FUNCTION, f"{name_of(path)}.{node.name} has {lines} lines"


def test_what_stages_are_is_asked_in_two_places() -> None:
    """An algorithm says it, a document says it; everybody else asks a `Schedule`."""
    asks = re.compile(r"""(==|!=) ["'](episode|gradient step)["']""")
    found = {name_of(path) for path in FILES if asks.search(path.read_text())}
    assert found <= {"algorithms.base", "storage.documents", "maths.advantages", "checking.algorithm.says"}, found


def test_every_extra_that_an_error_names_exists() -> None:
    assert set(errors.EXTRAS.values()) <= set(project()["optional-dependencies"])


def test_every_package_that_is_imported_is_declared() -> None:
    declared = {name.replace("-", "_") for name in requirements()} | {"PIL"}  # as pillow calls its package
    imported = {m.partition(".")[0] for path in FILES for m in imports(parsed(path))}
    assert imported - set(sys.stdlib_module_names) - {"pliant"} <= declared


def test_every_extra_installs_what_something_uses() -> None:
    """A package of an extra is imported or named as a module by pliant, its benchmarks or the test of a twin."""
    paths = [path for folder in ("src", "benchmarks", "tests") for path in sorted((ROOT / folder).rglob("*.py"))]
    used = "\n".join(path.read_text() for path in paths if path.name not in ("errors.py", "test_structure.py"))
    for extra, wanted in project()["optional-dependencies"].items():
        assert extra in TOOLS or extra in errors.EXTRAS.values(), f"no error names the extra {extra}"
        for name in {named(requirement) for requirement in wanted} - IMPORTED_BY_OTHERS:
            module = name.replace("-", "_")
            is_used = re.search(rf"^ *(import|from) {module}\b|[\"']{module}[\"']", used, re.M)
            assert is_used or extra in {"dev", "docs"}, f"the extra {extra} installs {name}, which nothing imports"


def test_constraints_pin_every_requirement_and_nothing_else() -> None:
    pinned = pins()
    assert requirements() == pinned[""]
    for root, brought in pinned.items():
        assert root == "" or root in requirements(), f"constraints.txt says that {root} brings something, but nothing needs it"
        if root and is_installed(root):
            assert brought <= brought_by(root), f"{root} does not bring {brought - brought_by(root)}"


def test_a_pin_that_nothing_needs_is_seen() -> None:
    assert "markupsafe" in brought_by("jinja2") and "tyro" not in brought_by("jinja2")


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
    return {named(requirement) for group in every for requirement in group}


def named(requirement: str) -> str:
    """The name in `torch>=2.10,<3`."""
    return re.split(r"[<>=!~;\[( ]", requirement)[0].lower().replace("_", "-")


def pins() -> dict[str, set[str]]:
    """The pinned names in constraints.txt: our own requirements under "", and what others bring under their name."""
    found: dict[str, set[str]] = {"": set()}
    root = ""
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line.startswith("# brought by "):
            root = line.removeprefix("# brought by ")
        elif "==" in line:
            found.setdefault(root, set()).add(named(line))
    return found


def is_installed(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def brought_by(root: str) -> set[str]:
    """Every package that an installed one needs, and those need, whatever the system and the extra."""
    found, left = set[str](), [root]
    while left:
        name = left.pop()
        if name not in found and is_installed(name):
            left += [named(requirement) for requirement in importlib.metadata.requires(name) or []]
        found.add(name)
    return found - {root}
