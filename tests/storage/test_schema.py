"""Documents that pliant wrote are read as they are, of every version; what is damaged or senseless is refused in one line."""

import ast
import copy
import importlib
import json
import os
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pliant import errors
from pliant.comparing import compare, kept
from pliant.storage import documents, parsing, record, validation
from pliant.storage.schema import adapted, evaluation, run, sweep
from pliant.storage.schema.kind import Kind
from pliant.storage.schema.kinds import KINDS

ROOT = Path(__file__).resolve().parent.parent.parent
HELD = sorted((Path(__file__).parent / "documents").glob("*.json"))
"""Documents as commands wrote them, KIND.json or KIND-WHAT.json; "-0.1.0" were written by that version."""


def kind_of(path: Path) -> Kind[Any]:
    return KINDS[path.stem.partition("-")[0]]


def held(name: str) -> dict[str, Any]:
    (path,) = [path for path in HELD if path.stem == name]
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def written(folder: Path, document: dict[str, Any]) -> Path:
    """`document` in a file, with a seal that fits if it has one."""
    sealed = documents.sealed(document) if "sha256" in document else document
    return documents.write_json(folder / "document.json", sealed)


def refused(path: Path, kind: Kind[Any]) -> str:
    """The one line that refuses a document, without its name."""
    with pytest.raises(errors.UserError) as error:
        documents.read(path, kind)
    said = str(error.value)
    assert said.startswith(f"{path}") and len(said.splitlines()) == 1, said
    return said.removeprefix(f"{path}").removeprefix(": ")


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


def changed(name: str, change: Callable[[Any], object]) -> dict[str, Any]:
    document = held(name)
    change(document)
    return document


def put(where: str, value: Any) -> Callable[[Any], None]:
    """What puts `value` at a place such as "curve.3.return.mean"; what deletes it for Ellipsis."""

    def change(document: Any) -> None:
        *above, last = [int(p) if p.isdigit() else p for p in where.split(".")]
        for place in above:
            document = document[place]
        if value is ...:
            del document[last]
        else:
            document[last] = value

    return change


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


WHOLE = json.dumps({"schema": run.SCHEMA})
UNREADABLE = {
    "1e999": (b'{"schema": "pliant.run/1", "x": 1e999}', "1e999: a number that is not finite"),
    "NaN": (b'{"x": NaN}', "NaN: a number that is not finite"),
    "a number of 5000 digits": (b'{"x": ' + b"9" * 5000 + b"}", "is not JSON (Exceeds the limit"),
    "a number above 64 bits": (b'{"x": 99999999999999999999}', "is not JSON"),
    "nested to the end of the stack": (b'{"x": ' + b"[" * 100_000, "nested too deeply"),
    "nested": (b'{"x": ' + b"[" * 40 + b"]" * 40 + b"}", "is nested deeper than 32 levels"),
    "twice": (b'{"schema": "pliant.run/1", "schema": "x"}', "'schema' stands twice in one object"),
    "UTF-16": (WHOLE.encode("utf-16"), "byte 0 is not UTF-8"),
    "a byte order mark": (WHOLE.encode("utf-8-sig"), "is not JSON"),
    "half a character": (b'{"x": "\\ud800"}', "which is not Unicode text"),
    "a list": (b"[]", "is not a JSON object"),
    "nothing": (b"", "is not JSON"),
    "zeros": (bytes(100), "is not JSON"),
    "cut off": (WHOLE.encode()[:-5], "is not JSON"),
    "two": (WHOLE.encode() * 2, "is not JSON (Extra data"),
    "another schema": (b'{"schema": ["a\\nb"]}', "has schema ['a\\nb']: expected 'pliant.run/1'"),
    "too long": (b" " * (run.KIND.most + 1), "is longer than"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_is_no_document_is_refused(what: str, tmp_path: Path) -> None:
    data, said = UNREADABLE[what]
    path = tmp_path / "run.json"
    path.write_bytes(data)
    if what == "a number above 64 bits":
        said = "holds the number 99999999999999999999..., which is too large"
    assert said in refused(path, run.KIND)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    assert "is not a file" in refused(tmp_path / "pipe", run.KIND)
    for name in ("folder", "nothing"):
        with pytest.raises(errors.UserError, match=f"cannot read .*{name}: "):
            documents.read(tmp_path / name, run.KIND)


@pytest.mark.parametrize("name", ["evaluation", "sweep"])
def test_an_edited_document_is_refused(name: str, tmp_path: Path) -> None:
    path = documents.write_json(tmp_path / "x.json", changed(name, put("train_seed", 1)))
    assert "was edited since it was measured" in refused(path, KINDS[name])
    path = documents.write_json(tmp_path / "x.json", changed(name, put("sha256", ...)))
    assert "was edited since it was measured" in refused(path, KINDS[name])


def test_an_adapted_policys_curve_is_read_with_its_seal(tmp_path: Path) -> None:
    path = documents.write_json(tmp_path / "x.json", changed("evaluation-adapted", put("seed", 1)))
    with pytest.raises(errors.UserError, match="was edited"):
        documents.read(path, evaluation.KIND, unsealed=True)


def test_a_damaged_evaluation_in_a_runs_folder_is_refused_by_name(tmp_path: Path) -> None:
    with record.Run.start(tmp_path / "run", held("run")["config"]) as made:
        made.save(2, {}, {})
        damaged = documents.sealed(changed("evaluation", put("protocol", None)))
        path = made.write_json("evaluations/test-seed0-tasks3-lanes2-stages3.json", damaged)
    with pytest.raises(errors.UserError) as error:
        kept.kept(tmp_path / "run", "test", 3, None, 0)
    assert str(error.value) == f"{path}: protocol is null: expected an object"


def test_a_damaged_sweep_in_a_runs_folder_is_refused_by_name(tmp_path: Path) -> None:
    with record.Run.start(tmp_path / "run", held("run")["config"]) as made:
        made.save(2, {}, {})
        path = made.write_json("sweeps/distance.json", documents.sealed(changed("sweep", put("per_task", [[], []]))))
    with pytest.raises(errors.UserError) as error:
        kept.sweeps([("maml", [tmp_path / "run"])])
    assert str(error.value).startswith(f"{path}: per_task.0 has 0 entries: expected 2")


def places(value: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place within a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*above, key)
        yield from places(each, (*above, key))


FOREIGN = st.one_of(
    st.sampled_from([None, True, "x", "a\nb\x1b[31m", "1", -1, 0, 3, 2.5, 1e300, 10**9, 10**19, [], {}, [1], {"a": 1}, [[[]]]]),
    st.text(max_size=5),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)
DELETED = object()
PLACES = {path: list(places(json.loads(path.read_bytes()))) for path in HELD}


@st.composite
def damaged(draw: st.DrawFn) -> tuple[Path, dict[str, Any]]:
    """A document in which one to three things are gone or something else, with a seal that fits."""
    path = draw(st.sampled_from(HELD))
    document = json.loads(path.read_bytes())
    for _ in range(draw(st.integers(1, 3))):
        where = PLACES[path][draw(st.integers(0, len(PLACES[path]) - 1))]
        value = draw(st.one_of(st.just(DELETED), FOREIGN))
        try:
            holder = document
            for key in where[:-1]:
                holder = holder[key]
            if value is DELETED:
                del holder[where[-1]]
            else:
                holder[where[-1]] = copy.deepcopy(value)
        except (LookupError, TypeError):  # what came before took that place away
            continue
    return path, documents.sealed(document) if "sha256" in document else document


QUICK = settings(
    derandomize=True, deadline=None, database=None, max_examples=60, suppress_health_check=list(HealthCheck)
)  # the same examples every time


@QUICK
@given(damaged())
def test_damage_is_read_as_it_is_or_refused_in_one_line(tmp_path: Path, case: tuple[Path, dict[str, Any]]) -> None:
    origin, document = case
    path = tmp_path / "document.json"
    path.write_text(json.dumps(document))
    try:
        found = documents.read(path, kind_of(origin), unsealed=True)
    except errors.UserError as error:
        assert len(str(error).splitlines()) == 1 and str(path) in str(error)
        return
    assert json.dumps(found) == json.dumps(document)


@QUICK
@given(st.sampled_from(HELD), st.floats(0, 1), st.sampled_from([b"", b"\xff", b'"', b"1e999", b"[" * 5000]))
def test_a_file_that_is_cut_off_or_spoiled_is_refused_in_one_line(
    tmp_path: Path, origin: Path, share: float, spoilt: bytes
) -> None:
    data = origin.read_bytes()
    cut = int(share * (len(data) - 3))
    path = tmp_path / "document.json"
    path.write_bytes(data[:cut] + spoilt)
    with pytest.raises(errors.UserError) as error:
        documents.read(path, kind_of(origin), unsealed=True)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.slow
@settings(QUICK, max_examples=40)
@given(st.data())
def test_what_is_read_can_be_compared(tmp_path: Path, data: st.DataObject) -> None:
    """A senseless evaluation with a seal that fits is refused before it is compared, or does no harm there."""
    document = held("evaluation")
    every = list(places(document))
    where = every[data.draw(st.integers(0, len(every) - 1))]
    put(".".join(map(str, where)), data.draw(st.one_of(st.just(...), FOREIGN)))(document)
    path = documents.write_json(tmp_path / "document.json", documents.sealed(document))
    try:
        json.dumps(compare.compare([path]), allow_nan=False)
    except errors.UserError as error:
        assert len(str(error).splitlines()) == 1


def test_what_is_shown_of_a_damaged_document_is_one_line_of_text() -> None:
    assert validation.shown("a\nb\x1b[31m") == r"'a\nb\x1b[31m'"
    assert len(validation.shown(list(range(1000)))) == 60
    assert parsing.parsed(b'{"x": [1, 2.5, "\xc3\xa9", null]}') == {"x": [1, 2.5, "é", None]}


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
