"""Documents that pliant wrote are read as they are, of every version; what types cannot say is checked too."""

import ast
import importlib
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pliant.storage import documents
from pliant.storage.schema import adapted, evaluation, sweep
from pliant.storage.schema.kinds import KINDS

from .held import HELD, changed, held, kind_of, put, refused, written

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("path", HELD, ids=lambda path: path.stem)
def test_a_document_is_read_as_it_was_written(path: Path) -> None:
    found = documents.read(path, kind_of(path), unsealed=True)
    assert json.dumps(found) == json.dumps(json.loads(path.read_bytes()))  # 1 is not 1.0, and the order is kept


def test_there_is_a_document_of_every_kind() -> None:
    assert {kind_of(path).name for path in HELD} == set(KINDS)


def test_published_comparisons_are_documents() -> None:
    found = sorted((ROOT / "benchmarks" / "results").glob("compared-*.json"))
    assert found
    for path in found:
        documents.read(path, KINDS["comparison"])


def test_an_evaluation_without_a_seal_is_read_only_where_that_is_asked_for() -> None:
    path = next(path for path in HELD if path.stem == "evaluation-0.1.0")
    assert "was edited" in refused(path, evaluation.KIND)


SAID = [
    ("evaluation", put("curve.3.return.mean", "x"), "curve.3.return.mean is 'x': expected a number"),
    ("evaluation", put("curve.3.return.mean", True), "curve.3.return.mean is true: expected a number"),
    ("evaluation", put("tasks", 3.0), "tasks is 3.0: expected an integer"),
    ("evaluation", put("split", "tset"), "split is 'tset': expected 'train', 'test', 'ood' or 'task'"),
    ("evaluation", put("lanes", -1), "lanes is -1: expected at least 1"),
    ("evaluation", put("protocol.lanes", 10**9), "protocol.lanes is 1000000000: expected at most 1000000"),
    ("evaluation", put("per_task.1.return", ...), "per_task.1.return is missing"),
    ("evaluation", put("per_task.1.success", ...), "per_task.1.success is missing"),
    ("evaluation", put("a\nb", 1), "'a\\nb' is unknown: expected no such field"),
    ("evaluation", put("curve", []), "curve is []: expected a length of at least 1"),
    ("evaluation", put("tasks", 40), "per_task has 3 entries: expected 40, as tasks says"),
    ("evaluation", put("protocol.stages", 4), "curve has 4 entries: expected 5, one for each stage up to protocol.stages"),
    (
        "evaluation",
        put("per_task.0.return", [0.0]),
        "per_task.0.return has 1 entries: expected 4, one for each stage of the curve",
    ),
    ("evaluation", put("curve.2.stage", 1), "curve.2.stage is 1: expected 2, its place in the curve"),
    ("evaluation", put("curve.1.return.ci95", [2.0, 1.0]), "curve.1.return.ci95 is 2.0 to 1.0: expected the lower end first"),
    ("evaluation", put("train_seed", 7), "train_seed is 7: expected 0, as config.seed"),
    ("evaluation", put("config.parts.train", ...), "config.parts.train is missing"),
    (
        "evaluation",
        put("config.parts.train.lanes", "2"),
        "config.parts.train.lanes is '2': expected an integer from 1 to 1000000",
    ),
    (
        "evaluation",
        put("headline", {}),
        "headline.what is missing; headline.stages is missing; headline.mean is missing; and 3 more",
    ),
    ("evaluation-players", put("players.episodes", 4), "players.each.thompson.return has 5 entries: expected 4, one for each"),
    ("sweep", put("values", [1.0, 0.0]), "values are not in increasing order"),
    ("sweep", put("per_task.0", []), "per_task.0 has 0 entries: expected 2, as protocol.tasks says"),
    ("sweep", put("trained", [1.0]), "trained is [1.0]: expected a length of at least 2"),
    ("comparison", put("agents.0.name", "random"), "agents have the same name twice"),
    ("comparison", put("agents.0.seeds", [0, 0]), "agents.0.seeds hold the same seed twice"),
    ("comparison", put("against", []), "against is []: expected [("),
    ("check", put("failed", ["play"]), "failed is ['play']: expected [], the findings that are wrong"),
    ("adapted", put("units", {"low": [0]}), "units hold ['low']: expected start, choices and start, or low and high"),
    ("adapted", put("units", {"low": [0], "high": [1, 2]}), "units.low and units.high are not numbers of the same shape"),
    ("adapted", put("task", None), "task is null: expected an object"),
    ("run", put("config.seed", -1), "config.seed is -1: expected at least 0"),
    ("run", put("created.at", 5), "created.at is 5: expected text"),
    ("checkpoint", put("files.state.safetensors", 5), "files.state is unknown: expected no such field"),
]


@pytest.mark.parametrize(("name", "change", "said"), SAID, ids=[said for *_, said in SAID])
def test_what_is_wrong_is_said_with_its_place(name: str, change: Callable[[Any], object], said: str, tmp_path: Path) -> None:
    if said.startswith("files.state"):
        change = put("files", held("checkpoint")["files"] | {"state": 5})
    path = written(tmp_path, changed(name, change))
    assert refused(path, KINDS[name.partition("-")[0]]).startswith(said)


@pytest.mark.parametrize("name", ["evaluation", "sweep", "comparison"])
def test_a_mean_that_is_not_that_of_its_tasks_is_refused(name: str, tmp_path: Path) -> None:
    where = {
        "evaluation": "curve.1.return.mean",
        "sweep": "curve.0.return.1.mean",
        "comparison": "agents.0.final.mean",
    }[name]
    path = written(tmp_path, changed(name, put(where, 3.0)))
    assert f"{where} is 3.0: expected -" in refused(path, KINDS[name])


def test_a_published_protocol_brings_its_headline(tmp_path: Path) -> None:
    document = held("evaluation")
    number = document["curve"][3]["return"]
    document["headline"] = {"what": "return", "stages": [3], **number}
    assert "headline is there" in refused(written(tmp_path, document), evaluation.KIND)
    document["protocol"]["published"] = "somebody 2020"
    documents.read(written(tmp_path, document), evaluation.KIND)
    document["headline"]["stages"] = [4]
    assert "headline.stages go up to 4: expected at most 3" in refused(written(tmp_path, document), evaluation.KIND)


def test_schemas_and_their_page_are_those_of_the_types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs")
    pages = importlib.import_module("schemas").pages()
    shipped = ROOT / "src" / "pliant" / "storage" / "schemas"
    assert {path.name for path in shipped.iterdir()} == {f"{name}.json" for name in KINDS}
    for path, text in pages.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is out of date: python docs/schemas.py"
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["pliant"]
    assert "storage/schemas/*.json" in data


def test_every_field_says_what_it_means() -> None:
    for path in (ROOT / "src" / "pliant" / "storage" / "schemas").iterdir():
        schema = json.loads(path.read_text())
        for name, part in [(path.stem, schema), *schema["$defs"].items()]:
            assert part["description"] and part["additionalProperties"] is False, name
            assert not [field for field, of in part["properties"].items() if not of.get("description")], name


def test_only_validation_imports_pydantic() -> None:
    """It takes long to import, and commands that read no document need none of it."""
    for path in (ROOT / "src" / "pliant" / "storage").rglob("*.py"):
        at_once = ast.Module([n for n in ast.parse(path.read_text()).body if isinstance(n, ast.Import | ast.ImportFrom)], [])
        text = ast.unparse(at_once)
        assert path.stem == "validation" or not ("pydantic" in text or "validation" in text), path.name


def test_names_of_schemas_are_those_of_the_types() -> None:
    for kind in KINDS.values():
        named = kind.type.__annotations__["schema"]
        assert kind.schema in str(named) and kind.schema == f"pliant.{kind.name}/1"
    assert (adapted.SCHEMA, sweep.SCHEMA) == ("pliant.adapted/1", "pliant.sweep/1")
